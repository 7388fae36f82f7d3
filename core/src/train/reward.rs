//! Self-critical training: a model learns from what its own captions are worth (Rennie et al. 2017).
//!
//! Every caption is compared with the mean of the model's other captions of the same photograph
//! (Luo 2020), so no second, greedy caption is needed.

use burn::tensor::{Tensor, TensorData};

use super::rows::Row;
use crate::generate::{GenerateConfig, Generated, Strategy};
use crate::text::TokenIds;

/// What a caption of an example is worth, given the example's place and the caption's tokens.
pub type Reward = Box<dyn Fn(usize, &[u32]) -> f64 + Send + Sync>;

/// A caption the model wrote.
pub(super) struct Written {
    /// What was given, what it wrote, and the end where it came to one.
    pub ids: Vec<u32>,
    is_finished: bool,
}

impl Written {
    pub fn new(start: &[u32], text: Generated, tokens: TokenIds) -> Self {
        let end = text.is_finished.then_some(tokens.sep);
        Self { ids: start.iter().copied().chain(text.ids).chain(end).collect(), is_finished: text.is_finished }
    }

    /// The tokens between the `given` first ones and the end.
    pub fn caption(&self, given: usize) -> &[u32] {
        &self.ids[given..self.ids.len() - usize::from(self.is_finished)]
    }
}

/// Draws from the whole distribution: what is learned is the distribution itself.
pub(super) fn written_for_reward(num_texts: usize, max_length: usize, seed: u64) -> GenerateConfig {
    let strategy = Strategy::Sample { top_p: 1.0, top_k: 0, temperature: 1.0, seed };
    GenerateConfig { strategy, max_length, min_length: 0, num_texts, ..GenerateConfig::default() }
}

/// How much better each caption is than the mean of the others of its photograph.
pub(super) fn advantages(rewards: &[f64], per_image: usize) -> Vec<f64> {
    let of_image = |rewards: &[f64]| {
        let sum: f64 = rewards.iter().sum();
        let others = (rewards.len() - 1).max(1) as f64;
        rewards.iter().map(|reward| reward - (sum - reward) / others).collect::<Vec<_>>()
    };
    rewards.chunks(per_image).flat_map(of_image).collect()
}

/// The mean over all tokens of what each costs, times its caption's advantage.
pub(super) fn self_critical(losses: Tensor<1>, rows: &[Row<'_>], advantages: &[f64]) -> Tensor<1> {
    let weights: Vec<f32> = rows
        .iter()
        .zip(advantages)
        .flat_map(|(row, advantage)| std::iter::repeat_n(*advantage as f32, row.ids.len() - row.given))
        .collect();
    let count = weights.len().max(1) as f64;
    let weights = Tensor::from_data(TensorData::from(weights.as_slice()), &losses.device());
    (losses * weights).sum() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_is_measured_by_the_others_of_its_photograph() {
        assert_eq!(advantages(&[1.0, 2.0, 6.0, 5.0, 5.0, 5.0], 3), [-3.0, -1.5, 4.5, 0.0, 0.0, 0.0]);
    }
}
