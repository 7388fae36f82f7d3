//! The pictures of a training step: a random crop, a mirror image now and then, and RandAugment
//! (`data/__init__.py`, `transform/randaugment.py`).
//!
//! The operations compute what the authors' do; their fixed-point interpolation is not imitated to the last level.

use std::f32::consts::PI;

use image::{Rgb, RgbImage, imageops};
use rand::Rng;

use super::resize;

/// Magnitudes are out of this.
const MAX_MAGNITUDE: f32 = 10.0;
/// Farthest a translation moves, whatever the size of the image.
const MAX_TRANSLATION_PX: f32 = 10.0;
/// What shows where a picture was moved away.
const FILL: f32 = 128.0;
/// Narrowest and widest crop, width over height.
const ASPECT: (f32, f32) = (3.0 / 4.0, 4.0 / 3.0);

/// How far a training picture may stray from the original; the defaults are the authors' for fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Smallest part of the image's area that a crop keeps.
    pub min_scale: f32,
    /// Whether every other picture is mirrored; not for tasks in which left and right are answers.
    pub flip: bool,
    /// RandAugment's N: how many operations are drawn.
    pub operations: usize,
    /// RandAugment's M, out of 10: how strong they are.
    ///
    /// Reference quirk: at the authors' 5, brightness and sharpness change nothing.
    pub magnitude: usize,
    /// Probability that an operation that was drawn is applied.
    pub apply_probability: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Self { min_scale: 0.5, flip: true, operations: 2, magnitude: 5, apply_probability: 0.5 }
    }
}

impl Augment {
    /// The authors' choice for pre-training, where crops are smaller.
    pub fn pretraining() -> Self {
        Self { min_scale: 0.2, ..Self::default() }
    }

    /// A square picture that shows about the same as `image`; all chance comes from `rng`.
    pub fn apply(&self, image: &RgbImage, size: u32, rng: &mut impl Rng) -> RgbImage {
        let [x, y, width, height] = self.crop(image.width(), image.height(), rng);
        let crop = imageops::crop_imm(image, x, y, width, height).to_image();
        let mut picture = resize::squash(&crop, size);
        if self.flip && rng.random_bool(0.5) {
            imageops::flip_horizontal_in_place(&mut picture);
        }
        for _ in 0..self.operations {
            let operation = Operation::ALL[rng.random_range(0..Operation::ALL.len())];
            if rng.random_bool(self.apply_probability) {
                let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
                picture = operation.apply(&picture, self.magnitude as f32 / MAX_MAGNITUDE, sign);
            }
        }
        picture
    }

    /// Left, top, width and height of a crop (torchvision's `RandomResizedCrop.get_params`).
    fn crop(&self, width: u32, height: u32, rng: &mut impl Rng) -> [u32; 4] {
        let area = width as f32 * height as f32;
        for _ in 0..10 {
            let target = area * rng.random_range(self.min_scale.min(1.0)..=1.0);
            let aspect = rng.random_range(ASPECT.0.ln()..=ASPECT.1.ln()).exp();
            let crop_width = (target * aspect).sqrt().round() as u32;
            let crop_height = (target / aspect).sqrt().round() as u32;
            if (1..=width).contains(&crop_width) && (1..=height).contains(&crop_height) {
                let x = rng.random_range(0..=width - crop_width);
                let y = rng.random_range(0..=height - crop_height);
                return [x, y, crop_width, crop_height];
            }
        }
        central_crop(width, height)
    }
}

/// The largest crop in the middle whose aspect is allowed: for strips in which no random crop fits.
fn central_crop(width: u32, height: u32) -> [u32; 4] {
    let (narrowest, widest) = ASPECT;
    let crop_width = width.min((height as f32 * widest).round() as u32).max(1);
    let crop_height = height.min((width as f32 / narrowest).round() as u32).max(1);
    [(width - crop_width) / 2, (height - crop_height) / 2, crop_width, crop_height]
}

/// What RandAugment draws from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Identity,
    AutoContrast,
    Brightness,
    Sharpness,
    Equalize,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
}

impl Operation {
    const ALL: [Self; 10] = [
        Self::Identity,
        Self::AutoContrast,
        Self::Brightness,
        Self::Sharpness,
        Self::Equalize,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
        Self::Rotate,
    ];

    /// Applies with a `strength` of 0 to 1; `sign` is the direction of those that have one.
    fn apply(self, image: &RgbImage, strength: f32, sign: f32) -> RgbImage {
        let enhancement = strength * 1.8 + 0.1;
        let shear = sign * strength * 0.3;
        let offset = sign * strength * MAX_TRANSLATION_PX;
        match self {
            Self::Identity => image.clone(),
            Self::AutoContrast => map_levels(image, stretch_table),
            Self::Brightness => map_levels(image, |_| std::array::from_fn(|level| (level as f32 * enhancement) as u8)),
            Self::Sharpness => sharpen(image, enhancement),
            Self::Equalize => map_levels(image, equalize_table),
            Self::ShearX => warp(image, |x, y| (x - shear * y, y)),
            Self::ShearY => warp(image, |x, y| (x, y - shear * x)),
            Self::TranslateX => warp(image, |x, y| (x + offset, y)),
            Self::TranslateY => warp(image, |x, y| (x, y + offset)),
            Self::Rotate => rotate(image, sign * strength * 30.0),
        }
    }
}

/// Replaces the levels of each channel by a table made from that channel's histogram.
fn map_levels(image: &RgbImage, table: impl Fn(&[u32; 256]) -> [u8; 256]) -> RgbImage {
    let mut histograms = [[0; 256]; 3];
    for pixel in image.pixels() {
        for (histogram, level) in histograms.iter_mut().zip(pixel.0) {
            histogram[usize::from(level)] += 1;
        }
    }
    let tables = histograms.map(|histogram| table(&histogram));
    let mut mapped = image.clone();
    for pixel in mapped.pixels_mut() {
        for (level, table) in pixel.0.iter_mut().zip(&tables) {
            *level = table[usize::from(*level)];
        }
    }
    mapped
}

/// The levels in use are spread over all 256 (`autocontrast_func`).
fn stretch_table(histogram: &[u32; 256]) -> [u8; 256] {
    let low = histogram.iter().position(|&count| count > 0).unwrap_or(0);
    let high = histogram.iter().rposition(|&count| count > 0).unwrap_or(0);
    if high <= low {
        return std::array::from_fn(|level| level as u8);
    }
    std::array::from_fn(|level| ((level as f32 - low as f32) * 255.0 / (high - low) as f32) as u8)
}

/// Every level becomes about as frequent as any other (`equalize_func`, which is Pillow's and not OpenCV's).
fn equalize_table(histogram: &[u32; 256]) -> [u8; 256] {
    let last = histogram.iter().rfind(|&&count| count > 0).unwrap_or(&0);
    let step = (histogram.iter().sum::<u32>() - last) / 255;
    if step == 0 {
        return std::array::from_fn(|level| level as u8);
    }
    let mut below = step / 2;
    histogram.map(|count| {
        let level = (below / step).min(255) as u8;
        below += count;
        level
    })
}

/// Blends with a blurred copy: below 1 softer, above 1 sharper; the outermost pixels stay (`sharpness_func`).
fn sharpen(image: &RgbImage, factor: f32) -> RgbImage {
    let mut sharpened = image.clone();
    for y in 1..image.height().saturating_sub(1) {
        for x in 1..image.width().saturating_sub(1) {
            let mut sums = image.get_pixel(x, y).0.map(|level| 4.0 * f32::from(level)); // the centre weighs 5 of 13
            for (dy, dx) in (0..3).flat_map(|dy| (0..3).map(move |dx| (dy, dx))) {
                for (sum, level) in sums.iter_mut().zip(image.get_pixel(x + dx - 1, y + dy - 1).0) {
                    *sum += f32::from(level);
                }
            }
            for (level, sum) in sharpened.get_pixel_mut(x, y).0.iter_mut().zip(sums) {
                let blurred = (sum / 13.0).round();
                *level = (blurred + factor * (f32::from(*level) - blurred)) as u8;
            }
        }
    }
    sharpened
}

/// Turns around the centre, counter-clockwise (`rotate_func`).
fn rotate(image: &RgbImage, degrees: f32) -> RgbImage {
    let (sine, cosine) = (degrees * PI / 180.0).sin_cos();
    let (center_x, center_y) = (image.width() as f32 / 2.0, image.height() as f32 / 2.0);
    warp(image, |x, y| {
        let (x, y) = (x - center_x, y - center_y);
        (cosine * x - sine * y + center_x, sine * x + cosine * y + center_y)
    })
}

/// Each pixel is fetched from where `source` says, bilinearly; outside of the image all is grey.
fn warp(image: &RgbImage, source: impl Fn(f32, f32) -> (f32, f32)) -> RgbImage {
    let (width, height) = image.dimensions();
    let fetch = |x: f32, y: f32| {
        let inside = x >= 0.0 && y >= 0.0 && x < width as f32 && y < height as f32;
        if inside { image.get_pixel(x as u32, y as u32).0.map(f32::from) } else { [FILL; 3] }
    };
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = source(x as f32, y as f32);
        let (left, top) = (x.floor(), y.floor());
        let (right, bottom) = (x - left, y - top); // weights of the neighbours to the right and below
        let corners = [fetch(left, top), fetch(left + 1.0, top), fetch(left, top + 1.0), fetch(left + 1.0, top + 1.0)];
        Rgb(std::array::from_fn(|channel| {
            let [a, b, c, d] = corners.map(|corner| corner[channel]);
            let above = a + right * (b - a);
            let below = c + right * (d - c);
            (above + bottom * (below - above)).round() as u8
        }))
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(40, 30, |x, y| Rgb([(60 + x * 3) as u8, (80 + y * 4) as u8, (x * y / 6 + 20) as u8]))
    }

    fn flat() -> RgbImage {
        RgbImage::from_pixel(12, 9, Rgb([7, 128, 200]))
    }

    fn moved(operation: Operation, strength: f32, sign: f32) -> RgbImage {
        operation.apply(&picture(), strength, sign)
    }

    #[test]
    fn the_same_seed_gives_the_same_picture() {
        let augment = Augment { apply_probability: 1.0, ..Augment::default() };
        let apply = |seed| augment.apply(&picture(), 24, &mut StdRng::seed_from_u64(seed));
        assert_eq!(apply(3), apply(3));
        assert_ne!(apply(3), apply(4));
    }

    #[test]
    fn pictures_have_the_size_asked_for() {
        let mut rng = StdRng::seed_from_u64(1);
        for (width, height) in [(1, 1), (1, 300), (300, 1), (17, 64), (640, 427)] {
            let picture = Augment::pretraining().apply(&RgbImage::new(width, height), 16, &mut rng);
            assert_eq!(picture.dimensions(), (16, 16));
        }
    }

    #[test]
    fn crops_keep_the_scale_and_the_aspect() {
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..500 {
            let [x, y, width, height] = Augment::default().crop(640, 427, &mut rng);
            assert!(x + width <= 640 && y + height <= 427);
            assert!((width * height) as f32 > 0.49 * 640.0 * 427.0);
            let aspect = width as f32 / height as f32;
            assert!(aspect > 0.74 && aspect < 1.35);
        }
    }

    #[test]
    fn a_strip_is_cropped_in_its_middle() {
        assert_eq!(central_crop(1000, 30), [480, 0, 40, 30]);
        assert_eq!(central_crop(30, 1000), [0, 480, 30, 40]);
        assert_eq!(central_crop(40, 40), [0, 0, 40, 40]);
    }

    #[test]
    fn without_chance_the_picture_is_only_squashed() {
        let augment = Augment { min_scale: 1.0, flip: false, operations: 0, ..Augment::default() };
        let square = RgbImage::from_fn(30, 30, |x, y| Rgb([(x * 8) as u8, (y * 8) as u8, 5]));
        let mut rng = StdRng::seed_from_u64(5);
        assert!((0..30).all(|_| augment.apply(&square, 30, &mut rng) == square));
    }

    #[test]
    fn strength_zero_moves_nothing() {
        for operation in Operation::ALL[5..].iter().chain([&Operation::Identity]) {
            assert_eq!(moved(*operation, 0.0, 1.0), picture(), "{operation:?}");
        }
    }

    #[test]
    fn half_strength_leaves_brightness_and_sharpness() {
        assert_eq!(moved(Operation::Brightness, 0.5, 1.0), picture());
        assert_eq!(moved(Operation::Sharpness, 0.5, 1.0), picture());
    }

    #[test]
    fn flat_images_have_no_contrast_to_change() {
        for operation in [Operation::AutoContrast, Operation::Equalize, Operation::Sharpness] {
            assert_eq!(operation.apply(&flat(), 1.0, 1.0), flat(), "{operation:?}");
        }
    }

    #[test]
    fn auto_contrast_reaches_black_and_white() {
        let stretched = moved(Operation::AutoContrast, 0.0, 1.0);
        for channel in 0..3 {
            assert!(stretched.pixels().any(|pixel| pixel.0[channel] == 0));
            assert!(stretched.pixels().any(|pixel| pixel.0[channel] == 255));
        }
    }

    #[test]
    fn equalize_evens_out_the_histogram() {
        // 52 dark levels, each five times, spread evenly over 0..=255.
        let dark = RgbImage::from_fn(52, 5, |x, _| Rgb([x as u8; 3]));
        let even = RgbImage::from_fn(52, 5, |x, _| Rgb([5 * x as u8; 3]));
        assert_eq!(Operation::Equalize.apply(&dark, 0.0, 1.0), even);
    }

    #[test]
    fn brightness_multiplies() {
        let bright = Operation::Brightness.apply(&flat(), 1.0, 1.0);
        assert_eq!(bright.get_pixel(3, 3), &Rgb([13, 243, 255]));
    }

    #[test]
    fn softening_spreads_a_dot_over_its_neighbours() {
        let mut dot = RgbImage::new(5, 5);
        dot.put_pixel(2, 2, Rgb([130; 3]));
        let soft = Operation::Sharpness.apply(&dot, 0.0, 1.0);
        assert_eq!((soft.get_pixel(1, 1).0[0], soft.get_pixel(2, 2).0[0]), (9, 58));
    }

    #[test]
    fn shear_leaves_the_first_row_and_moves_the_others() {
        let sheared = moved(Operation::ShearX, 1.0, 1.0); // 0.3 pixels a row
        assert!((0..40).all(|x| sheared.get_pixel(x, 0) == picture().get_pixel(x, 0)));
        assert_eq!(sheared.get_pixel(23, 10), picture().get_pixel(20, 10));
        let sheared = moved(Operation::ShearY, 1.0, -1.0);
        assert_eq!(sheared.get_pixel(10, 17), picture().get_pixel(10, 20));
    }

    #[test]
    fn translation_moves_whole_pixels_and_fills_with_grey() {
        let right = moved(Operation::TranslateX, 1.0, -1.0);
        assert_eq!(right.get_pixel(15, 4), picture().get_pixel(5, 4));
        assert_eq!(right.get_pixel(9, 4), &Rgb([128; 3]));
        let up = moved(Operation::TranslateY, 0.5, 1.0);
        assert_eq!(up.get_pixel(15, 4), picture().get_pixel(15, 9));
    }

    #[test]
    fn rotation_keeps_the_centre_and_can_be_undone() {
        for degrees in [-30.0, 12.0, 30.0] {
            assert_eq!(rotate(&picture(), degrees).get_pixel(20, 15), picture().get_pixel(20, 15));
        }
        let back = rotate(&rotate(&picture(), 15.0), -15.0);
        let differences = back.get_pixel(22, 13).0.iter().zip(picture().get_pixel(22, 13).0);
        assert!(differences.into_iter().all(|(&a, b)| a.abs_diff(b) <= 2));
    }

    #[test]
    fn a_quarter_turn_is_counter_clockwise() {
        let mut dot = RgbImage::new(11, 11);
        dot.put_pixel(8, 5, Rgb([255; 3]));
        let turned = rotate(&dot, 90.0); // around (5.5, 5.5): right of the centre goes above it
        assert_eq!(turned.get_pixel(5, 3), &Rgb([255; 3]));
    }
}
