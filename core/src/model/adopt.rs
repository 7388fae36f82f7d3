//! A model of one kind from the weights of another, as the paper starts every fine-tuning from
//! pre-training (BLIP §4.1, §5).

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor};

use super::{BlipConfig, Kind, Model};
use crate::error::{Error, Result};
use crate::nn::{each_weight, replace_weights};
use crate::with_model;

/// Where a weight comes from that the source does not have at its own place: the first of these
/// exchanges that leads to one of the same shape.
const EXCHANGES: [(&str, &str); 14] = [
    // Both halves of an answerer start from the one stack there is.
    ("question.", "text."),
    ("answer.", "text."),
    ("text.", "question."),
    // Whether a text matches is asked alike of captions and of answers.
    ("itm_head.", "heads.itm_head."),
    ("heads.itm_head.", "itm_head."),
    // What writes apart from what reads begins as what does both, and its cross-attention too.
    ("decoder.", "text."),
    (".causal_cross.", ".cross."),
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

/// Where what writes finds the weights of a pre-training model that writes with others than it
/// reads with: these come before the weight's own place, but for an answer's.
const WRITTEN: [(&str, &str); 3] = [("text.", "decoder."), ("answer.", "decoder."), (".cross.", ".causal_cross.")];

/// Weights by path, each with its shape.
type Weights = BTreeMap<String, (Vec<usize>, Tensor<1>)>;

/// The weights of `source` in a model of the configured kind, and what it had none for: paths of
/// parameters that stay as they were made.
pub fn adopt(source: &Model, config: &BlipConfig, device: &Device) -> (Model, Vec<String>) {
    let mut known = Weights::new();
    let mut note = |path: &str, shape: &[usize], weight| {
        known.insert(path.to_owned(), (shape.to_vec(), weight));
    };
    with_model!(source, module => each_weight(module, &mut note));
    let mut fresh = Vec::new();
    let mut take = |path: &str, shape: &[usize], _: &Device| {
        let writes = config.kind == Kind::Captioner && path.starts_with("text.")
            || path.starts_with("answer.")
            || path.contains(".causal.");
        let found = find(&known, path, shape, writes);
        if found.is_none() {
            fresh.push(path.to_owned());
        }
        found
    };
    let model = with_model!(Model::init(config, device), module => Model::from(replace_weights(module, &mut take)));
    (model, fresh)
}

/// The model with the weights that `other` has at the same paths, and how many those are: what a captioner learned
/// further goes back into the model it was a part of.
///
/// With a share below 1 each weight goes only so far towards the other's: half of the way, two models that learned from
/// a common start become their mean, a soup (Wortsman et al., arXiv 2203.05482), which is often better than either.
///
/// # Errors
/// [`Error::MisshapenWeight`] for a weight that both have in different shapes: the rest of `other`
/// learned beside it, and means nothing without it.
pub fn overlay(model: Model, other: &Model, share: f64) -> Result<(Model, usize)> {
    let mut own = Weights::new();
    if share < 1.0 {
        let mut note = |path: &str, shape: &[usize], weight| {
            own.insert(path.to_owned(), (shape.to_vec(), weight));
        };
        with_model!(&model, module => each_weight(module, &mut note));
    }
    let mut known = Weights::new();
    let mut note = |path: &str, shape: &[usize], weight| {
        known.insert(path.to_owned(), (shape.to_vec(), weight));
    };
    with_model!(other, module => each_weight(module, &mut note));
    let (mut taken, mut misshapen) = (0, None);
    let mut take = |path: &str, shape: &[usize], _: &Device| {
        let (found, weight) = known.remove(path)?;
        if found != shape {
            let name = path.to_owned();
            misshapen.get_or_insert(Error::MisshapenWeight { name, found, expected: shape.to_vec() });
            return None;
        }
        taken += 1;
        Some(match own.remove(path) {
            // Of 16-bit weights too the mean is taken in 32 bits.
            Some((_, own)) => {
                let dtype = own.dtype();
                (own.cast(DType::F32) * (1.0 - share) + weight.cast(DType::F32) * share).cast(dtype)
            }
            None => weight,
        })
    };
    let model = with_model!(model, module => Model::from(replace_weights(module, &mut take)));
    misshapen.map_or(Ok((model, taken)), Err)
}

/// The weight of this shape at this path, or at one that an exchange leads to: of the stack, of
/// the kind of attention, or one after the other.
fn find(known: &Weights, path: &str, shape: &[usize], writes: bool) -> Option<Tensor<1>> {
    // What answers is learned as nothing else is.
    let own = path.starts_with("answer.").then(|| path.to_owned());
    let first = if writes { exchanged(path, &WRITTEN) } else { Vec::new() };
    let once = exchanged(path, &EXCHANGES);
    let twice = once.iter().flat_map(|path| exchanged(path, &EXCHANGES)).collect::<Vec<_>>();
    let paths = own.into_iter().chain(first).chain([path.to_owned()]).chain(once).chain(twice);
    let fitting = paths.filter_map(|path| known.get(&path)).find(|(known, _)| known == shape);
    fitting.map(|(_, weight)| weight.clone())
}

fn exchanged(path: &str, exchanges: &[(&str, &str)]) -> Vec<String> {
    let one = |(from, to): &(&str, &str)| match from.starts_with('.') {
        true => path.contains(from).then(|| path.replacen(from, to, 1)),
        false => path.strip_prefix(from).map(|rest| format!("{to}{rest}")),
    };
    exchanges.iter().filter_map(one).collect()
}
