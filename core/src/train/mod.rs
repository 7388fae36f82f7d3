//! Training: the loop, readable from top to bottom, and what it needs.

mod answer;
mod caption;
mod config;
mod contrast;
mod dialog;
mod features;
mod freeze;
mod memory;
mod momentum;
mod negatives;
mod optimizer;
mod pairs;
mod pictures;
mod preset;
mod queue;
mod reason;
mod reward;
mod rows;
mod schedule;
mod state;
mod trainer;

pub use answer::{AnswerTask, AnswerTrainer};
pub use caption::{CaptionTask, CaptionTrainer};
pub use config::{TrainConfig, TrainSizes};
pub use contrast::{Contrast, ContrastConfig, Pairs, matching_loss};
pub use dialog::{DialogTask, DialogTrainer};
pub use features::Shown;
pub use memory::step_bytes;
pub use momentum::Momentum;
pub use pairs::{LearnsPairs, PairTask, PairTrainer};
pub use pictures::{Squares, Wanted, WantedPicture};
pub use queue::FeatureQueue;
pub use reason::{ReasonTask, ReasonTrainer};
pub use reward::Reward;
pub use schedule::{Schedule, learning_rate};
pub use trainer::{Epoch, Step, Task, Trainer};
