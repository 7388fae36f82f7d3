//! How the learning rate goes up and down.

use serde::{Deserialize, Serialize};

use super::TrainConfig;

/// How the learning rate falls once it has risen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Half a cosine, a little every step.
    #[default]
    Cosine,
    /// The same cosine, one level an epoch: the authors' fine-tunings (`cosine_lr_schedule`).
    CosineByEpoch,
    /// Nine tenths of it every epoch: the authors' pre-training (`step_lr_schedule`).
    Decay,
}

/// What is left of the learning rate after an epoch of [`Schedule::Decay`].
const DECAY: f64 = 0.9;

/// The learning rate of a step: a straight rise, then down as the schedule says.
///
/// Reference quirk: the authors' rise ends with the first epoch however short that is; ours goes
/// on to its end, or to a third of the run where that is sooner: a run of a few steps must learn.
pub fn learning_rate(config: &TrainConfig, step: usize, total_steps: usize) -> f64 {
    let peak = config.learning_rate;
    let warmup_steps = config.warmup_steps.min(total_steps.div_ceil(3));
    if step < warmup_steps {
        // A rise from zero begins with its first step, for a step at zero would learn nothing.
        let done = if config.first_rate > 0.0 { step } else { step + 1 };
        return config.first_rate + (peak - config.first_rate) * done as f64 / warmup_steps as f64;
    }
    let least = peak * config.final_rate_factor;
    let epoch = step * config.epochs / total_steps.max(1);
    let cosine =
        |progress: f64| least + (peak - least) * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos());
    match config.schedule {
        Schedule::Cosine => {
            let length = total_steps.saturating_sub(warmup_steps).max(1) as f64;
            cosine((step - warmup_steps) as f64 / length)
        }
        Schedule::CosineByEpoch => cosine(epoch as f64 / config.epochs.max(1) as f64),
        Schedule::Decay => (peak * DECAY.powi(epoch as i32)).max(least),
    }
}
