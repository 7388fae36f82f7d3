//! What happens to the scores of the next word before one is chosen.

use super::GenerateConfig;

/// `x - ln(sum(exp(x)))`, the sum in 64 bits.
pub(super) fn log_softmax(scores: &[f32]) -> Vec<f32> {
    let shift = log_sum_exp(scores);
    scores.iter().map(|score| score - shift).collect()
}

/// `ln(sum(exp(x)))`, the sum in 64 bits.
pub(super) fn log_sum_exp(scores: &[f32]) -> f32 {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from((score - max).exp())).sum();
    max + sum.ln() as f32
}

/// Applies the penalties and limits of `config` to the scores that follow `row`
/// (transformers' logits processors, in their order).
pub(super) fn restrict(scores: &mut [f32], row: &[u32], sep: u32, config: &GenerateConfig) {
    penalize_repetition(scores, row, config.repetition_penalty);
    for banned in repeating(row, config.no_repeat_ngram) {
        scores[banned as usize] = f32::NEG_INFINITY;
    }
    if row.len() < config.min_length {
        scores[sep as usize] = f32::NEG_INFINITY;
    }
}

fn penalize_repetition(scores: &mut [f32], row: &[u32], penalty: f32) {
    if penalty == 1.0 {
        return;
    }
    let mut seen = row.to_vec();
    seen.sort_unstable();
    seen.dedup();
    for id in seen {
        let score = &mut scores[id as usize];
        *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
    }
}

/// The words that would complete a run of `ngram` tokens for the second time.
fn repeating(row: &[u32], ngram: usize) -> Vec<u32> {
    if ngram == 0 || row.len() + 1 < ngram {
        return Vec::new();
    }
    let ending = &row[row.len() + 1 - ngram..];
    row.windows(ngram).filter(|run| run.starts_with(ending)).map(|run| run[ngram - 1]).collect()
}

/// Leaves only the `k` best scores, the others minus infinity; 0 leaves all.
pub fn keep_top_k(scores: &mut [f32], k: usize) {
    if k == 0 || k >= scores.len() {
        return;
    }
    let mut sorted = scores.to_vec();
    sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    let least = sorted[k - 1];
    for score in scores.iter_mut().filter(|score| **score < least) {
        *score = f32::NEG_INFINITY;
    }
}

/// Leaves only the smallest set of best scores whose probabilities sum to `p` or more.
pub fn keep_top_p(scores: &mut [f32], p: f32) {
    if p >= 1.0 {
        return;
    }
    let probabilities: Vec<f64> = log_softmax(scores).iter().map(|log| f64::from(*log).exp()).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut sum = 0.0;
    for id in order {
        // A word is dropped once the better ones are enough; the best never is.
        if sum > f64::from(p) {
            scores[id] = f32::NEG_INFINITY;
        }
        sum += probabilities[id];
    }
}

/// The indices of the `k` largest values, largest first, the lower index first among equals.
pub(super) fn top_k(values: &[f32], k: usize) -> Vec<usize> {
    let k = k.min(values.len());
    let mut order: Vec<usize> = (0..values.len()).collect();
    let by_value = |a: &usize, b: &usize| values[*b].total_cmp(&values[*a]).then(a.cmp(b));
    if k < order.len() {
        order.select_nth_unstable_by(k, by_value);
        order.truncate(k);
    }
    order.sort_unstable_by(by_value);
    order
}
