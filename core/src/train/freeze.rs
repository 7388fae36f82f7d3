//! Which parameters a run leaves as they are.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

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
pub(super) fn freeze<M: Module>(module: M, patterns: &[String]) -> M {
    module.map(&mut Freezer { patterns, path: Vec::new() })
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
        let is_frozen = self.patterns.iter().any(|pattern| matches(pattern, &path));
        param.set_require_grad(!is_frozen)
    }
}
