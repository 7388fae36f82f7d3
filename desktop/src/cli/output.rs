//! Files that are written: whole or as they were, and never over what is there unless told to.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::{NamedTempFile, TempPath};

/// The file to be written under a name: behind its links, ordinary, in a folder that is there, and not there itself
/// unless it may be written over.
pub fn target(path: &Path, overwrite: bool) -> Result<PathBuf> {
    let shown = path.display();
    let Ok(about) = fs::symlink_metadata(path) else {
        let folder = folder(path);
        if !folder.is_dir() {
            bail!("could not write {shown}: there is no folder {}", folder.display());
        }
        return Ok(path.to_owned());
    };
    let target = match about.is_symlink() {
        true => fs::canonicalize(path).with_context(|| format!("could not write {shown}, which is a link"))?,
        false => path.to_owned(),
    };
    if !target.is_file() {
        bail!("{shown} is no ordinary file, and is left as it is");
    }
    if !overwrite {
        bail!("{shown} is there already; --overwrite writes over it");
    }
    Ok(target)
}

/// A file on its way to its name. What it replaces stays until it is finished; dropped, it leaves nothing behind.
pub struct Output {
    path: PathBuf,
    target: PathBuf,
    file: NamedTempFile,
    /// Already under its name, because nothing was there: what was written is kept even if the system stops.
    is_in_place: bool,
}

impl Output {
    /// Begins a file; see [`target`] for what is refused.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self> {
        let target = target(path, overwrite)?;
        let (file, is_in_place) = begin(&target).with_context(|| format!("could not write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), target, file, is_in_place })
    }

    /// Writes what follows.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).with_context(|| format!("could not write {}", self.path.display()))
    }

    /// Puts the whole file in its place.
    pub fn finish(self) -> Result<()> {
        let Self { path, target, file, is_in_place } = self;
        let placed = match is_in_place {
            true => file.keep().map(|_| ()).map_err(|error| error.error),
            false => file.persist(target).map(|_| ()).map_err(|error| error.error),
        };
        placed.with_context(|| format!("could not write {}", path.display()))
    }

    /// Keeps what there is of a file that will not be whole, beside what it was to replace; answers where.
    pub fn leave(self) -> Result<PathBuf> {
        if self.is_in_place {
            let path = self.path.clone();
            return self.finish().map(|()| path);
        }
        let ending = self.target.extension().unwrap_or_default().to_string_lossy().into_owned();
        let target = self.target.with_extension(format!("partial.{ending}"));
        let path = self.path.with_extension(format!("partial.{ending}"));
        Self { path: path.clone(), target, ..self }.finish().map(|()| path)
    }
}

/// Writes a whole file at once.
pub fn write(path: &Path, overwrite: bool, bytes: &[u8]) -> Result<()> {
    let mut output = Output::create(path, overwrite)?;
    output.write(bytes)?;
    output.finish()
}

/// A new file, or one beside that which it will replace, with the same permissions; and whether it is a new one.
fn begin(target: &Path) -> io::Result<(NamedTempFile, bool)> {
    match File::create_new(target) {
        Ok(file) => Ok((NamedTempFile::from_parts(file, TempPath::try_from_path(target)?), true)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            let prefix = format!("{name}.");
            let file = tempfile::Builder::new().prefix(&prefix).suffix(".partial").tempfile_in(folder(target))?;
            file.as_file().set_permissions(fs::metadata(target)?.permissions())?;
            Ok((file, false))
        }
        Err(error) => Err(error),
    }
}

/// The folder a file lies in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
