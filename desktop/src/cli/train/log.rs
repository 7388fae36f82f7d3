//! What a training run shows and writes down as it goes.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use medley::Progress;
use serde_json::{Map, Value, json};

use crate::cli::progress::Bar;

/// A line of progress: loss, pictures a second, time left.
pub struct Meter {
    bar: Bar,
    since: Instant,
    shown: Instant,
    loss: Option<f32>,
    /// Seconds a step takes, and seconds a picture.
    pace: Option<[f64; 2]>,
}

impl Meter {
    /// An empty line.
    pub fn new() -> Self {
        let now = Instant::now();
        Self { bar: Bar::new(), since: now, shown: now, loss: None, pace: None }
    }

    /// Shows a step, or what comes before the first.
    pub fn show(&mut self, progress: &Progress) {
        let Progress::Step { step, total, loss, learning_rate, images } = progress else {
            // Encoding once does not count towards the speed of learning.
            let _ = self.bar.report(progress.clone());
            self.since = Instant::now();
            return;
        };
        // Running means: single steps jump, and the machine has other things to do at times.
        let mean = |mean: f64, new: f64| 0.95 * mean + 0.05 * new;
        let smooth = self.loss.map_or(*loss, |old| mean(old.into(), (*loss).into()) as f32);
        self.loss = Some(smooth);
        let seconds = self.since.elapsed().as_secs_f64().max(1e-3);
        self.since = Instant::now();
        let now = [seconds, seconds / (*images).max(1) as f64];
        let pace = self.pace.map_or(now, |old| [mean(old[0], now[0]), mean(old[1], now[1])]);
        self.pace = Some(pace);
        let line = format!(
            "step {step}/{total}  loss {smooth:.3}  lr {learning_rate:.1e}  {:.1} pictures/s  {} left",
            1.0 / pace[1],
            humantime(Duration::from_secs_f64(pace[0] * (total - step) as f64))
        );
        if std::io::stderr().is_terminal() {
            eprint!("\r{line}\x1b[K");
        } else if self.shown.elapsed() > Duration::from_secs(30) {
            self.shown = Instant::now();
            eprintln!("{line}");
        }
    }

    /// What happened since the last step does not count.
    pub fn go_on(&mut self) {
        self.since = Instant::now();
    }

    /// Takes the line off the screen.
    pub fn clear(&mut self) {
        self.bar.clear();
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}

fn humantime(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match minutes {
        0 => format!("{} s", duration.as_secs()),
        1..60 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// What decides between two models: the score, and where it is the same the lower validation loss.
///
/// A handful of pictures may give every model the same score: CIDEr's of one picture is always 0.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Rank {
    /// The higher the better.
    pub value: f64,
    gain: f64,
}

impl Rank {
    /// Of a score, and what is written down beside it.
    pub fn new(value: f64, fields: &Map<String, Value>) -> Self {
        Self { value, gain: fields.get("val_loss").and_then(Value::as_f64).map_or(0.0, |loss| -loss) }
    }
}

/// One JSON object a line: steps and epochs.
pub struct Log {
    file: BufWriter<File>,
    path: PathBuf,
    /// The name of the score that decides.
    key: &'static str,
}

impl Log {
    /// Opens the log of a run's folder, after what is there; `key` names the score that decides.
    pub fn open(folder: &Path, key: &'static str) -> Result<Self> {
        let path = folder.join("log.jsonl");
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("could not write {}", path.display()))?;
        Ok(Self { file: BufWriter::new(file), path, key })
    }

    /// Writes an epoch's record.
    pub fn write(&mut self, record: &Value) -> Result<()> {
        writeln!(self.file, "{record}")
            .and_then(|()| self.file.flush())
            .with_context(|| format!("could not write {}", self.path.display()))
    }

    /// Writes a step's record.
    pub fn step(&mut self, progress: &Progress) {
        if let Progress::Step { step, loss, learning_rate, .. } = progress {
            // A log that cannot be written must not stop the run; the epoch's line will say so.
            let _ = writeln!(self.file, "{}", json!({ "step": step, "loss": loss, "lr": learning_rate }));
        }
    }

    /// The best score an earlier part of the run wrote down.
    pub fn best(&self) -> Option<Rank> {
        self.scores().into_iter().map(|(_, rank)| rank).reduce(|best, rank| if rank > best { rank } else { best })
    }

    /// The score from before the first step.
    pub fn before(&self) -> Option<f64> {
        self.scores().into_iter().find(|(epoch, _)| *epoch == 0).map(|(_, rank)| rank.value)
    }

    /// Epoch and value of every score written down so far.
    fn scores(&self) -> Vec<(u64, Rank)> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let score = |line: &str| {
            let record: Map<String, Value> = serde_json::from_str(line).ok()?;
            let value = record.get(self.key)?.as_f64()?;
            Some((record.get("epoch")?.as_u64()?, Rank::new(value, &record)))
        };
        text.lines().filter_map(score).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(value: f64, val_loss: f64) -> Rank {
        Rank::new(value, json!({ "val_loss": val_loss }).as_object().expect("it is one"))
    }

    #[test]
    fn where_scores_are_alike_the_lower_loss_is_better() {
        assert!(rank(0.0, 0.2) > rank(0.0, 4.6));
        assert!(rank(0.5, 4.6) > rank(0.4, 0.2));
        assert!(Rank::new(0.5, &Map::new()) > Rank::new(0.4, &Map::new()));
    }
}
