//! Hard negatives: for every picture a text that is not its own, for every text a picture.

use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;

/// Draws one column for each row, as likely as its weight.
///
/// A row without any weight, of a batch that has one picture only, gets `None`.
pub(super) fn draw(weights: &[f32], columns: usize, draws: &mut impl Rng) -> Option<Vec<usize>> {
    weights.chunks_exact(columns).map(|row| WeightedIndex::new(row).ok().map(|row| row.sample(draws))).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn the_likelier_is_drawn_more_often_and_the_impossible_never() {
        let mut draws = StdRng::seed_from_u64(1);
        let drawn: Vec<usize> =
            (0..4000).flat_map(|_| draw(&[0.0, 3.0, 1.0], 3, &mut draws).expect("there are weights")).collect();
        let share = drawn.iter().filter(|column| **column == 1).count() as f64 / 4000.0;
        assert!(!drawn.contains(&0));
        // Four standard deviations of 4,000 draws.
        assert!((share - 0.75).abs() < 0.028, "{share}");
    }

    #[test]
    fn a_row_without_weight_has_no_negative() {
        assert_eq!(draw(&[0.0, 1.0, 0.0, 0.0], 2, &mut StdRng::seed_from_u64(1)), None);
    }
}
