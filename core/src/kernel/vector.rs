//! Arithmetic that compilers turn into vector instructions: no branches, no calls.

use std::array;

/// Numbers added up side by side; two of the widest vectors.
const LANES: usize = 16;

/// `e^x` within two units in the last place; 0 below the smallest normal result.
///
/// Cephes' scheme: `2^n e^r` with `|r| <= ln(2) / 2`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding and taking away 1.5 * 2^23 rounds to a whole number, which stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let within = x.clamp(-87.3, 88.0);
    let shifted = within * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = within - n * LN_2_HIGH - n * LN_2_LOW;
    let series = 1.0 / 5040.0;
    let series = series * r + 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    let series = series * r + 1.0 / 24.0;
    let series = series * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    let series = (series * r + 1.0) * r + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { series * power }
}

/// The share of a standard normal distribution below `x`, within 2e-7.
///
/// `erf(z) = z p(z^2) / q(z^2)`, fitted by weighted least squares on `|z| <= 3.925`.
#[inline(always)]
#[expect(clippy::approx_constant, reason = "a fitted number, near the limit but not it")]
pub fn normal_cdf(x: f32) -> f32 {
    const P: [f32; 6] = [1.128_379_1, 0.190_592_7, 0.052_769_173, 3.772_51e-3, 2.848_434_7e-4, 2.046_045_4e-6];
    const Q: [f32; 6] = [1.0, 0.502_241_13, 0.114_182_3, 0.014_983_116, 1.163_849_7e-3, 3.804_795_8e-5];
    let z = (x * std::f32::consts::FRAC_1_SQRT_2).clamp(-3.925, 3.925);
    let u = z * z;
    let p = ((((P[5] * u + P[4]) * u + P[3]) * u + P[2]) * u + P[1]) * u + P[0];
    let q = ((((Q[5] * u + Q[4]) * u + Q[3]) * u + Q[2]) * u + Q[1]) * u + Q[0];
    0.5 + 0.5 * (z * p / q)
}

/// The density of a standard normal distribution at `x`.
#[inline(always)]
pub fn normal_density(x: f32) -> f32 {
    const PEAK: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
    PEAK * exp(-0.5 * x * x)
}

/// `sum(term(x))`, always in the same order.
#[inline(always)]
pub fn sum(xs: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    fold(xs, 0.0, |total, x| total + term(x), |a, b| a + b)
}

/// `sum(term(x, y))` over pairs, always in the same order.
#[inline(always)]
pub fn sum_pairs(xs: &[f32], ys: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut totals = [0.0; LANES];
    let (x_chunks, x_rest) = xs.as_chunks::<LANES>();
    let (y_chunks, y_rest) = ys.as_chunks::<LANES>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for lane in 0..LANES {
            totals[lane] += term(x[lane], y[lane]);
        }
    }
    let rest: f32 = x_rest.iter().zip(y_rest).map(|(x, y)| term(*x, *y)).sum();
    // By halves, each a vector: one after the other takes as long as the products of short rows.
    let halved: [f32; 8] = array::from_fn(|lane| totals[lane] + totals[lane + 8]);
    let halved: [f32; 4] = array::from_fn(|lane| halved[lane] + halved[lane + 4]);
    (halved[0] + halved[2]) + (halved[1] + halved[3]) + rest
}

/// The largest number; the smallest there is for none.
#[inline(always)]
pub fn max(xs: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    fold(xs, f32::NEG_INFINITY, larger, larger)
}

/// `total = step(total, x)` in lanes, which `merge` brings together.
#[inline(always)]
fn fold(xs: &[f32], start: f32, step: impl Fn(f32, f32) -> f32, merge: impl Fn(f32, f32) -> f32) -> f32 {
    let mut totals = [start; LANES];
    let (chunks, rest) = xs.as_chunks::<LANES>();
    for chunk in chunks {
        totals = array::from_fn(|lane| step(totals[lane], chunk[lane]));
    }
    let rest = rest.iter().fold(start, |total, x| step(total, *x));
    totals.into_iter().fold(rest, merge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> impl Iterator<Item = f32> {
        (-200_000..=200_000).map(|i| i as f32 * 1e-4)
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for x in grid().map(|x| x * 4.3) {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.5e-7, "exp({x}) is off by {error:e}");
        }
        assert_eq!(exp(-1e9), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn density_is_the_slope_of_the_cdf() {
        for x in grid().filter(|x| x.abs() < 5.0).step_by(100) {
            let h = 1e-2;
            let slope = (f64::from(normal_cdf(x + h)) - f64::from(normal_cdf(x - h))) / (2.0 * f64::from(h));
            assert!((slope - f64::from(normal_density(x))).abs() < 5e-5, "at {x}");
        }
    }

    #[test]
    fn sums_and_maxima_do_not_depend_on_length() {
        for length in [0, 1, 15, 16, 17, 100] {
            let xs: Vec<f32> = (0..length).map(|i| ((i * 7919) % 101) as f32 - 50.0).collect();
            assert_eq!(sum(&xs, |x| x), xs.iter().sum::<f32>());
            assert_eq!(sum_pairs(&xs, &xs, |x, y| x * y), xs.iter().map(|x| x * x).sum::<f32>());
            assert_eq!(max(&xs), xs.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
