//! How well a filter tells right captions from wrong ones.

use serde::Serialize;

/// What a filter is worth, shares and area between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FilterScores {
    /// Captions that are another picture's.
    pub swapped: usize,
    /// Captions that are right.
    pub right: usize,
    /// Least score of a caption that is kept.
    pub threshold: f32,
    /// Share of the swapped captions that are dropped.
    pub caught: f64,
    /// Share of the right captions that are kept.
    pub kept: f64,
    /// Probability that of a right and a swapped caption the right one scores higher: the area under the curve of
    /// kept right over kept swapped captions, whatever the threshold.
    pub auc: f64,
    /// Least score to keep a caption by at which the lesser of the shares caught and kept is greatest.
    pub fair_threshold: f32,
    /// That lesser share.
    pub fair: f64,
}

/// Scores a filter by what it says of captions, each beside whether it is swapped.
///
/// A share of nothing is 1; the area is 0.5 where one kind is lacking.
pub fn filter_scores(judged: &[(f32, bool)], threshold: f32) -> FilterScores {
    let count = |is_counted: &dyn Fn(f32, bool) -> bool| {
        judged.iter().filter(|(score, swapped)| is_counted(*score, *swapped)).count()
    };
    let (swapped, right) = (count(&|_, swapped| swapped), count(&|_, swapped| !swapped));
    let share = |part: usize, whole: usize| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
    let (fair_threshold, fair) = fairest(judged, swapped, right);
    FilterScores {
        fair_threshold,
        fair,
        swapped,
        right,
        threshold,
        caught: share(count(&|score, swapped| swapped && score < threshold), swapped),
        kept: share(count(&|score, swapped| !swapped && score >= threshold), right),
        auc: area(judged, swapped, right),
    }
}

/// The threshold, of all scores there are, at which the lesser of both shares is greatest, and that share.
fn fairest(judged: &[(f32, bool)], swapped: usize, right: usize) -> (f32, f64) {
    let mut sorted = judged.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let share = |part: usize, whole: usize| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
    let (mut best, mut below) = ((0.0, 0.0), [0, 0]);
    for equal in sorted.chunk_by(|a, b| a.0 == b.0) {
        let [caught, lost] = below;
        let lesser = share(caught, swapped).min(share(right - lost, right));
        if lesser > best.1 {
            best = (equal[0].0, lesser);
        }
        equal.iter().for_each(|(_, swapped)| below[usize::from(!swapped)] += 1);
    }
    best
}

/// Wilcoxon's rank sum, equal scores sharing their ranks.
fn area(judged: &[(f32, bool)], swapped: usize, right: usize) -> f64 {
    if swapped == 0 || right == 0 {
        return 0.5;
    }
    let mut sorted = judged.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut before) = (0.0, 0);
    for equal in sorted.chunk_by(|a, b| a.0 == b.0) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        rank_sum += rank * equal.iter().filter(|(_, swapped)| !swapped).count() as f64;
        before += equal.len();
    }
    let (swapped, right) = (swapped as f64, right as f64);
    (rank_sum - right * (right + 1.0) / 2.0) / (right * swapped)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn what_is_caught_and_kept_is_counted_at_the_threshold() {
        let scores = filter_scores(&[(0.5, false), (0.4, false), (0.5, true), (0.1, true), (0.2, true)], 0.5);
        assert_eq!((scores.swapped, scores.right), (3, 2));
        assert_eq!((scores.caught, scores.kept), (2.0 / 3.0, 0.5));
    }

    #[test]
    fn the_fair_threshold_parts_them_best() {
        // Between 0.3 and 0.6 all but one of each are on the right side.
        let judged = [(0.1, true), (0.2, true), (0.3, false), (0.6, false), (0.7, true), (0.9, false)];
        let scores = filter_scores(&judged, 0.5);
        assert_eq!((scores.fair_threshold, scores.fair), (0.3, 2.0 / 3.0));
        assert_eq!(filter_scores(&judged, scores.fair_threshold).caught, scores.fair);
        assert_eq!(filter_scores(&[(0.9, false), (0.8, true)], 0.5).fair, 1.0);
    }

    #[test]
    fn the_area_is_how_often_the_right_one_scores_higher() {
        let mut draws = StdRng::seed_from_u64(0);
        for _ in 0..50 {
            let count = draws.random_range(2..60);
            // Few different scores, so that many are equal.
            let judged: Vec<(f32, bool)> =
                (0..count).map(|_| (draws.random_range(0..8) as f32 / 8.0, draws.random_bool(0.4))).collect();
            let of = |kind: bool| judged.iter().filter(move |(_, swapped)| *swapped == kind).map(|(score, _)| *score);
            let duels = of(false).flat_map(|right| of(true).map(move |wrong| (right, wrong)));
            let wins =
                duels.map(|(right, wrong)| if right == wrong { 0.5 } else { f64::from(u8::from(right > wrong)) });
            let wins: Vec<f64> = wins.collect();
            let expected = if wins.is_empty() { 0.5 } else { wins.iter().sum::<f64>() / wins.len() as f64 };
            assert!((filter_scores(&judged, 0.5).auc - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_perfect_filter_has_all_of_the_area() {
        assert_eq!(filter_scores(&[(0.9, false), (0.8, true)], 0.5).auc, 1.0);
        assert_eq!(filter_scores(&[(0.9, true), (0.8, false)], 0.5).auc, 0.0);
        let nothing = filter_scores(&[], 0.5);
        assert_eq!((nothing.caught, nothing.kept, nothing.auc), (1.0, 1.0, 0.5));
    }
}
