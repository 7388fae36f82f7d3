//! Recall of retrieval: how often the right one is among the first (`train_retrieval.py`).

use serde::{Deserialize, Serialize};

/// How many of the first are looked at.
const AMONG: [usize; 3] = [1, 5, 10];

/// Shares of queries, from 0 to 1, whose answer is among the first 1, 5 and 10.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrievalScores {
    /// Texts of a picture: the best of its texts counts.
    pub tr_r1: f64,
    /// As `tr_r1`, among five.
    pub tr_r5: f64,
    /// As `tr_r1`, among ten.
    pub tr_r10: f64,
    /// The picture of a text.
    pub ir_r1: f64,
    /// As `ir_r1`, among five.
    pub ir_r5: f64,
    /// As `ir_r1`, among ten.
    pub ir_r10: f64,
    /// The mean of all six.
    pub r_mean: f64,
    /// Pictures searched.
    pub images: usize,
    /// Texts searched.
    pub texts: usize,
}

/// Scores what was found; `image_of` names the picture every text belongs to.
///
/// `texts[i]` are the texts found for picture `i` and `images[i]` the pictures found for text `i`,
/// places and scores in any order. An answer that was not found has no rank, and a wrong one with
/// the same score as the answer stands before it.
pub fn retrieval_scores(
    texts: &[Vec<(usize, f32)>],
    images: &[Vec<(usize, f32)>],
    image_of: &[usize],
) -> RetrievalScores {
    let text_ranks: Vec<Option<usize>> =
        texts.iter().enumerate().map(|(image, found)| rank(found, |text| image_of.get(text) == Some(&image))).collect();
    let image_ranks: Vec<Option<usize>> =
        images.iter().zip(image_of).map(|(found, own)| rank(found, |image| image == *own)).collect();
    let ([tr_r1, tr_r5, tr_r10], [ir_r1, ir_r5, ir_r10]) = (recall(&text_ranks), recall(&image_ranks));
    RetrievalScores {
        tr_r1,
        tr_r5,
        tr_r10,
        ir_r1,
        ir_r5,
        ir_r10,
        r_mean: (tr_r1 + tr_r5 + tr_r10 + ir_r1 + ir_r5 + ir_r10) / 6.0,
        images: texts.len(),
        texts: images.len(),
    }
}

/// How many wrong ones stand before the best of the right ones.
fn rank(found: &[(usize, f32)], is_right: impl Fn(usize) -> bool) -> Option<usize> {
    let right = found.iter().filter(|(place, score)| is_right(*place) && !score.is_nan());
    let best = right.map(|(_, score)| *score).reduce(f32::max)?;
    Some(found.iter().filter(|(place, score)| !is_right(*place) && *score >= best).count())
}

fn recall(ranks: &[Option<usize>]) -> [f64; 3] {
    AMONG.map(|first| {
        let hits = ranks.iter().flatten().filter(|rank| **rank < first).count();
        hits as f64 / ranks.len().max(1) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_text_of_a_picture_counts() {
        let texts = [vec![(2, 0.9), (0, 0.8), (1, 0.7)], vec![(2, 0.1), (0, 0.0)]];
        let images = [vec![(0, 1.0), (1, 0.5)], vec![(1, 1.0), (0, 0.5)], vec![(1, 0.3)]];
        let scores = retrieval_scores(&texts, &images, &[0, 0, 1]);
        assert_eq!((scores.tr_r1, scores.tr_r5), (0.5, 1.0));
        assert_eq!((scores.ir_r1, scores.ir_r5), (2.0 / 3.0, 1.0));
        assert_eq!((scores.images, scores.texts), (2, 3));
    }

    #[test]
    fn a_model_that_cannot_tell_gets_nothing_for_it() {
        let found: Vec<(usize, f32)> = (0..20).map(|place| (place, 0.5)).collect();
        let scores = retrieval_scores(&vec![found.clone(); 20], &vec![found; 20], &(0..20).collect::<Vec<_>>());
        assert_eq!(scores.r_mean, 0.0);
    }

    #[test]
    fn an_answer_that_was_not_found_has_no_rank() {
        let scores = retrieval_scores(&[vec![(1, 0.5)], vec![(1, 0.5)]], &[vec![], vec![(1, 0.1)]], &[0, 1]);
        assert_eq!((scores.tr_r10, scores.ir_r10), (0.5, 0.5));
    }
}
