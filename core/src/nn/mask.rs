//! Attention masks; `true` hides a key from a query.

use burn::tensor::{Bool, Device, Int, Tensor};

/// Hides the future: `[1, 1, query, past + query]`, where the queries follow `past` keys.
pub fn causal_mask(query: usize, past: usize, device: &Device) -> Tensor<4, Bool> {
    let key = past + query;
    let queries = Tensor::<1, Int>::arange(past as i64..key as i64, device).reshape([query, 1]);
    let keys = Tensor::<1, Int>::arange(0..key as i64, device).reshape([1, key]);
    keys.expand([query, key]).greater(queries.expand([query, key])).reshape([1, 1, query, key])
}

/// Hides padding keys from every query: `[batch, key]` to `[batch, 1, 1, key]`.
pub fn padding_mask(hidden: Tensor<2, Bool>) -> Tensor<4, Bool> {
    let [batch, key] = hidden.dims();
    hidden.reshape([batch, 1, 1, key])
}
