//! Pillow's bicubic resampling, bit for bit (`Resample.c`, `Image.resize(size, BICUBIC)`).
//!
//! Two passes, one along the rows and one along the columns, each with 22-bit weights and rounded to 8 bits.
//! A resize in floating point is a level off here and there, which is why none is used.

use image::RgbImage;

/// Fraction bits of a weight: 32 less 8 for the pixel and 2 for the cubic's overshoot.
const FRACTION_BITS: u32 = 32 - 8 - 2;
/// Half of the last bit kept: sums start here, so that dropping the fraction rounds.
const HALF: i32 = 1 << (FRACTION_BITS - 1);
/// Bytes of a pixel.
const CHANNELS: usize = 3;

/// Resizes to a square and lets the aspect ratio go, as BLIP does in every evaluation (`Resize((s, s))`).
pub fn squash(image: &RgbImage, size: u32) -> RgbImage {
    resize(image, size, size)
}

/// Resizes with the antialiased bicubic; an axis that keeps its length is left untouched, as in Pillow.
pub fn resize(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    assert!(image.width() > 0 && image.height() > 0, "an image to resize has at least one pixel");
    assert!(width > 0 && height > 0, "an image is resized to at least one pixel");
    match (image.width() == width, image.height() == height) {
        (true, true) => image.clone(),
        (true, false) => resize_columns(image, height),
        (false, true) => resize_rows(image, width),
        (false, false) if columns_first(image, width, height) => resize_rows(&resize_columns(image, height), width),
        (false, false) => resize_columns(&resize_rows(image, width), height),
    }
}

/// Reference quirk: Pillow 13 shortens the columns before the rows where that removes more than twice as many rows
/// as the rows lose pixels. Earlier Pillows, the authors' among them, never do.
/// The first pass is rounded to 8 bits, so the order shows: along hard edges of a portrait by several levels.
fn columns_first(image: &RgbImage, width: u32, height: u32) -> bool {
    let rows_lost = i64::from(image.height()) - i64::from(height);
    let columns_lost = i64::from(image.width()) - i64::from(width);
    rows_lost > 0 && rows_lost > 2 * columns_lost
}

/// What one output pixel is made of: the weights of the source pixels from `first` on.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

/// The windows of all output pixels along one axis: in double precision made to sum to one,
/// then rounded to fixed point (`precompute_coeffs`, `normalize_coeffs_8bpc`).
fn windows(source: u32, target: u32) -> Vec<Window> {
    let scale = f64::from(source) / f64::from(target);
    let stretch = scale.max(1.0); // a window grows as the image shrinks: that is the antialiasing
    let support = 2.0 * stretch;
    let window = |index: u32| {
        let center = (f64::from(index) + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as u32;
        let end = ((center + support + 0.5) as u32).min(source);
        let weights = (first..end).map(|x| cubic((f64::from(x) - center + 0.5) * (1.0 / stretch)));
        let weights = weights.collect::<Vec<_>>();
        let sum: f64 = weights.iter().sum();
        let weights = weights.iter().map(|weight| fixed_point(weight / sum)).collect();
        Window { first: first as usize, weights }
    };
    (0..target).map(window).collect()
}

/// Keys' cubic with a = -0.5, in Pillow's order of operations (`bicubic_filter`).
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Rounds half away from zero, as adding ±0.5 and truncating does.
fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << FRACTION_BITS);
    (scaled + 0.5f64.copysign(scaled)) as i32
}

/// Drops the fraction and clips what the cubic overshoots (`clip8`).
fn level(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}

/// Changes the length of every row: each output pixel is a run of neighbours in the same row.
fn resize_rows(image: &RgbImage, width: u32) -> RgbImage {
    let windows = windows(image.width(), width);
    let mut resized = RgbImage::new(width, image.height());
    let source_rows = image.chunks_exact(image.width() as usize * CHANNELS);
    let target_rows = resized.chunks_exact_mut(width as usize * CHANNELS);
    for (source, target) in source_rows.zip(target_rows) {
        let (source, _) = source.as_chunks::<CHANNELS>();
        let (target, _) = target.as_chunks_mut::<CHANNELS>();
        for (pixel, window) in target.iter_mut().zip(&windows) {
            let run = &source[window.first..window.first + window.weights.len()];
            let mut sums = [HALF; CHANNELS];
            for (values, weight) in run.iter().zip(&window.weights) {
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum += i32::from(value) * weight;
                }
            }
            *pixel = sums.map(level);
        }
    }
    resized
}

/// Changes the number of rows: each output row is a sum of whole source rows.
fn resize_columns(image: &RgbImage, height: u32) -> RgbImage {
    let windows = windows(image.height(), height);
    let mut resized = RgbImage::new(image.width(), height);
    let row = image.width() as usize * CHANNELS;
    let mut sums = vec![HALF; row];
    for (target, window) in resized.chunks_exact_mut(row).zip(&windows) {
        sums.fill(HALF);
        for (source, weight) in image.chunks_exact(row).skip(window.first).zip(&window.weights) {
            for (sum, &value) in sums.iter_mut().zip(source) {
                *sum += i32::from(value) * weight;
            }
        }
        for (value, &sum) in target.iter_mut().zip(&sums) {
            *value = level(sum);
        }
    }
    resized
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights of a window sum to one, to within the rounding of each.
    #[test]
    fn a_flat_image_stays_flat() {
        for (width, height, to_width, to_height) in [(7, 5, 3, 11), (1, 1, 9, 4), (300, 2, 1, 1), (5, 1000, 64, 64)] {
            let flat = RgbImage::from_pixel(width, height, image::Rgb([0, 131, 255]));
            let resized = resize(&flat, to_width, to_height);
            assert_eq!(resized, RgbImage::from_pixel(to_width, to_height, image::Rgb([0, 131, 255])));
        }
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        let image = RgbImage::from_fn(9, 6, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
        assert_eq!(resize(&image, 9, 6), image);
    }

    #[test]
    fn rows_and_columns_are_treated_alike() {
        let image = RgbImage::from_fn(40, 30, |x, y| image::Rgb([(x * 6) as u8, (y * 8) as u8, (x * y) as u8]));
        let turned = image::imageops::rotate90(&image);
        assert_eq!(resize_columns(&turned, 13), image::imageops::rotate90(&resize_rows(&image, 13)));
    }
}
