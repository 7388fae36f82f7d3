//! The one thread that writes: batches to the engine, vectors to their store, then the catalogue.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::plan::{Gone, Job, Why};
use super::read::{FileRead, Fresh, Outcome};
use super::{IndexEvent, IndexOptions, IndexSummary, Report};
use crate::engine::{Engine, Pending, Request, Urgency};
use crate::library::catalog::{NewContent, Read};
use crate::library::content::{Hash, Stamp};
use crate::library::photo::{ContentId, PhotoId};
use crate::library::store::VectorStore;
use crate::library::{Catalog, Library};

/// Batches that wait at the engine: one that it works on, one behind it.
const MOST_ASKED: usize = 2;

/// Files that are written down at once: a transaction waits for the disk.
const MOST_READY: usize = 64;

/// How long nothing may come before batches that are done are written down.
const QUIET: Duration = Duration::from_millis(100);

/// A batch that the engine embeds.
struct Asked {
    files: Vec<Fresh>,
    pending: Pending,
}

/// A file, what it shows, and what is wrong with that.
type Ready = (FileRead, ContentId, Option<String>);

/// The writing side of a run.
pub struct Commit<'a, 'r> {
    catalog: &'a Catalog,
    engine: &'a Engine,
    store: &'a dyn VectorStore,
    options: &'a IndexOptions,
    total: usize,
    done: usize,
    summary: &'a mut IndexSummary,
    report: &'a mut Report<'r>,
    batch: Vec<Fresh>,
    asked: VecDeque<Asked>,
    /// Files that are done and not written down yet, and what is wrong with what they show.
    ready: Vec<Ready>,
    /// Files whose bytes can be neither shown nor searched.
    broken: Vec<(FileRead, String)>,
    /// Files that could not be read.
    failed: Vec<(PhotoId, Option<Stamp>, String)>,
    /// Files whose bytes another file of this run brings.
    waiting: HashMap<Hash, Vec<FileRead>>,
    /// What became of bytes in this run.
    ended: HashMap<Hash, Result<ContentId, String>>,
    /// Files that are gone, by what they showed: one of the same bytes elsewhere is the same file.
    gone: HashMap<ContentId, Vec<PhotoId>>,
    moved: HashSet<PhotoId>,
}

impl<'a, 'r> Commit<'a, 'r> {
    pub fn new(
        library: &'a Library,
        engine: &'a Engine,
        store: &'a dyn VectorStore,
        options: &'a IndexOptions,
        total: usize,
        summary: &'a mut IndexSummary,
        report: &'a mut Report<'r>,
    ) -> Result<Self> {
        Ok(Self {
            catalog: library.catalog(),
            engine,
            store,
            options,
            total,
            done: 0,
            summary,
            report,
            batch: Vec::new(),
            asked: VecDeque::new(),
            ready: Vec::new(),
            broken: Vec::new(),
            failed: Vec::new(),
            waiting: HashMap::new(),
            ended: HashMap::new(),
            gone: library.catalog().missing_by_content()?,
            moved: HashSet::new(),
        })
    }

    /// Says which files were not found where they were.
    pub fn expect(&mut self, gone: &[Gone]) {
        for (id, content) in gone.iter().flat_map(|gone| &gone.files) {
            if let Some(content) = content {
                self.gone.entry(*content).or_default().push(*id);
            }
        }
    }

    /// Files that were found under another name.
    pub fn into_moved(self) -> HashSet<PhotoId> {
        self.moved
    }

    /// Takes outcomes until there are no more; answers whether nobody asked to stop.
    pub fn run(&mut self, outcomes: Receiver<Outcome>) -> Result<bool> {
        let mut goes_on = self.tell();
        while goes_on {
            match outcomes.recv_timeout(QUIET) {
                Ok(outcome) => self.take(outcome)?,
                Err(RecvTimeoutError::Timeout) => {
                    self.settle_one()?;
                    self.write_down()?;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            goes_on = self.tell();
        }
        drop(outcomes);
        if goes_on {
            self.ask();
        }
        // What is at the engine is nearly done: it is kept too when someone asked to stop.
        while !self.asked.is_empty() {
            self.settle_one()?;
            self.tell();
        }
        self.write_down()?;
        if goes_on && !self.waiting.is_empty() {
            bail!("{} files wait for others that never came; index again", self.waiting.len());
        }
        Ok(goes_on)
    }

    fn tell(&mut self) -> bool {
        let progress = IndexEvent::Progress { done: self.done, total: self.total, failed: self.summary.failed };
        (self.report)(progress).is_continue()
    }

    fn take(&mut self, outcome: Outcome) -> Result<()> {
        match outcome {
            Outcome::Fresh(fresh) => {
                self.batch.push(*fresh);
                if self.batch.iter().map(|fresh| fresh.pixels.len()).sum::<usize>() >= self.options.batch {
                    self.ask();
                }
                while self.asked.len() > MOST_ASKED {
                    self.settle_one()?;
                }
            }
            Outcome::Same(file, Some(settled)) => self.same(file, settled.id)?,
            Outcome::Same(file, None) => match self.ended.get(&file.hash).cloned() {
                Some(Ok(content)) => self.same(file, content)?,
                Some(Err(reason)) => self.fail(file.job, Some(stamp_of(&file.read)), reason),
                None => self.waiting.entry(file.hash).or_default().push(file),
            },
            Outcome::Broken(file, problem) => self.broken.push((file, problem)),
            Outcome::Failed { job, stamp, hash, reason } => {
                let waiting = hash.and_then(|hash| self.waiting.remove(&hash)).unwrap_or_default();
                self.ended.extend(hash.map(|hash| (hash, Err(reason.clone()))));
                for file in waiting {
                    self.fail(file.job, Some(stamp_of(&file.read)), reason.clone());
                }
                self.fail(job, stamp, reason);
            }
            Outcome::Unsettled => {
                self.summary.unsettled += 1;
                self.done += 1;
            }
            Outcome::Ended(error) => return Err(error),
        }
        match self.ready.len() + self.broken.len() + self.failed.len() < MOST_READY {
            true => Ok(()),
            false => self.write_down(),
        }
    }

    /// Gives the engine what was gathered.
    fn ask(&mut self) {
        let files = std::mem::take(&mut self.batch);
        if files.is_empty() {
            return;
        }
        let pictures = files.iter().flat_map(|fresh| fresh.pixels.iter().cloned()).collect();
        let pending = self.engine.ask(Urgency::Indexing, Request::PictureFeatures(pictures));
        self.asked.push_back(Asked { files, pending });
    }

    /// Waits for the oldest batch and writes it down: numbers, vectors, then files.
    fn settle_one(&mut self) -> Result<()> {
        let Some(Asked { files, pending }) = self.asked.pop_front() else { return Ok(()) };
        let mut features = pending.features()?.into_iter();
        let contents: Vec<NewContent> = files.iter().map(|fresh| fresh.content.clone()).collect();
        let contents = self.catalog.add_contents(&contents)?;
        let mut vectors = Vec::with_capacity(files.len());
        for (fresh, content) in files.iter().zip(&contents) {
            let frames: Vec<Vec<f32>> = features.by_ref().take(fresh.pixels.len()).collect();
            vectors.push((*content, mean(frames)?));
        }
        self.store.upsert(&vectors)?;
        self.summary.embedded += files.len();
        self.end(files.into_iter().zip(contents).map(|(fresh, content)| (fresh.file, content, None)).collect());
        self.write_down()
    }

    /// A file whose content was there before.
    fn same(&mut self, file: FileRead, content: ContentId) -> Result<()> {
        let problem = self.catalog.content_problem(content)?;
        self.ready.push((file, content, problem));
        Ok(())
    }

    /// Files that are done, and with them those that waited for their bytes.
    fn end(&mut self, files: Vec<Ready>) {
        for (file, content, problem) in files {
            self.ended.insert(file.hash, Ok(content));
            let waiting = self.waiting.remove(&file.hash).unwrap_or_default();
            self.ready.extend(waiting.into_iter().map(|file| (file, content, problem.clone())));
            self.ready.push((file, content, problem));
        }
    }

    /// Says in the catalogue what files show and why others cannot be read.
    fn write_down(&mut self) -> Result<()> {
        let broken = std::mem::take(&mut self.broken);
        if !broken.is_empty() {
            let contents: Vec<NewContent> =
                broken.iter().map(|(file, problem)| unreadable(file.hash, problem)).collect();
            let contents = self.catalog.add_contents(&contents)?;
            self.end(
                broken
                    .into_iter()
                    .zip(contents)
                    .map(|((file, problem), content)| (file, content, Some(problem)))
                    .collect(),
            );
        }
        let ready = std::mem::take(&mut self.ready);
        let rows: Vec<_> = ready.into_iter().map(|ready| self.row(ready)).collect();
        self.done += rows.len();
        if !rows.is_empty() {
            self.catalog.finish(&rows)?;
        }
        let failed = std::mem::take(&mut self.failed);
        if failed.is_empty() { Ok(()) } else { self.catalog.fail(&failed) }
    }

    /// Counts a file, and finds out whether it is one that was moved.
    fn row(&mut self, (file, content, problem): Ready) -> (Read, ContentId) {
        let FileRead { job, mut read, .. } = file;
        let old = if job.is_new() { self.gone.get_mut(&content).and_then(Vec::pop) } else { None };
        if let Some(old) = old {
            read.moved_to = Some(read.id);
            read.id = old;
            self.moved.insert(old);
            self.summary.moved += 1;
        } else if problem.is_none() {
            match job.why {
                Why::New => self.summary.added += 1,
                Why::Changed => self.summary.changed += 1,
                Why::Again => {}
            }
        }
        if let Some(reason) = problem {
            self.summary.failed += 1;
            self.problem(job.path, reason);
        }
        (read, content)
    }

    /// A file that could not be read, as of a stamp if it could be opened.
    fn fail(&mut self, job: Job, stamp: Option<Stamp>, reason: String) {
        self.summary.failed += 1;
        self.done += 1;
        self.failed.push((job.id, stamp, reason.clone()));
        self.problem(job.path, reason);
    }

    fn problem(&mut self, path: PathBuf, reason: String) {
        // Whether to go on is asked after every outcome.
        let _ = (self.report)(IndexEvent::Problem { path, reason });
    }
}

fn stamp_of(read: &Read) -> Stamp {
    Stamp { size_bytes: read.size_bytes, modified_ns: read.modified_ns }
}

/// A content that is known only so that its bytes are not tried again.
fn unreadable(hash: Hash, problem: &str) -> NewContent {
    NewContent { hash, width: 0, height: 0, perceptual: None, problem: Some(problem.to_owned()) }
}

/// The mean of a film's features, of unit length again.
fn mean(frames: Vec<Vec<f32>>) -> Result<Vec<f32>> {
    let mut frames = frames.into_iter();
    let mut sum = frames.next().ok_or_else(|| anyhow!("the model gave fewer features than it was given pictures"))?;
    for frame in frames {
        sum.iter_mut().zip(frame).for_each(|(sum, number)| *sum += number);
    }
    let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
    if !length.is_finite() || length == 0.0 {
        bail!("the model gave a feature of no length: its weights may be damaged");
    }
    sum.iter_mut().for_each(|number| *number /= length);
    Ok(sum)
}
