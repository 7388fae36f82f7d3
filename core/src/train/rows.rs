//! Captions as rows of tokens, and what each token costs.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::TrainConfig;
use crate::data::{CaptionExample, Picture};
use crate::error::Result;
use crate::loss::cross_entropy;
use crate::model::Writer;
use crate::preprocess::pre_caption;
use crate::text::{Context, TokenIds};
use crate::tokenizer::{Tokenizer, pad};

/// Words of a caption that are read (`pre_caption` in the authors' datasets).
const MAX_WORDS: usize = 30;

/// Scores, a word of the vocabulary each, that are in memory at once: 64 MiB.
const MAX_SCORES: usize = 1 << 24;

/// A photograph and the token rows of its captions.
pub(super) struct Sample {
    /// Its place among the examples.
    pub example: usize,
    pub image: Picture,
    pub rows: Vec<Vec<u32>>,
}

impl Sample {
    /// As many of its rows, different ones as long as there are.
    pub fn draw(&self, count: usize, draws: &mut StdRng) -> Vec<Vec<u32>> {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.shuffle(draws);
        order.iter().cycle().take(count).map(|index| self.rows[*index].clone()).collect()
    }
}

/// A caption's tokens; the first `given` of them are not learned.
pub(super) struct Row<'a> {
    pub ids: &'a [u32],
    pub given: usize,
}

/// The token rows of every example; captions without a word are left out.
pub(super) fn tokenize(
    examples: &[CaptionExample],
    tokenizer: &Tokenizer,
    tokens: TokenIds,
    config: &TrainConfig,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::with_capacity(examples.len());
    for (index, example) in examples.iter().enumerate() {
        let mut rows = Vec::with_capacity(example.captions.len());
        for caption in &example.captions {
            let caption = pre_caption(caption, MAX_WORDS);
            if !caption.is_empty() {
                let text = format!("{}{caption}", config.prompt);
                rows.push(tokenizer.encode_between(tokens.decode, &text, config.max_tokens)?);
            }
        }
        if !rows.is_empty() {
            samples.push(Sample { example: index, image: example.image.clone(), rows });
        }
    }
    Ok(samples)
}

/// Places in a batch, `[row]`.
pub(super) fn places(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    Tensor::from_data(TensorData::from(rows.as_slice()), device)
}

/// The loss of every learned token of all rows, one after the other, `[label]`.
pub(super) fn token_losses(
    writer: Writer<'_>,
    rows: &[Row<'_>],
    context: &Context,
    tokens: TokenIds,
    smoothing: f64,
) -> Tensor<1> {
    let device = context.states.device();
    let ids: Vec<Vec<u32>> = rows.iter().map(|row| row.ids.to_vec()).collect();
    let token = ids.iter().map(Vec::len).max().unwrap_or(0);
    // Padding is on the right, so a causal reader never sees it and needs no mask for it.
    let states = writer.states(pad(&ids, tokens.pad, &device).ids, context);
    let [batch, _, hidden] = states.dims();

    // The output layer is as wide as the vocabulary: only what is learned goes through it.
    let learned = rows.iter().enumerate().flat_map(|(index, row)| {
        (row.given..row.ids.len()).map(move |position| (index * token + position - 1, row.ids[position]))
    });
    let (places, labels): (Vec<i32>, Vec<i32>) = learned.map(|(place, label)| (place as i32, label as i32)).unzip();
    let vector = |values: Vec<i32>| Tensor::<1, Int>::from_data(TensorData::from(values.as_slice()), &device);
    let states = states.reshape([batch * token, hidden]).select(0, vector(places)); // [label, hidden]
    let (count, labels) = (labels.len(), vector(labels));
    let losses = |states, labels: Tensor<1, Int>| {
        writer.losses(states, move |scores| cross_entropy(scores.cast(DType::F32), labels.clone(), smoothing))
    };
    let [vocab, _] = writer.text().word_table().dims();
    let piece = (MAX_SCORES / vocab).max(1);
    if count <= piece {
        return losses(states, labels);
    }
    let pieces = (0..count).step_by(piece).map(|first| {
        let length = piece.min(count - first);
        losses(states.clone().narrow(0, first, length), labels.clone().narrow(0, first, length))
    });
    Tensor::cat(pieces.collect(), 0)
}
