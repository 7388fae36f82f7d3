//! The momentum twin: a copy of what compares that follows the learning model slowly, so that
//! features of earlier batches stay comparable (BLIP §3.2, `blip_pretrain.py`).

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::DType;

use crate::kernel::drift;
use crate::nn::{each_weight, replace_weights};

/// A twin of type `M`, without gradients; its parameters have the paths of the learning model's.
#[derive(Clone)]
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
        let mut leading = BTreeMap::new();
        each_weight(learning, &mut |path, _, weight| {
            leading.insert(path.to_owned(), weight);
        });
        let mut moved = BTreeMap::new();
        each_weight(&self.twin, &mut |path, _, twin| {
            let leading = leading.remove(path).expect("the learning model has what its twin has");
            moved.insert(path.to_owned(), drift(twin, leading.cast(DType::F32), self.decay));
        });
        self.twin = replace_weights(self.twin.clone(), &mut |path, _, _| moved.remove(path));
    }

    /// Takes up a twin that was saved.
    pub fn restore(&mut self, twin: M) {
        self.twin = twin;
    }
}
