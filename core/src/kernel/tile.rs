//! Products in tiles, for CPUs whose vectors hold four numbers.
//!
//! A tile's sums stay in the fifteen vectors that WebAssembly's compilers have, beside what is
//! added to them; larger tiles, as `gemm` has, do not.

use super::matrix::Matrix;

/// Rows of a tile.
pub(super) const ROWS: usize = 4;
/// Columns of a tile.
const COLUMNS: usize = 8;

/// Columns of the left that are worked through at a time: so much of eight columns of the right
/// stays in the nearest cache.
const DEPTH: usize = 256;

/// Rows of the left that are: so many stay in the next one.
const HEIGHT: usize = 512;

/// Adds `scale * a b` to `out`, whose rows follow each other.
pub(super) fn add(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
    let (rows, depth, columns) = (a.rows(), a.columns(), b.columns());
    let mut left = vec![[0.0; ROWS]; rows.min(HEIGHT).div_ceil(ROWS) * depth.min(DEPTH)];
    let mut right = vec![[0.0; COLUMNS]; depth.min(DEPTH)];
    for top in (0..rows).step_by(HEIGHT) {
        let height = (rows - top).min(HEIGHT);
        for start in (0..depth).step_by(DEPTH) {
            let depth = (depth - start).min(DEPTH);
            let left = &mut left[..height.div_ceil(ROWS) * depth];
            let below = a.rows_of(top..top + height).columns_of(start..start + depth);
            for (index, strip) in left.chunks_exact_mut(depth).enumerate() {
                pack(strip, below.transposed(), index * ROWS);
            }
            let beside = b.rows_of(start..start + depth);
            for column in (0..columns).step_by(COLUMNS) {
                let right = &mut right[..depth];
                pack(right, beside, column);
                for (index, strip) in left.chunks_exact(depth).enumerate() {
                    let sums = tile(strip, right);
                    let row = top + index * ROWS;
                    for (row, sums) in (row..rows.min(top + height)).zip(sums) {
                        let out = &mut out[row * columns..][column..columns.min(column + COLUMNS)];
                        out.iter_mut().zip(sums).for_each(|(out, sum)| *out += scale * sum);
                    }
                }
            }
        }
    }
}

/// Columns of `matrix` from `first` on, side by side; zeros where there are no more.
fn pack<const N: usize>(strip: &mut [[f32; N]], matrix: Matrix<'_>, first: usize) {
    let width = (matrix.columns() - first).min(N);
    let matrix = matrix.columns_of(first..first + width);
    if width < N {
        strip.fill([0.0; N]);
    }
    if matrix.column_stride() == 1 {
        for (index, row) in strip.iter_mut().enumerate() {
            let values = matrix.slice_of_row(index);
            match <&[f32; N]>::try_from(values) {
                Ok(values) => *row = *values,
                Err(_) => row[..width].copy_from_slice(values),
            }
        }
    } else {
        for column in 0..width {
            let values = matrix.transposed();
            strip.iter_mut().zip(values.row(column)).for_each(|(row, value)| row[column] = value);
        }
    }
}

/// The sums of one tile. Not a part of its caller: there, compilers run out of vectors.
#[inline(never)]
fn tile(left: &[[f32; ROWS]], right: &[[f32; COLUMNS]]) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[0.0; COLUMNS]; ROWS];
    for (left, right) in left.iter().zip(right) {
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                sums[row][column] += left[row] * right[column];
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::matrix::Matrix;
    use super::super::matrix::tests::{assert_product, numbers};
    use super::*;

    #[test]
    fn tiles_give_the_product() {
        for [rows, depth, columns] in [[1, 1, 1], [4, 256, 8], [5, 300, 9], [13, 257, 31], [520, 3, 7]] {
            let (a, b) = (numbers(rows * depth, 1), numbers(depth * columns, 2));
            for a in [Matrix::new(&a, depth), Matrix::new(&a, rows).transposed()] {
                for b in [Matrix::new(&b, columns), Matrix::new(&b, depth).transposed()] {
                    assert_product(a, b, |out, scale| add(out, a, b, scale));
                }
            }
        }
    }
}
