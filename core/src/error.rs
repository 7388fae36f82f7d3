//! Everything that can go wrong, one variant for each thing a caller can act on.

use std::path::PathBuf;

/// What stopped a call into this library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// What was being read.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written; nothing half-written is left under its name.
    #[error("could not write {}", path.display())]
    Write {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes of an image are in no format this build decodes.
    #[error("not an image in a known format (JPEG, PNG, WebP, GIF, BMP, TIFF)")]
    UnknownImage,
    /// A picture in a format without a decoder that could travel with us.
    #[error("{format} pictures cannot be read: save it as JPEG or PNG")]
    UnreadFormat {
        /// Its name.
        format: &'static str,
    },
    /// The bytes begin like an image but cannot be decoded.
    #[error("image is broken")]
    BrokenImage {
        /// What the decoder said.
        source: image::ImageError,
    },
    /// An image file without a single byte.
    #[error("file is empty")]
    EmptyFile,
    /// An image above the pixel limit; nothing was decoded.
    #[error("image is {width} x {height} pixels; the limit is {max_pixels} pixels")]
    TooManyPixels {
        /// Width in the file's header.
        width: u32,
        /// Height in the file's header.
        height: u32,
        /// The limit that was in force.
        max_pixels: u64,
    },
    /// No device answers to the name that was asked for.
    #[error("no device called {name}; this machine has {}", available.join(", "))]
    NoDevice {
        /// The name asked for.
        name: String,
        /// The names that would have worked.
        available: Vec<String>,
    },
    /// The device failed while computing or reading back.
    #[error("the device failed: {reason}")]
    Device {
        /// What the backend said.
        reason: String,
    },
    /// The device has no memory left for what it was asked to do.
    #[error("the device is out of memory")]
    OutOfMemory,
    /// A file that should be a checkpoint is none, or is damaged.
    #[error("{} is not a usable checkpoint: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Tensors the model needs are absent.
    #[error("checkpoint has no tensor for {}", shorten(missing))]
    MissingWeights {
        /// Their names in the checkpoint's own layout.
        missing: Vec<String>,
    },
    /// Tensors the model has no place for are present.
    #[error("checkpoint has tensors this model does not know: {}", shorten(unknown))]
    UnknownWeights {
        /// Their names in the checkpoint's own layout.
        unknown: Vec<String>,
    },
    /// Momentum copies and queues of a training run lie among the weights.
    #[error(
        "checkpoint holds the state of a training run besides the model: {}; \
         ask to skip it (--skip-training-state) to load the model alone",
        shorten(names)
    )]
    TrainingState {
        /// Their names in the checkpoint's own layout.
        names: Vec<String>,
    },
    /// A tensor's shape contradicts the configuration.
    #[error("tensor {name} is {found:?}; the configuration needs {expected:?}")]
    MisshapenWeight {
        /// Its name in the checkpoint's own layout.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape the configuration asks for.
        expected: Vec<usize>,
    },
    /// A tensor holds NaN or infinity.
    #[error("tensor {name} holds values that are not finite numbers")]
    NotFinite {
        /// Its name in the checkpoint's own layout.
        name: String,
    },
    /// A weight beyond the largest number of 16 bits.
    #[error("tensor {name} holds numbers beyond 65504, the largest that 16 bits hold: save it in 32")]
    TooLargeForHalf {
        /// Its name in the checkpoint's own layout.
        name: String,
    },
    /// The model computed NaN, which no picture and no text makes of sound weights.
    #[error("{model} computes values that are no numbers: a weight in it is damaged, or too large to compute with")]
    NotNumbers {
        /// The checkpoint it was loaded from.
        model: String,
    },
    /// A configuration that contradicts itself or cannot be read.
    #[error("configuration: {reason}")]
    Config {
        /// What is wrong.
        reason: String,
    },
    /// The model has no head for this task.
    #[error("this model is {} {found}; {task} needs {needed}", article(found))]
    NoHead {
        /// What was asked for.
        task: &'static str,
        /// The kind of the loaded model.
        found: String,
        /// The kinds that have the head, with examples.
        needed: &'static str,
    },
    /// A text with no word in it.
    #[error("text is empty")]
    EmptyText,
    /// A text beyond the position table.
    #[error("text has {tokens} tokens; the model holds {max}")]
    TextTooLong {
        /// Length of the text in tokens.
        tokens: usize,
        /// Rows of the position table.
        max: usize,
    },
    /// The tokenizer's files cannot be used.
    #[error("tokenizer: {reason}")]
    Tokenizer {
        /// What is wrong.
        reason: String,
    },
    /// A dataset file or folder cannot be used.
    #[error("{}: {reason}", path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An option outside its range.
    #[error("{option} {reason}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// What it must be.
        reason: String,
    },
    /// There is less to learn from than a step needs.
    #[error("{found} examples with a text to learn from, and at least {least} must be there")]
    TooFewExamples {
        /// Pictures that have a caption, or questions that have an answer.
        found: usize,
        /// Examples a step needs.
        least: usize,
    },
    /// The loss stopped being a number; the last good checkpoint is untouched.
    #[error("loss is not a number at step {step}; the last good checkpoint was kept")]
    LossNotFinite {
        /// The optimiser step.
        step: usize,
    },
    /// The caller's report answered `Break`.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// The message with those of its causes, in one line.
    pub fn with_causes(&self) -> String {
        let mut message = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            let inner_message = inner.to_string();
            if !message.ends_with(&inner_message) {
                message += ": ";
                message += &inner_message;
            }
            cause = inner.source();
        }
        message
    }
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The article before a noun.
fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The first few of many names, and how many more there are.
fn shorten(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let head = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => head,
        more => format!("{head} and {more} more"),
    }
}
