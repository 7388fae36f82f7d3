//! What was found, with all that is known of how well it matches.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use medley::Pipeline;
use medley::pipeline::{Calibration, Evidence, Reading, Standing, probability, standing};

use super::blend::{Blend, Blends};
use super::{Found, Hit, SearchOptions, SearchOrder};
use crate::library::catalog::Row;
use crate::library::photo::ContentId;
use crate::library::store::{Among, Scored, VectorStore};

/// Photographs in the order of their similarity.
pub(super) struct Candidates {
    calibration: Option<Calibration>,
    blends: Vec<Blend>,
    /// Words of every text; empty where a picture is among them.
    words: Vec<usize>,
    found: Vec<Candidate>,
}

struct Candidate {
    hit: Hit,
    row: Row,
    /// For every leaf; empty where a picture is among them.
    evidence: Vec<Evidence>,
    standing: Standing,
}

impl Candidates {
    pub fn new(found: Vec<Found>, blends: &Blends, calibration: Option<Calibration>) -> Self {
        let candidate = |(scored, row, copies): Found| {
            let hit = Hit { is_settled: false, ..super::hit(scored, row, copies) };
            let standing = Standing { is_ahead: false, score: f64::from(scored.similarity) };
            Candidate { hit, row, evidence: Vec::new(), standing }
        };
        Self {
            calibration,
            blends: blends.blends.clone(),
            words: blends.texts().iter().map(|(_, text)| Pipeline::count_words(text)).collect(),
            found: found.into_iter().map(candidate).collect(),
        }
    }

    /// What each candidate has in common with each text alone.
    pub fn add_similarities(&mut self, store: &dyn VectorStore, features: &[Arc<Vec<f32>>]) -> Result<()> {
        let alone = |similarity: f32, words: usize| Evidence { similarity, reading: None, words };
        let is_single =
            matches!(self.blends.as_slice(), [blend] if matches!(blend.as_slice(), [(_, weight)] if *weight > 0.0));
        if is_single && self.words.len() == 1 {
            for candidate in &mut self.found {
                candidate.evidence = vec![alone(candidate.hit.similarity.unwrap_or(0.0), self.words[0])];
            }
        } else {
            let mut contents: Vec<ContentId> = self.found.iter().map(|candidate| candidate.hit.content).collect();
            contents.sort_unstable();
            for (feature, words) in features.iter().zip(&self.words) {
                let scored = store.search(feature, usize::MAX, Among::Only(&contents))?;
                let similarity: HashMap<ContentId, f32> =
                    scored.into_iter().map(|Scored { content, similarity }| (content, similarity)).collect();
                for candidate in &mut self.found {
                    let similarity = similarity.get(&candidate.hit.content).copied().unwrap_or(0.0);
                    candidate.evidence.push(alone(similarity, *words));
                }
            }
        }
        (0..self.found.len()).for_each(|place| self.weigh(place));
        Ok(())
    }

    /// The content of a candidate, by its place in the order of similarity.
    pub fn content(&self, place: usize) -> ContentId {
        self.found[place].hit.content
    }

    /// The file a candidate is shown by.
    pub fn photo(&self, place: usize) -> crate::library::photo::PhotoId {
        self.found[place].hit.photo
    }

    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Says what reading a candidate together with every text gave, in the order of the leaves.
    pub fn set_readings(&mut self, place: usize, readings: &[Reading]) {
        let candidate = &mut self.found[place];
        candidate.evidence.iter_mut().zip(readings).for_each(|(evidence, reading)| evidence.reading = Some(*reading));
        candidate.hit.is_settled = true;
        self.weigh(place);
    }

    /// Says that none of these will be read any more, from this place on.
    pub fn settle_from(&mut self, place: usize) {
        self.found.iter_mut().skip(place).for_each(|candidate| candidate.hit.is_settled = true);
    }

    /// The list as it is now.
    pub fn hits(&self, options: &SearchOptions) -> Vec<Hit> {
        let is_reached = |candidate: &&Candidate| options.is_reached(&candidate.hit);
        let mut shown: Vec<&Candidate> = self.found.iter().filter(is_reached).collect();
        let mut most = options.top;
        if shown.is_empty() {
            shown = self.found.iter().collect();
            most = most.min(options.nearest);
        }
        shown.sort_by(|a, b| self.compare(a, b));
        shown.truncate(most);
        if options.order == SearchOrder::Date {
            shown.sort_by_key(|candidate| Reverse((candidate.row.day, candidate.row.time)));
        }
        shown.into_iter().map(|candidate| candidate.hit).collect()
    }

    /// The better match first.
    fn compare(&self, a: &Candidate, b: &Candidate) -> Ordering {
        let [one, other] = [a, b].map(|candidate| candidate.standing);
        let by_standing = other.is_ahead.cmp(&one.is_ahead).then(other.score.total_cmp(&one.score));
        by_standing.then(a.hit.content.cmp(&b.hit.content))
    }

    /// Reckons probability and order of a candidate from what is known of it.
    fn weigh(&mut self, place: usize) {
        let Self { calibration, blends, found, .. } = self;
        let candidate = &mut found[place];
        if candidate.evidence.is_empty() {
            return;
        }
        let (mut matched, mut best): (Option<f32>, Option<Standing>) = (None, None);
        for blend in blends.iter() {
            let (own, own_standing) = weigh(calibration.as_ref(), blend, &candidate.evidence);
            matched = match (matched, own) {
                (Some(one), Some(other)) => Some(one.max(other)),
                (one, other) => one.or(other),
            };
            best = best.filter(|best| *best >= own_standing).or(Some(own_standing));
        }
        candidate.hit.matched = matched;
        candidate.standing = best.unwrap_or(candidate.standing);
    }
}

/// Probability and standing by one blend.
fn weigh(calibration: Option<&Calibration>, blend: &Blend, evidence: &[Evidence]) -> (Option<f32>, Standing) {
    if let [(leaf, weight)] = blend.as_slice()
        && *weight > 0.0
    {
        return (probability(calibration, evidence[*leaf]), standing(calibration, evidence[*leaf]));
    }
    let largest = blend.iter().map(|(_, weight)| weight.abs()).fold(f32::MIN_POSITIVE, f32::max);
    let mut logarithm = Some(0.0);
    let (mut is_ahead, mut sum) = (false, 0.0);
    for (leaf, weight) in blend {
        let evidence = evidence[*leaf];
        let standing = standing(calibration, evidence);
        is_ahead |= standing.is_ahead;
        sum += f64::from(*weight) * standing.score;
        logarithm = logarithm.zip(probability(calibration, evidence)).map(|(logarithm, probability)| {
            let of_term = if *weight < 0.0 { 1.0 - probability } else { probability };
            logarithm + f64::from(weight.abs() / largest) * f64::from(of_term.max(f32::MIN_POSITIVE)).ln()
        });
    }
    let score = logarithm.map_or(sum, log_odds);
    (logarithm.map(|logarithm| logarithm.exp() as f32), Standing { is_ahead, score })
}

/// The odds of a probability, both as logarithms: what single terms are ordered by.
fn log_odds(logarithm: f64) -> f64 {
    logarithm - (1.0 - logarithm.exp()).max(f64::MIN_POSITIVE).ln()
}
