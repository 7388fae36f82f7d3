//! Counting the runs of one to four words.

use std::collections::BTreeMap;

/// The longest run that is counted.
pub(super) const LONGEST: usize = 4;

/// How often each n-gram occurs in a text, and how many words there are.
#[derive(Clone, Debug, Default)]
pub(super) struct NgramCounts {
    /// Words in the text.
    pub(super) words: usize,
    /// `counts[n - 1]`: the n-grams, their words joined by a space; sorted, so that sums over them never vary.
    pub(super) counts: [BTreeMap<String, u32>; LONGEST],
}

impl NgramCounts {
    /// Reference quirk: a token with a no-break space inside counts as several words here, as one in ROUGE.
    pub(super) fn of(tokens: &[String]) -> Self {
        let words: Vec<&str> = tokens.iter().flat_map(|token| token.split_whitespace()).collect();
        let mut counts: [BTreeMap<String, u32>; LONGEST] = Default::default();
        for (n, counts) in (1..).zip(&mut counts) {
            for run in words.windows(n) {
                *counts.entry(run.join(" ")).or_default() += 1;
            }
        }
        Self { words: words.len(), counts }
    }
}
