//! The text half of MED: one stack of layers, three roles (BLIP §3.1, `med.py`).

mod config;
mod embedding;
mod layer;
mod lm_head;
mod med;

pub use config::{CrossAttention, Sharing, TextConfig, TokenIds};
pub use embedding::TextEmbedding;
pub use layer::{AttentionLayer, MedLayer, PairedCrossAttention};
pub use lm_head::LmHead;
pub use med::{Context, Med, Mode};
