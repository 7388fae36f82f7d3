//! Numbers on the command line: one that makes no sense is refused where it was typed.

use std::str::FromStr;

/// At least 1.
pub fn count(text: &str) -> Result<usize, String> {
    read(text, "must be a whole number from 1 on", |number| *number >= 1)
}

/// Neither infinite nor NaN.
pub fn finite(text: &str) -> Result<f32, String> {
    read(text, "must be a number", |number: &f32| number.is_finite())
}

/// Above 0.
pub fn above_zero(text: &str) -> Result<f32, String> {
    read(text, "must be a number above 0", |number: &f32| number.is_finite() && *number > 0.0)
}

/// A share of something that is not none of it.
pub fn share(text: &str) -> Result<f32, String> {
    read(text, "must be above 0 and at most 1", |number: &f32| *number > 0.0 && *number <= 1.0)
}

/// A time, in whatever unit, that may be none.
pub fn time(text: &str) -> Result<f64, String> {
    read(text, "must be a number from 0 on", |number: &f64| number.is_finite() && *number >= 0.0)
}

fn read<T: FromStr>(text: &str, needed: &str, is_fine: impl Fn(&T) -> bool) -> Result<T, String> {
    text.parse().ok().filter(is_fine).ok_or_else(|| needed.to_owned())
}
