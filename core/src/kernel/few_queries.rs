//! Attention of few queries, as when a token is written.
//!
//! It takes as long as reading keys and values does. Those of all heads stand side by side, so
//! they are read a key at a time, in their order, and not a head at a time.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

use super::matrix::Matrix;
use super::{few_rows, rows, vector};

/// Queries that are few.
const FEW: usize = 8;

/// Keys whose values are read together.
const TOGETHER: usize = 8;

/// Whether [`attend`] is for these: few queries, and a key's heads beside each other.
pub(super) fn fits(q: &FloatTensor<Flex>, k: &FloatTensor<Flex>, v: &FloatTensor<Flex>) -> bool {
    let is_beside = |x: &FloatTensor<Flex>| {
        let (shape, strides) = (x.layout().shape(), x.layout().strides());
        strides[3] == 1 && usize::try_from(strides[1]) == Ok(shape[3]) && strides[2] > strides[1]
    };
    q.layout().shape()[2] <= FEW && q.layout().strides()[3] == 1 && is_beside(k) && is_beside(v)
}

/// Heads that a thread takes at a time: as many as leave each thread some, and all of one row of the batch.
pub(super) fn heads_together(batch: usize, head: usize) -> usize {
    let is_enough = |heads: &usize| head.is_multiple_of(*heads) && batch * head / heads >= rows::threads();
    (1..=head).rev().find(is_enough).unwrap_or(1)
}

/// Attention of the heads from `first` on in row `batch`, as many as `mixed` has room for.
///
/// `finish` makes weights of the scores of a head, `[query, key]`, whose number it gets.
pub(super) fn attend(
    mixed: &mut [f32],
    [q, k, v]: [&FloatTensor<Flex>; 3],
    [batch, first]: [usize; 2],
    scale: f32,
    finish: impl Fn(&mut [f32], usize),
) {
    let (query, head_size) = (q.layout().shape()[2], q.layout().shape()[3]);
    let heads = mixed.len() / (query * head_size);
    let q: Vec<Matrix<'_>> = (0..heads).map(|head| Matrix::of(q, &[batch, first + head])).collect();
    let [k, v] = [k, v].map(|x| Matrix::of(x, &[batch, first]).widened(heads * head_size));
    let key = k.rows();
    let mut weights = vec![0.0; heads * query * key];
    rows::vectorized(|| score(&mut weights, &q, k, scale));
    for (head, weights) in weights.chunks_exact_mut(query * key).enumerate() {
        finish(weights, first + head);
    }
    rows::vectorized(|| mix(mixed, &weights, v, head_size));
}

/// `scale q k^T` of every head, `[head, query, key]`, for a `k` whose rows are those of all heads.
#[inline(always)]
fn score(scores: &mut [f32], q: &[Matrix<'_>], k: Matrix<'_>, scale: f32) {
    let (query, head_size) = (q[0].rows(), q[0].columns());
    let q: Vec<&[f32]> = q.iter().flat_map(|q| (0..query).map(|row| q.slice_of_row(row))).collect();
    let key = k.rows();
    for at in 0..key {
        let heads = k.slice_of_row(at).chunks_exact(head_size);
        for ((k, q), scores) in heads.zip(q.chunks_exact(query)).zip(scores.chunks_exact_mut(query * key)) {
            for (row, q) in q.iter().enumerate() {
                scores[row * key + at] = scale * vector::sum_pairs(q, k, |q, k| q * k);
            }
        }
    }
}

/// Adds `weights v` of every head to `mixed`, `[head, query, head_size]`, for a `v` whose rows are those of all heads.
#[inline(always)]
fn mix(mixed: &mut [f32], weights: &[f32], v: Matrix<'_>, head_size: usize) {
    let key = v.rows();
    let query = mixed.len() / v.columns();
    for first in (0..key).step_by(TOGETHER) {
        let count = (key - first).min(TOGETHER);
        for (row, (mixed, weights)) in mixed.chunks_exact_mut(head_size).zip(weights.chunks_exact(key)).enumerate() {
            let head = row / query * head_size;
            let value = |at: usize| &v.slice_of_row(first + at)[head..head + head_size];
            let weights = &weights[first..first + count];
            if let Ok(weights) = <&[f32; TOGETHER]>::try_from(weights) {
                few_rows::add_together(mixed, *weights, std::array::from_fn(value));
            } else {
                for (at, weight) in weights.iter().enumerate() {
                    mixed.iter_mut().zip(value(at)).for_each(|(mixed, value)| *mixed += weight * value);
                }
            }
        }
    }
}
