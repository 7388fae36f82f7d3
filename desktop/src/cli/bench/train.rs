//! `medley bench --train`: seconds a step and the most memory, one process a measurement.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use image::RgbImage;
use medley::data::CaptionExample;
use medley::model::{BlipConfig, Kind, Model};
use medley::tokenizer::Tokenizer;
use medley::train::{CaptionTrainer, ContrastConfig, PairTrainer, Task, TrainConfig, Trainer};
use medley::vision::VisionConfig;
use medley::{OpenDevice, Progress};
use serde_json::json;

use super::{Arguments, builtin};
use crate::cli::{ALL_GOOD, interrupt, memory, print};

/// A caption of as many tokens as people write of a photograph.
const CAPTION: &str = "a brown dog runs over the green grass after a red ball";

/// A training step that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// All three.
    All,
    /// Captioning, ViT-B/16 at 384 px and BERT-base, the whole model.
    Caption,
    /// Pre-training, ViT-B/16 at 224 px and BERT-base, with momentum twin and queue.
    Pretrain,
    /// Captioning at the size of the built-in model.
    Small,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Caption => "caption, base 384 px",
            Self::Pretrain => "pretrain, base 224 px",
            Self::Small => "caption, built-in size",
        }
    }
}

/// Measures each work with each batch in a process of its own: memory is what the system gave a
/// whole process at the most.
pub async fn run(arguments: &Arguments, work: Work) -> Result<u8> {
    let works = match work {
        Work::All => &[Work::Small, Work::Pretrain, Work::Caption][..],
        _ => &[work][..],
    };
    if let ([work], [batch], [device]) = (works, &arguments.batch[..], &arguments.device[..]) {
        let device = medley::device::open(*device).await?;
        return measure(arguments, *work, *batch, &device).await;
    }
    let program = std::env::current_exe().context("could not find this program")?;
    for device in &arguments.device {
        for work in works {
            for batch in &arguments.batch {
                let name = work.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
                let mut command = Command::new(&program);
                command.args(["bench", "--train", &name, "--batch", &batch.to_string()]);
                command.args(["--device", &device.to_string(), "--runs", &arguments.runs.to_string()]);
                command.args(arguments.recompute.then_some("--recompute"));
                command.args(arguments.json.then_some("--json"));
                let status = command.status().with_context(|| format!("could not run {}", program.display()))?;
                if interrupt::flow().is_break() {
                    return Err(medley::Error::Cancelled.into());
                }
                if !status.success() {
                    // A step that does not fit must not hide the others.
                    eprintln!("medley: {}, batch {batch}: ended with {status}", work.name());
                }
            }
        }
    }
    Ok(ALL_GOOD)
}

async fn measure(arguments: &Arguments, work: Work, batch: usize, device: &OpenDevice) -> Result<u8> {
    let folder = std::env::temp_dir().join(format!("medley-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let seconds = steps(arguments, work, batch, device, &folder).await;
    // It holds one picture; what cannot be removed is left to the system.
    let _ = std::fs::remove_dir_all(&folder);
    let mut seconds = seconds?;
    seconds.sort_by(f64::total_cmp);
    let (least, median) = (seconds[0], seconds[seconds.len() / 2]);
    let peak = memory::peak(device);
    let how = if arguments.recompute { "recompute" } else { "keep" };
    if arguments.json {
        print(&json!({
            "device": device.name, "work": work.name(), "batch": batch, "recompute": arguments.recompute,
            "least": least, "median": median, "peak_bytes": peak,
        }));
    } else {
        let peak = peak.map_or_else(|| "?".to_owned(), |bytes| format!("{:.2}", bytes as f64 / 1e9));
        let rate = 1.0 / least;
        print(&format_args!(
            "{:<12} {:<22} batch {batch:>3} {how:<9} {least:>8.2} s {median:>8.2} s {rate:>7.2} steps/s {peak:>6} GB",
            device.name,
            work.name()
        ));
    }
    Ok(ALL_GOOD)
}

/// Seconds of each step but the first.
async fn steps(
    arguments: &Arguments,
    work: Work,
    batch: usize,
    device: &OpenDevice,
    folder: &Path,
) -> Result<Vec<f64>> {
    let builtin = builtin(device)?;
    let tokenizer = builtin.tokenizer().clone();
    let config = match work {
        Work::Small => BlipConfig { kind: Kind::Captioner, ..builtin.config().clone() },
        Work::Pretrain => BlipConfig::bert(Kind::Pretraining, VisionConfig::base(224)),
        _ => BlipConfig::captioning_base(),
    };
    drop(builtin);
    let image = folder.join("picture.png");
    // As large as photographs usually are once scaled for training.
    RgbImage::from_fn(640, 480, |x, y| image::Rgb([x, y, x ^ y].map(|value| (value % 256) as u8))).save(&image)?;
    let examples = vec![
        CaptionExample { image: image.into(), captions: vec![CAPTION.to_owned()], id: String::new() };
        batch * (usize::from(arguments.runs) + 1)
    ];
    let settings =
        TrainConfig { epochs: 1, batch_size: batch, recompute: arguments.recompute, ..TrainConfig::default() };
    let lesson = Lesson { config, tokenizer, examples, settings };
    match work {
        Work::Pretrain => lesson.pretraining(device).await,
        _ => lesson.captioning(device).await,
    }
}

struct Lesson {
    config: BlipConfig,
    tokenizer: Tokenizer,
    examples: Vec<CaptionExample>,
    settings: TrainConfig,
}

impl Lesson {
    async fn captioning(self, device: &OpenDevice) -> Result<Vec<f64>> {
        let Model::Captioner(model) = Model::init(&self.config, &device.device) else { bail!("not a captioner") };
        let (tokens, pixels) = (self.tokenizer.ids(), self.preprocessor());
        timed(CaptionTrainer::new(model, &self.tokenizer, tokens, pixels, &self.examples, self.settings)?).await
    }

    async fn pretraining(mut self, device: &OpenDevice) -> Result<Vec<f64>> {
        let Model::Pretraining(model) = Model::init(&self.config, &device.device) else {
            bail!("not a pre-training model")
        };
        let (tokens, pixels) = (self.tokenizer.ids(), self.preprocessor());
        self.settings.contrast = ContrastConfig::default();
        timed(PairTrainer::new(model, &self.tokenizer, tokens, pixels, &self.examples, self.settings)?).await
    }

    fn preprocessor(&self) -> medley::preprocess::Preprocessor {
        medley::preprocess::Preprocessor { image_size_px: self.config.vision.image_size_px, ..Default::default() }
    }
}

/// Trains for an epoch; seconds of each step but the first.
async fn timed<T: Task>(mut trainer: Trainer<T>) -> Result<Vec<f64>> {
    let (mut since, mut seconds) = (Instant::now(), Vec::new());
    let mut note = |progress| {
        match progress {
            Progress::Step { .. } => {
                seconds.push(since.elapsed().as_secs_f64());
                since = Instant::now();
            }
            Progress::Warning(text) => eprintln!("medley: {text}"),
            _ => {}
        }
        interrupt::flow()
    };
    trainer.epoch(&mut note).await?;
    Ok(seconds.split_off(1.min(seconds.len() - 1)))
}
