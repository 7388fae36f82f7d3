//! Ranks of answers in dialogs (VisDial's `metrics.py`).

use serde::{Deserialize, Serialize};

/// How many of the first are looked at.
const AMONG: [usize; 3] = [1, 5, 10];

/// A round whose options were ranked.
#[derive(Clone, Copy, Debug)]
pub struct RankedRound<'a> {
    /// The rank of every option, of [`ranks`].
    pub ranks: &'a [usize],
    /// The place of the answer among the options, where it is known.
    pub right: Option<usize>,
    /// How fitting people found every option, where they were asked.
    pub relevance: Option<&'a [f32]>,
}

/// Where the right answers stood.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DialogScores {
    /// Mean of one divided by the rank.
    pub mrr: f64,
    /// Share of rounds whose answer was first.
    pub r1: f64,
    /// As `r1`, among five.
    pub r5: f64,
    /// As `r1`, among ten.
    pub r10: f64,
    /// Mean rank, 1 at best.
    pub mean_rank: f64,
    /// Mean gain of the fitting options, 1 where they all come first; absent without dense annotations.
    pub ndcg: Option<f64>,
    /// Rounds whose answer is known.
    pub rounds: usize,
    /// Rounds with dense annotations.
    pub dense_rounds: usize,
}

/// The rank of every option by its score, the highest 1; equal ones in their order.
pub fn ranks(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut ranks = vec![0; scores.len()];
    order.into_iter().zip(1..).for_each(|(place, rank)| ranks[place] = rank);
    ranks
}

/// Scores ranked rounds; those without an answer or annotations count where they have the other.
pub fn dialog_scores<'a>(rounds: impl Iterator<Item = RankedRound<'a>>) -> DialogScores {
    let (mut of_right, mut gains) = (Vec::new(), Vec::new());
    for RankedRound { ranks, right, relevance } in rounds {
        of_right.extend(right.map(|right| ranks[right]));
        gains.extend(relevance.and_then(|relevance| gain(ranks, relevance)));
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let mean_of = |value: &dyn Fn(usize) -> f64| mean(&of_right.iter().map(|rank| value(*rank)).collect::<Vec<_>>());
    let [r1, r5, r10] = AMONG.map(|first| mean_of(&|rank| f64::from(u8::from(rank <= first))));
    DialogScores {
        mrr: mean_of(&|rank| 1.0 / rank as f64),
        r1,
        r5,
        r10,
        mean_rank: mean_of(&|rank| rank as f64),
        ndcg: (!gains.is_empty()).then(|| mean(&gains)),
        rounds: of_right.len(),
        dense_rounds: gains.len(),
    }
}

/// The gain of the first `k` options over the best there could be, where `k` options are fitting at all; none
/// where no option is.
fn gain(ranks: &[usize], relevance: &[f32]) -> Option<f64> {
    let k = relevance.iter().filter(|relevance| **relevance != 0.0).count();
    let discounted = |place: usize, relevance: f32| f64::from(relevance) / (place as f64 + 2.0).log2();
    let mut best = relevance.to_vec();
    best.sort_by(|a, b| b.total_cmp(a));
    let most: f64 = best.into_iter().take(k).enumerate().map(|(place, relevance)| discounted(place, relevance)).sum();
    let found = ranks.iter().zip(relevance).filter(|(rank, _)| **rank <= k);
    (k > 0).then(|| found.map(|(rank, relevance)| discounted(rank - 1, *relevance)).sum::<f64>() / most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_score_ranks_first_and_equal_ones_in_their_order() {
        assert_eq!(ranks(&[0.1, 0.9, 0.5, 0.9]), [4, 1, 3, 2]);
        assert!(ranks(&[]).is_empty());
    }

    /// Ranks 2, 1, 8 and 20: 1/2 + 1 + 1/8 + 1/20 over four.
    #[test]
    fn ranks_make_means_and_shares() {
        let mut all = vec![vec![2, 1], vec![1, 2]];
        all.push((1..=8).collect());
        all.push((1..=20).collect());
        let right = [0, 0, 7, 19];
        let round =
            |(ranks, right): (&'static [usize], usize)| RankedRound { ranks, right: Some(right), relevance: None };
        let all: Vec<&'static [usize]> = all.into_iter().map(|ranks| &*ranks.leak()).collect();
        let scores = dialog_scores(all.into_iter().zip(right).map(round));
        assert!((scores.mrr - 1.675 / 4.0).abs() < 1e-12, "{}", scores.mrr);
        assert_eq!((scores.r1, scores.r5, scores.r10, scores.mean_rank), (0.25, 0.5, 0.75, 31.0 / 4.0));
        assert_eq!((scores.ndcg, scores.rounds, scores.dense_rounds), (None, 4, 0));
    }

    /// Two of four options are fitting, 1 and 0.5; the first two ranked are the half and a zero:
    /// 0.5 / log2(2) over 1 / log2(2) + 0.5 / log2(3).
    #[test]
    fn gain_is_that_of_as_many_as_are_fitting() {
        let ranks = [3, 1, 2, 4];
        let relevance = [1.0, 0.5, 0.0, 0.0];
        let round = RankedRound { ranks: &ranks, right: None, relevance: Some(&relevance) };
        let scores = dialog_scores(std::iter::once(round));
        let expected = 0.5 / (1.0 + 0.5 / 3f64.log2());
        assert!((scores.ndcg.unwrap_or(0.0) - expected).abs() < 1e-12, "{:?} is not {expected}", scores.ndcg);
        assert_eq!((scores.rounds, scores.dense_rounds), (0, 1));
        let best = RankedRound { ranks: &[1, 2, 4, 3], ..round };
        assert_eq!(dialog_scores(std::iter::once(best)).ndcg, Some(1.0));
    }

    #[test]
    fn a_round_in_which_nothing_is_fitting_has_no_gain() {
        let round = RankedRound { ranks: &[1, 2], right: Some(1), relevance: Some(&[0.0, 0.0]) };
        let scores = dialog_scores(std::iter::once(round));
        assert_eq!((scores.ndcg, scores.rounds, scores.dense_rounds), (None, 1, 0));
    }
}
