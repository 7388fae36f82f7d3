//! Too little memory: what is estimated, and what a trainer does that is told there is none.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use medley::model::{BlipConfig, Captioner, Kind};
use medley::nn::BlockRuns;
use medley::progress::Progress;
use medley::text::TextConfig;
use medley::train::{Step, Task, TrainConfig, Trainer, Wanted, step_bytes};
use medley::vision::VisionConfig;
use medley::{Error, Result};
use medley_tests::device;
use rand::rngs::StdRng;

/// A task that finds memory only for parts as small as this, with blocks that run again.
struct Tight {
    part: usize,
}

impl Task for Tight {
    type Model = Captioner;
    type Drawn = ();

    fn with_runs(model: Captioner, runs: &BlockRuns) -> Captioner {
        model.with_runs(runs)
    }

    fn num_examples(&self) -> usize {
        8
    }

    fn draw(&self, _: &[usize], _: &TrainConfig, _: &mut StdRng) -> ((), Option<Wanted>) {
        ((), None)
    }

    async fn learn(&mut self, model: &Captioner, step: Step<'_, ()>) -> Result<(f32, GradientsParams)> {
        let part = step.examples.len().div_ceil(step.config.accumulate);
        if part > self.part || !model.writer().text().runs().recomputes() {
            return Err(Error::OutOfMemory);
        }
        let loss = model.writer().text().word_table().square().sum();
        Ok((1.0, GradientsParams::from_grads(loss.backward(), model)))
    }
}

fn config() -> BlipConfig {
    let text = TextConfig::new().with_vocab_size(40).with_hidden_size(32).with_num_layers(1).with_num_heads(2);
    let text = text.with_feed_forward_size(64).with_max_positions(16);
    BlipConfig::new(Kind::Captioner, VisionConfig::new(16, 8, 32, 1, 2, 64), text)
}

fn trainer(part: usize) -> Trainer<Tight> {
    let task = Tight { part };
    let model = Captioner::init(&config(), &device("cpu"));
    Trainer::of(task, model, TrainConfig { epochs: 1, batch_size: 8, ..TrainConfig::default() }).unwrap()
}

#[test]
fn a_step_that_finds_no_memory_is_taken_in_smaller_parts() {
    let mut trainer = trainer(2);
    let mut said = Vec::new();
    let mut note = |progress| {
        if let Progress::Warning(text) = progress {
            said.push(text);
        }
        ControlFlow::Continue(())
    };
    pollster::block_on(trainer.epoch(&mut note)).unwrap();
    assert!(trainer.is_finished());
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("run again") && said[1].contains("in 2 parts") && said[2].contains("in 4 parts"));
}

#[test]
fn a_step_that_fits_in_no_parts_is_an_error() {
    let ended = pollster::block_on(trainer(0).epoch(&mut medley::progress::silent));
    assert!(matches!(ended, Err(Error::OutOfMemory)), "{ended:?}");
}

/// As measured on the CPU with `medley bench --train caption --batch 4`.
#[test]
fn a_full_size_step_is_estimated_as_it_was_measured() {
    let (model, device) = (BlipConfig::captioning_base(), device("cpu"));
    let bytes = |batch_size, recompute| {
        let train = TrainConfig { batch_size, recompute, ..TrainConfig::default() };
        step_bytes(&model, &train, &device) as f64 / 1e9
    };
    assert!((bytes(4, false) / 6.1 - 1.0).abs() < 0.2, "{}", bytes(4, false));
    assert!((bytes(4, true) / 4.3 - 1.0).abs() < 0.2, "{}", bytes(4, true));
    // The whole model learns in 8 GB.
    assert!(bytes(16, true) < 8.0 && bytes(16, false) > 8.0);
}

#[test]
fn weights_of_sixteen_bits_are_refused() {
    struct Halves;
    impl ModuleMapper for Halves {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| weight.cast(DType::F16))
        }
    }
    let model = Captioner::init(&config(), &device("cpu")).map(&mut Halves);
    let task = Tight { part: 1 };
    let refused = Trainer::of(task, model, TrainConfig::default()).err();
    assert!(matches!(&refused, Some(Error::Config { reason }) if reason.contains("16 bits")), "{refused:?}");
}
