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
    /// [`Error::Config`] for JSON of another kind.
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
