//! What a product calls: bytes and strings in, strings and scores out.

mod answer;
mod bank;
mod calibration;
mod caption;
mod compare;
mod dialog;
mod inputs;
mod look;
mod reading;
mod reason;
mod retrieve;
mod seen;
mod surprise;

pub use answer::{Answer, AnswerOptions};
pub use bank::Bank;
pub use calibration::{Calibration, Evidence, Logistic, Reading, Standing, probability, standing};
pub use caption::{Caption, CaptionOptions};
pub use compare::Match;
pub use dialog::DialogQuestion;
pub use inputs::Inputs;
pub use look::Look;
pub use reason::PixelPair;
pub use retrieve::{Found, Rerank, Retrieved};
pub use seen::Seen;

use std::path::Path;
use std::sync::OnceLock;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::checkpoint::{self, Checkpoint, LoadOptions, TokenizerText, Weights};
use crate::error::{Error, Result};
use crate::model::{BlipConfig, Kind, Model, adopt};
use crate::preprocess::dimensions;
use crate::progress::Report;
use crate::readback;
use crate::text::TokenIds;
use crate::tokenizer::{IdBatch, Tokenizer, pad};

/// A model with its tokenizer and preprocessing on a device.
#[derive(Clone, Debug)]
pub struct Pipeline {
    config: BlipConfig,
    model: Model,
    tokenizer: Tokenizer,
    tokens: TokenIds,
    inputs: Inputs,
    /// How evidence of a search is weighed, where the weights say.
    calibration: Option<Calibration>,
    /// What the image encoder makes of nothing, once that was asked for.
    blank: OnceLock<Tensor<3>>,
    device: Device,
    /// What it was loaded from, in messages.
    source: String,
}

impl Pipeline {
    /// Loads a checkpoint of any layout; see [`checkpoint::load`].
    ///
    /// # Errors
    /// What loading gives, and [`Error::Tokenizer`] where no tokenizer is in or beside the
    /// checkpoint.
    pub fn load(path: &Path, device: &Device, options: &LoadOptions, report: &mut Report<'_>) -> Result<Self> {
        Self::load_weights(&Weights::open(path)?, device, options, report)
    }

    /// As [`load`](Self::load), from weights that are already open.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_weights(
        weights: &Weights,
        device: &Device,
        options: &LoadOptions,
        report: &mut Report<'_>,
    ) -> Result<Self> {
        let pipeline = Self::new(checkpoint::load_weights(weights, device, options, report)?, device);
        match (pipeline, checkpoint::tokenizer_source(weights, options)) {
            (Err(Error::Tokenizer { reason }), Some(path)) => {
                Err(Error::Tokenizer { reason: format!("{}: {reason}", path.display()) })
            }
            (pipeline, _) => Ok(Self { source: weights.path().display().to_string(), ..pipeline? }),
        }
    }

    /// Puts a loaded checkpoint to use.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] without a usable tokenizer, [`Error::Config`] for preprocessing that
    /// contradicts the model.
    pub fn new(checkpoint: Checkpoint, device: &Device) -> Result<Self> {
        let Checkpoint { config, model, tokenizer, preprocessor, calibration } = checkpoint;
        let tokenizer = match tokenizer {
            Some(TokenizerText::Json(json)) => Tokenizer::from_json(&json)?,
            Some(TokenizerText::Vocab(vocab)) => Tokenizer::from_vocab(&vocab)?,
            None => {
                let reason = "none lies in or beside the checkpoint: put bert-base-uncased's vocab.txt or \
                              tokenizer.json there, or name it with --tokenizer";
                return Err(Error::Tokenizer { reason: reason.to_owned() });
            }
        };
        if tokenizer.vocab_size() > config.text.vocab_size {
            let (tokens, rows) = (tokenizer.vocab_size(), config.text.vocab_size);
            return Err(Error::Tokenizer { reason: format!("it has {tokens} tokens, the model's word table {rows}") });
        }
        let inputs = Inputs::read(preprocessor.as_deref(), config.vision.image_size_px)?;
        let calibration = calibration.as_deref().map(Calibration::from_json).transpose()?;
        Ok(Self {
            tokens: tokenizer.ids(),
            config,
            model,
            tokenizer,
            inputs,
            calibration,
            blank: OnceLock::new(),
            device: device.clone(),
            source: "the model".to_owned(),
        })
    }

    /// What shapes the weights.
    pub fn config(&self) -> &BlipConfig {
        &self.config
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Numbers that training may change.
    pub fn num_parameters(&self) -> usize {
        crate::with_model!(&self.model, model => model.num_params())
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The ids with a meaning to the model.
    pub fn tokens(&self) -> TokenIds {
        self.tokens
    }

    /// How pictures become pixels, and what captions begin with.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Sets the number of pixels above which a picture is refused.
    pub fn set_max_pixels(&mut self, max_pixels: u64) {
        self.inputs.pixels.max_pixels = max_pixels;
    }

    /// Sets what captions begin with.
    pub fn set_prompt(&mut self, prompt: &str) {
        prompt.clone_into(&mut self.inputs.prompt);
    }

    /// The same pipeline around other weights of the same shape; what was fitted to these is left out.
    pub fn with_model(&self, model: Model) -> Self {
        Self { model, calibration: None, blank: OnceLock::new(), ..self.clone() }
    }

    /// The pipeline around a model of another kind that begins with this one's weights, and the
    /// paths of parameters it had none for; see [`adopt`].
    pub fn into_kind(self, kind: Kind) -> (Self, Vec<String>) {
        let config = BlipConfig { kind, ..self.config.clone() };
        self.into_config(config)
    }

    /// The pipeline around a pre-training model that answers questions by this many layers, and
    /// the paths of parameters that were not there before.
    pub fn with_answer_layers(self, layers: usize) -> (Self, Vec<String>) {
        let config = BlipConfig { answer_layers: Some(layers), ..self.config.clone() };
        self.into_config(config)
    }

    /// As [`into_kind`](Self::into_kind), with any configuration whose sizes are this model's.
    pub fn into_config(self, config: BlipConfig) -> (Self, Vec<String>) {
        if config == self.config {
            return (self, Vec::new());
        }
        let (model, fresh) = adopt(&self.model, &config, &self.device);
        (Self { config, model, calibration: None, blank: OnceLock::new(), ..self }, fresh)
    }

    /// The same model with other dropout while training: stochastic depth of the image encoder,
    /// and dropout of the text layers.
    ///
    /// # Errors
    /// [`Error::Option`] for what is no share below the whole.
    pub fn with_regularization(&self, drop_path: Option<f64>, dropout: Option<f64>) -> Result<Self> {
        for (option, share) in [("drop path", drop_path), ("dropout", dropout)] {
            if share.is_some_and(|share| !(0.0..1.0).contains(&share)) {
                return Err(Error::Option { option, reason: "must be at least 0 and below 1".to_owned() });
            }
        }
        let mut config = self.config.clone();
        config.vision.drop_path = drop_path.unwrap_or(config.vision.drop_path);
        config.text.dropout = dropout.unwrap_or(config.text.dropout);
        let (model, fresh) = adopt(&self.model, &config, &self.device);
        assert!(fresh.is_empty(), "another dropout needs no other weights");
        Ok(Self { config, ..self.with_model(model) })
    }

    /// The model with everything that belongs to it, ready to be saved.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when it cannot be written as JSON.
    pub fn to_checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint {
            config: self.config.clone(),
            model: self.model.clone(),
            tokenizer: Some(TokenizerText::Json(self.tokenizer.to_json()?)),
            preprocessor: Some(self.inputs.to_json()),
            calibration: self.calibration.as_ref().map(Calibration::to_json),
        })
    }

    /// Reads a picture into the numbers the image encoder takes.
    ///
    /// # Errors
    /// What decoding gives: an empty, unknown, broken or too large picture.
    pub fn pixels(&self, bytes: &[u8]) -> Result<Vec<f32>> {
        self.inputs.pixels.pixels(bytes)
    }

    /// Stacks what [`pixels`](Self::pixels) gave into `[batch, channel, height, width]`.
    fn stack(&self, pixels: &[Vec<f32>]) -> Tensor<4> {
        let side = self.inputs.pixels.image_size_px;
        Tensor::from_data(TensorData::new(pixels.concat(), [pixels.len(), 3, side, side]), &self.device)
    }

    /// A text without the last of its words that the model has no positions for.
    ///
    /// # Errors
    /// What the tokenizer gives.
    pub fn shortened(&self, text: &str) -> Result<String> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let mut shortened = words.join(" ");
        let max = self.config.text.max_positions;
        while self.tokenizer.encode_between(self.tokens.cls, &shortened, usize::MAX)?.len() > max {
            words.pop();
            shortened = words.join(" ");
        }
        Ok(shortened)
    }

    /// Refuses a text that the model has no positions for, of which only a beginning would be read.
    fn check_length(&self, text: &str) -> Result<()> {
        let (tokens, max) = (self.tokenizer.encode(text)?.len() + 2, self.config.text.max_positions);
        if tokens > max { Err(Error::TextTooLong { tokens, max }) } else { Ok(()) }
    }

    /// Texts as padded rows, each begun by `first`; refused when one is empty or too long.
    fn read_texts(&self, texts: &[String], first: u32) -> Result<IdBatch> {
        let max = self.config.text.max_positions;
        let mut rows = Vec::with_capacity(texts.len());
        for text in texts {
            let row = self.tokenizer.encode_between(first, text, usize::MAX)?;
            if row.len() <= 2 {
                return Err(Error::EmptyText);
            }
            if row.len() > max {
                return Err(Error::TextTooLong { tokens: row.len(), max });
            }
            rows.push(row);
        }
        Ok(pad(&rows, self.tokens.pad, &self.device))
    }

    /// The numbers of a tensor that sound weights make numbers of.
    async fn read<const D: usize>(&self, tensor: Tensor<D>) -> Result<Vec<f32>> {
        let values = readback::read(tensor).await?;
        if values.iter().any(|value| value.is_nan()) {
            return Err(Error::NotNumbers { model: self.source.clone() });
        }
        Ok(values)
    }

    fn no_head(&self, task: &'static str, needed: &'static str) -> Error {
        Error::NoHead { task, found: self.config.kind.name().to_owned(), needed }
    }
}

/// The width and height of a picture, upright, without decoding it.
///
/// # Errors
/// An empty or unknown picture.
pub fn picture_size(bytes: &[u8]) -> Result<(u32, u32)> {
    dimensions(bytes)
}
