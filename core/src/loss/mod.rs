//! Losses: tensors in, one tensor out.

mod itc;
mod itm;
mod lm;

pub use crate::kernel::cross_entropy;
pub use itc::{itc, positives, similarities, soft_targets};
pub use itm::{itm, negative_weights};
pub use lm::{Reduction, lm};
