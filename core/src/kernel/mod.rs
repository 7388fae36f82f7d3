//! Operations written by hand, each beside what it computes in plain tensor operations.
//!
//! A kernel is a trait of backends: its default body is the reference, the CPU has its own loops,
//! and gradients are exact on every device.

mod attention;
mod cross_entropy;
#[cfg(feature = "train")]
mod descent;
mod few_queries;
mod few_rows;
mod gelu;
mod layer_norm;
mod linear;
mod matrix;
mod noise;
mod recompute;
mod rows;
mod softmax;
mod tile;
mod vector;

pub use attention::{Attend, AttendSteps, attention};
pub use cross_entropy::{CrossEntropy, cross_entropy};
#[cfg(feature = "train")]
pub use descent::{AdamWStep, Descend, Moving, adamw, drift, sum_of_squares};
pub use gelu::{Gelu, gelu};
pub use layer_norm::{Normalize, layer_norm};
pub use linear::{Project, linear};
pub use noise::{DropoutMask, dropout_mask};
pub use recompute::recompute;
pub use softmax::{Softmax, softmax};
