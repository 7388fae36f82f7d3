//! How the learning rate goes up and down.

use super::TrainConfig;

/// The learning rate of a step: a straight rise, then half a cosine down.
pub fn learning_rate(config: &TrainConfig, step: usize, total_steps: usize) -> f64 {
    let peak = config.learning_rate;
    if step < config.warmup_steps {
        return peak * (step + 1) as f64 / config.warmup_steps as f64;
    }
    let length = total_steps.saturating_sub(config.warmup_steps).max(1) as f64;
    let progress = ((step - config.warmup_steps) as f64 / length).min(1.0);
    let least = peak * config.final_rate_factor;
    least + (peak - least) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}
