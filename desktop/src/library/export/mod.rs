//! Captions written to files beside photographs or in a folder of their own: never into a photograph, and over what is
//! there only if someone said so.

mod xmp;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use tempfile::Builder;

/// The files that captions are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `photo.txt`, one caption a line.
    Text,
    /// `metadata.jsonl` in each folder: an object a line with `file_name` and `text`.
    JsonLines,
    /// `photo.jpg.xmp` with `dc:description`.
    Xmp,
}

/// What becomes of files that are there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// They stay as they are.
    #[default]
    Leave,
    /// The caption in them is replaced, and nothing else.
    Replace,
}

/// A file that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Which.
    pub path: PathBuf,
    before: Option<Vec<u8>>,
    after: Vec<u8>,
}

impl Written {
    /// Puts back what was there; a file that has changed since is left alone.
    ///
    /// # Errors
    /// A file that has changed, and one that cannot be written.
    pub fn take_back(&self) -> Result<()> {
        let shown = self.path.display();
        if fs::read(&self.path).ok().as_deref() != Some(&self.after) {
            bail!("{shown} has changed since, and is left as it is");
        }
        match &self.before {
            Some(before) => place(&self.path, before, true),
            None => fs::remove_file(&self.path).with_context(|| format!("could not take {shown} back")),
        }
    }
}

/// Writes captions of many photographs.
#[derive(Debug)]
pub struct Export {
    format: Format,
    existing: Existing,
    /// A folder for the files, and the folders whose shape it takes.
    mirror: Option<(PathBuf, Vec<PathBuf>)>,
    /// Lines that wait, by the list they belong to.
    lists: BTreeMap<PathBuf, BTreeMap<String, Vec<String>>>,
    waiting: usize,
    taken: HashSet<PathBuf>,
    written: Vec<Written>,
}

impl Export {
    /// Files beside the photographs.
    pub fn beside(format: Format, existing: Existing) -> Self {
        let (lists, taken) = (BTreeMap::new(), HashSet::new());
        Self { format, existing, mirror: None, lists, waiting: 0, taken, written: Vec::new() }
    }

    /// Files in a folder of their own, under the same names as below the library's `roots`.
    pub fn mirrored(format: Format, existing: Existing, folder: &Path, roots: &[PathBuf]) -> Self {
        let mirror = Some((folder.to_owned(), roots.to_vec()));
        Self { mirror, ..Self::beside(format, existing) }
    }

    /// The file that a photograph's captions go to.
    pub fn path(&self, photo: &Path) -> PathBuf {
        let place = match &self.mirror {
            None => photo.to_owned(),
            Some((folder, roots)) => folder.join(below(photo, roots)),
        };
        match self.format {
            Format::Text => place.with_extension("txt"),
            Format::JsonLines => place.with_file_name("metadata.jsonl"),
            Format::Xmp => {
                let short = place.with_extension("xmp");
                let mut long = place.into_os_string();
                long.push(".xmp");
                // What another program wrote under the shorter name is the one it reads.
                if short.exists() && !Path::new(&long).exists() { short } else { PathBuf::from(long) }
            }
        }
    }

    /// How many of these photographs have a file there already.
    pub fn count_existing<'a>(&self, photos: impl Iterator<Item = &'a Path>) -> usize {
        photos.filter(|photo| fs::symlink_metadata(self.path(photo)).is_ok()).count()
    }

    /// Writes a photograph's captions; answers whether they were written, or the file that was there has stayed.
    ///
    /// Lines of a list are written every thousand photographs and by [`finish`](Self::finish).
    ///
    /// # Errors
    /// A file that cannot be written or is none, and a second photograph of the same name.
    pub fn add(&mut self, photo: &Path, captions: &[String]) -> Result<bool> {
        /// Lines that are kept back, because a list is written as a whole.
        const MOST_WAITING: usize = 1000;
        let path = self.path(photo);
        let there = fs::symlink_metadata(&path).is_ok() && !self.written.iter().any(|written| written.path == path);
        if there && self.existing == Existing::Leave {
            return Ok(false);
        }
        let captions: Vec<String> = captions.iter().map(|caption| one_line(caption)).collect();
        if self.format == Format::JsonLines {
            let name = photo.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.lists.entry(path).or_default().insert(name, captions);
            self.waiting += 1;
            if self.waiting >= MOST_WAITING {
                self.write_lists()?;
            }
            return Ok(true);
        }
        // Two photographs of one name and different endings share a .txt; the second does not win.
        if !self.taken.insert(path.clone()) {
            bail!("{}: another photograph of this name has just written it", path.display());
        }
        let before = read(&path)?;
        let bytes = match (self.format, &before) {
            (Format::Xmp, Some(before)) => xmp::with_caption(before, captions.first().map_or("", String::as_str))
                .with_context(|| format!("{} was left as it is: it", path.display()))?,
            (Format::Xmp, None) => xmp::new(captions.first().map_or("", String::as_str))?,
            _ => captions.iter().map(|caption| format!("{caption}\n")).collect::<String>().into_bytes(),
        };
        self.write(path, before, bytes)?;
        Ok(true)
    }

    /// Writes what waits; answers every file that was written.
    ///
    /// # Errors
    /// A list that cannot be read or written.
    pub fn finish(mut self) -> Result<Vec<Written>> {
        self.write_lists()?;
        Ok(self.written)
    }

    fn write_lists(&mut self) -> Result<()> {
        self.waiting = 0;
        for (path, lines) in std::mem::take(&mut self.lists) {
            let before = read(&path)?;
            let bytes = merged(&path, before.as_deref().unwrap_or_default(), lines)?;
            match self.written.iter_mut().find(|written| written.path == path) {
                Some(written) => {
                    place(&path, &bytes, true)?;
                    written.after = bytes;
                }
                None => self.write(path, before, bytes)?,
            }
        }
        Ok(())
    }

    fn write(&mut self, path: PathBuf, before: Option<Vec<u8>>, bytes: Vec<u8>) -> Result<()> {
        if self.mirror.is_some() {
            let folder = path.parent().unwrap_or(&path);
            fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
        }
        place(&path, &bytes, before.is_some())?;
        self.written.push(Written { path, before, after: bytes });
        Ok(())
    }
}

/// The list with these lines in place of those about the same files; all other lines stay as they are.
fn merged(path: &Path, before: &[u8], mut lines: BTreeMap<String, Vec<String>>) -> Result<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(before) else {
        bail!("{} is no text, and is left as it is", path.display());
    };
    let mut after = String::with_capacity(before.len());
    for line in text.lines() {
        let object: Option<Map<String, Value>> = serde_json::from_str(line).ok();
        let name = object.as_ref().and_then(|object| object.get("file_name")).and_then(Value::as_str);
        match (name.and_then(|name| lines.remove(name)), object) {
            (Some(captions), Some(mut object)) => {
                object.insert("text".to_owned(), text_of(captions));
                after.push_str(&Value::Object(object).to_string());
            }
            _ => after.push_str(line),
        }
        after.push('\n');
    }
    for (name, captions) in lines {
        after.push_str(&json!({ "file_name": name, "text": text_of(captions) }).to_string());
        after.push('\n');
    }
    Ok(after.into_bytes())
}

/// One caption is a text, several are a list.
fn text_of(mut captions: Vec<String>) -> Value {
    if captions.len() == 1 { Value::String(captions.remove(0)) } else { captions.into() }
}

/// Where a photograph lies below the first of these folders that holds it, with that folder's own name.
fn below(photo: &Path, roots: &[PathBuf]) -> PathBuf {
    for root in roots {
        if let Ok(inside) = photo.strip_prefix(root) {
            // Two folders of the library may hold the same names.
            let own = root.file_name().filter(|_| roots.len() > 1).map(PathBuf::from).unwrap_or_default();
            return own.join(inside);
        }
    }
    photo.file_name().map(PathBuf::from).unwrap_or_default()
}

/// What a file holds; nothing where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() => fs::read(path).map(Some).with_context(|| format!("could not read {shown}")),
        Ok(_) => bail!("{shown} is no ordinary file, and is left as it is"),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read {shown}")),
    }
}

/// Puts a whole file in its place, or none.
fn place(path: &Path, bytes: &[u8], replaces: bool) -> Result<()> {
    let shown = path.display();
    let failed = || format!("could not write {shown}");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = Builder::new();
    // Made as any new file is, not for its owner alone as temporary ones are.
    let make = |path: &Path| File::create_new(path);
    let mut file = name.prefix(".medley-").suffix(".partial").make_in(folder, make).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    if replaces {
        let permissions = fs::metadata(path).with_context(failed)?.permissions();
        file.as_file().set_permissions(permissions).with_context(failed)?;
        file.persist(path).map_err(|error| error.error).with_context(failed)?;
        return Ok(());
    }
    file.persist_noclobber(path).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}

/// A caption as a line: whoever reads the file takes a line for a caption.
fn one_line(caption: &str) -> String {
    caption.split_whitespace().collect::<Vec<_>>().join(" ")
}
