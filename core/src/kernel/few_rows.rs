//! Products with few rows on the left, as when a token is written.
//!
//! They take as long as reading the right side does, so its numbers are read once, in their order.

use super::matrix::Matrix;
use super::{rows, vector};

/// Rows that are few.
const FEW: usize = 8;

/// Rows of the right side that are read side by side where several on the left meet them.
const TOGETHER: usize = 8;

/// Parts of the right side that threads read for one row; as many on every machine, so that sums
/// come out the same.
const PARTS: usize = 8;

/// Columns of a turned right side that stay in the cache until every row has met them.
const BLOCK: usize = 32;

/// Whether [`add`] is for this product: few rows, and a right side without gaps one way.
pub(super) fn fits(a: Matrix<'_>, b: Matrix<'_>) -> bool {
    let is_empty = b.rows() == 0 || b.columns() == 0;
    a.rows() <= FEW && !is_empty && (b.column_stride() == 1 || b.row_stride() == 1)
}

/// Adds `scale * a b` to `out`, which has a slice for each row.
#[inline(always)]
pub(super) fn add(out: &mut [&mut [f32]], a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
    let mut left = Vec::with_capacity(a.rows() * a.columns());
    for row in 0..a.rows() {
        if a.column_stride() == 1 {
            left.extend(a.slice_of_row(row).iter().map(|value| scale * value));
        } else {
            left.extend(a.row(row).map(|value| scale * value));
        }
    }
    let a = left;
    if b.column_stride() == 1 { add_rows(out, &a, b) } else { add_columns(out, &a, b) }
}

/// Adds `a b` to `out` for an `a` of one row and a `b` whose rows have no gaps, on all threads.
pub(super) fn add_row_on_threads(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) {
    let (depth, columns) = (b.rows(), b.columns());
    let part = depth.div_ceil(PARTS);
    let mut sums = vec![0.0; depth.div_ceil(part) * columns];
    // Each reads whole rows: a half of every row is read at half the pace.
    rows::fill(&mut sums, columns, |index, sums| {
        let rows = index * part..depth.min((index + 1) * part);
        rows::vectorized(|| add(&mut [sums], a.columns_of(rows.clone()), b.rows_of(rows), 1.0));
    });
    for sums in sums.chunks_exact(columns) {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
    }
}

/// `b` row by row: each of its numbers goes into one of the result.
#[inline(always)]
fn add_rows(out: &mut [&mut [f32]], a: &[f32], b: Matrix<'_>) {
    let depth = b.rows();
    if let [out] = out {
        // One after the other as they lie: several side by side are read at two thirds of the pace.
        for (row, a) in a.iter().enumerate() {
            out.iter_mut().zip(b.slice_of_row(row)).for_each(|(sum, b)| *sum += a * b);
        }
        return;
    }
    for first in (0..depth).step_by(TOGETHER) {
        let rows = (depth - first).min(TOGETHER);
        for (out, a) in out.iter_mut().zip(a.chunks_exact(depth)) {
            let a = &a[first..first + rows];
            if let Ok(a) = <&[f32; TOGETHER]>::try_from(a) {
                add_together(out, *a, std::array::from_fn(|row| b.slice_of_row(first + row)));
            } else {
                for (row, a) in a.iter().enumerate() {
                    out.iter_mut().zip(b.slice_of_row(first + row)).for_each(|(sum, b)| *sum += a * b);
                }
            }
        }
    }
}

/// `out += a[0] b[0] + a[1] b[1] + ..`
#[inline(always)]
pub(super) fn add_together<const N: usize>(out: &mut [f32], a: [f32; N], b: [&[f32]; N]) {
    let b = b.map(|row| &row[..out.len()]);
    for (column, sum) in out.iter_mut().enumerate() {
        let mut total = *sum;
        for row in 0..N {
            total += a[row] * b[row][column];
        }
        *sum = total;
    }
}

/// `b` column by column: each is one number of every row of the result.
#[inline(always)]
fn add_columns(out: &mut [&mut [f32]], a: &[f32], b: Matrix<'_>) {
    let (depth, columns) = (b.rows(), b.columns());
    let turned = b.transposed();
    for first in (0..columns).step_by(BLOCK) {
        for (out, a) in out.iter_mut().zip(a.chunks_exact(depth)) {
            for column in first..columns.min(first + BLOCK) {
                out[column] += vector::sum_pairs(a, turned.slice_of_row(column), |a, b| a * b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::matrix::Matrix;
    use super::super::matrix::tests::{assert_product, numbers};
    use super::*;

    #[test]
    fn few_rows_give_the_product() {
        for [rows, depth, columns] in [[1, 1, 1], [1, 7, 40], [2, 8, 33], [3, 50, 5], [8, 129, 70]] {
            let (a, b) = (numbers(rows * depth, 1), numbers(depth * columns, 2));
            let a = Matrix::new(&a, depth);
            for b in [Matrix::new(&b, columns), Matrix::new(&b, depth).transposed()] {
                assert_product(a, b, |out, scale| {
                    let mut rows: Vec<&mut [f32]> = out.chunks_exact_mut(columns).collect();
                    assert!(fits(a, b));
                    add(&mut rows, a, b, scale);
                });
            }
        }
    }
}
