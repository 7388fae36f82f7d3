//! Matrix products on the CPU, by the `gemm` crate and without writing the result twice.

// `gemm` takes pointers. This file alone calls it, after checking every matrix against its slice.
#![allow(unsafe_code)]

use std::ops::Range;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use gemm::Parallelism;

use super::rows;

/// Rows of the result that a task works on at the most; each packs the right side for itself.
const PIECE_ROWS: usize = 512;

/// Rows and columns that `gemm` computes together; pieces end between them.
const TILE: [usize; 2] = [4, 24];

/// Multiplications that are worth a second thread.
const WORTH_THREADS: usize = 1 << 20;

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

    fn rows(self, rows: Range<usize>) -> Self {
        Self { values: &self.values[rows.start * self.row_stride..], rows: rows.len(), ..self }
    }

    fn columns(self, columns: Range<usize>) -> Self {
        Self { values: &self.values[columns.start * self.column_stride..], columns: columns.len(), ..self }
    }
}

/// `a b`, and a row added to each of its rows, on all threads.
pub(super) fn product(a: Matrix<'_>, b: Matrix<'_>, row: Option<&[f32]>) -> Vec<f32> {
    let (rows, columns) = (a.rows, b.columns);
    assert!(row.is_none_or(|row| row.len() == columns), "a row is as wide as the product");
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
            multiply(start, columns, a.rows(rows), b.columns(columns_of), 1.0, row.is_some());
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
