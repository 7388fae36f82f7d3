//! How well a context explains a text that is there already.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, DType, Int, Tensor};

use crate::model::Writer;
use crate::text::Context;

/// `-log p(text)` of each row, its end included.
///
/// # Shapes
/// - `ids`: `[batch * n, token]`, the first of each row `[DEC]`
/// - `hidden`: `[batch * n, token]`, `true` where a token is padding
/// - `context.states`: `[batch, key, context]`
/// - returns `[batch * n]`
pub fn surprise(
    writer: Writer<'_>,
    ids: Tensor<2, Int>,
    hidden: Option<Tensor<2, Bool>>,
    context: &Context,
) -> Tensor<1> {
    let [rows, token] = ids.dims();
    // Token i is written at position i - 1.
    let written = token - 1;
    let logits = writer.logits(ids.clone(), hidden.clone(), context).cast(DType::F32).narrow(1, 0, written);
    let labels = ids.narrow(1, 1, written).reshape([rows, written, 1]);
    let losses = log_softmax(logits, 2).gather(2, labels).neg().reshape([rows, written]);
    let losses = match hidden {
        Some(hidden) => losses * hidden.narrow(1, 1, written).bool_not().float(),
        None => losses,
    };
    losses.sum_dim(1).reshape([rows])
}
