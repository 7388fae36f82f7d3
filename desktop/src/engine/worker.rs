//! The thread itself: it loads the model and answers one request after another.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

use anyhow::{Context, Result};
use medley::checkpoint::Weights;
use medley::pipeline::Seen;
use medley::{DeviceChoice, OpenDevice, Pipeline, Progress};
use sha2::{Digest, Sha256};

use super::job::Job;
use super::queue::Queue;
use super::{About, ModelChoice, Pixels, Reply, Request};
use crate::builtin;

/// Pictures that were read lately: the one on screen is captioned, asked about and compared.
const KEPT: usize = 8;

/// Pictures that are matched in one pass.
const BATCH: usize = 8;

/// What is said while the model is opened.
pub(super) enum Opening {
    Progress(Progress),
    Open(Box<About>),
    Failed(anyhow::Error),
}

pub(super) fn run(
    model: &ModelChoice,
    device: DeviceChoice,
    queue: &Queue,
    busy: &AtomicU64,
    opening: &Sender<Opening>,
) {
    let opened = pollster::block_on(open(model, device, opening));
    let (pipeline, about) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // Whoever opened the engine may have gone.
            let _ = opening.send(Opening::Failed(error));
            return;
        }
    };
    if opening.send(Opening::Open(Box::new(about))).is_err() {
        return;
    }
    let mut worker = Worker { pipeline, seen: Vec::new() };
    while let Some(job) = queue.pop() {
        let start = Instant::now();
        let worked = pollster::block_on(worker.work(&job));
        // Before the reply: whoever has it finds the time of it counted.
        busy.fetch_add(start.elapsed().as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        job.reply(worked.unwrap_or_else(|error| Reply::Failed(Arc::new(error))));
    }
}

async fn open(model: &ModelChoice, device: DeviceChoice, opening: &Sender<Opening>) -> Result<(Pipeline, About)> {
    let OpenDevice { device, name, .. } = medley::device::open(device).await?;
    let mut report = |progress| match opening.send(Opening::Progress(progress)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    let (weights, called, key) = match &model.path {
        Some(path) => (Weights::open(path)?, path.display().to_string(), key_of(path)?),
        None => (builtin::weights()?, builtin::NAME.to_owned(), hexadecimal(&Sha256::digest(builtin::BYTES))),
    };
    let pipeline = Pipeline::load_weights(&weights, &device, &model.options, &mut report)
        .with_context(|| format!("could not load {called}"))?;
    let about = About {
        name: called,
        key,
        device: name,
        feature_size: pipeline.can_match().then(|| pipeline.config().embed_size),
        can_caption: pipeline.can_caption(),
        can_answer: pipeline.can_answer(),
        calibration: pipeline.calibration().copied(),
        preprocessor: pipeline.inputs().pixels.clone(),
    };
    Ok((pipeline, about))
}

/// The SHA-256 of a checkpoint's weights: of its file, or of the files of its folder by name.
fn key_of(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| format!("could not read {}", path.display()))?;
        files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        files.retain(|file| {
            file.extension()
                .is_some_and(|end| ["safetensors", "bin"].iter().any(|known| end.eq_ignore_ascii_case(known)))
        });
        files.sort();
    }
    let mut buffer = vec![0; 1 << 20];
    for file in files {
        let mut open = File::open(&file).with_context(|| format!("could not read {}", file.display()))?;
        loop {
            let count = open.read(&mut buffer).with_context(|| format!("could not read {}", file.display()))?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Worker {
    pipeline: Pipeline,
    /// The newest last.
    seen: Vec<(Pixels, Seen)>,
}

impl Worker {
    /// The last reply to a request.
    async fn work(&mut self, job: &Job) -> Result<Reply> {
        Ok(match &job.request {
            Request::PictureFeatures(pictures) => {
                let pixels: Vec<Vec<f32>> = pictures.iter().map(|pixels| pixels.to_vec()).collect();
                Reply::Features(self.pipeline.features(&self.pipeline.see(&pixels)).await?)
            }
            Request::TextFeatures(texts) => {
                Reply::Features(self.pipeline.text_features(texts, &mut medley::progress::silent).await?)
            }
            Request::Match { picture, text } => {
                let seen = self.see(picture);
                let matches = self.pipeline.match_texts(&seen, std::slice::from_ref(text), false).await?;
                Reply::Match(matches[0])
            }
            Request::Read { pictures, texts } => {
                let mut readings = Vec::with_capacity(pictures.len());
                for batch in pictures.chunks(BATCH) {
                    if job.cancel.is_cancelled() {
                        return Err(medley::Error::Cancelled.into());
                    }
                    let pixels: Vec<Vec<f32>> = batch.iter().map(|pixels| pixels.to_vec()).collect();
                    let seen = self.pipeline.see(&pixels);
                    readings.extend(self.pipeline.readings(&seen, texts, self.pipeline.hears_decoder()).await?);
                }
                Reply::Readings(readings)
            }
            Request::Caption { picture, options } => {
                let seen = self.see(picture);
                let mut captions = self.pipeline.caption(&seen, options, &mut |progress| tell(job, progress)).await?;
                Reply::Captions(captions.pop().unwrap_or_default())
            }
            Request::Answer { picture, question, options } => {
                let seen = self.see(picture);
                let mut report = |progress| tell(job, progress);
                Reply::Answers(self.pipeline.answer(&seen, question, options, &mut report).await?)
            }
            Request::Look { picture, text } => {
                let seen = self.see(picture);
                Reply::Look(self.pipeline.look(&seen, text).await?)
            }
        })
    }

    /// What the image encoder makes of a picture, remembered for a while.
    fn see(&mut self, picture: &Pixels) -> Seen {
        if let Some(place) = self.seen.iter().position(|(pixels, _)| Arc::ptr_eq(pixels, picture)) {
            let kept = self.seen.remove(place);
            self.seen.push(kept);
        } else {
            if self.seen.len() == KEPT {
                self.seen.remove(0);
            }
            let seen = self.pipeline.see(std::slice::from_ref(picture.as_ref()));
            self.seen.push((Arc::clone(picture), seen));
        }
        self.seen.last().expect("was just put there").1.clone()
    }
}

/// Passes on what is being written; stops when nobody wants it any more.
fn tell(job: &Job, progress: Progress) -> ControlFlow<()> {
    if job.cancel.is_cancelled() {
        return ControlFlow::Break(());
    }
    if let Progress::Text { text, .. } = progress {
        job.reply(Reply::Text(text));
    }
    ControlFlow::Continue(())
}
