//! Features of earlier batches, against which a batch is compared beside itself (BLIP §3.2).

use burn::tensor::{Device, Distribution, Tensor};

use crate::model::unit_length;

/// The id of a place in the queue that no picture has filled yet (`blip_retrieval.py`).
const EMPTY: i64 = -100;

/// The last features of the momentum twin, the oldest overwritten first.
#[derive(Clone)]
pub struct FeatureQueue {
    /// `[queue, embed]`
    image: Tensor<2>,
    /// `[queue, embed]`
    text: Tensor<2>,
    ids: Vec<i64>,
    /// The oldest place.
    next: usize,
}

impl FeatureQueue {
    /// A queue of random unit vectors; of length 0, a batch is compared with itself alone.
    pub fn new(length: usize, embed: usize, device: &Device) -> Self {
        let random = || unit_length(Tensor::random([length.max(1), embed], Distribution::Normal(0.0, 1.0), device));
        Self { image: random(), text: random(), ids: vec![EMPTY; length], next: 0 }
    }

    /// A queue as it was left.
    ///
    /// # Shapes
    /// - `image`, `text`: `[queue, embed]`
    pub fn restore(image: Tensor<2>, text: Tensor<2>, ids: Vec<i64>, next: usize) -> Self {
        Self { image, text, ids, next }
    }

    /// The features, `[queue, embed]` each: of images and of texts.
    pub fn features(&self) -> [Tensor<2>; 2] {
        [self.image.clone(), self.text.clone()]
    }

    /// The batch, then the queue, `[batch + queue, embed]`: keys of images and of texts.
    pub fn keys(&self, image: Tensor<2>, text: Tensor<2>) -> [Tensor<2>; 2] {
        if self.ids.is_empty() {
            return [image, text];
        }
        [Tensor::cat(vec![image, self.image.clone()], 0), Tensor::cat(vec![text, self.text.clone()], 0)]
    }

    /// The ids of [`keys`](Self::keys).
    pub fn key_ids(&self, batch: &[i64]) -> Vec<i64> {
        batch.iter().chain(&self.ids).copied().collect()
    }

    /// Where the next batch goes.
    pub fn next(&self) -> usize {
        self.next
    }

    /// The ids in the queue, place by place.
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// Puts a batch in the place of the oldest; of a batch longer than the queue, its end.
    ///
    /// # Shapes
    /// - `image`, `text`: `[batch, embed]`
    pub fn push(&mut self, image: Tensor<2>, text: Tensor<2>, ids: &[i64]) {
        let length = self.ids.len();
        if length == 0 {
            return;
        }
        let mut done = ids.len().saturating_sub(length);
        while done < ids.len() {
            // What does not fit before the end of the queue goes on at its beginning.
            let count = (ids.len() - done).min(length - self.next);
            let places = self.next..self.next + count;
            let put = |queue: &mut Tensor<2>, batch: &Tensor<2>| {
                let [_, embed] = batch.dims();
                let batch = batch.clone().narrow(0, done, count);
                *queue = queue.clone().slice_assign([places.clone(), 0..embed], batch);
            };
            put(&mut self.image, &image);
            put(&mut self.text, &text);
            self.ids[places.clone()].copy_from_slice(&ids[done..done + count]);
            self.next = places.end % length;
            done += count;
        }
    }
}
