//! Accuracy of answers as the official VQA evaluation counts it (`vqaEval.py`).

mod contractions;
mod prior;

pub use prior::VqaPrior;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use contractions::CONTRACTIONS;

/// Marks that are no part of an answer.
const PUNCTUATION: [char; 21] =
    [';', '/', '[', ']', '"', '{', '}', '(', ')', '=', '+', '\\', '_', '-', '>', '<', '@', '`', ',', '?', '!'];

/// Numbers as words; "none" counts as zero.
const NUMBERS: [&str; 11] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Reference quirk: periods taken away at most, the value of a flag that stands in a count's place.
const MAX_PERIODS: usize = 32;

/// Answers of people that must agree for full marks.
const AGREEING: f64 = 3.0;

/// How right answers are, over a set of questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VqaScores {
    /// Mean accuracy, from 0 to 1.
    pub accuracy: f64,
    /// The same for each kind of answer the dataset names.
    pub by_answer_type: BTreeMap<String, f64>,
    /// Questions that were scored.
    pub questions: usize,
}

/// Scores answers against those of people, with the kind of answer where the dataset names it.
pub fn vqa_scores<'a>(answers: impl Iterator<Item = (&'a str, &'a [String], Option<&'a str>)>) -> VqaScores {
    let mut all = Vec::new();
    let mut by_type: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (answer, truths, answer_type) in answers {
        let accuracy = vqa_accuracy(answer, truths);
        all.push(accuracy);
        if let Some(answer_type) = answer_type {
            by_type.entry(answer_type.to_owned()).or_default().push(accuracy);
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    VqaScores {
        accuracy: mean(&all),
        by_answer_type: by_type.into_iter().map(|(name, values)| (name, mean(&values))).collect(),
        questions: all.len(),
    }
}

/// How right one answer is, from 0 to 1: the mean over every set of all people's answers but one
/// of `min(1, those that agree / 3)`.
///
/// A single truth, as COCO-QA has, is right or wrong.
pub fn vqa_accuracy(answer: &str, truths: &[String]) -> f64 {
    let answer = normalize_answer(answer);
    if let [truth] = truths {
        return f64::from(u8::from(answer == normalize_answer(truth)));
    }
    // Reference quirk: where all people agree, their answer is compared as they wrote it.
    let differ = truths.iter().any(|truth| *truth != truths[0]);
    let agrees = |truth: &String| if differ { without_punctuation(truth) == answer } else { *truth == answer };
    let agreeing = truths.iter().filter(|truth| agrees(truth)).count();
    let total: f64 = truths
        .iter()
        .map(|left_out| {
            let others = agreeing - usize::from(agrees(left_out));
            (others as f64 / AGREEING).min(1.0)
        })
        .sum();
    total / truths.len().max(1) as f64
}

/// An answer as it is compared: without punctuation and articles, numbers as digits, contractions
/// with their apostrophes.
pub fn normalize_answer(answer: &str) -> String {
    let answer = answer.replace(['\n', '\t'], " ");
    let answer = without_punctuation(answer.trim()).to_lowercase();
    let words = answer.split_whitespace().map(|word| match NUMBERS.iter().position(|number| *number == word) {
        Some(number) => number.to_string(),
        None if word == "none" => "0".to_owned(),
        None => word.to_owned(),
    });
    let words = words.filter(|word| !["a", "an", "the"].contains(&word.as_str()));
    let words = words.map(|word| match CONTRACTIONS.iter().find(|(written, _)| *written == word) {
        Some((_, meant)) => (*meant).to_owned(),
        None => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Punctuation becomes a space between letters and vanishes beside a space.
///
/// Reference quirk: a comma between two digits anywhere makes all punctuation vanish.
fn without_punctuation(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let is_digit = |letter: &char| letter.is_ascii_digit();
    let has_thousands = letters.windows(3).any(|three| is_digit(&three[0]) && three[1] == ',' && is_digit(&three[2]));
    let stands_apart = |mark: char| {
        letters.windows(2).any(|two| (two[0] == mark && two[1] == ' ') || (two[0] == ' ' && two[1] == mark))
    };
    let mut left = text.to_owned();
    for mark in PUNCTUATION {
        left = left.replace(mark, if has_thousands || stands_apart(mark) { "" } else { " " });
    }
    let letters: Vec<char> = left.chars().collect();
    let mut periods = 0;
    letters
        .iter()
        .enumerate()
        .filter(|(place, letter)| {
            let goes = **letter == '.' && !letters.get(place + 1).is_some_and(is_digit) && periods < MAX_PERIODS;
            periods += usize::from(goes);
            !goes
        })
        .map(|(_, letter)| *letter)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truths(counted: &[(&str, usize)]) -> Vec<String> {
        counted.iter().flat_map(|(answer, count)| std::iter::repeat_n((*answer).to_owned(), *count)).collect()
    }

    /// Checked with the official program.
    #[test]
    fn answers_are_normalized_as_the_official_program_does() {
        let cases = [
            ("red/white", "red white"),
            ("1,000 - 2/3", "1000 23"),
            ("U.S.A.", "usa"),
            ("mr. smith", "mr smith"),
            ("dont know", "don't know"),
            ("The two dogs", "2 dogs"),
            ("None", "0"),
            ("3.5 m", "3.5 m"),
        ];
        for (answer, expected) in cases {
            assert_eq!(normalize_answer(answer), expected, "{answer}");
        }
    }

    #[test]
    fn four_that_agree_give_full_marks_and_fewer_a_share() {
        let accuracy = |agreeing| vqa_accuracy("cat", &truths(&[("cat", agreeing), ("dog", 10 - agreeing)]));
        assert_eq!(accuracy(10), 1.0);
        assert_eq!(accuracy(4), 1.0);
        // Three of the ten sets lack one of the three.
        assert!((accuracy(3) - 0.9).abs() < 1e-12);
        assert!((accuracy(1) - 0.3).abs() < 1e-12);
        assert_eq!(accuracy(0), 0.0);
    }

    #[test]
    fn a_single_truth_is_right_or_wrong() {
        assert_eq!(vqa_accuracy("Two.", &truths(&[("two", 1)])), 1.0);
        assert_eq!(vqa_accuracy("three", &truths(&[("two", 1)])), 0.0);
    }

    #[test]
    fn kinds_of_answers_are_counted_apart() {
        let (yes, two) = (truths(&[("yes", 10)]), truths(&[("2", 10)]));
        let answers = [("yes", &yes[..], Some("yes/no")), ("3", &two[..], Some("number")), ("two", &two[..], None)];
        let scores = vqa_scores(answers.into_iter());
        assert_eq!((scores.by_answer_type["yes/no"], scores.by_answer_type["number"]), (1.0, 0.0));
        assert!((scores.accuracy - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(scores.questions, 3);
    }
}
