//! Image-text matching: does the text describe the picture? (BLIP §3.2, `blip_pretrain.py`)

use burn::tensor::{Int, Tensor, TensorData};

use super::cross_entropy;
use crate::kernel::softmax;

/// Two-way cross-entropy, the mean over all pairs.
///
/// # Shapes
/// - `logits`: `[pair, 2]`, column 1 a match
/// - `matches`: one a pair
/// - returns `[1]`
pub fn itm(logits: Tensor<2>, matches: &[bool]) -> Tensor<1> {
    let labels: Vec<i32> = matches.iter().map(|matches| i32::from(*matches)).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [matches.len()]), &logits.device());
    cross_entropy(logits, labels, 0.0).mean()
}

/// How likely each pair of a batch is drawn as a hard negative: the more alike, the likelier.
///
/// # Shapes
/// - `similarities`: of the batch among itself, `[batch, batch]`
/// - `positives`: above zero where a pair belongs together and is never drawn, `[batch, batch]`
/// - `floor`: added to every other weight, 1e-4 in pre-training and 0 in retrieval
/// - returns `[batch, batch]`
pub fn negative_weights(similarities: Tensor<2>, positives: Tensor<2>, floor: f64) -> Tensor<2> {
    (softmax(similarities) + floor).mask_fill(positives.greater_elem(0.0), 0.0)
}
