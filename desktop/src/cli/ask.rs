//! `medley ask`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use medley::AnswerOptions;
use medley::generate::GenerateConfig;
use serde_json::json;

use super::generate::GenerateArguments;
use super::model::ReadArguments;
use super::{ALL_GOOD, interrupt, picture};

pub const EXAMPLES: &str = "\
Examples:
  medley ask photo.jpg 'how many dogs are there?' --model blip-vqa-base
  medley ask photo.jpg 'is it raining?' --choose yes --choose no --model model_vqa.pth";

/// What to ask.
#[derive(Args)]
pub struct Arguments {
    /// The picture
    image: PathBuf,
    /// The question
    question: String,
    /// Choose among these answers instead of writing one; may be repeated
    #[arg(long, value_name = "ANSWER")]
    choose: Vec<String>,
    /// Begin the question with [CLS] as Hugging Face's port does, instead of [ENC]
    #[arg(long)]
    cls_first: bool,
    #[command(flatten)]
    generate: GenerateArguments,
    #[command(flatten)]
    read: ReadArguments,
}

/// Answers the question.
pub async fn run(arguments: Arguments) -> Result<u8> {
    interrupt::listen();
    let options = AnswerOptions {
        generate: arguments.generate.config(GenerateConfig::answering())?,
        choices: arguments.choose.clone(),
        cls_first: arguments.cls_first,
        ..AnswerOptions::default()
    };
    let pipeline = arguments.read.open().await?;
    let pixels = picture::read(&pipeline, &arguments.image)?;
    let answers = pipeline.answer(&pixels, &arguments.question, &options, &mut |_| interrupt::flow()).await?;
    for answer in answers {
        if arguments.read.json {
            super::print(
                &json!({ "answer": answer.text, "confidence": answer.confidence, "log_probs": answer.log_probs }),
            );
        } else {
            super::print(&answer.text);
        }
    }
    Ok(ALL_GOOD)
}
