//! Losses: tensors in, one tensor out.

mod lm;

pub use crate::kernel::cross_entropy;
pub use lm::{Reduction, lm};
