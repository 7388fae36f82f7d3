//! `medley eval vqa`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use medley::AnswerOptions;
use medley::data::QuestionExample;
use medley::eval::vqa_scores;
use serde_json::{Value, json};

use super::ScoreArguments;
use super::results::{id_value, write_list};
use crate::cli::data::QuestionFiles;
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::cli::scores::answer_all;

/// What to answer, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    files: QuestionFiles,
    #[command(flatten)]
    score: ScoreArguments,
    /// Choose among the answers of this file, a JSON list or one a line, instead of writing them
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// With --answers: how many are read whole, those whose first token is most probable
    #[arg(long, default_value_t = 128, requires = "answers", value_name = "K")]
    rank_k: usize,
    /// Questions to answer at most; 0 for all
    #[arg(long, default_value_t = 0, value_name = "N")]
    limit: usize,
    /// Write the answers to this file in the official result format
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// Answers every question and prints how right the answers are.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let mut examples = arguments.files.read()?.examples;
    if arguments.limit > 0 {
        examples.truncate(arguments.limit);
    }
    let choices = arguments.answers.as_deref().map(read_answers).transpose()?.unwrap_or_default();
    let options = AnswerOptions { choices, rank_k: arguments.rank_k, ..AnswerOptions::default() };
    let pipeline = arguments.score.open().await?;
    let mut bar = Bar::new();
    let answers = answer_all(&pipeline, &examples, &options, &mut bar).await?;
    if let Some(path) = &arguments.results {
        let result = |(example, answer): (&QuestionExample, &String)| json!({ "question_id": id_value(&example.id), "answer": answer });
        write_list(path, &examples.iter().zip(&answers).map(result).collect::<Vec<Value>>())?;
    }
    let known = examples.iter().zip(&answers).filter(|(example, _)| !example.answers.is_empty());
    let scores = vqa_scores(known.map(|(example, answer)| {
        (
            answer.as_str(),
            example.answers.as_slice(),
            example.answer_type.as_deref().or(example.question_type.as_deref()),
        )
    }));
    if scores.questions == 0 {
        bail!("the dataset has no answers to score against: name them with --annotations, or write with --results");
    }
    arguments.score.show(&scores, || {
        print(&format_args!("{:<10} {:>5.1}   of {} questions", "accuracy", 100.0 * scores.accuracy, scores.questions));
        for (kind, accuracy) in &scores.by_answer_type {
            print(&format_args!("{kind:<10} {:>5.1}", 100.0 * accuracy));
        }
    })
}

/// A JSON list of texts, or one a line.
fn read_answers(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let answers: Vec<String> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(&text).with_context(|| format!("{} is no list of texts", path.display()))?,
        false => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
    };
    if answers.is_empty() {
        bail!("no answer in {}", path.display());
    }
    Ok(answers)
}
