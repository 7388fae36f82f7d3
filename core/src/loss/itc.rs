//! Image-text contrast: every picture finds its text among all keys, every text its picture
//! (BLIP §3.2, `blip_pretrain.py`, `blip_retrieval.py`).

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use crate::kernel::softmax;

/// How alike features and keys are, divided by the temperature.
///
/// # Shapes
/// - `features`: unit `[batch, embed]`
/// - `keys`: unit `[key, embed]`: those of the momentum twin, then a queue of earlier ones
/// - `temperature`: `[1]`
/// - returns `[batch, key]`
pub fn similarities(features: Tensor<2>, keys: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
    features.matmul(keys.transpose()) / temperature.reshape([1, 1])
}

/// Which keys are right: all with the id of the row share its mass evenly.
///
/// In pre-training every pair has an id of its own, so that row `i` has key `i` alone; in
/// retrieval the captions of one picture share its id. An id that no key has cannot occur: keys
/// begin with the batch itself.
///
/// # Shapes
/// - `ids`: one a row, of the batch
/// - `key_ids`: one a key, beginning with `ids`
/// - returns `[batch, key]`, rows that sum to one
pub fn positives(ids: &[i64], key_ids: &[i64], device: &Device) -> Tensor<2> {
    let mut shares = Vec::with_capacity(ids.len() * key_ids.len());
    for id in ids {
        let count = key_ids.iter().filter(|key| *key == id).count();
        shares.extend(key_ids.iter().map(|key| if key == id { 1.0 / count as f32 } else { 0.0 }));
    }
    Tensor::from_data(TensorData::new(shares, [ids.len(), key_ids.len()]), device)
}

/// What the similarities should be: a mix of what the momentum twin believes and what is known.
///
/// # Shapes
/// - `momentum_similarities`, `positives`: `[batch, key]`
/// - `alpha`: the share of the twin, 0 to 1
/// - returns `[batch, key]`, rows that sum to one
pub fn soft_targets(momentum_similarities: Tensor<2>, positives: Tensor<2>, alpha: f64) -> Tensor<2> {
    softmax(momentum_similarities) * alpha + positives * (1.0 - alpha)
}

/// Cross-entropy of both directions, averaged.
///
/// # Shapes
/// - `image_to_text`, `text_to_image`: similarities, `[batch, key]`
/// - `text_targets`, `image_targets`: what each should be, `[batch, key]`
/// - returns `[1]`
pub fn itc(
    image_to_text: Tensor<2>,
    text_to_image: Tensor<2>,
    text_targets: Tensor<2>,
    image_targets: Tensor<2>,
) -> Tensor<1> {
    (direction(image_to_text, text_targets) + direction(text_to_image, image_targets)) / 2.0
}

fn direction(similarities: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let [batch, _] = similarities.dims();
    (log_softmax(similarities, 1) * targets).sum() / -(batch as f64)
}
