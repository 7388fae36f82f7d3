//! What similarity and reading both say together: the probability that a text describes a photograph, and an order.
//!
//! A model's ITM head says how sure it is, but neither is that how often it is right, nor does it order photographs well
//! where the model is small. What a search for a text brings up says how both are to be weighed:
//! `p = sigmoid(a * similarity + b * logit + c * ln(words) + d)`, and the same without the logit for what was not read
//! yet. The more words a text has, the more of them may be wrong, and the more similar is what none of them is.
//! The ratio of `b` to `a` is that which puts the right picture of a search before its others most surely (conditional
//! logistic regression); scale and offset are those of logistic regression. `medley eval search` fits and checks them.

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
    /// Of the logarithm of the number of words.
    pub words: f64,
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
    /// Words of the text.
    pub words: usize,
}

/// How a model's evidence is weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Where both are known and where similarity alone is.
    fitted: Option<(Logistic, Logistic)>,
}

/// Fitted to the built-in model: `medley eval search --split val --captions 2 --rerank 32` on Flickr8k's 1,000 pictures
/// of validation. Orders 22.7 / 50.9 / 63.1 % of captions right among the first 1 / 5 / 10; similarity alone 22.1 / 49.6
/// / 62.8, similarity and logit as the authors add them 15.0 / 41.8 / 57.7. Expected calibration error: 1.2 %.
const BUILT_IN: (Logistic, Logistic) = (
    Logistic { similarity: 11.932, logit: 0.2225, words: -1.486, offset: -6.577 },
    Logistic { similarity: 14.186, logit: 0.0, words: -1.453, offset: -7.619 },
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
        let Evidence { similarity, logit, .. } = evidence;
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
        let Evidence { similarity, logit, .. } = evidence;
        self.similarity * f64::from(similarity)
            + self.logit * f64::from(logit.unwrap_or(0.0))
            + self.words * logarithm(evidence)
            + self.offset
    }

    /// The probability that this evidence stands for.
    pub fn probability(&self, evidence: Evidence) -> f32 {
        sigmoid(self.score(evidence)) as f32
    }

    /// Fits the numbers to what is right or wrong; the weight of the logit is `ratio` times that of the similarity.
    pub fn fit(examples: &[(Evidence, bool)], ratio: f64) -> Self {
        let mut numbers = [0.0_f64; 3];
        for _ in 0..50 {
            let mut gradient = [0.0; 3];
            let mut curvature = [[0.0; 3]; 3];
            for (evidence, is_right) in examples {
                let given = [ordered(*evidence, ratio), logarithm(*evidence), 1.0];
                let score: f64 = (0..3).map(|place| numbers[place] * given[place]).sum();
                let probability = sigmoid(score);
                let error = f64::from(u8::from(*is_right)) - probability;
                for row in 0..3 {
                    gradient[row] += error * given[row];
                    for column in 0..3 {
                        curvature[row][column] += probability * (1.0 - probability) * given[row] * given[column];
                    }
                }
            }
            // Keeps the numbers finite where the examples can be told apart without error.
            for row in 0..3 {
                gradient[row] -= 1e-3 * numbers[row];
                curvature[row][row] += 1e-3;
            }
            let step = solve(curvature, gradient);
            (0..3).for_each(|place| numbers[place] += step[place]);
            if step.iter().all(|step| step.abs() < 1e-9) {
                break;
            }
        }
        let [similarity, words, offset] = numbers;
        Self { similarity, logit: similarity * ratio, words, offset }
    }
}

/// How much a logit counts beside a similarity, so that what is right in a search stands before what is not.
pub fn ratio(searches: &[Vec<(Evidence, bool)>]) -> f64 {
    let mut numbers = [0.0_f64; 3]; // the third is not used
    for _ in 0..50 {
        let mut gradient = [0.0; 3];
        let mut curvature = [[1e-3, 0.0, 0.0], [0.0, 1e-3, 0.0], [0.0, 0.0, 1.0]];
        for search in searches {
            let given =
                |evidence: &Evidence| [f64::from(evidence.similarity), f64::from(evidence.logit.unwrap_or(0.0))];
            let rights = search.iter().filter(|(_, is_right)| *is_right).count();
            if rights == 0 {
                continue;
            }
            let scores: Vec<f64> = search
                .iter()
                .map(|(evidence, _)| given(evidence).iter().zip(numbers).map(|(given, number)| given * number).sum())
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
            let mut mean = [0.0; 2];
            let mut product = [[0.0; 2]; 2];
            for ((evidence, is_right), score) in search.iter().zip(scores) {
                let (given, share) = (given(evidence), (score - largest).exp() / total);
                for row in 0..2 {
                    mean[row] += share * given[row];
                    (0..2).for_each(|column| product[row][column] += share * given[row] * given[column]);
                    gradient[row] += if *is_right { given[row] / rights as f64 } else { 0.0 };
                }
            }
            for row in 0..2 {
                gradient[row] -= mean[row];
                (0..2).for_each(|column| curvature[row][column] += product[row][column] - mean[row] * mean[column]);
            }
        }
        (0..2).for_each(|row| gradient[row] -= 1e-3 * numbers[row]);
        let step = solve(curvature, gradient);
        (0..2).for_each(|place| numbers[place] += step[place]);
        if step.iter().all(|step| step.abs() < 1e-9) {
            break;
        }
    }
    if numbers[0] > 0.0 { numbers[1] / numbers[0] } else { 0.0 }
}

/// Similarity and logit in one.
fn ordered(evidence: Evidence, ratio: f64) -> f64 {
    f64::from(evidence.similarity) + ratio * f64::from(evidence.logit.unwrap_or(0.0))
}

fn logarithm(evidence: Evidence) -> f64 {
    (evidence.words.max(1) as f64).ln()
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

    #[test]
    fn a_fit_finds_the_numbers_that_made_the_examples() {
        let made = Logistic { similarity: 12.0, logit: 0.6, words: -1.0, offset: -10.0 };
        // A fixed sequence that looks drawn by chance.
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let mut search = || -> Vec<(Evidence, bool)> {
            let words = 1 + (9.0 * next()) as usize;
            let mut one = || {
                let evidence = Evidence { similarity: next(), logit: Some(8.0 * next() - 4.0), words };
                (evidence, next() < made.probability(evidence))
            };
            (0..20).map(|_| one()).collect()
        };
        let searches: Vec<Vec<(Evidence, bool)>> = (0..4_000).map(|_| search()).collect();
        // The right one of a search is known where there is one alone.
        let single: Vec<_> = searches
            .iter()
            .filter(|search| search.iter().filter(|(_, is_right)| *is_right).count() == 1)
            .cloned()
            .collect();
        let ratio = ratio(&single);
        assert!((ratio - 0.05).abs() < 0.01, "{ratio}");
        let fitted = Logistic::fit(&searches.concat(), 0.05);
        assert!((fitted.similarity - 12.0).abs() < 0.5 && (fitted.logit - 0.6).abs() < 0.03, "{fitted:?}");
        assert!((fitted.words + 1.0).abs() < 0.1 && (fitted.offset + 10.0).abs() < 0.3, "{fitted:?}");
    }

    #[test]
    fn other_models_are_ordered_as_their_authors_do() {
        let other = Calibration { fitted: None };
        let evidence = Evidence { similarity: 0.4, logit: Some(logit(0.9)), words: 3 };
        assert!((other.probability(evidence).expect("was read") - 0.9).abs() < 1e-6);
        assert!((other.order(evidence) - (f64::from(logit(0.9)) + 0.4)).abs() < 1e-6);
        assert_eq!(other.probability(Evidence { logit: None, ..evidence }), None);
        assert!(logit(1.0).is_finite() && logit(0.0).is_finite());
    }
}
