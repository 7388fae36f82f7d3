//! What has to be read: what lies there, compared with what the catalogue knows.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{FEW, IndexEvent, IndexOptions, IndexSummary, Report, SMALL_PART};
use crate::library::catalog::{Known, NewFile};
use crate::library::content::Stamp;
use crate::library::metadata::written;
use crate::library::photo::{ContentId, Kind, PhotoId};
use crate::library::scan::{FoundFile, Scanned, scan};
use crate::library::{Catalog, Library};

/// New files that are written down at once.
const CHUNK: usize = 1000;

/// Why a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    New,
    Changed,
    /// It is known, and this model has no vector of it yet.
    Again,
}

/// A file to read.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: PhotoId,
    pub path: PathBuf,
    pub kind: Kind,
    pub sidecars_ns: i64,
    pub why: Why,
}

/// Files of one folder of the library that seem to be gone.
#[derive(Clone, Debug)]
pub struct Gone {
    pub root: PathBuf,
    pub files: Vec<(PhotoId, Option<ContentId>)>,
}

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    pub jobs: Vec<Job>,
    pub gone: Vec<Gone>,
}

impl Plan {
    /// Goes through the folders and puts new files into the catalogue; none where it was stopped.
    pub fn make(
        library: &Library,
        folders: &[PathBuf],
        embedded: &HashSet<ContentId>,
        options: &IndexOptions,
        summary: &mut IndexSummary,
        report: &mut Report<'_>,
    ) -> Result<Option<Self>> {
        let roots = library.catalog().roots()?;
        let mut planner = Planner {
            catalog: library.catalog(),
            plan: Self { jobs: Vec::new(), gone: Vec::new() },
            searchable: library.catalog().searchable_set()?,
            embedded,
            wanted: HashSet::new(),
            options,
            summary,
        };
        for folder in folders {
            let root = roots.iter().find(|root| folder.starts_with(root)).unwrap_or(folder);
            let known = planner.catalog.known_below(folder)?;
            if !root.is_dir() {
                planner.root_is_gone(root, &known, report);
                continue;
            }
            let before = planner.summary.found;
            let mut found = |files| report(IndexEvent::Found { files: before + files });
            let scanned = match folder.is_dir() {
                true => scan(folder, &roots, library.folder(), &mut found)?,
                false => Scanned::default(),
            };
            if scanned.is_stopped {
                return Ok(None);
            }
            planner.compare(root, scanned, known, report)?;
        }
        Ok(Some(planner.plan))
    }
}

struct Planner<'a> {
    catalog: &'a Catalog,
    plan: Plan,
    /// Contents without a problem.
    searchable: HashSet<ContentId>,
    embedded: &'a HashSet<ContentId>,
    /// Contents that some job brings the vector of.
    wanted: HashSet<ContentId>,
    options: &'a IndexOptions,
    summary: &'a mut IndexSummary,
}

impl Planner<'_> {
    fn root_is_gone(&mut self, root: &Path, known: &HashMap<PathBuf, Known>, report: &mut Report<'_>) {
        let files: Vec<_> =
            known.values().filter(|known| !known.is_missing).map(|known| (known.id, known.content)).collect();
        if self.options.forget_missing {
            return self.plan.gone.push(Gone { root: root.to_owned(), files });
        }
        self.summary.kept += files.len();
        let line = format!(
            "the folder {} is not there; its {} photographs are kept: plug its drive in, or index again with \
             --forget-missing if they are gone",
            root.display(),
            files.len()
        );
        // Whoever wants to stop says so again.
        let _ = report(IndexEvent::Warning(line));
    }

    fn compare(
        &mut self,
        root: &Path,
        scanned: Scanned,
        mut known: HashMap<PathBuf, Known>,
        report: &mut Report<'_>,
    ) -> Result<()> {
        self.summary.found += scanned.files.len();
        let (mut new, mut back, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for file in scanned.files {
            let Some(known) = known.remove(&file.path) else {
                new.push(file);
                continue;
            };
            let stamp = Stamp { size_bytes: known.size_bytes, modified_ns: known.modified_ns };
            let is_same = stamp == file.stamp
                && known.sidecars_ns == file.sidecars_ns
                && known.problem.is_none()
                && !self.options.rehash;
            match (&file.problem, known.content) {
                (Some(problem), _) => {
                    if stamp == file.stamp && known.problem.as_ref() == Some(problem) {
                        self.summary.unchanged += 1;
                        back.extend(known.is_missing.then_some(known.id));
                    } else {
                        failed.push((known.id, Some(file.stamp), problem.clone()));
                        self.problem(&file.path, problem, report);
                    }
                }
                (None, Some(content)) if is_same => {
                    self.summary.unchanged += 1;
                    back.extend(known.is_missing.then_some(known.id));
                    let lacks = self.searchable.contains(&content) && !self.embedded.contains(&content);
                    if lacks && self.wanted.insert(content) {
                        self.plan.jobs.push(job(known.id, file, Why::Again));
                    }
                }
                // A file that was never read to its end is as good as new.
                (None, None) => self.plan.jobs.push(job(known.id, file, Why::New)),
                (None, Some(_)) => self.plan.jobs.push(job(known.id, file, Why::Changed)),
            }
        }
        self.catalog.set_missing(&[], &back)?;
        self.summary.returned += back.len();
        self.catalog.fail(&failed)?;
        for chunk in new.chunks(CHUNK) {
            self.add(root, chunk, report)?;
        }
        self.find_gone(root, &scanned.unread, &known);
        for (path, reason) in scanned.unread {
            self.problem(&path, &reason, report);
        }
        Ok(())
    }

    fn add(&mut self, root: &Path, files: &[FoundFile], report: &mut Report<'_>) -> Result<()> {
        let rows: Vec<NewFile> = files.iter().map(new_file).collect();
        for (id, file) in self.catalog.add_files(root, &rows)?.into_iter().zip(files) {
            match &file.problem {
                Some(problem) => self.problem(&file.path, problem, report),
                None => self.plan.jobs.push(job(id, file.clone(), Why::New)),
            }
        }
        Ok(())
    }

    fn problem(&mut self, path: &Path, reason: &str, report: &mut Report<'_>) {
        self.summary.failed += 1;
        // Reading comes next, and asks again whether to go on.
        let _ = report(IndexEvent::Problem { path: path.to_owned(), reason: reason.to_owned() });
    }

    /// What is in the catalogue and was not found; what lies where nothing could be read may still be there.
    fn find_gone(&mut self, root: &Path, unread: &[(PathBuf, String)], left: &HashMap<PathBuf, Known>) {
        let is_hidden = |path: &PathBuf| unread.iter().any(|(place, _)| path.starts_with(place));
        let gone = left.iter().filter(|(path, known)| !known.is_missing && !is_hidden(path));
        let files: Vec<_> = gone.map(|(_, known)| (known.id, known.content)).collect();
        match self.plan.gone.iter_mut().find(|gone| gone.root == root) {
            Some(gone) => gone.files.extend(files),
            None => self.plan.gone.push(Gone { root: root.to_owned(), files }),
        }
    }
}

/// Marks what is gone, or warns where that is so much that a drive may be unplugged. `moved` was found elsewhere.
pub fn settle_gone(
    library: &Library,
    gone: Vec<Gone>,
    moved: &HashSet<PhotoId>,
    options: &IndexOptions,
    summary: &mut IndexSummary,
    report: &mut Report<'_>,
) -> Result<()> {
    for Gone { root, files } in gone {
        let files: Vec<PhotoId> = files.into_iter().map(|(id, _)| id).filter(|id| !moved.contains(id)).collect();
        let all = library.catalog().count_in_root(&root)?;
        let is_much = files.len() >= FEW && files.len() as f64 > SMALL_PART * all as f64;
        if is_much && !options.forget_missing {
            summary.kept += files.len();
            let line = format!(
                "{} of the {all} photographs in {} are gone; they are kept: plug their drive in, or index again with \
                 --forget-missing if they are gone",
                files.len(),
                root.display()
            );
            // The run ends here in any case.
            let _ = report(IndexEvent::Warning(line));
        } else if !files.is_empty() {
            summary.missing += files.len();
            library.catalog().set_missing(&files, &[])?;
        }
    }
    Ok(())
}

fn job(id: PhotoId, file: FoundFile, why: Why) -> Job {
    let FoundFile { path, kind, sidecars_ns, .. } = file;
    Job { id, path, kind, sidecars_ns, why }
}

fn new_file(file: &FoundFile) -> NewFile {
    let FoundFile { path, kind, stamp, problem, .. } = file;
    NewFile {
        path: path.clone(),
        kind: *kind,
        size_bytes: stamp.size_bytes,
        modified_ns: stamp.modified_ns,
        taken: written(stamp.modified_ns),
        problem: problem.clone(),
    }
}
