//! A few pictures and what should be said of them, taught to a model that keeps all else it can.
//!
//! A person corrects some captions and wants the model to write like that. Minutes of a large run
//! would be too long and too much: only what writes learns, from image tokens that are computed
//! once, until it says what it was told.

use std::ops::ControlFlow;

use crate::data::CaptionExample;
use crate::error::{Error, Result};
use crate::model::{Captioner, Head, Kind, Model, overlay};
use crate::nn::each_weight;
use crate::pipeline::Pipeline;
use crate::progress::{Progress, Report};
use crate::text::Sharing;
use crate::train::{CaptionTrainer, TrainConfig};
use crate::with_model;

/// Pictures that a step reads at most.
const BATCH: usize = 16;

/// Mean loss of an epoch, in nats a token, at which every lesson is as good as known by heart.
const KNOWN: f32 = 0.1;

/// How lessons are learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TeachOptions {
    /// Passes over the lessons at most; it ends before where they are known.
    pub epochs: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Decides order and drawn captions.
    pub seed: u64,
}

impl Default for TeachOptions {
    fn default() -> Self {
        Self { epochs: 40, learning_rate: 1e-3, seed: 0 }
    }
}

/// The pipeline whose model has learned to write the captions of these pictures.
///
/// A model that also reads texts keeps all weights that reading uses, so that it compares and answers as before; a
/// search hears the decoder too, which knows the captions then. The image encoder stays as it is in every model.
/// Pictures whose captions it should keep belong among the lessons with the captions it has.
///
/// # Errors
/// [`Error::NoHead`] for a model that does not write, [`Error::TooFewExamples`] without a
/// lesson, [`Error::Cancelled`], unreadable pictures and a failing device.
pub async fn teach(
    pipeline: &Pipeline,
    lessons: &[CaptionExample],
    options: &TeachOptions,
    report: &mut Report<'_>,
) -> Result<Pipeline> {
    pipeline.captioner()?;
    let reads = pipeline.config().kind != Kind::Captioner;
    if reads && !matches!(pipeline.config().text.sharing, None | Some(Sharing::AllButSelf)) {
        let reason = "a model that reads and writes with other shared weights than BLIP's cannot be taught".to_owned();
        return Err(Error::Config { reason });
    }
    let (writer, fresh) = pipeline.clone().with_regularization(Some(0.0), Some(0.0))?.into_kind(Kind::Captioner);
    assert!(fresh.is_empty(), "a model that writes has all weights of a captioner");
    let config = TrainConfig {
        epochs: options.epochs,
        batch_size: BATCH.min(lessons.len()).max(1),
        learning_rate: options.learning_rate,
        warmup_steps: 3,
        label_smoothing: 0.0,
        augment: false,
        freeze: kept(writer.model(), reads),
        prompt: writer.inputs().prompt.clone(),
        seed: options.seed,
        ..TrainConfig::default()
    };
    let model = Captioner::of(writer.model().clone()).expect("a captioner was made");
    let pixels = writer.inputs().pixels.clone();
    let mut trainer = CaptionTrainer::new(model, writer.tokenizer(), writer.tokens(), pixels, lessons, config.clone())?;
    let mut is_stopped = false;
    while !trainer.is_finished() {
        let mut watched = |progress: Progress| {
            let flow = report(progress);
            is_stopped |= flow.is_break();
            flow
        };
        let epoch = trainer.epoch(&mut watched).await?;
        let progress =
            Progress::Epoch { epoch: epoch.epoch, total: config.epochs, train_loss: epoch.train_loss, val_loss: None };
        // The last step of an epoch is whole, and an epoch says nothing of having been stopped.
        if is_stopped || report(progress) == ControlFlow::Break(()) {
            return Err(Error::Cancelled);
        }
        if epoch.train_loss < KNOWN {
            break;
        }
    }
    let (model, _) = overlay(pipeline.model().clone(), &Model::from(trainer.model()), 1.0)?;
    // A search weighs what reading says, which stays, and what the decoder says, which knows more now.
    Ok(pipeline.with_model(model).with_calibration(pipeline.calibration().copied()))
}

/// Paths of what stays as it is: the image encoder, and whatever reading uses too.
fn kept(model: &Model, reads: bool) -> Vec<String> {
    if !reads {
        return vec!["vision.*".to_owned()];
    }
    let mut paths = Vec::new();
    let mut note = |path: &str, _: &[usize], _| {
        if !path.contains(".causal.") {
            paths.push(path.to_owned());
        }
    };
    with_model!(model, model => each_weight(model, &mut note));
    paths
}
