//! A writer token by token: rows in, scores out.

use burn::tensor::{Int, Tensor, TensorData};

use crate::error::Result;
use crate::model::Writer;
use crate::nn::KvCache;
use crate::readback;
use crate::text::Context;

/// A batch of texts being written, with what was computed for them so far.
pub(super) struct Steps<'a> {
    writer: Writer<'a>,
    context: &'a Context,
    cache: KvCache,
}

impl<'a> Steps<'a> {
    /// Reads the prompt once for each image; returns the scores of the word after it.
    pub async fn start(writer: Writer<'a>, context: &'a Context, prompt: &[u32]) -> Result<(Self, Vec<Vec<f32>>)> {
        let [batch, ..] = context.states.dims();
        let mut steps = Self { writer, context, cache: writer.new_cache() };
        let scores = steps.read(&prompt.repeat(batch), batch).await?;
        Ok((steps, scores))
    }

    /// Row `i` continues what was row `rows[i]` with `tokens[i]`; returns the next words' scores.
    ///
    /// Rows of one image stay together and keep the images' order.
    pub async fn step(&mut self, rows: &[usize], tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        let unchanged = rows.iter().enumerate().all(|(new, old)| new == *old);
        if !unchanged || rows.len() != self.cache.rows() {
            let rows: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
            let shape = [rows.len()];
            let device = self.context.states.device();
            self.cache.reorder(Tensor::<1, Int>::from_data(TensorData::new(rows, shape), &device));
        }
        self.read(tokens, tokens.len()).await
    }

    async fn read(&mut self, tokens: &[u32], rows: usize) -> Result<Vec<Vec<f32>>> {
        let ids: Vec<i32> = tokens.iter().map(|id| *id as i32).collect();
        let shape = [rows, ids.len() / rows];
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), &self.context.states.device());
        let logits = self.writer.next_logits(ids, self.context, &mut self.cache);
        let [_, vocab] = logits.dims();
        let scores = readback::read(logits).await?;
        Ok(scores.chunks_exact(vocab).map(<[f32]>::to_vec).collect())
    }
}
