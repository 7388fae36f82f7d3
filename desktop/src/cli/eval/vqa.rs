//! `medley eval vqa`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use medley::AnswerOptions;
use medley::data::{QuestionExample, QuestionSet, hold_out_questions};
use medley::eval::{VqaPrior, VqaScores, vqa_scores};
use serde_json::json;

use super::results::{ResultArguments, id_value};
use super::{ScoreArguments, done};
use crate::cli::data::HELD_OUT;
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
    /// With --answers or --choose: how many are read whole, those whose first token is most probable
    #[arg(long, default_value_t = 128, value_name = "K")]
    rank_k: usize,
    /// Only the questions about the tenth of the pictures that `train` holds out with this --seed, 0 if not given,
    /// beside what can be answered without looking: the most frequent answer to each kind of question among the others
    #[arg(long, num_args = 0..=1, default_missing_value = "0", value_name = "SEED")]
    held_out: Option<u64>,
    /// With --held-out: choose among so many answers, those that people gave most often to the other questions
    #[arg(long, requires = "held_out", conflicts_with = "answers", value_name = "N")]
    choose: Option<usize>,
    /// Questions to answer at most; 0 for all
    #[arg(long, default_value_t = 0, value_name = "N")]
    limit: usize,
    #[command(flatten)]
    results: ResultArguments,
}

/// Answers every question and prints how right the answers are.
pub async fn run(arguments: Arguments) -> Result<u8> {
    arguments.results.check()?;
    let set = arguments.files.read()?;
    let (others, set) = match arguments.held_out {
        Some(seed) => hold_out_questions(set, HELD_OUT, seed),
        None => (QuestionSet::default(), set),
    };
    let mut examples = set.examples;
    if arguments.limit > 0 {
        examples.truncate(arguments.limit);
    }
    let choices = match (&arguments.answers, arguments.choose) {
        (Some(file), _) => read_answers(file)?,
        (None, Some(count)) => most_frequent(&others, count),
        (None, None) => Vec::new(),
    };
    let options = AnswerOptions { choices, rank_k: arguments.rank_k, ..AnswerOptions::default() };
    let pipeline = arguments.score.open().await?;
    let mut bar = Bar::new();
    let answers = answer_all(&pipeline, &examples, &options, &mut bar).await?;
    let examples = done(&examples, answers.len())?;
    let answered = examples.iter().zip(&answers);
    arguments.results.write_list(
        answered.map(|(example, answer)| json!({ "question_id": id_value(&example.id), "answer": answer })),
    )?;
    let scores = scores_of(examples.iter().zip(answers.iter().map(String::as_str)));
    if scores.questions == 0 {
        bail!("the dataset has no answers to score against: name them with --annotations, or write with --results");
    }
    let prior = arguments.held_out.map(|_| {
        let prior = VqaPrior::of(others.examples.iter().map(|example| (&example.answers[..], kind(example))));
        scores_of(examples.iter().map(|example| (example, prior.answer(kind(example)))))
    });
    let mut shown = serde_json::to_value(&scores)?;
    if let Some(prior) = &prior {
        shown["prior"] = json!(prior.accuracy);
    }
    arguments.score.show(&shown, || {
        print(&format_args!("{:<10} {:>5.1}   of {} questions", "accuracy", 100.0 * scores.accuracy, scores.questions));
        for (kind, accuracy) in &scores.by_answer_type {
            print(&format_args!("{kind:<10} {:>5.1}", 100.0 * accuracy));
        }
        if let Some(prior) = &prior {
            let accuracy = 100.0 * prior.accuracy;
            print(&format_args!("{:<10} {accuracy:>5.1}   the most frequent answer to each kind of question", "prior"));
        }
    })
}

/// The dataset's word for the kind of question.
fn kind(example: &QuestionExample) -> Option<&str> {
    example.question_type.as_deref()
}

/// How right these answers are, of questions whose answers are known.
fn scores_of<'a>(answered: impl Iterator<Item = (&'a QuestionExample, &'a str)>) -> VqaScores {
    let known = answered.filter(|(example, _)| !example.answers.is_empty());
    vqa_scores(known.map(|(example, answer)| {
        (answer, example.answers.as_slice(), example.answer_type.as_deref().or(kind(example)))
    }))
}

/// So many answers, the most frequent first; of two that are as frequent, the first in the alphabet.
fn most_frequent(set: &QuestionSet, count: usize) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let answers = set.examples.iter().flat_map(|example| &example.answers);
    let answers = answers.map(|answer| answer.trim().to_lowercase()).filter(|answer| !answer.is_empty());
    answers.for_each(|answer| *counts.entry(answer).or_default() += 1);
    let mut counted: Vec<(String, usize)> = counts.into_iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counted.into_iter().take(count).map(|(answer, _)| answer).collect()
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
