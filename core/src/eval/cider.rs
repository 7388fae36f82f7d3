//! CIDEr, the variant that coco-caption calls CIDEr-D: weighted n-grams, clipped, with a penalty on length.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ngram::{LONGEST, NgramCounts};
use super::tokenize;

/// Width of the penalty on a difference in length.
const SIGMA: f64 = 6.0;

/// In how many images' references an n-gram occurs: what makes a common phrase cheap.
///
/// By default it is counted on the references being scored. That is meaningless for a handful of images (for one
/// it makes every score 0), so a frequency counted on a large set can be stored and used instead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentFrequency {
    /// Images it was counted on.
    pub images: usize,
    /// Images for each n-gram, its words joined by a space.
    pub counts: BTreeMap<String, u32>,
}

impl DocumentFrequency {
    /// Counts the n-grams of tokenised references, one list an image.
    pub fn from_references(references: &[Vec<Vec<String>>]) -> Self {
        let mut frequency = Self::default();
        for captions in references {
            frequency.add(captions);
        }
        frequency
    }

    /// Counts one more image.
    pub fn add(&mut self, captions: &[Vec<String>]) {
        self.images += 1;
        let ngrams: BTreeSet<String> =
            captions.iter().flat_map(|caption| NgramCounts::of(caption).counts).flat_map(BTreeMap::into_keys).collect();
        for ngram in ngrams {
            *self.counts.entry(ngram).or_default() += 1;
        }
    }

    /// Weight of an n-gram: 0 where every image has it, the logarithm of all images where at most one has.
    fn weight(&self, ngram: &str) -> f64 {
        let images = f64::from(self.counts.get(ngram).copied().unwrap_or(0).max(1));
        (self.images as f64).ln() - images.ln()
    }
}

/// CIDEr of one tokenised hypothesis against an image's references, from 0 to 10.
pub fn cider(hypothesis: &[String], references: &[Vec<String>], frequency: &DocumentFrequency) -> f64 {
    if references.is_empty() || frequency.images == 0 {
        return 0.0;
    }
    let hypothesis = Weighted::of(hypothesis, frequency);
    let total: f64 =
        references.iter().map(|reference| hypothesis.similarity(&Weighted::of(reference, frequency))).sum();
    10.0 * total / references.len() as f64
}

/// What captions of a set of images are worth while a model learns from it.
///
/// Every text ends in a mark that counts as a word: without it a caption gains by ending early, on
/// "with a" or "in the", which n-grams of whole captions seldom punish.
#[derive(Clone, Debug)]
pub struct CiderReward {
    references: Vec<Vec<Vec<String>>>,
    frequency: DocumentFrequency,
}

impl CiderReward {
    /// Prepares raw references, one list an image.
    pub fn new(references: &[Vec<String>]) -> Self {
        let references: Vec<Vec<Vec<String>>> =
            references.iter().map(|captions| captions.iter().map(|caption| marked(caption)).collect()).collect();
        Self { frequency: DocumentFrequency::from_references(&references), references }
    }

    /// CIDEr of a raw caption of image `image`, from 0 to 10.
    pub fn of(&self, image: usize, caption: &str) -> f64 {
        cider(&marked(caption), &self.references[image], &self.frequency)
    }
}

fn marked(caption: &str) -> Vec<String> {
    let mut tokens = tokenize(caption);
    tokens.push("<end>".to_owned());
    tokens
}

/// A text as four vectors, one for each length of n-gram.
struct Weighted {
    vectors: [BTreeMap<String, f64>; LONGEST],
    norms: [f64; LONGEST],
    bigrams: u32,
}

impl Weighted {
    fn of(tokens: &[String], frequency: &DocumentFrequency) -> Self {
        let counts = NgramCounts::of(tokens).counts;
        // Reference quirk: the length that the penalty compares is counted in bigrams.
        let bigrams = counts[1].values().sum();
        let vectors = counts.map(|counts| {
            let weigh = |(ngram, count): (String, u32)| {
                let weight = f64::from(count) * frequency.weight(&ngram);
                (ngram, weight)
            };
            counts.into_iter().map(weigh).collect::<BTreeMap<_, _>>()
        });
        let norms =
            std::array::from_fn(|index| vectors[index].values().map(|weight| weight * weight).sum::<f64>().sqrt());
        Self { vectors, norms, bigrams }
    }

    /// Mean over the lengths of n-gram of the clipped cosine, times the penalty.
    fn similarity(&self, reference: &Self) -> f64 {
        let difference = f64::from(self.bigrams) - f64::from(reference.bigrams);
        let penalty = (-difference * difference / (2.0 * SIGMA * SIGMA)).exp();
        let cosine = |index: usize| {
            let product: f64 = self.vectors[index]
                .iter()
                .filter_map(|(ngram, weight)| {
                    reference.vectors[index].get(ngram).map(|other| weight.min(*other) * other)
                })
                .sum();
            let norm = self.norms[index] * reference.norms[index];
            if norm == 0.0 { product } else { product / norm }
        };
        penalty * (0..LONGEST).map(cosine).sum::<f64>() / LONGEST as f64
    }
}
