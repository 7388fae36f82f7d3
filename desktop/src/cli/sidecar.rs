//! Captions written to files: never over what is there unless told to.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;
use medley::Caption;
use serde_json::json;

use super::caption::path_text;
use super::output::{self, Output};
use super::wrong;

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

/// What becomes of captions that are there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and nothing is captioned.
    Refuse,
    /// They are replaced.
    Overwrite,
    /// Their pictures are left out.
    Skip,
}

/// Files that captions go to.
pub struct Sidecars {
    format: Write,
    overwrite: bool,
    list: Option<Output>,
    /// Pictures in the list.
    listed: usize,
    /// Every picture's own file so far.
    written: HashSet<PathBuf>,
}

impl Sidecars {
    /// Opens the list, or looks for the files that pictures have; leaves in `pictures` what is to be captioned.
    pub fn open(format: Write, existing: Existing, pictures: &mut Vec<PathBuf>) -> Result<Self> {
        let overwrite = existing == Existing::Overwrite;
        let list = match format {
            Write::Txt => {
                look(existing, pictures)?;
                None
            }
            _ if existing == Existing::Skip => {
                return Err(wrong(
                    "--skip-existing",
                    "is for --write txt, where each picture has its own file".to_owned(),
                ));
            }
            Write::Jsonl => Some(Output::create(Path::new("captions.jsonl"), overwrite)?),
            Write::Csv => {
                let mut list = Output::create(Path::new("captions.csv"), overwrite)?;
                list.write(b"path,caption,confidence\n")?;
                Some(list)
            }
        };
        Ok(Self { format, overwrite, list, listed: 0, written: HashSet::new() })
    }

    /// Writes the captions of a picture.
    pub fn add(&mut self, picture: &Path, captions: &[Caption]) -> Result<()> {
        let Some(list) = &mut self.list else {
            return self.add_text(picture, captions);
        };
        self.listed += 1;
        for caption in captions {
            let path = path_text(picture);
            if self.format == Write::Jsonl {
                let line = json!({ "file_name": path, "text": caption.text, "confidence": caption.confidence });
                list.write(format!("{line}\n").as_bytes())?;
            } else {
                let mut line = csv::Writer::from_writer(Vec::new());
                line.write_record([&path, &caption.text, &caption.confidence.to_string()])?;
                list.write(&line.into_inner().map_err(|error| anyhow!("{error}"))?)?;
            }
        }
        Ok(())
    }

    /// Puts the list in its place; of one that is not whole, what there is of it beside the one that was there. A list
    /// of nothing is none.
    pub fn finish(self, is_whole: bool) -> Result<()> {
        let Some(list) = self.list.filter(|_| self.listed > 0) else { return Ok(()) };
        if is_whole {
            return list.finish();
        }
        let left = list.leave()?;
        eprintln!("medley: the captions until then are in {}", left.display());
        Ok(())
    }

    fn add_text(&mut self, picture: &Path, captions: &[Caption]) -> Result<()> {
        let path = picture.with_extension("txt");
        // Two pictures of one name and different endings share a .txt; the second does not win.
        if !self.written.insert(path.clone()) {
            bail!("{}: another picture of this name has just written it", path.display());
        }
        let lines: String = captions.iter().map(|caption| format!("{}\n", caption.text)).collect();
        output::write(&path, self.overwrite, lines.as_bytes())
    }
}

/// Refuses or leaves out pictures that have captions, before any is captioned.
fn look(existing: Existing, pictures: &mut Vec<PathBuf>) -> Result<()> {
    let is_captioned = |picture: &PathBuf| picture.with_extension("txt").exists();
    if existing == Existing::Overwrite {
        return Ok(());
    }
    let total = pictures.len();
    let first = pictures.iter().find(|picture| is_captioned(picture)).cloned();
    pictures.retain(|picture| !is_captioned(picture));
    let count = total - pictures.len();
    match first {
        Some(first) if existing == Existing::Refuse => bail!(
            "{} is there already, and {count} of {total} pictures have a .txt: --overwrite writes over them, \
             --skip-existing leaves those pictures out",
            first.with_extension("txt").display()
        ),
        Some(_) => eprintln!("medley: left out {count} of {total} pictures, which have a .txt"),
        None => {}
    }
    Ok(())
}
