//! `medley ask`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use medley::AnswerOptions;
use medley::generate::GenerateConfig;
use medley::preprocess::pre_question;
use serde_json::json;

use super::caption::path_text;
use super::generate::GenerateArguments;
use super::model::ReadArguments;
use super::{ALL_GOOD, interrupt, milliseconds, picture};

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
    /// Choose among these answers instead of writing one; may be repeated. Each is printed with the probability that it is the one
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

/// Answers the question; where there are several answers each shows how sure the model is of it.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let Arguments { image, question, choose, read, .. } = &arguments;
    let options = AnswerOptions {
        generate: arguments.generate.config(GenerateConfig::answering())?,
        choices: choose.clone(),
        cls_first: arguments.cls_first,
        ..AnswerOptions::default()
    };
    if pre_question(question, usize::MAX).is_empty() {
        bail!("the question {question:?} has no word in it");
    }
    if let Some(empty) = choose.iter().find(|answer| answer.trim().is_empty()) {
        bail!("the answer {empty:?} of --choose has no word in it");
    }
    interrupt::listen();
    let pipeline = read.open().await?;
    let pixels = picture::read(&pipeline, image)?;
    let start = Instant::now();
    let seen = pipeline.see(&[pixels]);
    let answers = pipeline.answer(&seen, question, &options, &mut |_| interrupt::flow()).await?;
    let seconds = milliseconds(start.elapsed().as_secs_f64());
    let is_alone = answers.len() == 1;
    for answer in answers {
        if read.json {
            super::print(&json!({
                "path": path_text(image),
                "question": question,
                "answer": answer.text,
                "confidence": answer.confidence,
                "log_probs": answer.log_probs,
                "seconds": seconds,
            }));
        } else if is_alone {
            super::print(&answer.text);
        } else {
            super::print(&format_args!("{:.1}%\t{}", 100.0 * answer.confidence, answer.text));
        }
    }
    Ok(ALL_GOOD)
}
