//! One channel for everything a long task has to say.

use std::ops::ControlFlow;

/// What a long task tells its caller between two steps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// `done` of `total` bytes of weights have arrived.
    Loading {
        /// Bytes read so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// `done` of `total` items of a named stage are finished.
    Items {
        /// What is being done, in a word or two.
        stage: &'static str,
        /// Items finished.
        done: usize,
        /// Items in all.
        total: usize,
    },
    /// The text of caption or answer `index` so far, after one more token.
    Text {
        /// Which of the batch.
        index: usize,
        /// Text so far.
        text: String,
    },
    /// An optimiser step finished.
    Step {
        /// Steps finished, counted over all epochs.
        step: usize,
        /// Steps in all.
        total: usize,
        /// Mean loss of the step.
        loss: f32,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Images the step read.
        images: usize,
    },
    /// A pass over the training data finished and was saved.
    Epoch {
        /// Epochs finished.
        epoch: usize,
        /// Epochs in all.
        total: usize,
        /// Mean training loss.
        train_loss: f32,
        /// Mean validation loss, where there is a validation split.
        val_loss: Option<f32>,
    },
    /// Something odd that does not stop the task.
    Warning(String),
}

/// Hears progress; answering `Break` stops the task at its next safe point.
pub type Report<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// A report for callers with nothing to show.
pub fn silent(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
