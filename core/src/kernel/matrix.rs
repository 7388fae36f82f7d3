//! Matrix products on the CPU, without writing the result twice.
//!
//! By the `gemm` crate but for two kinds: few rows on the left, where it does not read as fast as
//! memory gives, and vectors of four numbers, for which its tiles are too large.

// `gemm` takes pointers. This file alone calls it, after checking every matrix against its slice.
#![allow(unsafe_code)]

use std::ops::Range;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use gemm::Parallelism;

use super::{few_rows, rows, tile};

/// Rows of the result that a task works on at the most; each packs the right side for itself.
const PIECE_ROWS: usize = 512;

/// Rows and columns that `gemm` computes together; pieces end between them.
const TILE: [usize; 2] = [4, 24];

/// Multiplications that are worth a second thread.
const WORTH_THREADS: usize = 1 << 20;

/// Whether the CPU's vectors hold four numbers.
const NARROW: bool = cfg!(feature = "narrow");

/// Numbers of a slice seen as a matrix.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` numbers, one after the other.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        Self::strided(values, [values.len() / columns.max(1), columns], [columns, 1])
    }

    /// A matrix that lies in `values` with gaps, or across.
    pub fn strided(values: &'a [f32], [rows, columns]: [usize; 2], [row_stride, column_stride]: [usize; 2]) -> Self {
        if rows > 0 && columns > 0 {
            let last = (rows - 1) * row_stride + (columns - 1) * column_stride;
            assert!(last < values.len(), "a matrix lies within its slice");
        }
        Self { values, rows, columns, row_stride, column_stride }
    }

    /// The last two axes of a tensor, at `leading` of its others.
    pub fn of(tensor: &'a FloatTensor<Flex>, leading: &[usize]) -> Self {
        let layout = tensor.layout();
        let (shape, strides) = (layout.shape(), layout.strides());
        let axes = shape.num_dims();
        let stride = |axis: usize| usize::try_from(strides[axis]).expect("tensors are not flipped");
        let offset: usize = leading.iter().enumerate().map(|(axis, index)| index * stride(axis)).sum();
        let values = &tensor.storage::<f32>()[layout.start_offset() + offset..];
        Self::strided(values, [shape[axes - 2], shape[axes - 1]], [stride(axes - 2), stride(axes - 1)])
    }

    /// The same numbers with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// So many columns, of which those beyond its own are what follows it in every row.
    pub fn widened(self, columns: usize) -> Self {
        Self::strided(self.values, [self.rows, columns], [self.row_stride, self.column_stride])
    }

    /// Some of its rows.
    pub fn rows_of(self, rows: Range<usize>) -> Self {
        Self { values: &self.values[rows.start * self.row_stride..], rows: rows.len(), ..self }
    }

    /// Some of its columns.
    pub fn columns_of(self, columns: Range<usize>) -> Self {
        Self { values: &self.values[columns.start * self.column_stride..], columns: columns.len(), ..self }
    }

    /// Number of rows.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// From a row to the next.
    pub fn row_stride(self) -> usize {
        self.row_stride
    }

    /// From a column to the next.
    pub fn column_stride(self) -> usize {
        self.column_stride
    }

    /// The numbers of a row, wherever they lie.
    pub fn row(self, row: usize) -> impl Iterator<Item = f32> + 'a {
        let values = &self.values[row * self.row_stride..];
        values.iter().step_by(self.column_stride.max(1)).take(self.columns).copied()
    }

    /// The numbers of a row that follow each other.
    pub fn slice_of_row(self, row: usize) -> &'a [f32] {
        assert_eq!(self.column_stride, 1, "a row without gaps");
        &self.values[row * self.row_stride..][..self.columns]
    }
}

/// `a b`, and a row added to each of its rows, on all threads.
pub(super) fn product(a: Matrix<'_>, b: Matrix<'_>, row: Option<&[f32]>) -> Vec<f32> {
    let (rows, columns) = (a.rows, b.columns);
    assert!(row.is_none_or(|row| row.len() == columns), "a row is as wide as the product");
    if few_rows::fits(a, b) || NARROW {
        let mut result = row.map_or_else(|| vec![0.0; rows * columns], |row| row.repeat(rows));
        add_on_threads(&mut result, a, b);
        return result;
    }
    let mut result = Vec::with_capacity(rows * columns);
    if rows * columns == 0 {
        return result;
    }
    let out = Out(result.as_mut_ptr());
    let piece = |rows: Range<usize>, columns_of: Range<usize>| {
        // Whole, so that the pointer is shared as what says it may be.
        let Out(out) = { out };
        // SAFETY: the result has room for all its numbers, and no two pieces share one; `gemm`
        // writes each, and reads them only where they were filled with the row.
        unsafe {
            if let Some(row) = row {
                let row = &row[columns_of.clone()];
                for index in rows.clone() {
                    let start = out.add(index * columns + columns_of.start);
                    std::ptr::copy_nonoverlapping(row.as_ptr(), start, row.len());
                }
            }
            let start = out.add(rows.start * columns + columns_of.start);
            multiply(start, columns, a.rows_of(rows), b.columns_of(columns_of), 1.0, row.is_some());
        }
    };
    if rows * columns * a.columns < WORTH_THREADS {
        piece(0..rows, 0..columns);
    } else if rows >= columns {
        rows::each(pieces(rows, rows.div_ceil(PIECE_ROWS), TILE[0]), |rows| piece(rows, 0..columns));
    } else {
        // What a thread packs of the right side, no other needs.
        rows::each(pieces(columns, 1, TILE[1]), |columns| piece(0..rows, columns));
    }
    // SAFETY: every piece has written all its numbers.
    unsafe { result.set_len(rows * columns) }
    result
}

/// Adds `a b` to `result`, without `gemm`.
fn add_on_threads(result: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) {
    let columns = b.columns;
    if !few_rows::fits(a, b) {
        // As many for each thread, and none ends within a tile.
        let pieces = a.rows.div_ceil(PIECE_ROWS).next_multiple_of(rows::threads());
        let piece = a.rows.div_ceil(pieces).next_multiple_of(tile::ROWS);
        return rows::fill(result, piece * columns, |index, out| {
            let first = index * piece;
            tile::add(out, a.rows_of(first..first + out.len() / columns), b, 1.0);
        });
    }
    let is_small = result.len() * a.columns < WORTH_THREADS;
    if a.rows == 1 && b.column_stride == 1 && !is_small {
        return few_rows::add_row_on_threads(result, a, b);
    }
    let pieces = if is_small { std::iter::once(0..columns).collect() } else { pieces(columns, 1, TILE[1]) };
    let mut rest: Vec<&mut [f32]> = result.chunks_exact_mut(columns).collect();
    let mut taken = |columns: usize| -> Vec<&mut [f32]> {
        rest.iter_mut().map(|row| row.split_off_mut(..columns).expect("pieces are as wide as a row")).collect()
    };
    let tasks = pieces.into_iter().map(|columns| (taken(columns.len()), columns)).collect();
    rows::each(tasks, |(mut out, columns)| {
        rows::vectorized(|| few_rows::add(&mut out, a, b.columns_of(columns), 1.0));
    });
}

/// Where the numbers of a result lie; tasks write to different ones.
#[derive(Clone, Copy)]
struct Out(*mut f32);

// SAFETY: only a place, and `product` lets no two threads write to the same.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

/// Cuts `length` into even pieces between tiles: at least so many, and as many for each thread.
fn pieces(length: usize, least: usize, tile: usize) -> Vec<Range<usize>> {
    let count = least.next_multiple_of(rows::threads());
    let tiles = length.div_ceil(tile);
    let at = |index: usize| (tile * (index * (tiles / count) + index.min(tiles % count))).min(length);
    (0..count).map(|index| at(index)..at(index + 1)).filter(|piece| !piece.is_empty()).collect()
}

/// `out = scale * a b`, row by row, on this thread.
pub(super) fn product_into(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
    assert_eq!(out.len(), a.rows * b.columns, "the result has room for the product");
    assert_eq!(a.columns, b.rows, "columns of the left are rows of the right");
    if few_rows::fits(a, b) {
        out.fill(0.0);
        let mut out: Vec<&mut [f32]> = out.chunks_exact_mut(b.columns).collect();
        return rows::vectorized(|| few_rows::add(&mut out, a, b, scale));
    }
    if NARROW {
        out.fill(0.0);
        return tile::add(out, a, b, scale);
    }
    // SAFETY: `out` holds the whole product.
    unsafe { multiply(out.as_mut_ptr(), b.columns, a, b, scale, false) }
}

/// `out = scale * a b`, or added to it, on this thread; rows of `out` begin `row_stride` apart.
///
/// # Safety
/// Every number of the product may be written at its place from `out`, and read with `add`.
unsafe fn multiply(out: *mut f32, row_stride: usize, a: Matrix<'_>, b: Matrix<'_>, scale: f32, add: bool) {
    assert_eq!(a.columns, b.rows, "columns of the left are rows of the right");
    // SAFETY: a `Matrix` lies within its slice, and `out` is as the caller promised.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out,
            1,
            row_stride as isize,
            add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Numbers around zero.
    pub fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    /// A number of the product in 64 bits.
    fn exact(a: Matrix<'_>, b: Matrix<'_>, index: usize) -> f64 {
        let terms = a.row(index / b.columns).zip(b.transposed().row(index % b.columns));
        terms.map(|(a, b)| f64::from(a) * f64::from(b)).sum()
    }

    /// Sums of up to a thousand numbers below 1, added up in 32 bits.
    fn assert_close(found: f32, exact: f64) {
        assert!((f64::from(found) - exact).abs() < 1e-4, "{found} is not {exact}");
    }

    /// Asserts that `add(out, scale)` adds the product to `out`.
    pub fn assert_product(a: Matrix<'_>, b: Matrix<'_>, add: impl FnOnce(&mut [f32], f32)) {
        let mut found = numbers(a.rows * b.columns, 3);
        let before = found.clone();
        add(&mut found, 0.5);
        for (index, (found, before)) in found.iter().zip(before).enumerate() {
            assert_close(*found, f64::from(before) + 0.5 * exact(a, b, index));
        }
    }

    #[test]
    fn products_are_exact_every_way() {
        for [rows, depth, columns] in [[1, 300, 5000], [3, 300, 5000], [8, 20, 7], [9, 20, 7], [600, 40, 30]] {
            let (a, b, row) = (numbers(rows * depth, 1), numbers(depth * columns, 2), numbers(columns, 3));
            let a = Matrix::new(&a, depth);
            for b in [Matrix::new(&b, columns), Matrix::new(&b, depth).transposed()] {
                let mut again = vec![1.0; rows * columns];
                product_into(&mut again, a, b, 1.0);
                for (index, (found, again)) in product(a, b, Some(&row)).iter().zip(again).enumerate() {
                    assert_close(again, exact(a, b, index));
                    assert_close(*found, f64::from(row[index % columns]) + exact(a, b, index));
                }
            }
        }
    }
}
