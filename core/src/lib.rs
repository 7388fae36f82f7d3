//! BLIP in Rust: captions, answers, matches and trains on GPUs of every make.

pub mod device;
pub mod error;
pub mod progress;
mod readback;

pub mod kernel;
pub mod nn;
pub mod text;
pub mod vision;

pub mod model;

pub mod checkpoint;
pub mod generate;
pub mod preprocess;
pub mod tokenizer;

pub mod pipeline;

#[cfg(feature = "train")]
pub mod capfilt;
#[cfg(feature = "train")]
pub mod data;
#[cfg(feature = "train")]
pub mod eval;
#[cfg(feature = "train")]
pub mod loss;
#[cfg(feature = "train")]
pub mod teach;
#[cfg(feature = "train")]
pub mod train;

pub use checkpoint::LoadOptions;
pub use device::{DeviceChoice, OpenDevice};
pub use error::{Error, Result};
pub use pipeline::{AnswerOptions, Caption, CaptionOptions, Match, Pipeline};
pub use progress::{Progress, Report};
