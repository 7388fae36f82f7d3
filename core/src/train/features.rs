//! Image tokens kept between epochs while the image encoder, or its first blocks, stay as they are.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use half::f16;

use super::TrainConfig;
use super::freeze::first_learning_part;
use super::pictures::{Ahead, Squares, Wanted};
use crate::data::Picture;
use crate::error::{Error, Result};
use crate::preprocess::Preprocessor;
use crate::progress::{Progress, Report};
use crate::readback::read;
use crate::vision::VisionTransformer;

/// Photographs encoded at once while features are kept.
const READ_BATCH: usize = 32;

/// What an image encoder is shown.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Pictures, `[batch, channel, height, width]`.
    Pixels(Tensor<4>),
    /// What its parts before `part` made of them, `[batch, image_token, hidden]`: blocks are parts,
    /// and the final norm is one.
    Kept {
        /// What that part reads.
        states: Tensor<3>,
        /// The first part that is still to run.
        part: usize,
    },
}

impl Shown {
    /// What the encoder makes of it, `[batch, image_token, hidden]`.
    pub fn embeds(self, vision: &VisionTransformer) -> Tensor<3> {
        match self {
            Self::Pixels(pixels) => vision.forward(pixels),
            Self::Kept { states, part } if part > vision.num_layers() => states,
            Self::Kept { states, part } => vision.resume(states, part),
        }
    }

    /// As [`embeds`](Self::embeds), some pictures at a time; see
    /// [`VisionTransformer::forward_in_parts`].
    pub fn embeds_in_parts(self, vision: &VisionTransformer, part: usize, seed: impl FnMut() -> u64) -> Tensor<3> {
        match self {
            Self::Pixels(pixels) => vision.forward_in_parts(pixels, part, seed),
            kept => kept.embeds(vision),
        }
    }

    /// The same, given without gradients, for an encoder that learns.
    pub fn learning(self) -> Self {
        match self {
            Self::Pixels(pixels) => Self::Pixels(Tensor::from_inner(pixels)),
            Self::Kept { states, part } => Self::Kept { states: Tensor::from_inner(states), part },
        }
    }
}

/// Whether what the first learning part of the image encoder reads is kept.
pub(super) enum Keeping {
    Undecided,
    Nothing,
    Features(FeatureCache),
}

impl Keeping {
    /// Decides, and encodes all photographs once as far as the encoder stays as it is.
    ///
    /// `pictures` are all there are, by their places.
    ///
    /// # Errors
    /// [`Error::Cancelled`], to be continued by the next call, and unreadable photographs.
    pub async fn prepare(
        &mut self,
        vision: &VisionTransformer,
        pictures: &[&Picture],
        preprocessor: &Preprocessor,
        config: &TrainConfig,
        report: &mut Report<'_>,
    ) -> Result<()> {
        if let Self::Undecided = self {
            let first_part = first_learning_part(vision);
            let [_, image_token, hidden] = vision.position().dims();
            let fits = FeatureCache::megabytes(pictures.len(), image_token, hidden) <= config.feature_memory_mb;
            *self = match first_part > 0 && !config.augment && fits {
                true => Self::Features(FeatureCache { first_part, ..FeatureCache::default() }),
                false => Self::Nothing,
            };
        }
        match self {
            Self::Features(features) => features.fill(&vision.valid(), pictures, preprocessor, report).await,
            Self::Undecided | Self::Nothing => Ok(()),
        }
    }

    /// Whether steps read pictures.
    pub fn reads_pictures(&self) -> bool {
        !matches!(self, Self::Features(_))
    }

    /// What the image encoder is shown of these photographs: what is kept of them, or those of a
    /// step's `pictures` that stand at `part`.
    pub fn shown(
        &self,
        images: impl Iterator<Item = usize>,
        pictures: &Option<Squares>,
        part: Range<usize>,
        device: &Device,
    ) -> Shown {
        match self {
            Self::Features(features) => {
                Shown::Kept { states: features.batch(images, device), part: features.first_part }
            }
            Self::Undecided | Self::Nothing => {
                let pictures = pictures.as_ref().expect("a step that keeps no features asks for pictures");
                Shown::Pixels(pictures.pixels(part, device))
            }
        }
    }
}

/// What the first learning part reads of every photograph, 16 bits a number, in main memory.
#[derive(Clone, Debug, Default)]
pub(super) struct FeatureCache {
    /// Image tokens of photograph `i`, row by row.
    images: Vec<Vec<f16>>,
    token: usize,
    hidden: usize,
    first_part: usize,
}

impl FeatureCache {
    /// What this many photographs take, in MB.
    fn megabytes(images: usize, image_token: usize, hidden: usize) -> usize {
        (images * image_token * hidden * size_of::<f16>()).div_ceil(1_000_000)
    }

    async fn fill(
        &mut self,
        vision: &VisionTransformer,
        pictures: &[&Picture],
        preprocessor: &Preprocessor,
        report: &mut Report<'_>,
    ) -> Result<()> {
        let device = vision.devices().into_iter().next().unwrap_or_else(Device::flex);
        let mut batches = pictures[self.images.len()..].chunks(READ_BATCH);
        let mut ahead = Ahead::new();
        let mut next =
            || batches.next().map(|batch| ((), Some(Wanted::undistorted(batch.iter().copied(), preprocessor))));
        while let Some((_, Some(squares))) = ahead.next(&mut next)? {
            let pixels = squares.all(&device);
            // A wholly frozen encoder's output is kept, else what its first learning part reads.
            let states = match self.first_part > vision.num_layers() {
                true => vision.forward(pixels),
                false => vision.pause(pixels, self.first_part),
            };
            self.push(states).await?;
            let progress = Progress::Items { stage: "encoding", done: self.images.len(), total: pictures.len() };
            if report(progress).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }

    /// Appends a batch, `[batch, image_token, hidden]`.
    async fn push(&mut self, image_embeds: Tensor<3>) -> Result<()> {
        let [_, token, hidden] = image_embeds.dims();
        (self.token, self.hidden) = (token, hidden);
        let values = read(image_embeds).await?;
        self.images.extend(
            values
                .chunks_exact(token * hidden)
                .map(|image| image.iter().map(|value| f16::from_f32(*value)).collect::<Vec<_>>()),
        );
        Ok(())
    }

    /// The image tokens of these photographs, `[batch, image_token, hidden]`.
    fn batch(&self, images: impl Iterator<Item = usize>, device: &Device) -> Tensor<3> {
        let (mut values, mut batch) = (Vec::new(), 0);
        for image in images {
            values.extend(self.images[image].iter().map(|value| value.to_f32()));
            batch += 1;
        }
        Tensor::from_data(TensorData::new(values, [batch, self.token, self.hidden]), device)
    }
}
