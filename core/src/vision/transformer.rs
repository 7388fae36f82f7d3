//! Pre-norm transformer blocks over patches and a class token.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

use super::{PatchEmbed, resize_position};
use crate::nn::{BlockRuns, DropPath, FeedForward, KeyValue, LayerNorm, Linear, linear, scaled_dot_product, table};

/// Sizes of a [`VisionTransformer`].
#[derive(Config, Debug, PartialEq)]
pub struct VisionConfig {
    /// Side of the square input the position table belongs to.
    pub image_size_px: usize,
    /// Side of a patch.
    pub patch_size_px: usize,
    /// Width of the image tokens.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_layers: usize,
    /// Attention heads; divides `hidden_size`.
    pub num_heads: usize,
    /// Width inside the feed-forward layers.
    pub feed_forward_size: usize,
    /// Added to the variance in layer norms: 1e-6 in the authors' code, 1e-5 in Hugging Face's.
    #[config(default = 1e-6)]
    pub layer_norm_epsilon: f64,
    /// Probability of leaving out the last block's branches while training; earlier ones less.
    #[config(default = 0.0)]
    pub drop_path: f64,
}

impl VisionConfig {
    /// ViT-B/16 for square images of this side.
    pub fn base(image_size_px: usize) -> Self {
        Self::new(image_size_px, 16, 768, 12, 12, 3072)
    }

    /// ViT-L/16; its recipe always drops paths (BLIP §4.1).
    pub fn large(image_size_px: usize) -> Self {
        Self::new(image_size_px, 16, 1024, 24, 16, 4096).with_drop_path(0.1)
    }

    /// ViT-Ti/16, the size of the built-in model.
    pub fn tiny(image_size_px: usize) -> Self {
        Self::new(image_size_px, 16, 192, 12, 3, 768)
    }

    /// Image tokens of one image: its patches and the class token.
    pub fn num_tokens(&self) -> usize {
        (self.image_size_px / self.patch_size_px).pow(2) + 1
    }

    /// Builds the encoder with fresh weights.
    pub fn init(&self, device: &Device) -> VisionTransformer {
        VisionTransformer {
            patch_embed: PatchEmbed::new(self.patch_size_px, self.hidden_size, device),
            class_token: table([1, 1, self.hidden_size], device),
            position: table([1, self.num_tokens(), self.hidden_size], device),
            blocks: DropPath::schedule(self.drop_path, self.num_layers)
                .map(|drop_path| VisionBlock::new(self, drop_path, device))
                .collect(),
            norm: LayerNorm::new(self.hidden_size, self.layer_norm_epsilon, device),
            patch_size_px: self.patch_size_px,
            runs: BlockRuns::default(),
        }
    }
}

/// The image encoder: pixels to image tokens, the class token first.
#[derive(Module, Debug)]
pub struct VisionTransformer {
    patch_embed: PatchEmbed,
    class_token: Param<Tensor<3>>,
    position: Param<Tensor<3>>,
    blocks: Vec<VisionBlock>,
    norm: LayerNorm,
    #[module(skip)]
    patch_size_px: usize,
    #[module(skip)]
    runs: BlockRuns,
}

impl VisionTransformer {
    /// Encodes a batch of images of any size; the position table is resized to fit.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, channel, height, width]`
    /// - returns `image_embeds`, `[batch, image_token, hidden]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.resume(self.pause(pixels, 0), 0)
    }

    /// The first blocks of [`forward`](Self::forward) alone: what block `block` reads.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, channel, height, width]`
    /// - returns `[batch, image_token, hidden]`
    pub fn pause(&self, pixels: Tensor<4>, block: usize) -> Tensor<3> {
        self.blocks[..block].iter().fold(self.embed(pixels), |x, block| block.forward(x))
    }

    /// The rest of [`forward`](Self::forward): `pause(pixels, block)` to `image_embeds`.
    pub fn resume(&self, x: Tensor<3>, block: usize) -> Tensor<3> {
        let x = x.cast(self.dtype());
        let run = |x, block: &VisionBlock| self.runs.run(block, [x], |block, [x]| block.forward(x));
        self.norm.forward(self.blocks[block..].iter().fold(x, run))
    }

    /// As [`forward`](Self::forward), some pictures at a time, each part drawing from a seed of
    /// its own; while learning, a part's inner results go before the next part comes.
    pub fn forward_in_parts(&self, pixels: Tensor<4>, part: usize, mut seed: impl FnMut() -> u64) -> Tensor<3> {
        let [batch, ..] = pixels.dims();
        if part >= batch {
            return self.forward(pixels);
        }
        let parts = (0..batch).step_by(part).map(|first| {
            let pixels = pixels.clone().narrow(0, first, part.min(batch - first));
            self.runs.run_part(self, [pixels], seed(), |vision, [pixels]| vision.forward(pixels))
        });
        Tensor::cat(parts.collect(), 0)
    }

    /// The same encoder, whose blocks run so while it learns.
    pub fn with_runs(self, runs: &BlockRuns) -> Self {
        Self { runs: runs.clone(), ..self }
    }

    /// Number of blocks.
    pub fn num_layers(&self) -> usize {
        self.blocks.len()
    }

    /// The input of every block, and the output of the last, before the final norm.
    pub fn hidden_states(&self, pixels: Tensor<4>) -> Vec<Tensor<3>> {
        let mut states = vec![self.embed(pixels)];
        for block in &self.blocks {
            states.push(block.forward(states[states.len() - 1].clone()));
        }
        states
    }

    /// The position table, `[1, image_token, hidden]`.
    pub fn position(&self) -> Tensor<3> {
        self.position.val()
    }

    /// Patches and class token with their positions: `[batch, image_token, hidden]`.
    /// How its numbers are stored.
    fn dtype(&self) -> DType {
        self.class_token.val().dtype()
    }

    fn embed(&self, pixels: Tensor<4>) -> Tensor<3> {
        let [batch, _, height, width] = pixels.dims();
        let patches = self.patch_embed.forward(pixels.cast(self.dtype())); // [batch, patch, hidden]
        let [_, _, hidden] = patches.dims();
        let class = self.class_token.val().expand([batch, 1, hidden]);
        let (rows, columns) = (height / self.patch_size_px, width / self.patch_size_px);
        let position = resize_position(self.position.val(), rows, columns);
        Tensor::cat(vec![class, patches], 1) + position
    }
}

/// One pre-norm block: attention, then feed-forward, each added to its input.
#[derive(Module, Debug)]
pub struct VisionBlock {
    attention_norm: LayerNorm,
    query_key_value: Linear,
    output: Linear,
    feed_forward_norm: LayerNorm,
    feed_forward: FeedForward,
    #[module(skip)]
    drop_path: DropPath,
    #[module(skip)]
    num_heads: usize,
}

impl VisionBlock {
    fn new(config: &VisionConfig, drop_path: DropPath, device: &Device) -> Self {
        let VisionConfig { hidden_size, num_heads, layer_norm_epsilon, .. } = *config;
        assert!(hidden_size.is_multiple_of(num_heads), "num_heads must divide hidden_size");
        Self {
            attention_norm: LayerNorm::new(hidden_size, layer_norm_epsilon, device),
            query_key_value: linear(hidden_size, 3 * hidden_size, device),
            output: linear(hidden_size, hidden_size, device),
            feed_forward_norm: LayerNorm::new(hidden_size, layer_norm_epsilon, device),
            feed_forward: FeedForward::new(hidden_size, config.feed_forward_size, device),
            drop_path,
            num_heads,
        }
    }

    /// `[batch, image_token, hidden]` to the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let attended = self.attend(self.attention_norm.forward(x.clone()));
        let x = x + self.drop_path.forward(attended);
        let fed = self.feed_forward.forward(self.feed_forward_norm.forward(x.clone()));
        x + self.drop_path.forward(fed)
    }

    fn attend(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, image_token, hidden] = x.dims();
        let head_size = hidden / self.num_heads;
        let [q, key, value] = self
            .query_key_value
            .forward(x)
            .reshape([batch, image_token, 3, self.num_heads, head_size])
            .permute([2, 0, 3, 1, 4]) // [3, batch, head, image_token, head_size]
            .chunk(3, 0)
            .try_into()
            .map(|parts: [Tensor<5>; 3]| parts.map(|part| part.squeeze_dim::<4>(0)))
            .expect("three chunks of three");
        let mixed = scaled_dot_product(q, KeyValue { key, value }, None, None);
        self.output.forward(mixed.swap_dims(1, 2).reshape([batch, image_token, hidden]))
    }
}
