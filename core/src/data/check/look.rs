//! How a picture looks, in a few numbers: near-same pictures have near-same numbers.

use std::collections::HashMap;

use image::RgbImage;
use sha2::{Digest, Sha256};

use crate::preprocess::resize;

/// Rows of the tiny picture, and differences in each.
const SIDE: usize = 16;
/// Differences, of 256, in which two versions of one picture may differ.
///
/// Of 7,000 photographs no two that differ in content have fewer than 43; 99 of 100 that were halved or compressed to
/// JPEG's quality 30 have at most 27 to what they were, 95 at most 20.
const MAX_DIFFERENCES: u32 = 24;
/// Levels by which their mean colours may differ.
const MAX_COLOR_DIFFERENCE: u8 = 16;

/// What tells pictures apart.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// SHA-256 of the file.
    pub content: [u8; 32],
    /// A bit for each pair of neighbours in a row of the tiny grey picture: whether the right one is lighter
    /// (a difference hash).
    rows: [u16; SIDE],
    /// Mean of red, green and blue.
    color: [u8; 3],
}

impl Look {
    pub fn new(bytes: &[u8], image: &RgbImage) -> Self {
        let tiny = resize(image, SIDE as u32 + 1, SIDE as u32);
        let grey = |x: u32, y: u32| {
            let [red, green, blue] = tiny.get_pixel(x, y).0.map(u32::from);
            2 * red + 5 * green + blue
        };
        let row = |y: usize| {
            (0..SIDE as u32).fold(0, |bits, x| bits << 1 | u16::from(grey(x + 1, y as u32) > grey(x, y as u32)))
        };
        let mean = |channel: usize| {
            let sum: u32 = tiny.pixels().map(|pixel| u32::from(pixel.0[channel])).sum();
            (sum / (tiny.width() * tiny.height())) as u8
        };
        Self { content: Sha256::digest(bytes).into(), rows: std::array::from_fn(row), color: std::array::from_fn(mean) }
    }

    /// Whether both are likely versions of one picture: smaller, larger, or compressed anew.
    fn is_like(&self, other: &Self) -> bool {
        let differences: u32 = self.rows.iter().zip(&other.rows).map(|(a, b)| (a ^ b).count_ones()).sum();
        let colors = || self.color.iter().zip(&other.color).all(|(a, b)| a.abs_diff(*b) <= MAX_COLOR_DIFFERENCE);
        differences <= MAX_DIFFERENCES && colors()
    }
}

/// Groups of places whose looks are alike, directly or through others; the first places first.
pub(super) fn alike(looks: &[Option<Look>]) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..looks.len()).collect();
    // Two that are alike differ here and there, and hardly ever in all rows: only those with a row in common are compared.
    for row in 0..SIDE {
        let mut buckets: HashMap<u16, Vec<usize>> = HashMap::new();
        for (place, look) in looks.iter().enumerate().filter_map(|(place, look)| Some((place, (*look)?))) {
            let bucket = buckets.entry(look.rows[row]).or_default();
            for &earlier in bucket.iter() {
                if looks[earlier].is_some_and(|earlier| earlier.is_like(&look)) {
                    join(&mut leader, earlier, place);
                }
            }
            bucket.push(place);
        }
    }
    let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
    for place in 0..looks.len() {
        groups.entry(leader_of(&mut leader, place)).or_default().push(place);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    groups.sort_unstable();
    groups
}

fn leader_of(leader: &mut [usize], place: usize) -> usize {
    let mut place = place;
    while leader[place] != place {
        leader[place] = leader[leader[place]];
        place = leader[place];
    }
    place
}

fn join(leader: &mut [usize], a: usize, b: usize) {
    let (a, b) = (leader_of(leader, a), leader_of(leader, b));
    leader[a.max(b)] = a.min(b);
}

#[cfg(test)]
mod tests {
    use image::imageops;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// A picture of soft waves: photographs are soft, too.
    fn waves(seed: u64) -> RgbImage {
        let mut draws = StdRng::seed_from_u64(seed);
        let waves: Vec<[f32; 4]> = (0..12).map(|_| std::array::from_fn(|_| draws.random_range(0.0..6.3))).collect();
        RgbImage::from_fn(120, 90, |x, y| {
            let [x, y] = [x as f32 / 40.0, y as f32 / 40.0];
            let level = |channel: usize| {
                let at = |[a, b, c, d]: &[f32; 4]| ((a - 3.0) * x + (b - 3.0) * y + c + d * channel as f32 / 9.0).sin();
                (128.0 + 9.0 * waves.iter().map(at).sum::<f32>()).clamp(0.0, 255.0) as u8
            };
            image::Rgb([level(0), level(1), level(2)])
        })
    }

    fn look(image: &RgbImage) -> Look {
        Look::new(image.as_raw(), image)
    }

    #[test]
    fn a_picture_made_smaller_or_grainy_is_alike_and_others_are_not() {
        let mut draws = StdRng::seed_from_u64(9);
        let mut looks = Vec::new();
        for seed in 0..20 {
            let image = waves(seed);
            let mut grainy = image.clone();
            grainy.iter_mut().for_each(|level| *level = level.saturating_add(draws.random_range(0..4)));
            let smaller = imageops::resize(&image, 80, 60, imageops::FilterType::Triangle);
            looks.extend([image, grainy, smaller].map(|image| Some(look(&image))));
        }
        let expected: Vec<Vec<usize>> = (0..20).map(|seed| vec![3 * seed, 3 * seed + 1, 3 * seed + 2]).collect();
        assert_eq!(alike(&looks), expected);
    }

    #[test]
    fn walls_of_different_colors_are_not_alike() {
        let wall = |color| Some(look(&RgbImage::from_pixel(30, 30, image::Rgb(color))));
        let looks = [wall([200, 20, 20]), wall([20, 200, 20]), None, wall([201, 20, 21])];
        assert_eq!(alike(&looks), [vec![0, 3], vec![1], vec![2]]);
    }
}
