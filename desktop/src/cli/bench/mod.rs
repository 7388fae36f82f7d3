//! `medley bench`.

mod index;
mod search;
mod train;

use std::path::PathBuf;
use std::slice;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use medley::checkpoint::{Checkpoint, TokenizerText};
use medley::generate::{GenerateConfig, Strategy};
use medley::model::{BlipConfig, Kind, Model};
use medley::pipeline::Inputs;
use medley::vision::VisionConfig;
use medley::{CaptionOptions, DeviceChoice, OpenDevice, Pipeline};
use serde_json::json;

use super::interrupt;
use super::model::ModelArguments;
use super::number::count;
use super::{ALL_GOOD, print};
use train::Work;

/// What to measure.
#[derive(Args)]
pub struct Arguments {
    /// Devices to measure on, in turn
    #[arg(long, default_value = "auto", value_delimiter = ',', value_name = "DEVICE")]
    device: Vec<DeviceChoice>,
    /// Also measure ViT-B/16 at 384 px with BERT-base, random weights
    #[arg(long)]
    base: bool,
    /// Measure training steps instead, and the most memory they take: of captioning with ViT-B at 384 px, of pre-training at 224 px, of the built-in model's size
    #[arg(long, value_name = "WORK", num_args = 0..=1, default_missing_value = "all")]
    train: Option<Work>,
    /// With --train: pictures in a step
    #[arg(long, requires = "train", default_value = "1", value_delimiter = ',', value_name = "N", value_parser = count)]
    batch: Vec<usize>,
    /// With --train: run the blocks of both towers again in the backward pass
    #[arg(long, requires = "train")]
    recompute: bool,
    /// Measure indexing the photographs of a folder instead: reading them, encoding them, both, and decoding at a scale
    #[arg(long, value_name = "FOLDER", conflicts_with = "train")]
    index: Option<PathBuf>,
    /// Measure the search of a library by features alone instead, with so many vectors
    #[arg(long, value_name = "VECTORS", num_args = 0..=1, value_delimiter = ',', default_missing_value = "7000,100000,1000000", conflicts_with_all = ["train", "base"])]
    search: Option<Vec<usize>>,
    /// With --search: keep the vectors in this folder, or search those that it keeps
    #[arg(long, requires = "search", value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Runs of each; the least and the median time are printed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

/// Tokens of a caption in the benchmark, whatever the model would say.
const TOKENS: usize = 20;

/// Prints a table: work, least and median seconds.
pub async fn run(arguments: Arguments) -> Result<u8> {
    interrupt::listen();
    if let Some(work) = arguments.train {
        return train::run(&arguments, work).await;
    }
    if let Some(folder) = &arguments.index {
        arguments.device.iter().try_for_each(|device| index::run(folder, *device, arguments.json))?;
        return Ok(ALL_GOOD);
    }
    if let Some(counts) = &arguments.search {
        return search::run(&arguments, counts);
    }
    for choice in &arguments.device {
        let device = medley::device::open(*choice).await?;
        let builtin = builtin(&device)?;
        let json = builtin.tokenizer().to_json()?;
        Bench { name: "built-in", pipeline: builtin, device: &device, arguments: &arguments }.captioning().await?;
        if arguments.base {
            let captioner = random(Kind::Captioner, &json, &device)?;
            Bench { name: "base 384 px", pipeline: captioner, device: &device, arguments: &arguments }
                .captioning()
                .await?;
            let matcher = random(Kind::Matcher, &json, &device)?;
            Bench { name: "base 384 px", pipeline: matcher, device: &device, arguments: &arguments }.matching().await?;
        }
    }
    Ok(ALL_GOOD)
}

/// The model inside the program.
fn builtin(device: &OpenDevice) -> Result<Pipeline> {
    let builtin =
        ModelArguments { model: None, tokenizer: None, config: None, image_size: None, skip_training_state: false };
    builtin.load(device)
}

/// A full-size model with random weights; the tokenizer only lends it words.
fn random(kind: Kind, tokenizer: &str, device: &OpenDevice) -> Result<Pipeline> {
    let config = BlipConfig::bert(kind, VisionConfig::base(384));
    let checkpoint = Checkpoint {
        model: Model::init(&config, &device.device),
        tokenizer: Some(TokenizerText::Json(tokenizer.to_owned())),
        preprocessor: Some(Inputs::new(384).to_json()),
        calibration: None,
        config,
    };
    Ok(Pipeline::new(checkpoint, &device.device)?)
}

struct Bench<'a> {
    name: &'static str,
    pipeline: Pipeline,
    device: &'a OpenDevice,
    arguments: &'a Arguments,
}

impl Bench<'_> {
    async fn captioning(&self) -> Result<()> {
        let side = self.pipeline.config().vision.image_size_px;
        let picture: Vec<f32> = (0..3 * side * side).map(|index| (index % 251) as f32 / 125.0 - 1.0).collect();
        let mut encoder = None;
        for batch in [1, 8] {
            let pixels = vec![picture.clone(); batch];
            let encode = async || self.pipeline.see(&pixels).wait().await;
            let times = self.measure(&format!("image encoder, batch {batch}"), encode).await?;
            encoder = encoder.or(Some(times));
        }
        for (work, strategy) in [("greedy", Strategy::Greedy), ("beam 3", Strategy::beam(3))] {
            let options = CaptionOptions {
                // A model cannot end before the shortest length: every run writes as many tokens.
                generate: GenerateConfig {
                    strategy,
                    max_length: TOKENS + 1,
                    min_length: TOKENS + 1,
                    ..GenerateConfig::default()
                },
                prompt: Some(String::new()),
                ..CaptionOptions::default()
            };
            let pixels = [picture.clone()];
            let caption = async || {
                self.pipeline
                    .caption(&self.pipeline.see(&pixels), &options, &mut |_| interrupt::flow())
                    .await
                    .map(|_| ())
            };
            let times = self.measure(&format!("caption, {work}, {TOKENS} tokens"), caption).await?;
            if let Some(encoder) = encoder.take() {
                // What greedy search takes beside the encoder.
                let token = [0, 1].map(|of| (times[of] - encoder[of]) / TOKENS as f64);
                self.show("decoder, a token", token);
            }
        }
        Ok(())
    }

    async fn matching(&self) -> Result<()> {
        let side = self.pipeline.config().vision.image_size_px;
        let picture: Vec<f32> = (0..3 * side * side).map(|index| (index % 251) as f32 / 125.0 - 1.0).collect();
        let text = "a brown dog runs over the green grass after a red ball".repeat(3);
        for (pictures, texts) in [(1, 1), (8, 1), (1, 8)] {
            let texts = vec![text.clone(); texts];
            let matching = async || {
                for _ in 0..pictures {
                    self.pipeline.match_texts(&self.pipeline.see(slice::from_ref(&picture)), &texts, false).await?;
                }
                Ok(())
            };
            let work = match (pictures, texts.len()) {
                (1, 1) => "match, 1 pair".to_owned(),
                (pictures, 1) => format!("match, {pictures} pairs"),
                (_, texts) => format!("match, 1 picture, {texts} texts"),
            };
            self.measure(&work, matching).await?;
        }
        Ok(())
    }

    /// Runs some work over and over: the least and the median time, in seconds.
    async fn measure(&self, work: &str, run: impl AsyncFn() -> medley::Result<()>) -> Result<[f64; 2]> {
        run().await?;
        let mut seconds = Vec::new();
        for _ in 0..self.arguments.runs {
            let start = Instant::now();
            run().await?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let times = [seconds[0], seconds[seconds.len() / 2]];
        self.show(work, times);
        Ok(times)
    }

    fn show(&self, work: &str, [least, median]: [f64; 2]) {
        if self.arguments.json {
            print(
                &json!({ "device": self.device.name, "model": self.name, "work": work, "least": least, "median": median }),
            );
        } else {
            print(&format_args!(
                "{:<20} {:<12} {work:<28} {least:>9.4} s {median:>9.4} s",
                self.device.name, self.name
            ));
        }
    }
}
