//! Pictures to captions.

use std::ops::ControlFlow;

use super::compare::MAX_WORDS;
use super::retrieve::dot;
use super::{Pipeline, Seen};
use crate::error::{Error, Result};
use crate::generate::{GenerateConfig, Generated, Strategy, generate};
use crate::model::{Model, Writer};
use crate::preprocess::pre_caption;
use crate::progress::{Progress, Report, silent};

/// How captions are written.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptionOptions {
    /// Strategy and lengths.
    pub generate: GenerateConfig,
    /// What captions begin with, instead of the model's own prompt.
    pub prompt: Option<String>,
    /// How much the similarity of a whole caption with the picture (ITC) counts beside what beam search ranks by, where
    /// the model compares too; 0 leaves the order to beam search, as in a captioner.
    pub similarity_weight: f32,
}

impl Default for CaptionOptions {
    /// Three beams, of which a model that compares takes the caption that also fits by similarity, counted once.
    fn default() -> Self {
        Self { generate: GenerateConfig::default(), prompt: None, similarity_weight: 1.0 }
    }
}

/// A caption and how sure the model is of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The sentence.
    pub text: String,
    /// Geometric mean of its tokens' probabilities, 0 to 1.
    pub confidence: f32,
    /// Log-probability of every token, the end included.
    pub log_probs: Vec<f32>,
}

impl Pipeline {
    /// Whether the model can write captions.
    pub fn can_caption(&self) -> bool {
        self.captioner().is_ok()
    }

    pub(crate) fn captioner(&self) -> Result<Writer<'_>> {
        match &self.model {
            Model::Captioner(model) => Ok(model.writer()),
            Model::Pretraining(model) => Ok(model.writer()),
            _ => Err(self.no_head(
                "captioning",
                "a captioner such as blip-image-captioning-base, model_base_caption_capfilt_large.pth or the built-in model",
            )),
        }
    }

    /// Captions a batch of pictures in one pass: one list for each, best first.
    ///
    /// A model that also compares reads the captions that beam search ends with and puts them in order by what
    /// [`CaptionOptions::similarity_weight`] says. Every new word is reported as [`Progress::Text`].
    ///
    /// # Errors
    /// [`Error::NoHead`] for a model that does not write, [`Error::Option`],
    /// [`Error::TextTooLong`] for the prompt, [`Error::Cancelled`].
    pub async fn caption(
        &self,
        seen: &Seen,
        options: &CaptionOptions,
        report: &mut Report<'_>,
    ) -> Result<Vec<Vec<Caption>>> {
        let writer = self.captioner()?;
        let mut prompt = vec![self.tokens.decode];
        let words = options.prompt.as_deref().unwrap_or(&self.inputs.prompt);
        prompt.extend(self.tokenizer.encode(words)?);

        let (context, asked) = (seen.context(), &options.generate);
        let reads_back = self.reads_back(options);
        let generates = match asked.strategy {
            Strategy::Beam { beams, .. } if reads_back => {
                GenerateConfig { num_texts: beams.max(asked.num_texts), ..asked.clone() }
            }
            _ => asked.clone(),
        };
        let mut on_token = |index: usize, ids: &[u32]| -> ControlFlow<()> {
            // A text that cannot be decoded is reported when it is whole.
            let text = self.tokenizer.decode(ids).unwrap_or_default();
            report(Progress::Text { index, text })
        };
        let mut written = generate(writer, &context, &prompt, self.tokens, &generates, &mut on_token).await?;
        if reads_back {
            self.order_by_similarity(seen, &mut written, options.similarity_weight).await?;
        }
        let finish =
            |texts: Vec<Generated>| texts.into_iter().take(asked.num_texts).map(|text| self.finish(text)).collect();
        written.into_iter().map(finish).collect()
    }

    /// Whether there are several captions to choose from, and a way to compare them with the picture.
    fn reads_back(&self, options: &CaptionOptions) -> bool {
        let has_choice = matches!(options.generate.strategy, Strategy::Beam { beams: 2.., .. });
        has_choice && options.similarity_weight != 0.0 && self.can_match()
    }

    /// Puts the captions of each picture in order by score and similarity.
    async fn order_by_similarity(&self, seen: &Seen, written: &mut [Vec<Generated>], weight: f32) -> Result<()> {
        let pictures = self.features(seen).await?;
        let mut words = Vec::new();
        for text in written.iter().flatten() {
            words.push(pre_caption(&self.shortened(&self.tokenizer.decode(&text.ids)?)?, MAX_WORDS));
        }
        // What says nothing resembles nothing.
        let telling: Vec<String> = words.iter().filter(|text| !text.is_empty()).cloned().collect();
        let mut features = self.text_features(&telling, &mut silent).await?.into_iter();
        let mut words = words.iter();
        for (texts, picture) in written.iter_mut().zip(&pictures) {
            let score = |text: Generated| {
                let feature = words.next().filter(|words| !words.is_empty()).and_then(|_| features.next());
                (text.score + weight * feature.map_or(-1.0, |feature| dot(&feature, picture)), text)
            };
            let mut scored: Vec<(f32, Generated)> = texts.drain(..).map(score).collect();
            scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
            texts.extend(scored.into_iter().map(|(_, text)| text));
        }
        Ok(())
    }

    pub(super) fn finish(&self, text: Generated) -> Result<Caption> {
        if text.log_probs.iter().any(|log_prob| log_prob.is_nan()) {
            return Err(Error::NotNumbers { model: self.source.clone() });
        }
        Ok(Caption {
            text: self.tokenizer.decode(&text.ids)?,
            confidence: text.confidence(),
            log_probs: text.log_probs,
        })
    }
}
