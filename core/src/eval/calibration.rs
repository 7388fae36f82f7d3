//! Fits how evidence of searches is weighed to searches whose right pictures are known.
//!
//! How much each kind of evidence counts beside the others is what puts the right picture of a search before its others
//! most surely (conditional logistic regression); how much all of it counts, and the words, is what makes the
//! probabilities right (logistic regression).

use crate::pipeline::{Evidence, Logistic};

/// A picture that a search brought up, and whether it is right.
pub type Example = (Evidence, bool);

/// How much similarity, logit and gain count beside each other.
pub type Shares = [f64; 3];

/// Similarity alone: the shares of what was not read.
pub const SIMILARITY: Shares = [1.0, 0.0, 0.0];

/// Keeps numbers finite where examples can be told apart without error.
const RIDGE: f64 = 1e-3;
const STEPS: usize = 50;

/// The shares that put what is right in a search before what is not; the similarity's is 1 where it counts at all.
pub fn shares(searches: &[Vec<Example>]) -> Shares {
    let mut numbers = [0.0; 3];
    for _ in 0..STEPS {
        let mut normal = Normal::at(&numbers);
        for search in searches {
            let rights = search.iter().filter(|(_, is_right)| *is_right).count();
            if rights == 0 {
                continue;
            }
            let scores: Vec<f64> = search.iter().map(|(evidence, _)| dot(&given(*evidence), &numbers)).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
            let mut mean = [0.0; 3];
            for ((evidence, is_right), score) in search.iter().zip(scores) {
                let (given, share) = (given(*evidence), (score - largest).exp() / total);
                normal.curve(&given, share);
                (0..3).for_each(|row| mean[row] += share * given[row]);
                if *is_right {
                    normal.pull(&given, 1.0 / rights as f64);
                }
            }
            normal.curve(&mean, -1.0);
            normal.pull(&mean, -1.0);
        }
        if normal.step(&mut numbers) {
            break;
        }
    }
    let [similarity, logit, gain] = numbers;
    if similarity > 0.0 { [1.0, logit / similarity, gain / similarity] } else { SIMILARITY }
}

/// The weights that make probabilities of what is right or wrong, with these shares.
pub fn fit(examples: &[Example], shares: Shares) -> Logistic {
    let mut numbers = [0.0; 3];
    for _ in 0..STEPS {
        let mut normal = Normal::at(&numbers);
        for (evidence, is_right) in examples {
            let given = [dot(&given(*evidence), &shares), (evidence.words.max(1) as f64).ln(), 1.0];
            let probability = 1.0 / (1.0 + (-dot(&given, &numbers)).exp());
            normal.curve(&given, probability * (1.0 - probability));
            normal.pull(&given, f64::from(u8::from(*is_right)) - probability);
        }
        if normal.step(&mut numbers) {
            break;
        }
    }
    let ([scale, words, offset], [similarity, logit, gain]) = (numbers, shares);
    Logistic { similarity: scale * similarity, logit: scale * logit, gain: scale * gain, words, offset }
}

fn given(evidence: Evidence) -> [f64; 3] {
    let (logit, gain) = evidence.reading.map_or((0.0, 0.0), |reading| (reading.logit, reading.gain));
    [evidence.similarity, logit, gain].map(f64::from)
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Newton's step for three numbers: a likelihood's gradient and its curvature.
struct Normal {
    gradient: [f64; 3],
    curvature: [[f64; 3]; 3],
}

impl Normal {
    fn at(numbers: &[f64; 3]) -> Self {
        let mut curvature = [[0.0; 3]; 3];
        (0..3).for_each(|row| curvature[row][row] = RIDGE);
        Self { gradient: numbers.map(|number| -RIDGE * number), curvature }
    }

    fn pull(&mut self, towards: &[f64; 3], weight: f64) {
        (0..3).for_each(|row| self.gradient[row] += weight * towards[row]);
    }

    fn curve(&mut self, along: &[f64; 3], weight: f64) {
        for (row, of_row) in self.curvature.iter_mut().enumerate() {
            (0..3).for_each(|column| of_row[column] += weight * along[row] * along[column]);
        }
    }

    /// Moves the numbers; whether they had arrived.
    fn step(self, numbers: &mut [f64; 3]) -> bool {
        let step = solve(self.curvature, self.gradient);
        (0..3).for_each(|place| numbers[place] += step[place]);
        step.iter().all(|step| step.abs() < 1e-9)
    }
}

/// Solves equations of a matrix that is positive, by elimination.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> [f64; 3] {
    for pivot in 0..3 {
        for row in pivot + 1..3 {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            let above = matrix[pivot];
            matrix[row].iter_mut().zip(above).for_each(|(number, above)| *number -= factor * above);
            right[row] -= factor * right[pivot];
        }
    }
    let mut solution = [0.0; 3];
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Reading;

    /// Searches of 20 pictures each, right as often as these weights say.
    fn searches(made: Logistic) -> Vec<Vec<Example>> {
        // A fixed sequence that looks drawn by chance.
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let mut search = || -> Vec<Example> {
            let words = 1 + (9.0 * next()) as usize;
            let mut one = || {
                let reading = Reading { logit: 8.0 * next() - 4.0, gain: 20.0 * next() - 10.0 };
                let evidence = Evidence { similarity: next(), reading: Some(reading), words };
                (evidence, next() < made.probability(evidence))
            };
            (0..20).map(|_| one()).collect()
        };
        (0..4_000).map(|_| search()).collect()
    }

    #[test]
    fn a_fit_finds_the_numbers_that_made_the_examples() {
        let made = Logistic { similarity: 12.0, logit: 0.6, gain: 0.3, words: -1.0, offset: -10.0 };
        let searches = searches(made);
        // The right one of a search is known where there is one alone.
        let is_single = |search: &&Vec<Example>| search.iter().filter(|(_, is_right)| *is_right).count() == 1;
        let single: Vec<_> = searches.iter().filter(is_single).cloned().collect();
        let [similarity, logit, gain] = shares(&single);
        assert_eq!(similarity, 1.0);
        assert!((logit - 0.05).abs() < 0.01 && (gain - 0.025).abs() < 0.005, "{logit}, {gain}");
        let fitted = fit(&searches.concat(), [1.0, 0.05, 0.025]);
        assert!((fitted.similarity - 12.0).abs() < 0.5 && (fitted.logit - 0.6).abs() < 0.03, "{fitted:?}");
        assert!((fitted.gain - 0.3).abs() < 0.02, "{fitted:?}");
        assert!((fitted.words + 1.0).abs() < 0.1 && (fitted.offset + 10.0).abs() < 0.3, "{fitted:?}");
    }

    #[test]
    fn what_says_nothing_counts_nothing() {
        let made = Logistic { similarity: 12.0, logit: 0.0, gain: 0.0, words: 0.0, offset: -9.0 };
        let mut searches = searches(made);
        let silent = Reading { logit: 0.0, gain: 0.0 };
        searches.iter_mut().flatten().for_each(|(evidence, _)| evidence.reading = Some(silent));
        assert_eq!(shares(&searches), SIMILARITY);
        assert_eq!(shares(&[]), SIMILARITY);
    }
}
