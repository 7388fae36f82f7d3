//! Terms as the vectors that are searched for.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::library::query::{Term, What};

/// Ways in which alternatives may be put together: `(a OR b) (c OR d)` has four.
const MAX_BLENDS: usize = 16;

/// A text or a picture that has a feature.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leaf {
    Words(String),
    Image(PathBuf),
}

/// Leaves by their places, each with its weight.
pub(super) type Blend = Vec<(usize, f32)>;

/// What a query compares photographs with.
#[derive(Clone, Debug, Default)]
pub(super) struct Blends {
    /// Every text and picture once.
    pub leaves: Vec<Leaf>,
    /// The best of these counts.
    pub blends: Vec<Blend>,
}

pub(super) fn blends(terms: &[Term]) -> Result<Blends> {
    let mut leaves = Vec::new();
    let blends = expand(terms, &mut leaves)?;
    Ok(Blends { leaves, blends })
}

/// One blend for every choice of alternatives.
fn expand(terms: &[Term], leaves: &mut Vec<Leaf>) -> Result<Vec<Blend>> {
    let mut blends: Vec<Blend> = vec![Vec::new()];
    for Term { what, weight } in terms {
        let choices = match what {
            What::Words(text) => vec![vec![(place(leaves, Leaf::Words(text.clone())), 1.0)]],
            What::Image(path) => vec![vec![(place(leaves, Leaf::Image(path.clone())), 1.0)]],
            What::Any(alternatives) => {
                let mut choices = Vec::new();
                for alternative in alternatives {
                    choices.append(&mut expand(alternative, leaves)?);
                }
                choices
            }
        };
        if blends.len() * choices.len() > MAX_BLENDS {
            bail!("the query has more than {MAX_BLENDS} ways to choose between alternatives: use OR less often");
        }
        let mut longer = Vec::with_capacity(blends.len() * choices.len());
        for blend in &blends {
            for choice in &choices {
                let mut blend = blend.clone();
                choice.iter().for_each(|(leaf, own)| add(&mut blend, *leaf, own * weight));
                longer.push(blend);
            }
        }
        blends = longer;
    }
    Ok(blends)
}

/// A text that is said twice counts twice.
fn add(blend: &mut Blend, leaf: usize, weight: f32) {
    match blend.iter_mut().find(|(known, _)| *known == leaf) {
        Some((_, known)) => *known += weight,
        None => blend.push((leaf, weight)),
    }
}

fn place(leaves: &mut Vec<Leaf>, leaf: Leaf) -> usize {
    leaves.iter().position(|known| *known == leaf).unwrap_or_else(|| {
        leaves.push(leaf);
        leaves.len() - 1
    })
}

impl Blends {
    /// The texts and their places among the leaves; none where a picture is among them, which no text is read with.
    pub fn texts(&self) -> Vec<(usize, String)> {
        let text = |(place, leaf): (usize, &Leaf)| match leaf {
            Leaf::Words(text) => Some((place, text.clone())),
            Leaf::Image(_) => None,
        };
        self.leaves.iter().enumerate().map(text).collect::<Option<_>>().unwrap_or_default()
    }

    /// A vector of unit length for each blend, of the leaves' features.
    pub fn vectors(&self, features: &[Arc<Vec<f32>>]) -> Result<Vec<Vec<f32>>> {
        let vector = |blend: &Blend| {
            let mut sum = vec![0.0; features.first().map_or(0, |feature| feature.len())];
            for (leaf, weight) in blend {
                sum.iter_mut().zip(features[*leaf].iter()).for_each(|(sum, number)| *sum += weight * number);
            }
            let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
            if length.is_nan() || length < 1e-6 {
                bail!("the terms of the query cancel each other out: take one away");
            }
            sum.iter_mut().for_each(|number| *number /= length);
            Ok(sum)
        };
        self.blends.iter().map(vector).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::query::Query;

    fn of(query: &str) -> Result<Blends> {
        blends(&query.parse::<Query>().expect("a query").terms)
    }

    #[test]
    fn alternatives_are_blends_of_their_own() {
        let found = of("(dog OR cat^2) beach -snow").expect("blends");
        assert_eq!(found.leaves.len(), 4);
        assert_eq!(found.blends, [vec![(0, 1.0), (2, 1.0), (3, -1.0)], vec![(1, 2.0), (2, 1.0), (3, -1.0)]]);
        assert!(of("(a OR b) (c OR d) (e OR f) (g OR h) (i OR j)").is_err());
    }

    #[test]
    fn weights_subtract_and_what_cancels_out_is_refused() {
        let features = [Arc::new(vec![1.0, 0.0]), Arc::new(vec![0.0, 1.0])];
        let vectors = of("dog^3 -cat^4").expect("blends").vectors(&features).expect("a vector");
        assert_eq!(vectors, [vec![0.6, -0.8]]);
        assert!(of("dog -dog").expect("blends").vectors(&features).is_err());
    }
}
