//! A run from its first step to its end: progress, saving, scoring, Ctrl-C.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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

/// What of a run is in its state file, and when that is to be written anew.
struct Saved {
    step: usize,
    at: Instant,
    every: Option<Duration>,
}

impl Saved {
    /// A step that is saved or that nothing came before; 0 minutes are never over.
    fn new(step: usize, every_minutes: f64) -> Self {
        let every = (every_minutes > 0.0).then(|| Duration::try_from_secs_f64(60.0 * every_minutes).ok()).flatten();
        Self { step, at: Instant::now(), every }
    }

    fn note(&mut self, step: usize) {
        (self.step, self.at) = (step, Instant::now());
    }

    /// Whether a step just taken is to be saved.
    fn is_due(&self, progress: &Progress) -> bool {
        matches!(progress, Progress::Step { .. }) && self.every.is_some_and(|every| self.at.elapsed() >= every)
    }
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

/// An error that ends a run, and what helps.
fn explained(error: Error) -> anyhow::Error {
    let help = match error {
        Error::Data { .. } => "a picture cannot be read (medley data check names all of a dataset)",
        Error::OutOfMemory => {
            "one example at a time is too much; --freeze, a smaller --image-size or another --device take less"
        }
        error => return error.into(),
    };
    anyhow::Error::from(error).context(help)
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
        let mut saved = Saved::new(self.trainer.step(), self.arguments.save_every);
        while !self.trainer.is_finished() {
            let mut report = |progress: Progress| {
                meter.show(&progress);
                log.step(&progress);
                if saved.is_due(&progress) { ControlFlow::Break(()) } else { interrupt::flow() }
            };
            let ended = self.trainer.epoch(&mut report).await;
            meter.clear();
            match ended {
                Ok(epoch) => {
                    self.finish_epoch(epoch.epoch, epoch.train_loss, &mut log, &mut best).await?;
                    saved.note(self.trainer.step());
                }
                Err(Error::Cancelled) if interrupt::flow().is_break() => {
                    self.trainer.save(&state).await?;
                    eprintln!("stopped after step {} and saved; go on with --resume", self.trainer.step());
                    return Ok(130);
                }
                Err(Error::Cancelled) => {
                    // A disk that is full now may have room at the end of the epoch.
                    if let Err(error) = self.trainer.save(&state).await {
                        eprintln!("step {} could not be saved: {:#}", self.trainer.step(), anyhow::Error::from(error));
                    }
                    saved.note(self.trainer.step());
                }
                Err(error) => {
                    self.save_before(&error, &saved).await;
                    return Err(explained(error));
                }
            }
            meter.go_on();
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

    /// Keeps what was learned until an error, if it is worth going on from and the device still answers.
    async fn save_before(&self, error: &Error, saved: &Saved) {
        let step = self.trainer.step();
        // Where a loss is no number, the weights were on their way there.
        let is_worth = !matches!(error, Error::LossNotFinite { .. }) && step > saved.step;
        if is_worth && self.trainer.save(&state(self.arguments)).await.is_ok() {
            eprintln!("saved after step {step}; go on with --resume");
        }
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
