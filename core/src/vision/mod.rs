//! The image encoder: a Vision Transformer (BLIP §3.1, `vit.py`).

mod patch_embed;
mod position;
mod transformer;

pub use patch_embed::PatchEmbed;
pub use position::resize_position;
pub use transformer::{VisionBlock, VisionConfig, VisionTransformer};
