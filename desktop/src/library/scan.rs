//! Goes through a folder: which files are photographs and films, and what the system says of each.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use ignore::{DirEntry, WalkBuilder};

use super::content::Stamp;
use super::metadata::sidecars;
use super::photo::Kind;
use super::{plain, raw};

/// Endings of pictures that are decoded.
pub const PHOTOS: [&str; 15] =
    ["jpg", "jpeg", "jpe", "jfif", "jxl", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "hif", "avif"];

/// Endings of films.
const VIDEOS: [&str; 6] = ["mp4", "mov", "mkv", "avi", "webm", "m4v"];

/// Endings of pictures that this program cannot decode, and what they are called.
const UNREAD: [(&str, &str); 9] = [
    ("jp2", "JPEG 2000"),
    ("psd", "Photoshop"),
    ("crw", "Canon RAW"),
    ("orf", "Olympus RAW"),
    ("x3f", "Sigma RAW"),
    ("3fr", "Hasselblad RAW"),
    ("iiq", "Phase One RAW"),
    ("sr2", "Sony RAW"),
    ("mrw", "Minolta RAW"),
];

/// Folders that hold copies, thumbnails or what was thrown away.
const JUNK: [&str; 8] = [
    "node_modules",
    "@eaDir",
    "#recycle",
    "@Recycle",
    "$RECYCLE.BIN",
    "RECYCLER",
    "System Volume Information",
    "__MACOSX",
];

/// Files between two reports.
const REPORT_EVERY: usize = 1000;

/// A photograph or a film that lies there.
#[derive(Clone, Debug)]
pub struct FoundFile {
    /// Where.
    pub path: PathBuf,
    /// A picture or a film.
    pub kind: Kind,
    /// Its size and when it was written.
    pub stamp: Stamp,
    /// When the files beside it that describe it were last written, in nanoseconds since 1970; 0 for none.
    pub sidecars_ns: i64,
    /// Why it need not be opened.
    pub problem: Option<String>,
}

/// What a folder holds.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// By path.
    pub files: Vec<FoundFile>,
    /// Folders and files that could not be read, and why: what lies there is not known to be gone.
    pub unread: Vec<(PathBuf, String)>,
    /// Whether it was stopped before its end.
    pub is_stopped: bool,
}

/// Goes through a folder and all below it, but not into `except`, hidden folders, junk, and what ignore files name.
/// Links are followed, each folder once; those that lead into another one of `roots` are left to that.
///
/// # Errors
/// None yet: what cannot be read is in the answer.
pub fn scan(
    folder: &Path,
    roots: &[PathBuf],
    except: &Path,
    report: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Scanned> {
    let mut scanned = Scanned::default();
    let mut beside: HashMap<PathBuf, i64> = HashMap::new();
    let mut seen = 0;
    for entry in walk(folder, roots, except) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                scanned.unread.extend(unread(&error, folder));
                continue;
            }
        };
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let ending = ending(entry.path());
        if is_sidecar(&ending) {
            if let Ok(about) = entry.metadata() {
                beside.insert(entry.into_path(), Stamp::of(&about).modified_ns);
            }
            continue;
        }
        let Some((kind, problem)) = format(&ending) else { continue };
        let stamp = match entry.metadata() {
            Ok(about) => Stamp::of(&about),
            Err(error) => {
                scanned.unread.extend(unread(&error, entry.path()));
                continue;
            }
        };
        let problem = if stamp.size_bytes == 0 { Some("the file is empty".to_owned()) } else { problem };
        scanned.files.push(FoundFile { path: entry.into_path(), kind, stamp, sidecars_ns: 0, problem });
        seen += 1;
        if seen % REPORT_EVERY == 0 && report(seen).is_break() {
            scanned.is_stopped = true;
            break;
        }
    }
    leave_twins_out(&mut scanned.files);
    if !beside.is_empty() {
        for file in &mut scanned.files {
            let times = sidecars(&file.path);
            file.sidecars_ns = times.iter().filter_map(|name| beside.get(name)).copied().max().unwrap_or(0);
        }
    }
    scanned.files.sort_by(|one, other| one.path.cmp(&other.path));
    if report(scanned.files.len()).is_break() {
        scanned.is_stopped = true;
    }
    Ok(scanned)
}

fn walk(folder: &Path, roots: &[PathBuf], except: &Path) -> ignore::Walk {
    let real = |path: &PathBuf| std::fs::canonicalize(path).ok();
    let own: Vec<PathBuf> = roots.iter().filter_map(real).chain(real(&folder.to_owned())).collect();
    let except = except.to_owned();
    let entered: Arc<Mutex<HashSet<PathBuf>>> = Arc::default();
    let enters = move |entry: &DirEntry| {
        if entry.depth() == 0 || !entry.file_type().is_some_and(|kind| kind.is_dir()) {
            return true;
        }
        if is_junk(entry.file_name()) || entry.path() == except {
            return false;
        }
        if !entry.path_is_symlink() {
            return true;
        }
        let Ok(target) = std::fs::canonicalize(entry.path()) else { return true };
        let mut entered = entered.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = own.iter().chain(entered.iter()).any(|known| target.starts_with(known));
        !is_known && entered.insert(target)
    };
    let mut builder = WalkBuilder::new(folder);
    // The folder was named by a person: what ignore files above it say is not about that.
    builder.parents(false).git_global(false).git_exclude(false).require_git(false).follow_links(true);
    builder.filter_entry(enters).build()
}

fn is_junk(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    JUNK.contains(&name) || name.starts_with(".Trash") || name.ends_with(".lrdata")
}

fn ending(path: &Path) -> String {
    path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase()
}

fn is_sidecar(ending: &str) -> bool {
    ending == "txt" || ending == "xmp"
}

/// What an ending stands for, and why it cannot be read; none for what is no picture.
fn format(ending: &str) -> Option<(Kind, Option<String>)> {
    if PHOTOS.contains(&ending) || raw::ENDINGS.contains(&ending) {
        return Some((Kind::Photo, None));
    }
    if VIDEOS.contains(&ending) {
        return Some((Kind::Video, None));
    }
    let (_, name) = UNREAD.iter().find(|(known, _)| *known == ending)?;
    Some((Kind::Photo, Some(format!("{name} pictures cannot be read here: export it as JPEG or PNG"))))
}

/// A RAW file beside the JPEG that the camera wrote with it is the same photograph.
fn leave_twins_out(files: &mut Vec<FoundFile>) {
    let is_raw = |file: &FoundFile| {
        raw::is_raw(&file.path) || file.problem.as_ref().is_some_and(|problem| problem.contains(" RAW "))
    };
    if !files.iter().any(is_raw) {
        return;
    }
    let developed = files.iter().filter(|file| ["jpg", "jpeg"].contains(&ending(&file.path).as_str()));
    let developed: HashSet<PathBuf> = developed.map(|file| file.path.with_extension("")).collect();
    files.retain(|file| !is_raw(file) || !developed.contains(&file.path.with_extension("")));
}

/// Where something could not be read, and why; none for a link that leads nowhere or back.
fn unread(error: &ignore::Error, nearest: &Path) -> Option<(PathBuf, String)> {
    match error {
        ignore::Error::WithPath { path, err } => unread(err, path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => unread(err, nearest),
        ignore::Error::Loop { .. } => None,
        ignore::Error::Io(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        ignore::Error::Io(error) => Some((nearest.to_owned(), plain(error))),
        // A line of an ignore file that is none.
        ignore::Error::Glob { .. } | ignore::Error::Partial(_) => None,
        other => Some((nearest.to_owned(), other.to_string())),
    }
}
