//! Matrix products on the CPU, by the `gemm` crate and without writing the result twice.

// `gemm` takes pointers. This file alone calls it, after checking every matrix against its slice.
#![allow(unsafe_code)]

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use gemm::Parallelism;

use super::rows;

/// Rows of the result that a thread works on; even numbers of pieces keep two threads busy.
const PIECE_ROWS: usize = 128;

/// Multiplications that are worth a second thread where rows are few.
const WORTH_THREADS: usize = 192 * 192 * 192;

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

    fn narrowed(self, first: usize, rows: usize) -> Self {
        Self { values: &self.values[first * self.row_stride..], rows, ..self }
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
    if rows < 2 * PIECE_ROWS.min(64) {
        if let Some(row) = row {
            (0..rows).for_each(|_| result.extend_from_slice(row));
        }
        let threads = rows * columns * a.columns >= WORTH_THREADS;
        // SAFETY: the result has room for all its numbers; `gemm` writes each, and reads them only
        // where they were filled with the row.
        unsafe {
            multiply(result.as_mut_ptr(), columns, a, b, 1.0, row.is_some(), threads);
            result.set_len(rows * columns);
        }
        return result;
    }
    let pieces = rows.div_ceil(PIECE_ROWS).next_multiple_of(2);
    let piece_rows = rows.div_ceil(pieces);
    let piece = |index: usize, values: &mut [std::mem::MaybeUninit<f32>]| {
        let a = a.narrowed(index * piece_rows, values.len() / columns);
        if let Some(row) = row {
            for filled in values.chunks_exact_mut(columns) {
                filled.write_copy_of_slice(row);
            }
        }
        // SAFETY: as above, for the rows of this piece.
        unsafe { multiply(values.as_mut_ptr().cast(), columns, a, b, 1.0, row.is_some(), false) }
    };
    rows::fill(&mut result.spare_capacity_mut()[..rows * columns], piece_rows * columns, piece);
    // SAFETY: every piece has written all its numbers.
    unsafe { result.set_len(rows * columns) }
    result
}

/// `out = scale * a b`, row by row, on this thread.
pub(super) fn product_into(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
    assert_eq!(out.len(), a.rows * b.columns, "the result has room for the product");
    // SAFETY: `out` holds the whole product.
    unsafe { multiply(out.as_mut_ptr(), b.columns, a, b, scale, false, false) }
}

/// # Safety
/// `out` is valid for writing `a.rows * columns` numbers, and for reading them with `add`.
unsafe fn multiply(out: *mut f32, columns: usize, a: Matrix<'_>, b: Matrix<'_>, scale: f32, add: bool, threads: bool) {
    assert_eq!(a.columns, b.rows, "columns of the left are rows of the right");
    assert_eq!(b.columns, columns);
    #[cfg(feature = "threads")]
    let parallelism = if threads { Parallelism::Rayon(0) } else { Parallelism::None };
    #[cfg(not(feature = "threads"))]
    let parallelism = {
        let _ = threads;
        Parallelism::None
    };
    // SAFETY: a `Matrix` lies within its slice, and `out` is as the caller promised.
    unsafe {
        gemm::gemm(
            a.rows,
            columns,
            a.columns,
            out,
            1,
            columns as isize,
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
            parallelism,
        );
    }
}
