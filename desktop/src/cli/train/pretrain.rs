//! `medley train pretrain`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use medley::data::{QuestionSet, hold_out_questions};
use medley::model::Pretraining;
use medley::text::Sharing;
use medley::train::{ContrastConfig, TrainConfig};

use super::pairs::{self, Besides};
use crate::cli::data::{HELD_OUT, read_answered};

/// Shown under the help.
pub const EXAMPLES: &str = "\
Examples:
  A small model of one's own, its image encoder from ImageNet:
    medley train pretrain --new --vision vit_tiny_patch16_224.safetensors --data dataset_flickr8k.json --images images \\
      --lr 3e-4 --queue 4096 --out run
  The same model answers questions too:
    medley train pretrain --model run/best.safetensors --data dataset_flickr8k.json --images images --lr 3e-4 \\
      --questions questions.json --annotations annotations.json --question-images coco --out run-2
  The paper's, from an ImageNet ViT-B and BERT-base:
    medley train pretrain --new --vision vit_base_patch16_224.safetensors --text bert-base-uncased \\
      --data pairs.json --images images --preset paper-pretrain --out run
  Go on after Ctrl-C or a power cut, with the options the run was begun with:
    medley train pretrain --data dataset_flickr8k.json --images images --lr 3e-4 --queue 4096 --out run --resume";

/// What pre-training is told besides what learning from pairs is.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pairs: pairs::Arguments,
    /// What reading and writing share: all, all-but-cross, all-but-self, none (BLIP, Table 3) [default: that of the model, all-but-self for a new one]
    #[arg(long, value_parser = sharing, value_name = "WHAT")]
    share: Option<Sharing>,
    /// Learn to answer too: VQA v2's questions JSON, BLIP's list of image, question and answer, or COCO-QA
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// VQA v2's annotations JSON, which holds the answers
    #[arg(long, value_name = "FILE", requires = "questions")]
    annotations: Option<PathBuf>,
    /// Folder with the questions' pictures
    #[arg(long, value_name = "DIR", requires = "questions")]
    question_images: Option<PathBuf>,
    /// Further questions about pictures in the same folder, such as COCO-QA beside VQA v2; may be repeated
    #[arg(long, requires = "questions", value_name = "FILE")]
    more_questions: Vec<PathBuf>,
    /// Questions in a step; those about a picture come together
    #[arg(long, default_value_t = TrainConfig::default().questions_per_step, value_name = "N")]
    questions_per_step: usize,
    /// Layers of the stack that writes answers, where the model has none yet
    #[arg(long, default_value_t = 2, value_name = "N")]
    answer_layers: usize,
}

impl Arguments {
    /// The questions to learn from, and those about a tenth of their pictures, left for `eval vqa --held-out`.
    fn read_questions(&self) -> Result<Option<(QuestionSet, QuestionSet)>> {
        let Some(path) = &self.questions else { return Ok(None) };
        let read = read_answered(path, self.annotations.as_deref(), self.question_images.as_deref())?;
        let (mut train, val) = hold_out_questions(read, HELD_OUT, self.pairs.run.seed);
        for more in &self.more_questions {
            train.extend_beside(read_answered(more, None, self.question_images.as_deref())?, &val);
        }
        eprintln!("{} questions to learn from, {} held out", train.examples.len(), val.examples.len());
        Ok(Some((train, val)))
    }
}

/// The name of a sharing, as the library spells it.
fn sharing(name: &str) -> std::result::Result<Sharing, String> {
    serde_json::from_value(name.into()).map_err(|_| "it is one of all, all-but-cross, all-but-self, none".to_owned())
}

/// Trains a pre-training model.
pub async fn run(arguments: Arguments) -> Result<u8> {
    arguments.pairs.run.check_preset("pretrain")?;
    let (questions, held) = arguments.read_questions()?.unzip();
    let left_out = held.into_iter().flat_map(|held| held.examples).map(|example| example.image.whole_path()).collect();
    let config = arguments.pairs.config(ContrastConfig::default());
    let config = TrainConfig { questions_per_step: arguments.questions_per_step, ..config };
    let besides = Besides { share: arguments.share, questions, left_out, answer_layers: arguments.answer_layers };
    pairs::run::<Pretraining>(&arguments.pairs, config, besides).await
}
