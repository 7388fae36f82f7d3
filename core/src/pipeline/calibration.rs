//! What similarity and reading say together of a text that is searched for: a probability, and an order.
//!
//! A model's ITM head says how sure it is, but neither is that how often it is right, nor does it order pictures well
//! where the model is small. What searches for texts bring up says how all evidence is to be weighed:
//! `p = sigmoid(a * similarity + b * logit + c * gain + d * ln(words) + e)`, and the same without what reading adds for
//! what was not read yet. The more words a text has, the more of them may be wrong, and the more similar is what none
//! of them is. The numbers belong to weights and travel with them; `eval::calibration` fits them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a text and a picture were found to have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Cosine of their features (ITC).
    pub similarity: f32,
    /// What reading both together says; `None` while they were not.
    pub reading: Option<Reading>,
    /// Words of the text.
    pub words: usize,
}

/// What reading a text together with a picture says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The logarithm of the odds of a match (ITM).
    pub logit: f32,
    /// How much likelier the decoder (LM) finds the text for the picture than for a blank one, in nats; 0 of a model
    /// that does not write.
    pub gain: f32,
}

/// How evidence becomes a probability: the sum of all, each weighted, through a sigmoid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Of the similarity.
    pub similarity: f64,
    /// Of the logit.
    pub logit: f64,
    /// Of the decoder's gain.
    pub gain: f64,
    /// Of the logarithm of the number of words.
    pub words: f64,
    /// Added to all.
    pub offset: f64,
}

/// How a model's evidence is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Where both were read together.
    pub read: Logistic,
    /// Where they were not yet.
    pub unread: Logistic,
}

/// Where a picture stands among those that a text may describe: the greater, the earlier.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Standing {
    /// It was read and is ahead of all that were not, with which it cannot be compared.
    pub is_ahead: bool,
    /// The higher, the earlier, among those that are ahead and among those that are not.
    pub score: f64,
}

impl Calibration {
    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`Error::Config`] for anything else, and for numbers that are not finite.
    pub fn from_json(json: &str) -> Result<Self> {
        let calibration: Self = serde_json::from_str(json)
            .map_err(|source| Error::Config { reason: format!("the calibration of searches: {source}") })?;
        let numbers = |of: Logistic| [of.similarity, of.logit, of.gain, of.words, of.offset];
        if [calibration.read, calibration.unread].map(numbers).as_flattened().iter().all(|number| number.is_finite()) {
            return Ok(calibration);
        }
        Err(Error::Config { reason: "the calibration of searches holds a number that is not finite".to_owned() })
    }

    /// The numbers as our files hold them.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers are always JSON")
    }

    fn weights(&self, evidence: Evidence) -> &Logistic {
        if evidence.reading.is_some() { &self.read } else { &self.unread }
    }
}

/// The probability that the text describes the picture.
///
/// Without a calibration it is ITM's own, and what was not read has none.
pub fn probability(calibration: Option<&Calibration>, evidence: Evidence) -> Option<f32> {
    match calibration {
        Some(calibration) => Some(calibration.weights(evidence).probability(evidence)),
        None => evidence.reading.map(|reading| sigmoid(f64::from(reading.logit)) as f32),
    }
}

/// Where the picture stands among others.
///
/// Without a calibration it is what BLIP's authors order by: logit plus similarity, after which comes what was not
/// read, by similarity.
pub fn standing(calibration: Option<&Calibration>, evidence: Evidence) -> Standing {
    match (calibration, evidence.reading) {
        (Some(calibration), _) => Standing { is_ahead: false, score: calibration.weights(evidence).score(evidence) },
        (None, reading) => Standing {
            is_ahead: reading.is_some(),
            score: f64::from(evidence.similarity) + reading.map_or(0.0, |reading| f64::from(reading.logit)),
        },
    }
}

impl Logistic {
    fn score(&self, evidence: Evidence) -> f64 {
        let Reading { logit, gain } = evidence.reading.unwrap_or(Reading { logit: 0.0, gain: 0.0 });
        self.similarity * f64::from(evidence.similarity)
            + self.logit * f64::from(logit)
            + self.gain * f64::from(gain)
            + self.words * (evidence.words.max(1) as f64).ln()
            + self.offset
    }

    /// The probability that this evidence stands for.
    pub fn probability(&self, evidence: Evidence) -> f32 {
        sigmoid(self.score(evidence)) as f32
    }
}

fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Logistic = Logistic { similarity: 12.0, logit: 0.2, gain: 0.1, words: -1.5, offset: -6.0 };
    const UNREAD: Logistic = Logistic { similarity: 14.0, logit: 0.0, gain: 0.0, words: -1.5, offset: -7.0 };
    const UNSEEN: Evidence = Evidence { similarity: 0.4, reading: None, words: 3 };

    #[test]
    fn other_models_are_ordered_as_their_authors_do() {
        let reading = Reading { logit: (0.9_f32 / 0.1).ln(), gain: 5.0 };
        let read = Evidence { reading: Some(reading), ..UNSEEN };
        assert!((probability(None, read).expect("was read") - 0.9).abs() < 1e-6);
        assert!((standing(None, read).score - f64::from(reading.logit + 0.4)).abs() < 1e-6);
        assert_eq!(probability(None, UNSEEN), None);
        let poor = Evidence { reading: Some(Reading { logit: -9.0, gain: 0.0 }), similarity: -1.0, words: 3 };
        assert!(standing(None, poor) > standing(None, UNSEEN), "what was read comes first");
        assert!(standing(None, read) > standing(None, poor));
    }

    #[test]
    fn with_numbers_what_was_read_and_what_was_not_stand_in_one_order() {
        let calibration =
            Calibration::from_json(&Calibration { read: READ, unread: UNREAD }.to_json()).expect("is one");
        let poor = Evidence { reading: Some(Reading { logit: -9.0, gain: -20.0 }), ..UNSEEN };
        let good = Evidence { reading: Some(Reading { logit: 3.0, gain: 20.0 }), ..UNSEEN };
        let of = |evidence| standing(Some(&calibration), evidence);
        assert!(of(good) > of(UNSEEN) && of(UNSEEN) > of(poor));
        let said = |evidence| probability(Some(&calibration), evidence).expect("always known");
        let expected = 12.0 * 0.4 + 0.2 * 3.0 + 0.1 * 20.0 - 1.5 * 3.0_f64.ln() - 6.0;
        assert!((f64::from(said(good)) - sigmoid(expected)).abs() < 1e-6);
        assert!(said(good) > said(UNSEEN) && said(UNSEEN) > said(poor));
    }

    #[test]
    fn what_is_no_calibration_is_refused() {
        let endless = Calibration { read: READ, unread: UNREAD }.to_json().replace("12.0", "1e999");
        for wrong in ["", "{}", "{\"read\": 3}", &endless] {
            assert!(matches!(Calibration::from_json(wrong), Err(Error::Config { .. })), "{wrong}");
        }
    }
}
