//! The momentum twin: a copy of what compares that follows the learning model slowly, so that
//! features of earlier batches stay comparable (BLIP §3.2, `blip_pretrain.py`).

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// A twin of type `M`, without gradients; its parameters have the paths of the learning model's.
pub struct Momentum<M> {
    twin: M,
    decay: f64,
}

impl<M: Module> Momentum<M> {
    /// Starts from a copy without gradients.
    pub fn new(twin: M, decay: f64) -> Self {
        Self { twin, decay }
    }

    /// The twin.
    pub fn twin(&self) -> &M {
        &self.twin
    }

    /// One step after the learning model, which may have more parameters than the twin.
    pub fn follow(&mut self, learning: &impl Module) {
        let mut leading = Leading::default();
        learning.visit(&mut leading);
        let mut following = Following { leading: leading.weights, decay: self.decay, path: Vec::new() };
        self.twin = self.twin.clone().map(&mut following);
    }

    /// Takes up a twin that was saved.
    pub fn restore(&mut self, twin: M) {
        self.twin = twin;
    }
}

/// Every weight of the learning model by path, flat.
#[derive(Default)]
struct Leading {
    path: Vec<String>,
    weights: BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Leading {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.weights.insert(self.path.join("."), param.val().inner().flatten(0, D - 1));
    }
}

struct Following {
    leading: BTreeMap<String, Tensor<1>>,
    decay: f64,
    path: Vec<String>,
}

impl ModuleMapper for Following {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let leading = self.leading.remove(&self.path.join(".")).expect("the learning model has what its twin has");
        param.map(|twin| {
            let leading = leading.reshape(twin.dims());
            twin * self.decay + leading * (1.0 - self.decay)
        })
    }
}
