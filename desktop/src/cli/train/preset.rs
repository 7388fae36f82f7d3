//! Recipes by name, for `--preset`.

use anyhow::Result;
use clap::ValueEnum;
use medley::train::TrainConfig;

use crate::cli::wrong;

/// A recipe; options that are given win over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// A few hundred pictures of your own, for every task
    Mine,
    /// Captions, ViT-B at 384 px: batch 256, 5 epochs, 1e-5
    PaperCaption,
    /// Captions, ViT-L at 384 px: batch 256, 5 epochs, 2e-6
    PaperCaptionLarge,
    /// Retrieval, ViT-B at 384 px: batch 256, 6 epochs, 1e-5, queue 57600
    PaperRetrieval,
    /// Retrieval, ViT-L at 384 px: batch 256, 6 epochs, 5e-6, queue 57600
    PaperRetrievalLarge,
    /// Questions, 480 px: batch 256, 10 epochs, 2e-5
    PaperVqa,
    /// Statements about two pictures, 384 px: batch 256, 15 epochs, 3e-5
    PaperNlvr,
    /// Dialogues: batch 240, 20 epochs, 2e-5
    PaperDialog,
    /// Pre-training, ViT-B at 224 px: batch 2880, 20 epochs, 3e-4 with a rise over 3000 steps, queue 57600
    PaperPretrain,
    /// Pre-training, ViT-L at 224 px: batch 2400, 20 epochs, 2e-4 with a rise over 3000 steps, queue 57600
    PaperPretrainLarge,
}

impl Preset {
    /// How to train.
    pub fn config(self) -> TrainConfig {
        match self {
            Self::Mine => TrainConfig::mine(),
            Self::PaperCaption => TrainConfig::paper_caption(),
            Self::PaperCaptionLarge => TrainConfig::paper_caption_large(),
            Self::PaperRetrieval => TrainConfig::paper_retrieval(),
            Self::PaperRetrievalLarge => TrainConfig::paper_retrieval_large(),
            Self::PaperVqa => TrainConfig::paper_vqa(),
            Self::PaperNlvr => TrainConfig::paper_nlvr(),
            Self::PaperDialog => TrainConfig::paper_dialog(),
            Self::PaperPretrain => TrainConfig::paper_pretrain(),
            Self::PaperPretrainLarge => TrainConfig::paper_pretrain_large(),
        }
    }

    /// Side of the pictures; none for that of the model.
    pub fn image_size_px(self) -> Option<usize> {
        match self {
            Self::Mine | Self::PaperDialog => None,
            Self::PaperVqa => Some(480),
            Self::PaperPretrain | Self::PaperPretrainLarge => Some(224),
            _ => Some(384),
        }
    }

    /// Stochastic depth of the image encoder; none for that of the model.
    pub fn drop_path(self) -> Option<f64> {
        match self {
            Self::PaperCaptionLarge
            | Self::PaperRetrievalLarge
            | Self::PaperPretrainLarge
            | Self::PaperVqa
            | Self::PaperNlvr => Some(0.1),
            _ => None,
        }
    }

    /// Refuses a recipe of another task, naming those there are for this one; `task` is the word
    /// its recipes have in their names.
    pub fn check(self, task: &str) -> Result<()> {
        let name = |preset: &Self| preset.to_possible_value().map(|value| value.get_name().to_owned());
        let is_for =
            |name: &str| name == "mine" || name.strip_prefix("paper-").is_some_and(|rest| rest.starts_with(task));
        let names: Vec<String> = Self::value_variants().iter().filter_map(name).collect();
        match name(&self) {
            Some(own) if !is_for(&own) => {
                let fitting: Vec<String> = names.into_iter().filter(|name| is_for(name)).collect();
                let reason = format!("{own} is the recipe of another task; here there are {}", fitting.join(", "));
                Err(wrong("--preset", reason))
            }
            _ => Ok(()),
        }
    }
}
