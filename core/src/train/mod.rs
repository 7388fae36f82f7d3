//! Training: the loop, readable from top to bottom, and what it needs.

mod caption;
mod config;
mod features;
mod freeze;
mod optimizer;
mod pictures;
mod reward;
mod rows;
mod schedule;
mod state;

pub use caption::{CaptionTrainer, Epoch};
pub use config::{TrainConfig, TrainSizes};
pub use reward::Reward;
pub use schedule::learning_rate;
