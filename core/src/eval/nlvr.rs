//! Accuracy and consistency of NLVR2 (`metrics.py` of the official repository).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How often a model is right about pairs of pictures, shares from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReasonScores {
    /// Pairs that were judged right.
    pub accuracy: f64,
    /// Statements that were judged right for every pair they are made about.
    pub consistency: f64,
    /// Pairs that were scored.
    pub pairs: usize,
    /// Statements that were scored.
    pub statements: usize,
}

/// Scores judgements: what the examples of one statement share, what was said, and what is true.
pub fn reason_scores<'a>(judged: impl Iterator<Item = (&'a str, bool, bool)>) -> ReasonScores {
    let (mut pairs, mut right) = (0, 0);
    let mut all_right: BTreeMap<&str, bool> = BTreeMap::new();
    for (group, said, label) in judged {
        pairs += 1;
        right += usize::from(said == label);
        *all_right.entry(group).or_insert(true) &= said == label;
    }
    let consistent = all_right.values().filter(|all| **all).count();
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    ReasonScores {
        accuracy: share(right, pairs),
        consistency: share(consistent, all_right.len()),
        pairs,
        statements: all_right.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_counts_only_where_every_pair_is_right() {
        let judged = [
            ("dev-1--0", true, true),
            ("dev-1--0", false, true),
            ("dev-1--1", false, false),
            ("dev-2--0", true, true),
            ("dev-2--0", false, false),
        ];
        let scores = reason_scores(judged.into_iter());
        assert_eq!((scores.accuracy, scores.consistency), (4.0 / 5.0, 2.0 / 3.0));
        assert_eq!((scores.pairs, scores.statements), (5, 3));
    }

    #[test]
    fn nothing_judged_is_nothing_and_no_division() {
        let scores = reason_scores(std::iter::empty());
        assert_eq!((scores.accuracy, scores.consistency, scores.pairs), (0.0, 0.0, 0));
    }
}
