//! `medley train vqa`.

use anyhow::Result;
use clap::Args;
use medley::data::QuestionExample;
use medley::eval::vqa_scores;
use medley::model::Answerer;
use medley::train::{AnswerTask, AnswerTrainer, TrainConfig};
use medley::{AnswerOptions, Pipeline};

use super::fit::fit;
use super::options::{FeatureArguments, QuestionData, RunArguments};
use super::run::{Run, Score, Scorer, fields};
use super::start::{Start, start};
use crate::cli::progress::Bar;
use crate::cli::scores::{answer_all, whole};

/// Shown under the help.
pub const EXAMPLES: &str = "\
Examples:
  The built-in model learns to answer, from VQA v2:
    medley train vqa --data questions.json --annotations annotations.json --images coco --lr 1e-4 --out run
  The recipe of the paper, from a pre-trained model:
    medley train vqa --data questions.json --annotations annotations.json --images coco --model model_base.pth \\
      --skip-training-state --preset paper-vqa --out run";

/// What to learn from, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: QuestionData,
    #[command(flatten)]
    run: RunArguments,
    #[command(flatten)]
    features: FeatureArguments,
}

/// Trains an answerer.
pub async fn run(arguments: Arguments) -> Result<u8> {
    arguments.run.check_preset("vqa")?;
    let (train, val) = arguments.data.read(&arguments.run)?;
    let texts = train.examples.iter().flat_map(|example| {
        std::iter::once(example.question.as_str()).chain(example.answers.iter().map(String::as_str))
    });
    let Start { device, mut pipeline, model } = start::<Answerer>(&arguments.run, texts).await?;
    pipeline.set_prompt("");
    let config = TrainConfig { feature_memory_mb: arguments.features.feature_memory, ..arguments.run.config() };
    let config = fit(config, pipeline.config(), train.examples.len(), &device).await?;
    let trainer = AnswerTrainer::new(
        model,
        pipeline.tokenizer(),
        pipeline.tokens(),
        pipeline.inputs().pixels.clone(),
        &train.examples,
        config,
    )?;
    Run { arguments: &arguments.run, pipeline, trainer, val: &val.examples, scorer: Answers }.run(&device).await
}

/// Answers the questions about the pictures held out.
struct Answers;

impl Scorer<AnswerTask> for Answers {
    type Example = QuestionExample;

    const KEY: &'static str = "accuracy";
    const NAME: &'static str = "accuracy";
    const EXAMPLES: &'static str = "questions";

    async fn score(&self, _: &AnswerTrainer, pipeline: &Pipeline, val: &[QuestionExample]) -> Result<Score> {
        let mut bar = Bar::new();
        let answers = whole(val, answer_all(pipeline, val, &AnswerOptions::default(), &mut bar).await?)?;
        let scored = val.iter().zip(&answers).filter(|(example, _)| !example.answers.is_empty());
        let kind = |example: &QuestionExample| example.answer_type.clone().or(example.question_type.clone());
        let kinds: Vec<Option<String>> = scored.clone().map(|(example, _)| kind(example)).collect();
        let scores = vqa_scores(
            scored
                .zip(&kinds)
                .map(|((example, answer), kind)| (answer.as_str(), &example.answers[..], kind.as_deref())),
        );
        let by_kind: Vec<String> =
            scores.by_answer_type.iter().map(|(kind, accuracy)| format!("{kind} {:.1}", 100.0 * accuracy)).collect();
        Ok(Score {
            value: scores.accuracy,
            fields: fields(&scores)?,
            line: format!("accuracy {:.1} ({})", 100.0 * scores.accuracy, by_kind.join(", ")),
            samples: val
                .iter()
                .zip(&answers)
                .take(5)
                .map(|(example, answer)| format!("{} {answer}", example.question))
                .collect(),
        })
    }
}
