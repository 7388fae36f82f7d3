//! Retrieval within a set: ITC picks candidates, ITM puts them in order (`train_retrieval.py`).

use std::cmp::Ordering;

use super::{Bank, Pipeline, Seen};
use crate::error::{Error, Result};
use crate::preprocess::pre_caption;
use crate::progress::{Progress, Report};
use crate::text::Context;

/// Pictures or texts in one pass.
const BATCH: usize = 16;
/// Words of a text that are read.
const MAX_WORDS: usize = 30;

/// What was found for one query: places and scores, the best first.
pub type Found = Vec<(usize, f32)>;

/// How what is similar is put in order by reading picture and text together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rerank {
    /// The most similar that are read; with 1 or fewer, similarity alone decides and all are candidates.
    pub candidates: usize,
    /// How much `itm_logit[match]` counts beside the similarity.
    pub logit_weight: f32,
    /// How much it counts how much likelier the decoder (LM) finds a text for the picture than for the average one of
    /// a [`Bank`], in nats.
    pub lm_weight: f32,
}

impl Rerank {
    /// As the authors score: similarity and logit count as they are, the decoder is not asked.
    pub fn of(candidates: usize) -> Self {
        Self { candidates, logit_weight: 1.0, lm_weight: 0.0 }
    }
}

/// What was found in both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrieved {
    /// For each picture, texts.
    pub texts: Vec<Found>,
    /// For each text, pictures.
    pub images: Vec<Found>,
}

impl Pipeline {
    /// Finds for each picture the texts that describe it, and for each text the pictures.
    ///
    /// The most similar (ITC) are put in order by `logit_weight * itm_logit[match] + similarity`; with a bank, less
    /// how common what is found is, and with what `lm_weight` adds.
    /// `pixels` gives what [`Pipeline::pixels`] made of a picture and is asked twice for each.
    ///
    /// # Errors
    /// [`Error::NoHead`], [`Error::EmptyText`], [`Error::TextTooLong`], [`Error::Cancelled`],
    /// [`Error::Option`] for an `lm_weight` without a bank, and what `pixels` gives.
    pub async fn retrieve(
        &self,
        num_images: usize,
        pixels: &mut dyn FnMut(usize) -> Result<Vec<f32>>,
        texts: &[String],
        rerank: Rerank,
        bank: Option<&Bank>,
        report: &mut Report<'_>,
    ) -> Result<Retrieved> {
        let candidates = rerank.candidates;
        let texts: Vec<String> = texts.iter().map(|text| pre_caption(text, MAX_WORDS)).collect();
        let text_features = self.text_features(&texts, report).await?;
        let image_features = self.image_features(num_images, pixels, report).await?;
        let rank = |features: &[Vec<f32>], keys: &[Vec<f32>], common: Option<Vec<f32>>| -> Vec<Found> {
            let common = common.unwrap_or_else(|| vec![0.0; keys.len()]);
            features.iter().map(|feature| most_similar(feature, keys, &common, candidates)).collect()
        };
        let common_texts = bank.map(|bank| bank.commonness_of_texts(&text_features));
        let common_images = bank.map(|bank| bank.commonness_of_images(&image_features));
        let found = Retrieved {
            texts: rank(&image_features, &text_features, common_texts),
            images: rank(&text_features, &image_features, common_images),
        };
        if candidates <= 1 { Ok(found) } else { self.rerank(found, rerank, bank, pixels, &texts, report).await }
    }

    /// Adds to every candidate's similarity what reading picture and text together says.
    async fn rerank(
        &self,
        mut found: Retrieved,
        rerank: Rerank,
        bank: Option<&Bank>,
        pixels: &mut dyn FnMut(usize) -> Result<Vec<f32>>,
        texts: &[String],
        report: &mut Report<'_>,
    ) -> Result<Retrieved> {
        let comparer = self.comparer()?;
        let writing = match (rerank.lm_weight != 0.0, bank) {
            (false, _) => None,
            (true, None) => {
                let reason = "needs a bank, whose average picture a text is compared with".to_owned();
                return Err(Error::Option { option: "lm_weight", reason });
            }
            (true, Some(bank)) => {
                let writer = self.captioner()?;
                Some((writer, self.surprises(writer, &Context::new(bank.average.clone()), texts).await?))
            }
        };
        // Both directions ask for pairs; a picture is encoded once for all of them.
        let mut asked: Vec<Vec<usize>> =
            found.texts.iter().map(|found| found.iter().map(|(text, _)| *text).collect()).collect();
        for (text, found) in found.images.iter().enumerate() {
            found.iter().for_each(|(image, _)| asked[*image].push(text));
        }
        let total = asked.len();
        for (image, asked) in asked.into_iter().enumerate() {
            let mut asked = asked;
            asked.sort_unstable();
            asked.dedup();
            let seen = self.see(&[pixels(image)?]);
            let context = seen.context();
            let mut read = Vec::with_capacity(asked.len());
            for asked in asked.chunks(4 * BATCH) {
                let of_picture: Vec<String> = asked.iter().map(|text| texts[*text].clone()).collect();
                let ids = self.read_texts(&of_picture, self.tokens.encode)?;
                let scores = comparer.itm_logits(ids.ids, ids.hidden, &context);
                let logits = self.read(scores.narrow(1, 1, 1)).await?;
                read.extend(logits.into_iter().map(|logit| rerank.logit_weight * logit));
                let Some((writer, of_average)) = &writing else { continue };
                let surprises = self.surprises(*writer, &context, &of_picture).await?;
                let start = read.len() - asked.len();
                for ((read, text), surprise) in read[start..].iter_mut().zip(asked).zip(surprises) {
                    *read += rerank.lm_weight * (of_average[*text] - surprise);
                }
            }
            for (text, more) in asked.into_iter().zip(read) {
                let add = |found: &mut Found, place: usize| {
                    found.iter_mut().filter(|(key, _)| *key == place).for_each(|(_, score)| *score += more);
                };
                add(&mut found.texts[image], text);
                add(&mut found.images[text], image);
            }
            report_items("matching", image + 1, total, report)?;
        }
        found.texts.iter_mut().chain(&mut found.images).for_each(best_first);
        Ok(found)
    }

    /// Every text in the shared space, as vectors of unit length.
    ///
    /// # Errors
    /// [`Error::NoHead`], [`Error::EmptyText`], [`Error::TextTooLong`], [`Error::Cancelled`].
    pub async fn text_features(&self, texts: &[String], report: &mut Report<'_>) -> Result<Vec<Vec<f32>>> {
        let comparer = self.comparer()?;
        let mut features = Vec::with_capacity(texts.len());
        for batch in texts.chunks(4 * BATCH) {
            let batch: Vec<String> = batch.iter().map(|text| pre_caption(text, MAX_WORDS)).collect();
            let ids = self.read_texts(&batch, self.tokens.cls)?;
            let batch = comparer.text_feature(ids.ids, ids.hidden);
            let [_, embed] = batch.dims();
            features.extend(self.read(batch).await?.chunks_exact(embed).map(<[f32]>::to_vec));
            report_items("reading texts", features.len(), texts.len(), report)?;
        }
        Ok(features)
    }

    /// The pictures of a batch in the shared space, as vectors of unit length.
    ///
    /// # Errors
    /// [`Error::NoHead`].
    pub async fn features(&self, seen: &Seen) -> Result<Vec<Vec<f32>>> {
        let comparer = self.comparer()?;
        let batch = comparer.image_feature(seen.image_embeds());
        let [_, embed] = batch.dims();
        Ok(self.read(batch).await?.chunks_exact(embed).map(<[f32]>::to_vec).collect())
    }

    /// Every picture in the shared space.
    async fn image_features(
        &self,
        num_images: usize,
        pixels: &mut dyn FnMut(usize) -> Result<Vec<f32>>,
        report: &mut Report<'_>,
    ) -> Result<Vec<Vec<f32>>> {
        self.comparer()?;
        let mut features: Vec<Vec<f32>> = Vec::with_capacity(num_images);
        while features.len() < num_images {
            let batch = features.len()..(features.len() + BATCH).min(num_images);
            let pixels: Vec<Vec<f32>> = batch.map(&mut *pixels).collect::<Result<_>>()?;
            features.extend(self.features(&self.see(&pixels)).await?);
            report_items("encoding pictures", features.len(), num_images, report)?;
        }
        Ok(features)
    }
}

/// The keys most like a feature beyond how common they are, the best first; all where one or none is asked for.
fn most_similar(feature: &[f32], keys: &[Vec<f32>], common: &[f32], count: usize) -> Found {
    let score = |(key, common): (&Vec<f32>, &f32)| dot(key, feature) - common;
    let mut found: Found = keys.iter().zip(common).map(score).enumerate().collect();
    if (2..found.len()).contains(&count) {
        found.select_nth_unstable_by(count - 1, by_score);
        found.truncate(count);
    }
    best_first(&mut found);
    found
}

/// The cosine of two vectors of unit length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn best_first(found: &mut Found) {
    found.sort_by(by_score);
}

/// The higher score first, equal ones in their order.
fn by_score(a: &(usize, f32), b: &(usize, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

fn report_items(stage: &'static str, done: usize, total: usize, report: &mut Report<'_>) -> Result<()> {
    match report(Progress::Items { stage, done, total }).is_break() {
        true => Err(Error::Cancelled),
        false => Ok(()),
    }
}
