//! Language modelling: how surprised the decoder is by the text (BLIP §3.2, `med.py`).

use burn::tensor::{Bool, Int, Tensor};

use crate::kernel::cross_entropy;

/// What becomes of the losses of single tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean over the batch, `[1]`.
    Mean,
    /// Their sum over each row, `[batch]`: the authors' VQA training.
    RowSum,
}

/// Cross-entropy of every next token, with label smoothing.
///
/// Token `i` is predicted by position `i - 1`, so the first of each row is never a label.
/// With smoothing `e` a token costs `(1 - e) * -log p(token) + e * mean(-log p(word))`.
///
/// # Shapes
/// - `logits`: `[batch, token, vocab]`
/// - `ids`: `[batch, token]`
/// - `ignored`: `[batch, token]`, `true` for tokens that are no labels: padding and the prompt
/// - returns `[1]` or `[batch]`
pub fn lm(
    logits: Tensor<3>,
    ids: Tensor<2, Int>,
    ignored: Tensor<2, Bool>,
    smoothing: f64,
    reduction: Reduction,
) -> Tensor<1> {
    let [batch, token, vocab] = logits.dims();
    let predictions = token - 1;
    let logits = logits.narrow(1, 0, predictions).reshape([batch * predictions, vocab]);
    let labels = ids.narrow(1, 1, predictions).reshape([batch * predictions]);
    let counted = ignored.narrow(1, 1, predictions).bool_not().float();

    let losses = cross_entropy(logits, labels, smoothing).reshape([batch, predictions]) * counted.clone();
    match reduction {
        Reduction::Mean => losses.sum() / counted.sum().clamp_min(1.0),
        Reduction::RowSum => losses.sum_dim(1).reshape([batch]),
    }
}
