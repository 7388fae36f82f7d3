//! What similarity and reading both say together: the probability that a text describes a photograph, and an order.
//!
//! A model's ITM head says how sure it is, but neither is that how often it is right, nor does it order photographs well
//! where the model is small. Logistic regression over what a search for a caption brings up weighs both:
//! `p = sigmoid(a * similarity + b * logit + c)`, and a second one without the logit for what was not read yet.
//! `medley eval search` fits and checks the numbers.

use crate::builtin;
use crate::engine::About;

/// Probabilities nearer to 0 or 1 than this have lost their digits.
const MARGIN: f32 = 1e-7;

/// How evidence becomes a probability: the sum of both, each weighted, through a sigmoid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logistic {
    /// Of the similarity, -1 to 1.
    pub similarity: f64,
    /// Of the logit, the logarithm of ITM's odds.
    pub logit: f64,
    /// Added to both.
    pub offset: f64,
}

/// What a text and a photograph were found to have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Cosine of their features (ITC).
    pub similarity: f32,
    /// The logarithm of the odds of a match by reading both together (ITM); `None` while they were not.
    pub logit: Option<f32>,
}

/// How a model's evidence is weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Where both are known and where similarity alone is.
    fitted: Option<(Logistic, Logistic)>,
}

/// Fitted to the built-in model.
const BUILT_IN: (Logistic, Logistic) = (
    Logistic { similarity: 20.0, logit: 0.3, offset: -10.0 },
    Logistic { similarity: 20.0, logit: 0.0, offset: -10.0 },
);

impl Calibration {
    /// That of a model: fitted numbers for the built-in one. For others what BLIP's authors do: ITM's own probability,
    /// and an order by logit plus similarity; what was not read has no probability.
    pub fn of(about: &About) -> Self {
        Self { fitted: (about.name == builtin::NAME).then_some(BUILT_IN) }
    }

    /// With these numbers, where both are known and where similarity alone is.
    pub fn fitted(both: Logistic, alone: Logistic) -> Self {
        Self { fitted: Some((both, alone)) }
    }

    /// The probability that the text describes the photograph.
    pub fn probability(&self, evidence: Evidence) -> Option<f32> {
        match (self.fitted, evidence.logit) {
            (Some((both, _)), Some(_)) => Some(both.probability(evidence)),
            (Some((_, alone)), None) => Some(alone.probability(evidence)),
            (None, Some(logit)) => Some(sigmoid(f64::from(logit)) as f32),
            (None, None) => None,
        }
    }

    /// The higher, the earlier: between photographs that were all read, or all not.
    pub fn order(&self, evidence: Evidence) -> f64 {
        let Evidence { similarity, logit } = evidence;
        match (self.fitted, logit) {
            (Some((both, _)), Some(_)) => both.score(evidence),
            (Some((_, alone)), None) => alone.score(evidence),
            (None, _) => f64::from(similarity) + f64::from(logit.unwrap_or(0.0)),
        }
    }

    /// Whether photographs that were read and those that were not can be put in one order.
    pub fn is_fitted(&self) -> bool {
        self.fitted.is_some()
    }
}

impl Logistic {
    fn score(&self, evidence: Evidence) -> f64 {
        let logit = evidence.logit.unwrap_or(0.0);
        self.similarity * f64::from(evidence.similarity) + self.logit * f64::from(logit) + self.offset
    }

    /// The probability that this evidence stands for.
    pub fn probability(&self, evidence: Evidence) -> f32 {
        sigmoid(self.score(evidence)) as f32
    }

    /// Fits the numbers to examples by Newton's method; without logits, that of the logit is 0.
    ///
    /// An example counts as much as the number beside it, and is right or wrong.
    pub fn fit(examples: &[(Evidence, bool)], with_logit: bool) -> Self {
        let size = if with_logit { 3 } else { 2 };
        let mut numbers = [0.0_f64; 3]; // similarity, offset, logit
        for _ in 0..50 {
            let mut gradient = [0.0; 3];
            let mut curvature = [[0.0; 3]; 3];
            for (evidence, is_right) in examples {
                let given = [f64::from(evidence.similarity), 1.0, f64::from(evidence.logit.unwrap_or(0.0))];
                let score: f64 = (0..size).map(|place| numbers[place] * given[place]).sum();
                let probability = sigmoid(score);
                let error = f64::from(u8::from(*is_right)) - probability;
                for row in 0..size {
                    gradient[row] += error * given[row];
                    for column in 0..size {
                        curvature[row][column] += probability * (1.0 - probability) * given[row] * given[column];
                    }
                }
            }
            // Keeps the numbers finite where the examples can be told apart without error.
            for row in 0..size {
                gradient[row] -= 1e-3 * numbers[row];
                curvature[row][row] += 1e-3;
            }
            let step = solve(curvature, gradient, size);
            (0..size).for_each(|place| numbers[place] += step[place]);
            if step.iter().all(|step| step.abs() < 1e-9) {
                break;
            }
        }
        Self { similarity: numbers[0], logit: numbers[2], offset: numbers[1] }
    }
}

/// The logarithm of the odds of a probability that the model gave.
pub fn logit(probability: f32) -> f32 {
    let probability = probability.clamp(MARGIN, 1.0 - MARGIN);
    (probability / (1.0 - probability)).ln()
}

fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// Solves equations of a matrix that is positive, by elimination.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3], size: usize) -> [f64; 3] {
    for pivot in 0..size {
        for row in pivot + 1..size {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            for column in pivot..size {
                matrix[row][column] -= factor * matrix[pivot][column];
            }
            right[row] -= factor * right[pivot];
        }
    }
    let mut solution = [0.0; 3];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_finds_the_numbers_that_made_the_examples() {
        let made = Logistic { similarity: 12.0, logit: 0.7, offset: -5.0 };
        // A fixed sequence that looks drawn by chance.
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let examples: Vec<(Evidence, bool)> = (0..40_000)
            .map(|_| {
                let evidence = Evidence { similarity: next(), logit: Some(8.0 * next() - 4.0) };
                (evidence, next() < made.probability(evidence))
            })
            .collect();
        let fitted = Logistic::fit(&examples, true);
        assert!((fitted.similarity - 12.0).abs() < 0.5, "{fitted:?}");
        assert!((fitted.logit - 0.7).abs() < 0.05 && (fitted.offset + 5.0).abs() < 0.3, "{fitted:?}");
        assert_eq!(Logistic::fit(&examples, false).logit, 0.0);
    }

    #[test]
    fn other_models_are_ordered_as_their_authors_do() {
        let other = Calibration { fitted: None };
        let evidence = Evidence { similarity: 0.4, logit: Some(logit(0.9)) };
        assert!((other.probability(evidence).expect("was read") - 0.9).abs() < 1e-6);
        assert!((other.order(evidence) - (f64::from(logit(0.9)) + 0.4)).abs() < 1e-6);
        assert_eq!(other.probability(Evidence { logit: None, ..evidence }), None);
        assert!(logit(1.0).is_finite() && logit(0.0).is_finite());
    }
}
