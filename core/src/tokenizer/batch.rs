//! Rows of ids of different lengths as one tensor.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// A batch of token rows, padded on the right to equal length.
#[derive(Clone, Debug)]
pub struct IdBatch {
    /// `[batch, token]`.
    pub ids: Tensor<2, Int>,
    /// `true` where a token is padding, `[batch, token]`; absent where there is none.
    pub hidden: Option<Tensor<2, Bool>>,
}

/// Pads rows to the longest of them.
pub fn pad(rows: &[Vec<u32>], pad: u32, device: &Device) -> IdBatch {
    let token = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut ids = Vec::with_capacity(rows.len() * token);
    let mut hidden = Vec::with_capacity(rows.len() * token);
    for row in rows {
        ids.extend(row.iter().map(|id| *id as i32));
        ids.extend(std::iter::repeat_n(pad as i32, token - row.len()));
        hidden.extend((0..token).map(|position| position >= row.len()));
    }
    let padded = hidden.contains(&true);
    let shape = [rows.len(), token];
    IdBatch {
        ids: Tensor::from_data(TensorData::new(ids, shape), device),
        hidden: padded.then(|| Tensor::from_data(TensorData::new(hidden, shape), device)),
    }
}
