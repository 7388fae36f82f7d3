//! ITC and ITM of one batch: the part that pre-training and retrieval share
//! (`blip_pretrain.py`, `blip_retrieval.py`).

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::features::Shown;
use super::momentum::Momentum;
use super::negatives::draw;
use super::queue::FeatureQueue;
use super::rows::places;
use super::state::{collect, fill, named};
use crate::checkpoint::{NamedTensor, Weights};
use crate::error::{Error, Result};
use crate::loss::{itc, itm, negative_weights, positives, similarities, soft_targets};
use crate::model::{Comparer, Matcher};
use crate::readback::read;
use crate::text::{Context, TokenIds};
use crate::tokenizer::pad;

/// Bounds of the learned temperature (`blip_pretrain.py`).
const TEMPERATURES: [f64; 2] = [0.001, 0.5];

/// Settings of ITC and ITM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastConfig {
    /// Features of earlier batches that a batch is compared with.
    pub queue: usize,
    /// How much of itself the momentum twin keeps in a step.
    pub momentum: f64,
    /// The share of the twin's opinion in what similarities should be.
    pub alpha: f64,
    /// Epochs in which that share rises from 0.
    pub alpha_epochs: usize,
    /// Added to the weight of every pair that may be drawn as a hard negative.
    pub negative_floor: f64,
}

impl Default for ContrastConfig {
    /// The paper's pre-training (BLIP §3.2, `configs/pretrain.yaml`).
    fn default() -> Self {
        Self { queue: 57_600, momentum: 0.995, alpha: 0.4, alpha_epochs: 2, negative_floor: 1e-4 }
    }
}

impl ContrastConfig {
    /// The paper's fine-tuning for retrieval (`configs/retrieval_coco.yaml`).
    pub fn retrieval() -> Self {
        Self { alpha_epochs: 1, negative_floor: 0.0, ..Self::default() }
    }

    /// The share of the twin's opinion at this step.
    pub fn alpha_at(&self, step: usize, steps_per_epoch: usize) -> f64 {
        let rising = self.alpha_epochs * steps_per_epoch;
        if step >= rising { self.alpha } else { self.alpha * step as f64 / rising as f64 }
    }
}

/// The twin and the queue of a run.
#[derive(Clone)]
pub struct Contrast {
    config: ContrastConfig,
    momentum: Momentum<Matcher>,
    queue: FeatureQueue,
    tokens: TokenIds,
    /// Pictures the twin reads at a time.
    part: usize,
}

/// A batch of pictures with texts of each, as many of every one.
pub struct Pairs<'a> {
    /// What the twin's image encoder is shown of them, without gradients.
    pub shown: Shown,
    /// The learning encoder's `[batch, image_token, hidden]` of them.
    pub context: Context,
    /// `batch * n` texts, the first token of each `[CLS]`: those of picture `i` from place `i * n` on.
    pub texts: &'a [Vec<u32>],
    /// Which pictures are the same one.
    pub ids: &'a [i64],
}

impl Pairs<'_> {
    /// Texts of each picture.
    fn texts_per_image(&self) -> usize {
        self.texts.len() / self.ids.len().max(1)
    }

    /// The picture of every text.
    fn text_ids(&self) -> Vec<i64> {
        self.ids.iter().flat_map(|id| std::iter::repeat_n(*id, self.texts_per_image())).collect()
    }

    /// The first row of every picture's: `[batch * n, column]` to `[batch, column]`.
    fn first_texts(&self, rows: Tensor<2>) -> Tensor<2> {
        let [_, column] = rows.dims();
        rows.reshape([self.ids.len(), self.texts_per_image(), column]).narrow(1, 0, 1).squeeze_dim(1)
    }
}

impl Contrast {
    /// Begins with a twin like the model, and an empty queue.
    pub fn new(config: ContrastConfig, twin: Matcher, embed: usize, tokens: TokenIds, device: &Device) -> Self {
        let queue = FeatureQueue::new(config.queue, embed, device);
        Self { momentum: Momentum::new(twin, config.momentum), queue, config, tokens, part: usize::MAX }
    }

    /// What a saved run must hold of twin and queue.
    pub(super) fn tensors(&self) -> Vec<NamedTensor> {
        let mut tensors = collect(self.momentum.twin(), "twin/");
        let [image, text] = self.queue.features();
        let device = image.device();
        let flat = |x: Tensor<2>| {
            let length = x.dims().iter().product::<usize>();
            x.reshape([length])
        };
        // Ids are places in the dataset: far below what 32 bits count exactly.
        let counted: Vec<f32> =
            self.queue.ids().iter().chain([&(self.queue.next() as i64)]).map(|id| *id as f32).collect();
        let counted = Tensor::from_data(TensorData::from(counted.as_slice()), &device);
        tensors.extend(
            [("queue/image", flat(image)), ("queue/text", flat(text)), ("queue/ids", counted)]
                .map(|(name, values)| named(name.to_owned(), values)),
        );
        tensors
    }

    /// Takes up what [`tensors`](Self::tensors) gave, from under `task/` in a run's file.
    pub(super) fn restore(&mut self, file: &Weights) -> Result<()> {
        let (twin, _) = fill(file, "task/twin/", self.momentum.twin().clone())?;
        self.momentum.restore(twin);
        let [places, embed] = self.queue.features()[0].dims();
        let device = self.queue.features()[0].device();
        let read = |name: &str| -> Result<Tensor<2>> {
            let values = file.read(&format!("task/queue/{name}"))?;
            if values.len() != places * embed {
                let expected = vec![places, embed];
                return Err(Error::MisshapenWeight { name: name.to_owned(), found: vec![values.len()], expected });
            }
            Ok(Tensor::from_data(TensorData::new(values, [places, embed]), &device))
        };
        let mut ids: Vec<i64> = file.read("task/queue/ids")?.into_iter().map(|id| id as i64).collect();
        let next = ids.pop().unwrap_or(0) as usize;
        self.queue = FeatureQueue::restore(read("image")?, read("text")?, ids, next);
        Ok(())
    }

    /// Features of earlier batches.
    pub fn queue(&self) -> &FeatureQueue {
        &self.queue
    }

    /// The losses `[itc, itm]` of a batch, `[1]` each; the twin has followed the model before,
    /// and its features join the queue after.
    ///
    /// # Errors
    /// [`Error::Option`] for a batch of one picture alone, which has no negatives, and
    /// [`Error::Device`].
    pub async fn losses(
        &mut self,
        model: Comparer<'_>,
        pairs: &Pairs<'_>,
        alpha: f64,
        draws: &mut impl Rng,
    ) -> Result<[Tensor<1>; 2]> {
        let device = pairs.context.states.device();
        let texts = pad(pairs.texts, self.tokens.pad, &device);
        let image = model.image_feature(pairs.context.states.clone());
        let text = model.text_feature(texts.ids, texts.hidden);
        let temperature = bounded(model.temperature());

        let [twin_image, twin_text] = self.twin_features(pairs);
        let [image_keys, text_keys] = self.queue.keys(twin_image.clone(), twin_text.clone());
        let text_ids = pairs.text_ids();
        let still = temperature.clone().inner();
        let targets = |features: &Tensor<2>, ids: &[i64], keys: &Tensor<2>, key_ids: &[i64]| {
            let believed = similarities(features.clone(), keys.clone(), still.clone());
            let right = positives(ids, &self.queue.key_ids(key_ids), &believed.device());
            Tensor::from_inner(soft_targets(believed, right, alpha))
        };
        let text_targets = targets(&twin_image, pairs.ids, &text_keys, &text_ids);
        let image_targets = targets(&twin_text, &text_ids, &image_keys, pairs.ids);
        let image_to_text = similarities(image.clone(), Tensor::from_inner(text_keys), temperature.clone());
        let text_to_image = similarities(text.clone(), Tensor::from_inner(image_keys), temperature);
        let batch = pairs.ids.len();
        // Reference quirk: pre-training weighs the twin's batch for negatives, retrieval its own;
        // ours is the first for both.
        let within = |similarities: &Tensor<2>, keys| similarities.clone().inner().narrow(1, 0, keys);
        let texts_alike = within(&image_to_text, text_ids.len());
        let images_alike = pairs.first_texts(within(&text_to_image, batch));
        let itc = itc(image_to_text, text_to_image, text_targets, image_targets);
        // A text of each picture: the queue holds pairs, and more pictures so.
        self.queue.push(twin_image, pairs.first_texts(twin_text), pairs.ids);

        let weights = |alike: Tensor<2>, ids: &[i64]| {
            let own = positives(pairs.ids, ids, &alike.device());
            negative_weights(alike, own, self.config.negative_floor)
        };
        let texts = read(weights(texts_alike, &text_ids)).await?;
        let images = read(weights(images_alike, pairs.ids)).await?;
        if texts.iter().chain(&images).any(|weight| !weight.is_finite()) {
            // Nothing can be drawn; the loss is no number either, and says so.
            return Ok([itc.clone(), itc]);
        }
        let (texts, images) = (draw(&texts, text_ids.len(), draws), draw(&images, batch, draws));
        let (Some(texts), Some(images)) = (texts, images) else {
            let reason = "must hold at least two different pictures, to tell them apart".into();
            return Err(Error::Option { option: "batch size", reason });
        };
        Ok([itc, matching_loss(model, self.tokens, pairs, &images, &texts)])
    }

    /// How many pictures the twin reads at a time; all, if never said.
    pub fn read_in_parts(&mut self, part: usize) {
        self.part = part;
    }

    /// Lets the twin follow the learning model by one step.
    pub fn follow(&mut self, model: &impl burn::module::Module) {
        self.momentum.follow(model);
    }

    /// The twin's features of the batch, `[batch, embed]`: of images and of texts.
    fn twin_features(&self, pairs: &Pairs<'_>) -> [Tensor<2>; 2] {
        let twin = self.momentum.twin();
        let comparer = twin.comparer();
        let image_embeds = pairs.shown.clone().embeds_in_parts(twin.vision(), self.part, || 0);
        let texts = pad(pairs.texts, self.tokens.pad, &image_embeds.device());
        [comparer.image_feature(image_embeds), comparer.text_feature(texts.ids, texts.hidden)]
    }
}

/// The loss of every picture with the first of its texts, with the text drawn for it, and of that
/// first text with the picture drawn for it.
///
/// `images[i]` is the picture drawn for the first text of picture `i`, `texts[i]` the text drawn
/// for picture `i`, among all.
pub fn matching_loss(
    model: Comparer<'_>,
    tokens: TokenIds,
    pairs: &Pairs<'_>,
    images: &[usize],
    texts: &[usize],
) -> Tensor<1> {
    let device = pairs.context.states.device();
    let first = |picture: usize| picture * pairs.texts_per_image();
    let read = |index: usize| {
        let mut ids = pairs.texts[index].clone();
        ids[0] = tokens.encode;
        ids
    };
    // A picture reads its own text and the one drawn for it at once.
    let beside: Vec<Vec<u32>> =
        texts.iter().enumerate().flat_map(|(own, drawn)| [read(first(own)), read(*drawn)]).collect();
    let beside = pad(&beside, tokens.pad, &device);
    let logits = model.itm_logits(beside.ids, beside.hidden, &pairs.context);

    let drawn = pairs.context.select(places(images, &device));
    let own: Vec<Vec<u32>> = (0..pairs.ids.len()).map(|picture| read(first(picture))).collect();
    let own = pad(&own, tokens.pad, &device);
    let logits = Tensor::cat(vec![logits, model.itm_logits(own.ids, own.hidden, &drawn)], 0);
    let batch = pairs.ids.len();
    let matches: Vec<bool> = (0..3 * batch).map(|pair| pair < 2 * batch && pair % 2 == 0).collect();
    itm(logits, &matches)
}

/// The temperature within its bounds; outside them it still learns, as where PyTorch clamps the
/// weight in place.
fn bounded(temperature: Tensor<1>) -> Tensor<1> {
    let [least, most] = TEMPERATURES;
    let value = temperature.clone().inner();
    let moved = value.clone().clamp(least, most) - value;
    temperature + Tensor::from_inner(moved)
}
