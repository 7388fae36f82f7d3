//! Losses: tensors in, one tensor out.

mod lm;

pub use lm::{Reduction, lm};
