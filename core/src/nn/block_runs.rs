//! How the blocks of a tower run while it learns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::kernel::recompute;

/// Gives every block of a step a seed of its own, and says whether blocks keep what they compute
/// or run again in the backward pass.
///
/// All clones are one: a trainer hands it to its model's towers and begins every step with it, so
/// that a run that recomputes drops what a run that keeps drops. A tower that was never handed
/// one keeps everything and draws from wherever the device's chance stands.
#[derive(Clone, Debug, Default)]
pub struct BlockRuns(Option<Arc<State>>);

#[derive(Debug)]
struct State {
    recomputes: AtomicBool,
    next: AtomicU64,
}

impl BlockRuns {
    /// For the towers of one model.
    pub fn new(recomputes: bool) -> Self {
        Self(Some(Arc::new(State { recomputes: recomputes.into(), next: AtomicU64::new(0) })))
    }

    /// Begins a step, whose chance depends on `seed` alone.
    pub fn begin(&self, seed: u64) {
        if let Some(state) = &self.0 {
            state.next.store(seed, Ordering::Relaxed);
        }
    }

    /// Whether blocks run again in the backward pass.
    pub fn recomputes(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.recomputes.load(Ordering::Relaxed))
    }

    /// Lets blocks run again from here on.
    pub fn recompute(&self) {
        if let Some(state) = &self.0 {
            state.recomputes.store(true, Ordering::Relaxed);
        }
    }

    /// Begins the chance of what stands outside of blocks.
    pub fn seed(&self, device: &Device) {
        if let Some(seed) = self.next(device) {
            device.seed(seed);
        }
    }

    /// Runs a block on the tensors it learns through.
    pub fn run<M, F, const N: usize, const D: usize, const E: usize>(
        &self,
        block: &M,
        inputs: [Tensor<D>; N],
        run: F,
    ) -> Tensor<E>
    where
        M: Module + 'static,
        F: Fn(&M, [Tensor<D>; N]) -> Tensor<E> + Send + 'static,
    {
        let device = inputs[0].device();
        match self.next(&device) {
            Some(seed) if self.recomputes() => recompute(block, inputs, seed, run),
            Some(seed) => {
                device.seed(seed);
                run(block, inputs)
            }
            None => run(block, inputs),
        }
    }

    /// Runs a tower on a part of a batch, and again in the backward pass whatever its blocks do:
    /// no more than one part's inner results are in memory. Both runs draw from `seed` on.
    pub fn run_part<M, F, const N: usize, const D: usize, const E: usize>(
        &self,
        tower: &M,
        inputs: [Tensor<D>; N],
        seed: u64,
        run: F,
    ) -> Tensor<E>
    where
        M: Module + 'static,
        F: Fn(&M, [Tensor<D>; N]) -> Tensor<E> + Send + 'static,
    {
        if !inputs[0].device().is_autodiff() {
            return run(tower, inputs);
        }
        let runs = self.clone();
        recompute(tower, inputs, seed, move |tower, inputs| {
            runs.begin(seed);
            run(tower, inputs)
        })
    }

    /// A seed that no other block of the step has; none where nothing learns.
    fn next(&self, device: &Device) -> Option<u64> {
        let state = self.0.as_ref().filter(|_| device.is_autodiff())?;
        // Steps begin at random places of 64 bits: counting from there never meets another step.
        Some(state.next.fetch_add(1, Ordering::Relaxed))
    }
}
