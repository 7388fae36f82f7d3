//! A step in parts: one after the other for less memory, or on several devices at once; the result
//! is the same.

use std::ops::Range;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::readback::read;

/// How a step is taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// Examples in the step.
    pub examples: usize,
    /// Parts at least.
    pub parts: usize,
    /// What the loss is multiplied by before its gradients are taken.
    pub scale: f64,
    /// Where the model lies, with autodiff.
    pub device: &'a Device,
    /// Further devices, each of which takes parts beside it.
    pub beside: &'a [Device],
}

/// The gradients of a loss times `scale`, and the loss as it is.
///
/// # Errors
/// A failing device.
pub(super) async fn gradients<M: Module>(loss: Tensor<1>, scale: f64, model: &M) -> Result<(f32, GradientsParams)> {
    let grads = backward(&loss, scale, model);
    Ok((read(loss.inner()).await?[0], grads))
}

/// Queues the backward pass of a loss.
fn backward<M: Module>(loss: &Tensor<1>, scale: f64, model: &M) -> GradientsParams {
    let scaled = if scale == 1.0 { loss.clone() } else { loss.clone() * scale };
    GradientsParams::from_grads(scaled.backward(), model)
}

impl Parts<'_> {
    /// The loss and the gradients of the step.
    ///
    /// `loss` gives what a part of the step's examples, as places within the step, adds to the loss
    /// of the whole, `[1]`, computed by a copy of the model on a device. Every device works through
    /// its part while the others are given theirs, and nothing is read before all have one: the way
    /// of Burn's `MultiDevice`, whose learner is a loop of its own.
    ///
    /// # Errors
    /// What `loss` gives, and a failing device.
    pub async fn learn<M: Module>(
        &self,
        model: &M,
        mut loss: impl AsyncFnMut(&M, Range<usize>, &Device) -> Result<Tensor<1>>,
    ) -> Result<(f32, GradientsParams)> {
        let copies: Vec<(M, &Device)> = self.beside.iter().map(|device| (model.clone().fork(device), device)).collect();
        let mut workers = vec![(model, self.device)];
        workers.extend(copies.iter().map(|(model, device)| (model, *device)));

        let mut accumulator = GradientsAccumulator::new();
        let mut total = 0.0;
        let parts: Vec<Range<usize>> = self.ranges(workers.len()).collect();
        for round in parts.chunks(workers.len()) {
            let mut begun = Vec::with_capacity(round.len());
            for (part, (copy, device)) in round.iter().zip(&workers) {
                let loss = loss(copy, part.clone(), device).await?;
                let grads = backward(&loss, self.scale, *copy);
                begun.push((loss, grads));
            }
            for (index, (loss, grads)) in begun.into_iter().enumerate() {
                let grads = if index == 0 { grads } else { grads.to_device(&self.device.clone().inner(), model) };
                accumulator.accumulate(model, grads);
                total += read(loss.inner()).await?[0];
            }
        }
        Ok((total, accumulator.grads()))
    }

    /// The parts, as places within the step; the last may be smaller.
    fn ranges(&self, workers: usize) -> impl Iterator<Item = Range<usize>> {
        let (examples, part) = (self.examples, self.examples.div_ceil(self.parts.max(workers)).max(1));
        (0..examples).step_by(part).map(move |start| start..(start + part).min(examples))
    }
}
