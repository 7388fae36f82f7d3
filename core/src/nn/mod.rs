//! Layers that have never heard of BLIP.

mod attention;
mod cache;
mod drop_path;
mod feed_forward;
mod init;
mod mask;

pub use attention::{Attention, AttentionConfig, scaled_dot_product};
pub use cache::{KeyValue, KvCache, LayerCache};
pub use drop_path::DropPath;
pub use feed_forward::FeedForward;
pub use init::{layer_norm, linear, table};
pub use mask::{causal_mask, padding_mask};
