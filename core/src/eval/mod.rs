//! Scores, equal to those of the official tools to the last digit that is published.
//!
//! METEOR and SPICE are Java programs with data of their own and are not here.

mod bleu;
pub mod calibration;
mod cider;
mod dialog;
mod filter;
mod ngram;
mod nlvr;
mod ptb;
mod recall;
mod rouge;
mod vqa;

pub use bleu::Bleu;
pub use cider::{CiderReward, DocumentFrequency, cider};
pub use dialog::{DialogScores, RankedRound, dialog_scores, ranks};
pub use filter::{FilterScores, filter_scores};
pub use nlvr::{ReasonScores, reason_scores};
pub use ptb::tokenize;
pub use recall::{RetrievalScores, retrieval_scores};
pub use rouge::rouge_l;
pub use vqa::{VqaPrior, VqaScores, normalize_answer, vqa_accuracy, vqa_scores};

use serde::{Deserialize, Serialize};

/// What the captions of a set of images are worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaptionScores {
    /// BLEU-1 to BLEU-4 over the whole set, from 0 to 1.
    pub bleu: [f64; 4],
    /// Mean ROUGE-L, from 0 to 1.
    pub rouge_l: f64,
    /// Mean CIDEr, from 0 to 10; papers print it times 100.
    pub cider: f64,
    /// Images that were scored.
    pub images: usize,
}

/// Scores one hypothesis an image against that image's references, all raw text.
///
/// # Panics
/// Where there are more hypotheses than lists of references, or fewer, or such a list is empty.
pub fn caption_scores(hypotheses: &[String], references: &[Vec<String>]) -> CaptionScores {
    let references = tokenize_all(references);
    score(hypotheses, &references, &DocumentFrequency::from_references(&references))
}

/// The same with a stored document frequency: what a set of few images needs for a CIDEr that means something.
///
/// # Panics
/// As [`caption_scores`].
pub fn caption_scores_with(
    hypotheses: &[String],
    references: &[Vec<String>],
    frequency: &DocumentFrequency,
) -> CaptionScores {
    score(hypotheses, &tokenize_all(references), frequency)
}

/// The document frequency of raw references, to be stored and given to [`caption_scores_with`].
pub fn document_frequency(references: &[Vec<String>]) -> DocumentFrequency {
    DocumentFrequency::from_references(&tokenize_all(references))
}

fn tokenize_all(references: &[Vec<String>]) -> Vec<Vec<Vec<String>>> {
    references.iter().map(|captions| captions.iter().map(|caption| tokenize(caption)).collect()).collect()
}

fn score(hypotheses: &[String], references: &[Vec<Vec<String>>], frequency: &DocumentFrequency) -> CaptionScores {
    assert_eq!(hypotheses.len(), references.len(), "every image has one hypothesis and one list of references");
    assert!(references.iter().all(|captions| !captions.is_empty()), "every image has at least one reference");
    let images = hypotheses.len();
    let (mut bleu, mut rouge_total, mut cider_total) = (Bleu::default(), 0.0, 0.0);
    for (hypothesis, captions) in hypotheses.iter().zip(references) {
        let hypothesis = tokenize(hypothesis);
        bleu.add(&hypothesis, captions);
        rouge_total += rouge_l(&hypothesis, captions);
        cider_total += cider(&hypothesis, captions, frequency);
    }
    // The mean over no image is 0, not NaN.
    let mean = |total: f64| total / images.max(1) as f64;
    CaptionScores { bleu: bleu.score(), rouge_l: mean(rouge_total), cider: mean(cider_total), images }
}
