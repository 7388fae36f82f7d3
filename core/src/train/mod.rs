//! Training: the loop, readable from top to bottom, and what it needs.

mod caption;
mod config;
mod features;
mod freeze;
mod optimizer;
mod pictures;
mod schedule;
mod state;

pub use caption::{CaptionTrainer, Epoch};
pub use config::{TrainConfig, TrainSizes};
pub use schedule::learning_rate;
