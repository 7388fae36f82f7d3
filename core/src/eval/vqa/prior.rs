//! What can be answered without looking: the most frequent answer to each kind of question.

use std::collections::HashMap;

use super::normalize_answer;

/// The most frequent answers of a set of questions: the baseline "prior per question type" of VQA
/// (arXiv 1505.00468 §5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VqaPrior {
    overall: String,
    by_type: HashMap<String, String>,
}

impl VqaPrior {
    /// Counts what people answered, every person once; answers that count as the same are one.
    pub fn of<'a>(questions: impl Iterator<Item = (&'a [String], Option<&'a str>)>) -> Self {
        let mut all = HashMap::new();
        let mut types: HashMap<&str, HashMap<String, usize>> = HashMap::new();
        for (answers, question_type) in questions {
            for answer in answers.iter().map(|answer| normalize_answer(answer)) {
                if let Some(question_type) = question_type {
                    *types.entry(question_type).or_default().entry(answer.clone()).or_default() += 1;
                }
                *all.entry(answer).or_default() += 1;
            }
        }
        let by_type = types.into_iter().map(|(name, counts)| (name.to_owned(), most_frequent(counts))).collect();
        Self { overall: most_frequent(all), by_type }
    }

    /// The answer to a question of this kind; of a kind that was not there, the most frequent of all.
    pub fn answer(&self, question_type: Option<&str>) -> &str {
        question_type.and_then(|name| self.by_type.get(name)).unwrap_or(&self.overall)
    }
}

/// The answer given most often, the first in the alphabet of several; empty without any.
fn most_frequent(counts: HashMap<String, usize>) -> String {
    let most = counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
    most.map_or_else(String::new, |(answer, _)| answer)
}
