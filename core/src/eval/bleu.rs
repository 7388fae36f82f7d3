//! BLEU over a whole corpus, with the constants of coco-caption.

use super::ngram::{LONGEST, NgramCounts};

/// Added to what was right, so that nothing right is not zero.
const TINY: f64 = 1e-15;

/// Added to what was tried, so that nothing tried is no division by zero.
const SMALL: f64 = 1e-9;

/// Sums over a corpus from which BLEU is computed: add the images one by one, then ask for the score.
#[derive(Clone, Debug, Default)]
pub struct Bleu {
    words: usize,
    reference_words: usize,
    tried: [usize; LONGEST],
    right: [usize; LONGEST],
}

impl Bleu {
    /// Adds one image: its hypothesis and its references, tokenised.
    pub fn add(&mut self, hypothesis: &[String], references: &[Vec<String>]) {
        let found = NgramCounts::of(hypothesis);
        let expected: Vec<NgramCounts> = references.iter().map(|reference| NgramCounts::of(reference)).collect();
        let closest = expected.iter().map(|reference| (reference.words.abs_diff(found.words), reference.words)).min();
        self.words += found.words;
        self.reference_words += closest.map_or(0, |(_, words)| words);
        for index in 0..LONGEST {
            self.tried[index] += found.words.saturating_sub(index);
            self.right[index] += found.counts[index]
                .iter()
                .map(|(ngram, &count)| {
                    let most = expected.iter().filter_map(|reference| reference.counts[index].get(ngram)).max();
                    count.min(most.copied().unwrap_or(0)) as usize
                })
                .sum::<usize>();
        }
    }

    /// BLEU-1 to BLEU-4 of everything added, each from 0 to 1.
    pub fn score(&self) -> [f64; LONGEST] {
        let ratio = (self.words as f64 + TINY) / (self.reference_words as f64 + SMALL);
        let brevity = if ratio < 1.0 { (1.0 - 1.0 / ratio).exp() } else { 1.0 };
        let mut product = 1.0;
        std::array::from_fn(|index| {
            product *= (self.right[index] as f64 + TINY) / (self.tried[index] as f64 + SMALL);
            product.powf(1.0 / (index + 1) as f64) * brevity
        })
    }
}
