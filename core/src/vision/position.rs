//! Position tables at another resolution.

use burn::tensor::Tensor;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

/// Resizes the patch part of a position table, leaving the class token's row as it is
/// (`vit.py`, `interpolate_pos_embed`: bicubic, corners not aligned, no antialiasing).
///
/// # Shapes
/// - `position`: `[1, 1 + n * n, hidden]`
/// - returns `[1, 1 + rows * columns, hidden]`
pub fn resize_position(position: Tensor<3>, rows: usize, columns: usize) -> Tensor<3> {
    let [_, image_token, hidden] = position.dims();
    let side = (image_token - 1).isqrt();
    assert_eq!(side * side + 1, image_token, "a position table is a square of patches and a class token");
    if (rows, columns) == (side, side) {
        return position;
    }
    let class = position.clone().narrow(1, 0, 1);
    let grid = position.narrow(1, 1, side * side).reshape([1, side, side, hidden]).permute([0, 3, 1, 2]); // [1, hidden, rows, columns]
    let options =
        InterpolateOptions::new(InterpolateMode::Bicubic).with_align_corners(false).with_output_size([rows, columns]);
    let grid = interpolate(grid, options).permute([0, 2, 3, 1]).reshape([1, rows * columns, hidden]);
    Tensor::cat(vec![class, grid], 1)
}
