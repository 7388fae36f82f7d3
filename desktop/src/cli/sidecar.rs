//! Captions written to files: never over what is there unless told to.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use medley::Caption;
use serde_json::json;

use super::caption::path_text;

/// Where captions are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Write {
    /// A .txt beside each picture, one caption a line
    Txt,
    /// captions.jsonl in this folder
    Jsonl,
    /// captions.csv in this folder
    Csv,
}

/// Files that captions go to.
pub struct Sidecars {
    format: Write,
    overwrite: bool,
    list: Option<File>,
    written: HashSet<PathBuf>,
}

impl Sidecars {
    /// Opens the list file, or nothing where each picture has its own.
    pub fn new(format: Write, overwrite: bool) -> Result<Self> {
        let list = match format {
            Write::Txt => None,
            Write::Jsonl => Some(create(Path::new("captions.jsonl"), overwrite)?),
            Write::Csv => {
                let mut file = create(Path::new("captions.csv"), overwrite)?;
                file.write_all(b"path,caption,confidence\n").context("could not write captions.csv")?;
                Some(file)
            }
        };
        Ok(Self { format, overwrite, list, written: HashSet::new() })
    }

    /// Writes the captions of a picture.
    pub fn add(&mut self, picture: &Path, captions: &[Caption]) -> Result<()> {
        let Some(list) = &mut self.list else {
            return self.add_text(picture, captions);
        };
        for caption in captions {
            let path = path_text(picture);
            let written = if self.format == Write::Jsonl {
                let line = json!({ "file_name": path, "text": caption.text, "confidence": caption.confidence });
                writeln!(list, "{line}")
            } else {
                let mut line = csv::Writer::from_writer(Vec::new());
                line.write_record([&path, &caption.text, &caption.confidence.to_string()])?;
                list.write_all(&line.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?)
            };
            written.context("could not write the list of captions")?;
        }
        Ok(())
    }

    fn add_text(&mut self, picture: &Path, captions: &[Caption]) -> Result<()> {
        let path = picture.with_extension("txt");
        // Two pictures of one name and different endings share a .txt; the second does not win.
        if !self.written.insert(path.clone()) {
            bail!("{}: another picture of this name has just written it", path.display());
        }
        let lines: String = captions.iter().map(|caption| format!("{}\n", caption.text)).collect();
        create(&path, self.overwrite)?
            .write_all(lines.as_bytes())
            .with_context(|| format!("could not write {}", path.display()))
    }
}

fn create(path: &Path, overwrite: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    if overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already; --overwrite writes over it", path.display())
        }
        opened => opened.with_context(|| format!("could not write {}", path.display())),
    }
}
