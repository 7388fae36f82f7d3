//! BLIP's heads: an image encoder, a text stack and what reads their states.

mod adopt;
mod answerer;
mod captioner;
mod config;
mod dialog;
mod matcher;
mod pretraining;
mod reasoner;

pub use adopt::{adopt, overlay};
pub use answerer::{Answerer, Responder};
pub use captioner::{Captioner, Writer};
pub use config::{BlipConfig, Kind};
pub use dialog::Dialog;
pub use matcher::{Comparer, MatchHeads, Matcher, unit_length, with_match_threshold};
pub use pretraining::Pretraining;
pub use reasoner::Reasoner;

use burn::module::Module;
use burn::tensor::Device;

use crate::vision::VisionTransformer;

/// A model of any kind.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a process holds few of them")]
pub enum Model {
    /// Writes captions.
    Captioner(Captioner),
    /// Compares images and texts.
    Matcher(Matcher),
    /// Answers questions.
    Answerer(Answerer),
    /// Judges statements about two images.
    Reasoner(Reasoner),
    /// Ranks answers in a dialog about an image.
    Dialog(Dialog),
    /// Writes and compares with shared weights.
    Pretraining(Pretraining),
}

impl Model {
    /// The image encoder.
    pub fn vision(&self) -> &VisionTransformer {
        crate::with_model!(self, model => model.vision())
    }

    /// The same model with another image encoder of its shape.
    pub fn with_vision(self, vision: VisionTransformer) -> Self {
        crate::with_model!(self, model => model.with_vision(vision).into())
    }
}

/// A model of one kind, known to be of it.
pub trait Head: Module + Into<Model> {
    /// The kind.
    const KIND: Kind;

    /// The model, where it is of this kind.
    fn of(model: Model) -> Option<Self>;
}

macro_rules! heads {
    ($($head:ident),*) => {
        impl Model {
            /// Builds a model of the configured kind with fresh weights.
            pub fn init(config: &BlipConfig, device: &Device) -> Self {
                match config.kind {
                    $(Kind::$head => Self::$head($head::new(config, device)),)*
                }
            }
        }

        $(
            impl From<$head> for Model {
                fn from(head: $head) -> Self {
                    Self::$head(head)
                }
            }

            impl Head for $head {
                const KIND: Kind = Kind::$head;

                fn of(model: Model) -> Option<Self> {
                    match model {
                        Model::$head(head) => Some(head),
                        _ => None,
                    }
                }
            }
        )*
    };
}

heads!(Captioner, Matcher, Answerer, Reasoner, Dialog, Pretraining);

/// Runs an expression on whichever module a [`Model`] holds.
#[macro_export]
macro_rules! with_model {
    ($model:expr, $module:ident => $body:expr) => {
        match $model {
            $crate::model::Model::Captioner($module) => $body,
            $crate::model::Model::Matcher($module) => $body,
            $crate::model::Model::Answerer($module) => $body,
            $crate::model::Model::Reasoner($module) => $body,
            $crate::model::Model::Dialog($module) => $body,
            $crate::model::Model::Pretraining($module) => $body,
        }
    };
}
