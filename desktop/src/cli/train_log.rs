//! What a training run shows and writes down as it goes.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use medley::Progress;
use serde_json::{Value, json};

use super::progress::Bar;

/// A line of progress: loss, pictures a second, time left.
pub struct Meter {
    bar: Bar,
    first_step: usize,
    images: usize,
    since: Instant,
    shown: Instant,
    loss: Option<f32>,
}

impl Meter {
    /// A line for a run that begins after this many steps.
    pub fn new(first_step: usize) -> Self {
        let now = Instant::now();
        Self { bar: Bar::new(), first_step, images: 0, since: now, shown: now, loss: None }
    }

    /// Shows a step, or what comes before the first.
    pub fn show(&mut self, progress: &Progress) {
        let Progress::Step { step, total, loss, learning_rate, images } = progress else {
            // Encoding once does not count towards the speed of learning.
            let _ = self.bar.report(progress.clone());
            self.since = Instant::now();
            return;
        };
        self.images += images;
        // A running mean: single steps jump.
        let smooth = self.loss.map_or(*loss, |mean| 0.95 * mean + 0.05 * loss);
        self.loss = Some(smooth);
        let seconds = self.since.elapsed().as_secs_f64().max(1e-3);
        let rate = self.images as f64 / seconds;
        let left = seconds / (step - self.first_step).max(1) as f64 * (total - step) as f64;
        let line = format!(
            "step {step}/{total}  loss {smooth:.3}  lr {learning_rate:.1e}  {rate:.1} pictures/s  {} left",
            humantime(Duration::from_secs_f64(left))
        );
        if std::io::stderr().is_terminal() {
            eprint!("\r{line}\x1b[K");
        } else if self.shown.elapsed() > Duration::from_secs(30) {
            self.shown = Instant::now();
            eprintln!("{line}");
        }
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

/// One JSON object a line: steps and epochs.
pub struct Log {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Log {
    /// Opens the log of a run's folder, after what is there.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("log.jsonl");
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("could not write {}", path.display()))?;
        Ok(Self { file: BufWriter::new(file), path })
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
    pub fn best(&self) -> Option<f64> {
        self.scores().into_iter().map(|(_, cider)| cider).reduce(f64::max)
    }

    /// The score from before the first step.
    pub fn before(&self) -> Option<f64> {
        self.scores().into_iter().find(|(epoch, _)| *epoch == 0).map(|(_, cider)| cider)
    }

    /// Epoch and CIDEr of every score written down so far.
    fn scores(&self) -> Vec<(u64, f64)> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let score = |line: &str| {
            let record: Value = serde_json::from_str(line).ok()?;
            Some((record["epoch"].as_u64()?, record["cider"].as_f64()?))
        };
        text.lines().filter_map(score).collect()
    }
}
