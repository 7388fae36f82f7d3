//! The weights of a module by path, flat, whatever their shapes.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

/// Gives other numbers for a weight, or none: told its path, its shape and where it lies.
pub type Replacement<'a> = dyn FnMut(&str, &[usize], &Device) -> Option<Tensor<1>> + 'a;

/// Shows every weight: its path, its shape, and its numbers row by row, without gradients.
pub fn each_weight<M: Module>(module: &M, see: &mut dyn FnMut(&str, &[usize], Tensor<1>)) {
    module.visit(&mut Each { path: Vec::new(), see });
}

/// The module with other numbers in those weights for which `replace` gives some.
pub fn replace_weights<M: Module>(module: M, replace: &mut Replacement<'_>) -> M {
    module.map(&mut Replace { path: Vec::new(), replace })
}

struct Each<'a> {
    path: Vec<String>,
    see: &'a mut dyn FnMut(&str, &[usize], Tensor<1>),
}

impl ModuleVisitor for Each<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let weight = param.val();
        let weight = if weight.device().is_autodiff() { weight.inner() } else { weight };
        let shape = weight.dims();
        let length: usize = shape.iter().product();
        (self.see)(&self.path.join("."), &shape, weight.reshape([length]));
    }
}

struct Replace<'a> {
    path: Vec<String>,
    replace: &'a mut Replacement<'a>,
}

impl ModuleMapper for Replace<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape().dims::<D>();
        match (self.replace)(&self.path.join("."), &shape, &param.lazy_device()) {
            Some(weight) => {
                let id = param.id;
                param.transform_for_load(weight.reshape(shape), id)
            }
            None => param,
        }
    }
}
