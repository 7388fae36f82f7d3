//! Reads what is new or changed, has it embedded and writes it down; killed at any moment, the next run goes on.
//!
//! Threads read and decode ahead, as far as a bounded queue lets them; the engine embeds batches, behind everything
//! that someone waits for; one thread writes. What the disk must know first is written first: the number of a content,
//! then its vector, then that a file shows it.

mod commit;
mod plan;
mod read;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cpu_time::ProcessTime;
use medley::preprocess::Preprocessor;

use super::decode::MAX_PIXELS;
use super::photo::{Kind, PhotoId};
use super::{Library, plain};
use crate::engine::{Engine, Pixels};
use commit::Commit;
use plan::{Job, Plan, Why};
use read::{Outcome, Reading};

/// Of the files of a folder of the library, so many may be gone at once without a question.
const FEW: usize = 10;

/// Of a folder of the library, such a part may be gone at once without a question.
const SMALL_PART: f64 = 0.2;

/// How a library is indexed.
#[derive(Clone, Debug)]
pub struct IndexOptions {
    /// Larger pictures are left out, as problems.
    pub max_pixels: u64,
    /// Pictures in a pass of the engine.
    pub batch: usize,
    /// Believe that files are gone, however many.
    pub forget_missing: bool,
    /// Read files that look unchanged too.
    pub rehash: bool,
    /// Threads that read and decode; as many as there are cores where there is none.
    pub threads: Option<usize>,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { max_pixels: MAX_PIXELS, batch: 16, forget_missing: false, rehash: false, threads: None }
    }
}

/// What is said on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexEvent {
    /// So many photographs and films lie there; comes again and again while folders are gone through.
    Found {
        /// Of all folders so far.
        files: usize,
    },
    /// How far reading is.
    Progress {
        /// Files that were dealt with.
        done: usize,
        /// Files that are to be read.
        total: usize,
        /// Files that could not be read.
        failed: usize,
    },
    /// A file or folder that could not be read.
    Problem {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something a person should decide or know.
    Warning(String),
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IndexSummary {
    /// Photographs and films that lie there.
    pub found: usize,
    /// New files.
    pub added: usize,
    /// Files that were written since they were last read, or what lies beside them.
    pub changed: usize,
    /// Files that were found under another name.
    pub moved: usize,
    /// Files that were not read because nothing changed.
    pub unchanged: usize,
    /// Files that are there again.
    pub returned: usize,
    /// Files that are gone, and are marked so.
    pub missing: usize,
    /// Files that seem gone, and are kept because they are too many.
    pub kept: usize,
    /// Files that could not be read.
    pub failed: usize,
    /// Files that were being written, and are left to the next run.
    pub unsettled: usize,
    /// Contents that the engine embedded.
    pub embedded: usize,
    /// Whether it was asked to stop before the end.
    pub is_stopped: bool,
    /// How long it took.
    pub seconds: f64,
    /// Of that, how long the engine computed.
    pub engine_seconds: f64,
    /// How long this program's threads computed, those of several cores added up.
    pub core_seconds: f64,
}

impl IndexSummary {
    /// The part of the time in which the engine computed.
    pub fn engine_share(&self) -> f64 {
        (self.engine_seconds / self.seconds.max(1e-9)).min(1.0)
    }

    /// The part of what all cores can compute in that time that this program did.
    pub fn core_share(&self) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (self.core_seconds / (self.seconds.max(1e-9) * cores as f64)).min(1.0)
    }
}

/// When a run began, and how much was computed before it.
struct Begun {
    at: Instant,
    engine: Duration,
    cores: Option<ProcessTime>,
}

impl Begun {
    fn now(engine: &Engine) -> Self {
        Self { at: Instant::now(), engine: engine.busy(), cores: ProcessTime::try_now().ok() }
    }

    /// Says in the summary how long the run took.
    fn end(&self, engine: &Engine, summary: &mut IndexSummary) {
        summary.seconds = self.at.elapsed().as_secs_f64();
        summary.engine_seconds = engine.busy().saturating_sub(self.engine).as_secs_f64();
        let cores = self.cores.and_then(|before| ProcessTime::try_now().ok().map(|now| now.duration_since(before)));
        summary.core_seconds = cores.unwrap_or_default().as_secs_f64();
    }
}

/// Hears what is said on the way; answering `Break` ends the run when what is on its way is kept.
pub type Report<'a> = dyn FnMut(IndexEvent) -> ControlFlow<()> + 'a;

/// Goes through folders, which become the library's if they are new; without any, through all of the library's.
///
/// # Errors
/// A folder that never was there, someone else who indexes this library, a model that cannot compare, a full disk.
/// Files that cannot be read are no errors: they are reported and kept as problems.
pub fn index(
    library: &Library,
    engine: &Engine,
    roots: &[PathBuf],
    options: &IndexOptions,
    report: &mut Report<'_>,
) -> Result<IndexSummary> {
    let begun = Begun::now(engine);
    let store = library.vectors(engine.about())?;
    let _lock = library.lock_indexing()?;
    for note in library.take_notes() {
        // Whoever wants to stop says so again.
        let _ = report(IndexEvent::Warning(note));
    }
    let catalog = library.catalog();
    let folders = folders(library, roots)?;
    // Contents that were taken away while another model's column was open left their vectors in this one.
    let contents: HashSet<_> = catalog.contents()?.into_iter().collect();
    let (embedded, orphans): (Vec<_>, Vec<_>) =
        store.contents()?.into_iter().partition(|content| contents.contains(content));
    if !orphans.is_empty() {
        store.delete(&orphans)?;
    }
    let embedded: HashSet<_> = embedded.into_iter().collect();

    let mut summary = IndexSummary::default();
    let Some(plan) = Plan::make(library, &folders, &embedded, options, &mut summary, report)? else {
        summary.is_stopped = true;
        begun.end(engine, &mut summary);
        return Ok(summary);
    };
    let Plan { jobs, gone } = plan;
    let reading = Reading::new(library, &engine.about().preprocessor, &embedded, options, &jobs);
    let mut commit = Commit::new(library, engine, store.as_ref(), options, jobs.len(), &mut summary, report)?;
    commit.expect(&gone);
    let went_on = std::thread::scope(|scope| commit.run(reading.start(scope)))?;
    let moved = commit.into_moved();
    summary.is_stopped = !went_on;
    if went_on {
        plan::settle_gone(library, gone, &moved, options, &mut summary, report)?;
        library.take_away(false)?;
        let roots = catalog.roots()?;
        folders.iter().filter(|folder| roots.contains(folder)).try_for_each(|root| catalog.set_scanned(root))?;
    }
    begun.end(engine, &mut summary);
    Ok(summary)
}

/// Reads photographs as [`index`] does, up to what the engine would take, and writes down nothing but thumbnails: the
/// most that indexing could do with an engine that takes no time.
pub fn read_only(
    library: &Library,
    preprocessor: &Preprocessor,
    paths: &[PathBuf],
    options: &IndexOptions,
    take: &mut dyn FnMut(Vec<Pixels>),
) {
    let job = |(nth, path): (usize, &PathBuf)| Job {
        id: nth as PhotoId,
        path: path.clone(),
        kind: Kind::Photo,
        sidecars_ns: 0,
        why: Why::New,
    };
    let jobs: Vec<Job> = paths.iter().enumerate().map(job).collect();
    let embedded = HashSet::new();
    let reading = Reading::new(library, preprocessor, &embedded, options, &jobs);
    std::thread::scope(|scope| {
        for outcome in reading.start(scope) {
            if let Outcome::Fresh(fresh) = outcome {
                take(fresh.pixels);
            }
        }
    });
}

/// The folders to go through, spelled as the catalogue spells them, each in a folder of the library.
fn folders(library: &Library, named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let catalog = library.catalog();
    if named.is_empty() {
        let roots = catalog.roots()?;
        if roots.is_empty() {
            bail!("this library has no folders yet: name one that holds photographs");
        }
        return Ok(roots);
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    for name in named {
        let folder = spelled(name)?;
        let is_known = catalog.roots()?.iter().any(|root| folder.starts_with(root));
        if !is_known {
            match std::fs::metadata(&folder) {
                Ok(about) if about.is_dir() => {}
                Ok(_) => bail!("{} is no folder: name the one it lies in", name.display()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    bail!("there is no folder {}", name.display())
                }
                Err(error) => bail!("could not read {}: {}", name.display(), plain(&error)),
            }
            catalog.add_root(&folder)?;
        }
        folders.push(folder);
    }
    folders.sort();
    // Going through a folder is going through those in it.
    folders.dedup_by(|inner, outer| inner.starts_with(outer));
    Ok(folders)
}

/// A path from the root of the file system, without `.` and `..`: links stay as they are, because a drive may come back
/// elsewhere.
pub fn spelled(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).with_context(|| format!("could not find {}", path.display()))?;
    if whole.components().any(|part| part == std::path::Component::ParentDir) {
        return std::fs::canonicalize(&whole).with_context(|| format!("could not find {}", path.display()));
    }
    // Without a separator at the end.
    Ok(whole.components().collect())
}
