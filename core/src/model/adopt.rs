//! A model of one kind from the weights of another, as the paper starts every fine-tuning from
//! pre-training (BLIP §4.1, §5).

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use super::{BlipConfig, Model};
use crate::with_model;

/// Where a weight comes from that the source does not have at its own place: the first of these
/// exchanges that leads to one of the same shape.
const EXCHANGES: [(&str, &str); 10] = [
    // Both halves of an answerer start from the one stack there is.
    ("question.", "text."),
    ("answer.", "text."),
    ("text.", "question."),
    // A stack that only wrote begins to read, and the other way round.
    (".bidirectional.", ".causal."),
    (".causal.", ".bidirectional."),
    // Both images of a pair are read as one was.
    (".paired_cross.attentions.0.", ".cross.attention."),
    (".paired_cross.attentions.1.", ".cross.attention."),
    (".paired_cross.outputs.0.", ".cross.output."),
    (".paired_cross.outputs.1.", ".cross.output."),
    (".paired_cross.norm.", ".cross.norm."),
];

/// The weights of `source` in a model of the configured kind, and what it had none for: paths of
/// parameters that stay as they were made.
pub fn adopt(source: &Model, config: &BlipConfig, device: &Device) -> (Model, Vec<String>) {
    let mut known = Known::default();
    with_model!(source, module => module.visit(&mut known));
    let mut adopter = Adopter { known: known.weights, path: Vec::new(), fresh: Vec::new() };
    let model = with_model!(Model::init(config, device), module => Model::from(module.map(&mut adopter)));
    (model, adopter.fresh)
}

/// Every weight by path, flat, with its shape.
#[derive(Default)]
struct Known {
    path: Vec<String>,
    weights: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
}

impl ModuleVisitor for Known {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let weight = param.val();
        let shape = weight.dims();
        let length: usize = shape.iter().product();
        self.weights.insert(self.path.join("."), (shape.to_vec(), weight.reshape([length])));
    }
}

struct Adopter {
    known: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
    path: Vec<String>,
    fresh: Vec<String>,
}

impl Adopter {
    fn find(&self, path: &str, shape: &[usize]) -> Option<Tensor<1>> {
        let fits =
            |path: &str| self.known.get(path).filter(|(known, _)| known == shape).map(|(_, weight)| weight.clone());
        if let Some(weight) = fits(path) {
            return Some(weight);
        }
        // An exchange of the stack, of the kind of attention, or one after the other.
        let exchanged = |path: &str| -> Vec<String> {
            let one = |(from, to): &(&str, &str)| match from.starts_with('.') {
                true => path.contains(from).then(|| path.replacen(from, to, 1)),
                false => path.strip_prefix(from).map(|rest| format!("{to}{rest}")),
            };
            EXCHANGES.iter().filter_map(one).collect()
        };
        let once = exchanged(path);
        let twice: Vec<String> = once.iter().flat_map(|path| exchanged(path)).collect();
        once.iter().chain(&twice).find_map(|path| fits(path))
    }
}

impl ModuleMapper for Adopter {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let shape = param.lazy_shape();
        let shape = shape.dims::<D>();
        match self.find(&path, &shape) {
            Some(weight) => {
                let id = param.id;
                param.transform_for_load(weight.reshape(shape), id)
            }
            None => {
                self.fresh.push(path);
                param
            }
        }
    }
}
