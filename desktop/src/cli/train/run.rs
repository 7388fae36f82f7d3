//! A run from its first step to its end: progress, saving, scoring, Ctrl-C.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use medley::checkpoint::{Checkpoint, Dtype, save};
use medley::model::Model;
use medley::train::{Task, Trainer};
use medley::{Error, OpenDevice, Pipeline, Progress};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::log::{Log, Meter, Rank};
use super::options::RunArguments;
use crate::cli::{ALL_GOOD, interrupt};

/// What a model is worth on pictures it does not learn from.
pub struct Score {
    /// The number that decides which model is best, the higher the better.
    pub value: f64,
    /// What is written down, that number among them.
    pub fields: Map<String, Value>,
    /// What is shown.
    pub line: String,
    /// A few results for a person to look at.
    pub samples: Vec<String>,
}

/// What is written down of scores: each under its name.
pub fn fields(scores: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(scores)? {
        Value::Object(fields) => Ok(fields),
        _ => unreachable!("scores are a struct"),
    }
}

/// How the models of a task are scored.
pub trait Scorer<T: Task> {
    /// What it is scored on.
    type Example;
    /// The name of the deciding number in the log.
    const KEY: &'static str;
    /// What a person calls it.
    const NAME: &'static str;
    /// What a person calls the examples.
    const EXAMPLES: &'static str;

    /// Scores the trainer's model, which `pipeline` holds, on some pictures.
    async fn score(&self, trainer: &Trainer<T>, pipeline: &Pipeline, val: &[Self::Example]) -> Result<Score>;
}

/// What a run needs.
pub struct Run<'a, T: Task, S: Scorer<T>> {
    pub arguments: &'a RunArguments,
    pub pipeline: Pipeline,
    pub trainer: Trainer<T>,
    pub val: &'a [S::Example],
    pub scorer: S,
}

/// Makes the run's folder; refuses one that holds a run unless that is to go on.
pub fn prepare(arguments: &RunArguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("could not create {}", arguments.out.display()))?;
    if state(arguments).exists() && !arguments.resume {
        bail!("{} holds a run already: go on with --resume, or choose another --out", arguments.out.display());
    }
    Ok(())
}

fn state(arguments: &RunArguments) -> PathBuf {
    arguments.out.join("state.safetensors")
}

/// An error that ends a run; one about a picture says how to find the others.
fn explained(error: Error) -> anyhow::Error {
    let is_data = matches!(error, Error::Data { .. });
    let error = anyhow::Error::from(error);
    if is_data { error.context("a picture cannot be read (medley data check names all of a dataset)") } else { error }
}

impl<T: Task<Model: Into<Model>>, S: Scorer<T>> Run<'_, T, S> {
    /// Trains to the end, or until someone asks to stop.
    pub async fn run(mut self, device: &OpenDevice) -> Result<u8> {
        let (out, state) = (&self.arguments.out, state(self.arguments));
        let mut names = vec![device.name.clone()];
        let mut beside = Vec::new();
        for choice in &self.arguments.also_on {
            let open = medley::device::open(*choice).await?;
            names.push(open.name);
            beside.push(open.device);
        }
        self.trainer = self.trainer.beside(&beside)?;
        if self.arguments.resume && !state.exists() {
            eprintln!("{} holds no run to go on with: beginning one", out.display());
        }
        if self.arguments.resume && state.exists() {
            self.trainer.resume(&state).context("could not resume")?;
        } else {
            save(&self.pipeline.to_checkpoint()?, &out.join("last.safetensors"), Dtype::F32).await?;
        }
        eprintln!(
            "{} {} to learn from, {} to score on, {} steps on {}",
            self.trainer.sizes().examples,
            S::EXAMPLES,
            self.val.len(),
            self.trainer.sizes().total_steps,
            names.join(" and ")
        );
        let mut log = Log::open(out, S::KEY)?;
        let mut best = log.best();
        if self.trainer.step() == 0 && !self.arguments.new && !self.val.is_empty() {
            eprintln!("scoring the model as it is on {} {}", self.val.len(), S::EXAMPLES);
            let start = self.pipeline.to_checkpoint()?;
            self.score(&start, json!({ "epoch": 0, "step": 0 }), "before", &mut log, &mut best).await?;
        }
        // From here on weights are the trainer's: those the run began with would only take memory.
        let config = self.pipeline.config().clone();
        self.pipeline = self.pipeline.with_model(Model::init(&config, &device.device));
        let mut meter = Meter::new();
        while !self.trainer.is_finished() {
            let mut report = |progress: Progress| {
                meter.show(&progress);
                log.step(&progress);
                interrupt::flow()
            };
            match self.trainer.epoch(&mut report).await {
                Ok(epoch) => {
                    meter.clear();
                    self.finish_epoch(epoch.epoch, epoch.train_loss, &mut log, &mut best).await?;
                    meter.go_on();
                }
                Err(Error::Cancelled) => {
                    meter.clear();
                    self.trainer.save(&state).await?;
                    eprintln!("stopped after step {} and saved; go on with --resume", self.trainer.step());
                    return Ok(130);
                }
                Err(error) => return Err(explained(error)),
            }
        }
        if let Some(best) = best {
            let path = out.join("best.safetensors");
            let name = S::NAME;
            let before =
                log.before().map_or_else(String::new, |before| format!("before {name} {:.1}, ", 100.0 * before));
            eprintln!("{before}best {name} {:.1}: {}", 100.0 * best.value, path.display());
        }
        Ok(ALL_GOOD)
    }

    async fn finish_epoch(
        &mut self,
        epoch: usize,
        train_loss: f32,
        log: &mut Log,
        best: &mut Option<Rank>,
    ) -> Result<()> {
        let arguments = self.arguments;
        let checkpoint = Checkpoint { model: self.trainer.model().into(), ..self.pipeline.to_checkpoint()? };
        save(&checkpoint, &arguments.out.join("last.safetensors"), Dtype::F32).await?;
        self.trainer.save(&state(arguments)).await?;

        let record = json!({ "epoch": epoch, "step": self.trainer.step(), "train_loss": train_loss });
        let is_due = epoch.is_multiple_of(arguments.eval_every.max(1)) || self.trainer.is_finished();
        let name = format!(
            "epoch {epoch}/{}: loss {train_loss:.3}",
            self.trainer.sizes().total_steps / self.trainer.sizes().steps_per_epoch
        );
        if is_due && !self.val.is_empty() {
            return self.score(&checkpoint, record, &name, log, best).await;
        }
        eprintln!("{name}");
        log.write(&record)
    }

    /// Scores a model, writes the scores down and keeps it if it is the best.
    async fn score(
        &self,
        checkpoint: &Checkpoint,
        mut record: Value,
        name: &str,
        log: &mut Log,
        best: &mut Option<Rank>,
    ) -> Result<()> {
        let pipeline = self.pipeline.with_model(checkpoint.model.clone());
        let score = self.scorer.score(&self.trainer, &pipeline, self.val).await?;
        let rank = Rank::new(score.value, &score.fields);
        if let Some(record) = record.as_object_mut() {
            record.extend(score.fields);
        }
        let is_best = best.is_none_or(|best| rank > best);
        if is_best {
            *best = Some(rank);
            save(checkpoint, &self.arguments.out.join("best.safetensors"), Dtype::F32).await?;
        }
        eprintln!("{name}, {}{}", score.line, if is_best { " (best)" } else { "" });
        score.samples.iter().for_each(|sample| eprintln!("  {sample}"));
        log.write(&record)
    }
}
