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
mod trainer;

pub use caption::{CaptionTask, CaptionTrainer};
pub use config::{TrainConfig, TrainSizes};
pub use reward::Reward;
pub use schedule::learning_rate;
pub use trainer::{Epoch, Step, Task, Trainer};
