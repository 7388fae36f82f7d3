//! Threads that read, hash and decode files ahead of the engine.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Scope;

use anyhow::{Result, anyhow};
use image::RgbImage;
use medley::Error;
use medley::preprocess::Preprocessor;

use super::IndexOptions;
use super::plan::{Job, Why};
use crate::engine::Pixels;
use crate::library::catalog::{NewContent, Read, Settled};
use crate::library::content::{self, Hash, Stamp};
use crate::library::decode::reduced_bytes;
use crate::library::heif::NoProgram;
use crate::library::metadata::{Metadata, written};
use crate::library::photo::{ContentId, Kind};
use crate::library::thumbnail::{self, Perceptual};
use crate::library::{Library, video};

/// Pictures are decoded to at least so many times the model's side: features of smaller ones begin to differ.
const SCALE: u32 = 2;

/// A file that was read.
#[derive(Debug)]
pub struct FileRead {
    pub job: Job,
    pub read: Read,
    pub hash: Hash,
}

/// A file whose picture the engine has to see.
#[derive(Debug)]
pub struct Fresh {
    pub file: FileRead,
    pub content: NewContent,
    /// One picture, or a film's frames.
    pub pixels: Vec<Pixels>,
}

/// What became of a file.
#[derive(Debug)]
pub enum Outcome {
    Fresh(Box<Fresh>),
    /// Its bytes were seen before: in the content that is named, or in another file of this run.
    Same(FileRead, Option<Settled>),
    /// Its bytes can be neither shown nor searched.
    Broken(FileRead, String),
    /// It could not be read, or not with these options.
    Failed {
        job: Job,
        stamp: Option<Stamp>,
        hash: Option<Hash>,
        reason: String,
    },
    /// It changes while it is read.
    Unsettled,
    /// Nothing more can be kept.
    Ended(anyhow::Error),
}

/// What the threads share.
pub struct Reading<'a> {
    library: &'a Library,
    preprocessor: Preprocessor,
    embedded: &'a HashSet<ContentId>,
    options: &'a IndexOptions,
    jobs: &'a [Job],
    next: AtomicUsize,
    /// Bytes that some thread deals with or has dealt with, and the content they had before this run.
    claimed: Mutex<HashMap<Hash, Option<Settled>>>,
    tools: OnceLock<Option<video::Tools>>,
    perceptual: Perceptual,
}

impl<'a> Reading<'a> {
    pub fn new(
        library: &'a Library,
        preprocessor: &Preprocessor,
        embedded: &'a HashSet<ContentId>,
        options: &'a IndexOptions,
        jobs: &'a [Job],
    ) -> Self {
        Self {
            library,
            preprocessor: Preprocessor { max_pixels: options.max_pixels, ..preprocessor.clone() },
            embedded,
            options,
            jobs,
            next: AtomicUsize::new(0),
            claimed: Mutex::default(),
            tools: OnceLock::new(),
            perceptual: Perceptual::new(),
        }
    }

    /// Starts the threads; they end with the jobs, or when what they send is not received any more.
    pub fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> Receiver<Outcome> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let threads = self.options.threads.unwrap_or(cores).clamp(1, self.jobs.len().max(1));
        let (sender, outcomes) = sync_channel(self.options.batch.max(threads));
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || self.work(&sender));
        }
        outcomes
    }

    fn work(&self, sender: &SyncSender<Outcome>) {
        while let Some(job) = self.jobs.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if sender.send(self.outcome(job)).is_err() {
                return;
            }
        }
    }

    fn outcome(&self, job: &Job) -> Outcome {
        let read = match job.kind {
            Kind::Photo => content::read(&job.path).map(|read| read.map(|(bytes, stamp)| (Some(bytes), stamp))),
            // A film may be larger than memory.
            Kind::Video => Ok(Some((None, Stamp { size_bytes: 0, modified_ns: 0 }))),
        };
        match read {
            Ok(Some((Some(bytes), stamp))) => self.photo(job, &bytes, stamp),
            Ok(Some((None, _))) => self.video(job),
            Ok(None) => Outcome::Unsettled,
            Err(error) => failed(job, None, None, &error),
        }
    }

    fn photo(&self, job: &Job, bytes: &[u8], stamp: Stamp) -> Outcome {
        let hash = content::hash(bytes);
        let file = |mut metadata: Metadata| {
            metadata.add_sidecars(&job.path);
            file_read(job, stamp, hash, metadata)
        };
        let caught = catch_unwind(AssertUnwindSafe(|| Metadata::of_bytes(bytes)));
        let file = file(caught.unwrap_or_default());
        match self.claim(&hash) {
            Ok(Claim::Mine) => {}
            Ok(Claim::Known(settled)) => return Outcome::Same(file, settled),
            Err(error) => return Outcome::Ended(error),
        }
        let side = (SCALE * self.preprocessor.image_size_px as u32).max(thumbnail::SIDE_PX);
        let Preprocessor { alpha, max_pixels, .. } = self.preprocessor;
        let decoded = guarded(|| reduced_bytes(&job.path, bytes, side, alpha, max_pixels));
        match decoded {
            Ok(decoded) => self.fresh(file, &[decoded.picture], (decoded.width, decoded.height)),
            Err(error) if is_about_more_than_bytes(&error) => failed(job, Some(stamp), Some(hash), &error),
            Err(error) => Outcome::Broken(file, line(&error)),
        }
    }

    fn video(&self, job: &Job) -> Outcome {
        let Some(tools) = self.tools.get_or_init(|| video::Tools::find().ok()) else {
            let error = video::Tools::find().err().unwrap_or_else(|| anyhow!("ffmpeg was just installed: index again"));
            return failed(job, None, None, &error);
        };
        let (hash, stamp) = match content::hash_file(&job.path) {
            Ok(Some(read)) => read,
            Ok(None) => return Outcome::Unsettled,
            Err(error) => return failed(job, None, None, &error),
        };
        let mut metadata = Metadata::default();
        let claim = match self.claim(&hash) {
            Ok(claim) => claim,
            Err(error) => return Outcome::Ended(error),
        };
        let film = guarded(|| tools.film(&job.path, if claim.is_mine() { video::FRAMES } else { 1 }));
        metadata.taken = film.as_ref().ok().and_then(|film| film.taken.clone());
        metadata.add_sidecars(&job.path);
        let file = file_read(job, stamp, hash, metadata);
        match (claim, film) {
            (Claim::Known(settled), _) => Outcome::Same(file, settled),
            (Claim::Mine, Ok(film)) => self.fresh(file, &film.frames, (film.width, film.height)),
            (Claim::Mine, Err(error)) => Outcome::Broken(file, line(&error)),
        }
    }

    /// Whether these bytes are this thread's to decode.
    fn claim(&self, hash: &Hash) -> Result<Claim> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(settled) = claimed.get(hash) {
            return Ok(Claim::Known(*settled));
        }
        let settled = self.library.catalog().content(hash)?;
        let is_done =
            |settled: &Settled| (settled.has_problem && !self.options.rehash) || self.embedded.contains(&settled.id);
        let settled = settled.filter(is_done);
        claimed.insert(*hash, settled);
        Ok(settled.map_or(Claim::Mine, |settled| Claim::Known(Some(settled))))
    }

    fn fresh(&self, file: FileRead, frames: &[RgbImage], (width, height): (u32, u32)) -> Outcome {
        let Some(middle) = frames.get(frames.len() / 2) else {
            return Outcome::Broken(file, "it holds no picture".to_owned());
        };
        let small = thumbnail::small(middle);
        if let Err(error) = self.library.thumbnails().keep(&file.hash, &small) {
            return Outcome::Ended(error);
        }
        let perceptual = Some(self.perceptual.hash(&small));
        let pixels = frames.iter().map(|frame| Arc::new(self.preprocessor.pixels_of(frame))).collect();
        let content = NewContent { hash: file.hash, width, height, perceptual, problem: None };
        Outcome::Fresh(Box::new(Fresh { file, content, pixels }))
    }
}

enum Claim {
    Mine,
    Known(Option<Settled>),
}

impl Claim {
    fn is_mine(&self) -> bool {
        matches!(self, Self::Mine)
    }
}

fn file_read(job: &Job, stamp: Stamp, hash: Hash, metadata: Metadata) -> FileRead {
    let read = Read {
        id: job.id,
        moved_to: None,
        size_bytes: stamp.size_bytes,
        modified_ns: stamp.modified_ns,
        sidecars_ns: job.sidecars_ns,
        written: written(stamp.modified_ns),
        metadata,
    };
    FileRead { job: job.clone(), read, hash }
}

fn failed(job: &Job, stamp: Option<Stamp>, hash: Option<Hash>, error: &anyhow::Error) -> Outcome {
    Outcome::Failed { job: job.clone(), stamp, hash, reason: line(error) }
}

/// A picture that other options or another program would let through: no fault of its bytes.
fn is_about_more_than_bytes(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::TooManyPixels { .. })) || error.is::<NoProgram>()
}

/// A damaged file that brings a decoder down is one damaged file.
fn guarded<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    let said = |panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    };
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| Err(anyhow!("its decoder gave up: {}", said(panic))))
}

/// An error with its causes, in one line.
fn line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !line.ends_with(&cause) {
            line = if line.is_empty() { cause } else { format!("{line}: {cause}") };
        }
    }
    line.replace('\n', " ")
}

impl Job {
    /// Whether the file has no history under its name.
    pub fn is_new(&self) -> bool {
        self.why == Why::New
    }
}
