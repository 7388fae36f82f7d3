//! Files, folders, globs and a list on standard input: which pictures are meant.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Endings of the picture formats that are decoded.
const ENDINGS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "jfif"];

/// The pictures that were named, and what could not be found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files, in the order they were named; folders sorted by name.
    pub pictures: Vec<PathBuf>,
    /// A line for each name that led nowhere.
    pub problems: Vec<String>,
}

/// Looks up every name: a file is taken as it is, a folder is searched for pictures, a pattern
/// is expanded, and `-` stands for names on standard input, one a line.
pub fn find(names: &[String]) -> Found {
    let mut found = Found::default();
    for name in names {
        if name == "-" {
            for line in std::io::stdin().lock().lines() {
                match line {
                    Ok(line) if line.trim().is_empty() => {}
                    Ok(line) => found.add(line.trim_end_matches('\r')),
                    Err(error) => {
                        found.problems.push(format!("standard input: {error}"));
                        break;
                    }
                }
            }
        } else {
            found.add(name);
        }
    }
    found
}

impl Found {
    fn add(&mut self, name: &str) {
        let path = Path::new(name);
        if path.is_dir() {
            self.add_folder(path);
        } else if path.exists() || !name.contains(['*', '?', '[']) {
            // A file that is not there is reported when it is opened, in its turn.
            self.pictures.push(path.to_owned());
        } else {
            self.add_pattern(name);
        }
    }

    fn add_folder(&mut self, folder: &Path) {
        let before = self.pictures.len();
        for entry in WalkDir::new(folder).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.file_type().is_file() && is_picture(entry.path()) => {
                    self.pictures.push(entry.into_path());
                }
                Ok(_) => {}
                Err(error) => self.problems.push(format!("{error}")),
            }
        }
        if self.pictures.len() == before {
            self.problems.push(format!("{}: no pictures in this folder", folder.display()));
        }
    }

    fn add_pattern(&mut self, pattern: &str) {
        let before = self.pictures.len();
        match glob::glob(pattern) {
            Ok(paths) => self.pictures.extend(paths.filter_map(Result::ok).filter(|path| path.is_file())),
            Err(error) => return self.problems.push(format!("{pattern}: {error}")),
        }
        if self.pictures.len() == before {
            self.problems.push(format!("{pattern}: matches no file"));
        }
    }
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}
