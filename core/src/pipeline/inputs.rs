//! How pictures and prompts reach a model.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::preprocess::Preprocessor;

/// What the authors begin every caption with.
const PROMPT: &str = "a picture of ";

/// Preprocessing and prompt of a model; our files hold it as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// How pictures become pixels.
    pub pixels: Preprocessor,
    /// What captions begin with; cut off again.
    pub prompt: String,
}

/// The part of a Hugging Face `preprocessor_config.json` that matters.
#[derive(Deserialize)]
struct HuggingFace {
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
    do_normalize: Option<bool>,
    do_resize: Option<bool>,
    do_center_crop: Option<bool>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    resample: Option<i64>,
}

/// Pillow's number of the bicubic filter, the one that every BLIP was trained with.
const BICUBIC: i64 = 3;

impl HuggingFace {
    /// What pictures would have to go through that ours do not: they would be captioned from other
    /// pixels without a word.
    fn unlike_ours(&self) -> Option<String> {
        let rescale = self.rescale_factor.unwrap_or(1.0 / 255.0);
        if let Some(filter) = self.resample.filter(|filter| *filter != BICUBIC) {
            Some(format!("resample is {filter}, and pictures are resized with the bicubic filter, {BICUBIC}"))
        } else if self.do_resize == Some(false) {
            Some("do_resize is false, and pictures are always resized".to_owned())
        } else if self.do_center_crop == Some(true) {
            Some("do_center_crop is true, and pictures are never cropped".to_owned())
        } else if self.do_rescale == Some(false) {
            Some("do_rescale is false, and levels are always divided by 255".to_owned())
        } else if (rescale * 255.0 - 1.0).abs() > 1e-4 {
            Some(format!("rescale_factor is {rescale}, and levels are always divided by 255"))
        } else {
            None
        }
    }
}

impl Inputs {
    /// The authors' preprocessing for images of this side.
    pub fn new(image_size_px: usize) -> Self {
        Self { pixels: Preprocessor { image_size_px, ..Preprocessor::default() }, prompt: PROMPT.to_owned() }
    }

    /// Reads ours or Hugging Face's JSON. The image size is the model's, whatever the file says:
    /// the position table was made for it.
    ///
    /// # Errors
    /// [`Error::Config`] for JSON of another kind, and for steps that would make other pixels.
    pub fn read(json: Option<&str>, image_size_px: usize) -> Result<Self> {
        let mut inputs = Self::new(image_size_px);
        let Some(json) = json else { return Ok(inputs) };
        if let Ok(ours) = serde_json::from_str::<Self>(json) {
            inputs = ours;
            inputs.pixels.image_size_px = image_size_px;
            return Ok(inputs);
        }
        let theirs: HuggingFace = serde_json::from_str(json)
            .map_err(|source| Error::Config { reason: format!("preprocessor_config.json: {source}") })?;
        if let Some(reason) = theirs.unlike_ours() {
            return Err(Error::Config { reason: format!("preprocessor_config.json: {reason}") });
        }
        if theirs.do_normalize == Some(false) {
            (inputs.pixels.mean, inputs.pixels.std) = ([0.0; 3], [1.0; 3]);
            return Ok(inputs);
        }
        inputs.pixels.mean = theirs.image_mean.unwrap_or(inputs.pixels.mean);
        inputs.pixels.std = theirs.image_std.unwrap_or(inputs.pixels.std);
        if inputs.pixels.std.contains(&0.0) {
            return Err(Error::Config { reason: "preprocessor_config.json: image_std is zero".to_owned() });
        }
        Ok(inputs)
    }

    /// The JSON that [`read`](Self::read) reads.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and a string are always JSON")
    }
}
