//! What a step takes, and what is done where it is too much.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use super::TrainConfig;
use crate::error::{Error, Result};
use crate::model::{BlipConfig, Kind, Model};
use crate::readback::speaks_of_memory;
use crate::with_model;

/// Tokens of a text where none has been seen yet.
const TOKENS: usize = 32;

/// About how many bytes a run takes at the most: weights, their gradients, two moments and the
/// inner results of a part of a step.
///
/// Counted are the tensors that the backward pass needs; a measured step of ViT-B at 384 px is
/// within a fifth of it.
pub fn step_bytes(model: &BlipConfig, train: &TrainConfig, device: &Device) -> u64 {
    let numbers = 4 * num_weights(model, device) + extra_weights(model, train, device);
    let part = train.batch_size.div_ceil(train.accumulate);
    4 * (numbers + inner_numbers(model, train, part)) as u64
}

fn num_weights(model: &BlipConfig, device: &Device) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += param.lazy_shape().num_elements();
        }
    }
    let mut count = Count(0);
    with_model!(&Model::init(model, device), module => module.visit(&mut count));
    count.0
}

/// A momentum twin, and a running mean.
fn extra_weights(model: &BlipConfig, train: &TrainConfig, device: &Device) -> usize {
    let copies =
        usize::from(matches!(model.kind, Kind::Matcher | Kind::Pretraining)) + usize::from(train.weight_average > 0.0);
    copies * num_weights(model, device)
}

/// Numbers that the backward pass of some pictures needs.
fn inner_numbers(model: &BlipConfig, train: &TrainConfig, pictures: usize) -> usize {
    let (vision, text) = (&model.vision, &model.text);
    let seen = vision.num_tokens();
    // Two norms, queries, keys and values twice, what attention mixes, both residuals; the
    // feed-forward's middle before and after its GELU; attention's weights.
    let block = seen * (12 * vision.hidden_size + 2 * vision.feed_forward_size) + vision.num_heads * seen * seen;
    let texts = train.captions_per_image;
    let written = texts * TOKENS * (20 * text.hidden_size + 2 * text.feed_forward_size);
    let attended = texts * text.num_heads * TOKENS * (TOKENS + seen);
    let layer = written + attended + 4 * seen * text.hidden_size;
    // Pre-training reads each text four times and writes it once.
    let passes = match model.kind {
        Kind::Pretraining => 5,
        Kind::Matcher => 4,
        Kind::Captioner => 1,
        Kind::Answerer | Kind::Reasoner | Kind::Dialog => 2,
    };
    let towers = if train.recompute {
        let inputs = vision.num_layers * seen * vision.hidden_size
            + passes * text.num_layers * texts * TOKENS * text.hidden_size;
        inputs + block.max(layer)
    } else {
        vision.num_layers * block + passes * text.num_layers * layer
    };
    pictures * (towers + 3 * texts * TOKENS * text.vocab_size)
}

/// Waits for a step; a panic of the device's that speaks of memory is an error like any other.
pub(super) async fn caught<T>(step: impl Future<Output = Result<T>>) -> Result<T> {
    let mut step = pin!(step);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| step.as_mut().poll(context))) {
        Ok(polled) => polled,
        Err(panic) if speaks_of_memory(message(&*panic)) => Poll::Ready(Err(Error::OutOfMemory)),
        Err(panic) => resume_unwind(panic),
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn failing(words: &'static str) -> Result<()> {
        panic!("{words}")
    }

    #[test]
    fn a_panic_about_memory_is_an_error() {
        let mut step = pin!(caught(failing("wgpu error: Out of Memory")));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(matches!(step.as_mut().poll(&mut context), Poll::Ready(Err(Error::OutOfMemory))));
    }

    #[test]
    #[should_panic(expected = "something else")]
    fn a_panic_about_something_else_stays_one() {
        let mut step = pin!(caught(failing("something else")));
        let _ = step.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    }
}
