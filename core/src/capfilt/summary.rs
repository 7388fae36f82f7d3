//! How much of each kind was kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Judged, Source};

/// Bars of the histogram, over probabilities from 0 to 1.
const BARS: usize = 10;
/// Texts shown of each kind, kept and dropped.
const EXAMPLES: usize = 3;

/// Counts, scores and a few texts of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Pictures seen.
    pub images: usize,
    /// By where texts come from.
    pub sources: BTreeMap<Source, Kind>,
}

/// What became of the texts of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kind {
    /// Texts that stay.
    pub kept: usize,
    /// Texts that go.
    pub dropped: usize,
    /// How many scored 0 to 0.1, 0.1 to 0.2 and so on.
    pub histogram: [usize; BARS],
    /// A few that stay.
    pub kept_examples: Vec<String>,
    /// A few that go.
    pub dropped_examples: Vec<String>,
}

impl Summary {
    /// Counts the texts of one picture.
    pub fn add(&mut self, judged: &[Judged]) {
        self.images += 1;
        for text in judged {
            let kind = self.sources.entry(text.source).or_default();
            let bar = ((text.score * BARS as f32) as usize).min(BARS - 1);
            kind.histogram[bar] += 1;
            let (count, examples) = match text.kept {
                true => (&mut kind.kept, &mut kind.kept_examples),
                false => (&mut kind.dropped, &mut kind.dropped_examples),
            };
            *count += 1;
            if examples.len() < EXAMPLES {
                examples.push(text.caption.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_by_source_and_score() {
        let text = |source, score: f32| Judged { caption: score.to_string(), source, score, kept: score >= 0.5 };
        let mut summary = Summary::default();
        summary.add(&[text(Source::Web, 0.05), text(Source::Web, 1.0), text(Source::Synthetic, 0.5)]);
        summary.add(&[text(Source::Synthetic, 0.49)]);
        let (web, written) = (&summary.sources[&Source::Web], &summary.sources[&Source::Synthetic]);
        assert_eq!((summary.images, web.kept, web.dropped, written.kept, written.dropped), (2, 1, 1, 1, 1));
        assert_eq!((web.histogram[0], web.histogram[9], written.histogram[4], written.histogram[5]), (1, 1, 1, 1));
        assert_eq!(
            (&web.kept_examples[..], &web.dropped_examples[..]),
            (&["1".to_owned()][..], &["0.05".to_owned()][..])
        );
    }
}
