//! Files, folders, globs and a list on standard input: which pictures are meant.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern, PatternError};
use walkdir::{DirEntry, WalkDir};

use super::{file_name, plain};
use crate::library::scan::PHOTOS;

/// What makes a name a pattern.
const WILD: [char; 3] = ['*', '?', '['];

/// The pictures that were named, and what could not be found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files, in the order they were named; folders sorted by name.
    pub pictures: Vec<PathBuf>,
    /// A line for each name that led nowhere.
    pub problems: Vec<String>,
}

/// Looks up every name: a file is taken as it is, a folder is searched for pictures, a pattern
/// is expanded, and `-` stands for names on standard input, one a line or each ended by a NUL.
pub fn find(names: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for name in names {
        if name.as_os_str() == "-" { found.add_list() } else { found.add(name) }
    }
    found
}

impl Found {
    fn add_list(&mut self) {
        let mut list = Vec::new();
        if let Err(error) = std::io::stdin().lock().read_to_end(&mut list) {
            return self.problems.push(format!("standard input: {}", plain(&error)));
        }
        let before = self.len();
        // Names that `find -print0` wrote may hold line breaks.
        let end = if list.contains(&0) { 0 } else { b'\n' };
        for name in list.split(|byte| *byte == end) {
            let name = if end == 0 { name } else { name.strip_suffix(b"\r").unwrap_or(name) };
            if name.trim_ascii().is_empty() {
                continue;
            }
            match file_name::from_bytes(name) {
                Some(path) => self.add(&path),
                None => self.problems.push(format!("{}: no file can have this name", String::from_utf8_lossy(name))),
            }
        }
        if self.len() == before {
            self.problems.push("standard input named no picture".to_owned());
        }
    }

    fn add(&mut self, path: &Path) {
        let pattern = path.to_str().filter(|name| name.contains(WILD));
        match pattern {
            _ if path.is_dir() => self.add_folder(path),
            Some(pattern) if !path.exists() => self.add_pattern(pattern),
            // A file that is not there is reported when it is opened, in its turn.
            _ => self.pictures.push(path.to_owned()),
        }
    }

    fn add_folder(&mut self, folder: &Path) {
        let before = self.len();
        self.walk(folder, |entry| {
            (entry.file_type().is_file() && is_picture(entry.path())).then(|| entry.path().to_owned())
        });
        if self.len() == before {
            self.problems.push(format!("{}: no pictures in this folder", folder.display()));
        }
    }

    fn add_pattern(&mut self, pattern: &str) {
        let before = self.len();
        let added = if pattern.contains("**") { self.add_deep(pattern) } else { self.add_flat(pattern) };
        if let Err(error) = added {
            self.problems.push(format!("{pattern}: {error}"));
        } else if self.len() == before {
            self.problems.push(format!("{pattern}: matches no file"));
        }
    }

    fn add_flat(&mut self, pattern: &str) -> Result<(), PatternError> {
        self.pictures.extend(glob::glob(pattern)?.filter_map(Result::ok).filter(|path| path.is_file()));
        Ok(())
    }

    /// Expands a pattern with `**` as a folder is searched: through no link to another folder, because one that leads
    /// upwards has no end.
    fn add_deep(&mut self, pattern: &str) -> Result<(), PatternError> {
        let whole: PathBuf = Path::new(pattern).components().collect();
        let is_plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(WILD);
        let start: PathBuf = whole.components().take_while(is_plain).collect();
        let pattern = Pattern::new(&whole.to_string_lossy())?;
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        let here = Path::new(".");
        let root = if start.as_os_str().is_empty() { here } else { &start };
        self.walk(root, |entry| {
            let path = entry.path();
            let path = if root == start { path } else { path.strip_prefix(here).unwrap_or(path) };
            let matches = pattern.matches_with(&path.to_string_lossy(), options) && path.is_file();
            matches.then(|| path.to_owned())
        });
        Ok(())
    }

    /// Goes through a folder and all in it, and takes what `take` makes of its entries.
    fn walk(&mut self, folder: &Path, take: impl Fn(&DirEntry) -> Option<PathBuf>) {
        for entry in WalkDir::new(folder).sort_by_file_name() {
            match entry {
                Ok(entry) => self.pictures.extend(take(&entry)),
                Err(error) => {
                    let path = error.path().unwrap_or(folder).display().to_string();
                    let reason = error.io_error().map_or_else(|| error.to_string(), plain);
                    self.problems.push(format!("{path}: {reason}"));
                }
            }
        }
    }

    fn len(&self) -> usize {
        self.pictures.len() + self.problems.len()
    }
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    PHOTOS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}
