//! Which parameters a run leaves as they are.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::error::{Error, Result};
use crate::vision::VisionTransformer;

/// Whether a path matches a pattern in which `*` stands for anything.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, rest)) => path.strip_prefix(start).is_some_and(|path| {
            rest.is_empty()
                || (0..=path.len()).filter(|at| path.is_char_boundary(*at)).any(|at| matches(rest, &path[at..]))
        }),
    }
}

/// Takes the gradients away from every parameter that a pattern names.
///
/// # Errors
/// [`Error::Option`] for a pattern that names none, and where nothing is left that learns.
pub(super) fn freeze<M: Module>(module: M, patterns: &[String]) -> Result<M> {
    let mut freezer = Freezer { patterns, path: Vec::new(), named: vec![false; patterns.len()], learns: false };
    let module = module.map(&mut freezer);
    let wrong = |reason| Err(Error::Option { option: "freeze", reason });
    match freezer.named.iter().position(|named| !named) {
        Some(place) => wrong(format!("no parameter is called {:?}; medley inspect lists them", patterns[place])),
        None if !freezer.learns => wrong("nothing is left that learns".to_owned()),
        None => Ok(module),
    }
}

/// The first part of the image encoder that learns: a block, one past the last for the final
/// norm, two past the last where nothing does.
pub(super) fn first_learning_part(vision: &VisionTransformer) -> usize {
    let mut learning = Learning { path: Vec::new(), last: vision.num_layers(), first: vision.num_layers() + 1 };
    vision.visit(&mut learning);
    learning.first
}

struct Learning {
    path: Vec<String>,
    /// Number of blocks.
    last: usize,
    first: usize,
}

impl ModuleVisitor for Learning {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let place = match self.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["blocks", block, ..] => block.parse().unwrap_or(0),
            ["norm", ..] => self.last,
            _ => 0,
        };
        if param.is_require_grad() {
            self.first = self.first.min(place);
        }
    }
}

struct Freezer<'a> {
    patterns: &'a [String],
    path: Vec<String>,
    /// Which patterns have named a parameter.
    named: Vec<bool>,
    learns: bool,
}

impl ModuleMapper for Freezer<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let mut is_frozen = false;
        for (pattern, named) in self.patterns.iter().zip(&mut self.named) {
            if matches(pattern, &path) {
                (is_frozen, *named) = (true, true);
            }
        }
        self.learns |= !is_frozen;
        param.set_require_grad(!is_frozen)
    }
}
