//! Which parameters a run leaves as they are.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

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
