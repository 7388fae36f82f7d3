//! Layers that have never heard of BLIP.

mod attention;
mod block_runs;
mod by_path;
mod cache;
mod drop_path;
mod dropout;
mod feed_forward;
mod init;
mod layer_norm;
mod linear;
mod mask;

pub use attention::{Attention, AttentionConfig, scaled_dot_product};
pub use block_runs::BlockRuns;
pub use by_path::{each_weight, replace_weights};
pub use cache::{KeyValue, KvCache, LayerCache};
pub use drop_path::DropPath;
pub use dropout::Dropout;
pub use feed_forward::FeedForward;
pub use init::{linear, table};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use mask::{causal_mask, padding_mask};
