//! A library of photographs: where they lie, what is known of them, and the vectors they are found by.
//!
//! A library is a folder: `catalog.sqlite` knows the files, `vectors/` holds one column of features for each model,
//! `thumbnails/` what the window shows. The photographs stay where they are and are never written to.

pub mod catalog;
pub mod content;
pub mod decode;
pub mod export;
mod heif;
pub mod index;
pub mod metadata;
pub mod photo;
mod program;
#[cfg(feature = "qdrant")]
pub mod qdrant;
pub mod query;
mod raw;
pub mod scan;
pub mod search;
mod spelling;
pub mod store;
pub mod thumbnail;
pub mod trash;
pub mod vectors;
pub mod video;
pub mod watch;
mod xmp;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::engine::About;
pub use catalog::Catalog;
use sha2::{Digest, Sha256};
use store::{Place, VectorStore};
pub use thumbnail::Thumbnails;

/// Hexadecimal digits of a model's key that name its folder.
const KEY_DIGITS: usize = 16;

/// The setting that says who indexes.
const INDEXER: &str = "indexer";

/// How long a program that this one starts may take to let go of the files it was born with, and so of a lock that has
/// been given back here.
const STARTING: Duration = Duration::from_millis(100);

/// The setting that says where vectors are kept.
const PLACE: &str = "store";

/// The setting with the name of the library among those on a server.
const NAME: &str = "name";

/// A library; clones are the same one, from any thread.
#[derive(Clone, Debug)]
pub struct Library(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    catalog: Catalog,
    thumbnails: Thumbnails,
    stores: Mutex<HashMap<String, Arc<dyn VectorStore>>>,
    /// What was repaired and not told yet.
    notes: Mutex<Vec<String>>,
}

/// While this lives, no other process and no other thread indexes the library; it ends with the process, however that ends.
#[derive(Debug)]
pub struct IndexLock {
    _file: File,
}

impl Library {
    /// Where a library lies if nobody says otherwise: in the platform's folder for data.
    ///
    /// # Errors
    /// A user without a home.
    pub fn default_folder() -> Result<PathBuf> {
        let data = dirs::data_dir()
            .ok_or_else(|| anyhow!("there is no home folder to keep a library in: name one with --library"))?;
        Ok(data.join("medley").join("library"))
    }

    /// Opens the library in a folder, and makes it where there is none; one that cannot be written can be searched.
    ///
    /// # Errors
    /// A folder that cannot be made, a catalogue of a newer version or a damaged one, a full disk.
    pub fn open(folder: &Path) -> Result<Self> {
        let folder = absolute(folder)?;
        let shown = folder.display();
        std::fs::create_dir_all(&folder).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                anyhow!("could not keep a library in {shown}: it is no folder")
            }
            _ => anyhow!("could not make the folder {shown} for a library: {}", plain(&error)),
        })?;
        let catalog = Catalog::open(&folder.join("catalog.sqlite"))?;
        Ok(Self::new(folder, catalog))
    }

    /// Opens the library in a folder and writes nothing there.
    ///
    /// # Errors
    /// A folder without a library, a catalogue of another version or a damaged one.
    pub fn open_read_only(folder: &Path) -> Result<Self> {
        let folder = absolute(folder)?;
        let catalog = Catalog::open_read_only(&folder.join("catalog.sqlite"))?;
        Ok(Self::new(folder, catalog))
    }

    fn new(folder: PathBuf, catalog: Catalog) -> Self {
        let thumbnails = Thumbnails::new(folder.join("thumbnails"), !catalog.is_read_only());
        Self(Arc::new(Inner { folder, catalog, thumbnails, stores: Mutex::default(), notes: Mutex::default() }))
    }

    /// The folder it lies in.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// What is known of its files.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// Its small pictures.
    pub fn thumbnails(&self) -> &Thumbnails {
        &self.0.thumbnails
    }

    /// The vectors that a model made, opened once for each model.
    ///
    /// # Errors
    /// A model that cannot compare, vectors that cannot be opened.
    pub fn vectors(&self, about: &About) -> Result<Arc<dyn VectorStore>> {
        let Some(dimensions) = about.feature_size else {
            bail!("{} cannot compare pictures with texts: name a model that matches, or the built-in one", about.name);
        };
        let key = about.key.get(..KEY_DIGITS).unwrap_or(&about.key).to_owned();
        let mut stores = self.0.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&key) {
            return Ok(Arc::clone(store));
        }
        let folder = self.0.folder.join("vectors").join(&key);
        let store: Arc<dyn VectorStore> = match self.vector_place()? {
            Place::Folder => {
                let store = match self.catalog().is_read_only() {
                    true => vectors::FlatStore::open_read_only(&folder, dimensions)?,
                    false => vectors::FlatStore::open(&folder, dimensions)?,
                };
                self.0.notes.lock().unwrap_or_else(PoisonError::into_inner).extend(store.repaired());
                Arc::new(store)
            }
            // Another library's photographs have the same numbers.
            server => store::open(&server, &folder, &format!("{}-{key}", self.name()?), dimensions)?,
        };
        stores.insert(key, Arc::clone(&store));
        Ok(store)
    }

    /// Where vectors are kept.
    ///
    /// # Errors
    /// A catalogue that cannot be read, or that names a place which this version does not know.
    pub fn vector_place(&self) -> Result<Place> {
        self.catalog().setting(PLACE)?.map_or(Ok(Place::Folder), |place| place.parse())
    }

    /// Keeps vectors elsewhere from now on; those that are not there yet are made when the library is indexed next.
    ///
    /// # Errors
    /// A catalogue that cannot be written, a place that this program was built without.
    pub fn keep_vectors(&self, place: &Place) -> Result<()> {
        place.check()?;
        if self.vector_place()? != *place {
            self.catalog().set_setting(PLACE, &place.to_string())?;
            self.0.stores.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(())
    }

    /// What the library is called where several keep their vectors: made once, of where and when that was.
    fn name(&self) -> Result<String> {
        if let Some(name) = self.catalog().setting(NAME)? {
            return Ok(name);
        }
        let made = format!("{} {}", self.0.folder.display(), jiff::ZonedDateTime::now());
        let name: String = Sha256::digest(made).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.catalog().set_setting(NAME, &name)?;
        Ok(name)
    }

    /// What was found damaged and repaired since this was last asked, for people to read: indexing brings back what was
    /// lost.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The folders of vectors that there are, each named by the first digits of a model's key.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn columns(&self) -> Result<Vec<PathBuf>> {
        let folder = self.0.folder.join("vectors");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => bail!("could not read {}: {}", folder.display(), plain(&error)),
        };
        let mut columns: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        columns.retain(|column| column.is_dir());
        columns.sort();
        Ok(columns)
    }

    /// Makes sure that nobody else indexes this library.
    ///
    /// # Errors
    /// Someone who does, by name; a library that can only be read.
    pub fn lock_indexing(&self) -> Result<IndexLock> {
        self.catalog().check_writable()?;
        let path = self.0.folder.join("index.lock");
        let file =
            File::create(&path).map_err(|error| anyhow!("could not write {}: {}", path.display(), plain(&error)))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < STARTING => thread::sleep(STARTING / 20),
                Err(TryLockError::WouldBlock) => {
                    let who = self.catalog().setting(INDEXER)?.unwrap_or_else(|| "another process".to_owned());
                    bail!("{who} is indexing {}: wait until it has ended, or stop it", self.0.folder.display());
                }
                Err(TryLockError::Error(error)) => bail!("could not lock {}: {}", path.display(), plain(&error)),
            }
        }
        let since = jiff::ZonedDateTime::now().strftime("%H:%M").to_string();
        self.catalog().set_setting(INDEXER, &format!("process {} (since {since})", std::process::id()))?;
        Ok(IndexLock { _file: file })
    }

    /// Forgets a file, or a folder and everything below it, with captions and thumbnails that nothing else needs; the
    /// files themselves stay as they are. Answers how many files that were.
    ///
    /// # Errors
    /// Someone who indexes, a catalogue that cannot be written.
    pub fn forget(&self, path: &Path) -> Result<usize> {
        let _lock = self.lock_indexing()?;
        let count = self.catalog().forget(path)?;
        self.take_away(true)?;
        Ok(count)
    }

    /// Takes away what no file shows any more. Vectors in columns that are not open go when their model indexes again.
    fn take_away(&self, with_captions: bool) -> Result<()> {
        let orphans = self.catalog().take_orphans(with_captions)?;
        for (_, hash) in &orphans {
            self.thumbnails().remove(hash);
        }
        let contents: Vec<_> = orphans.into_iter().map(|(content, _)| content).collect();
        let stores: Vec<_> = self.0.stores.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        if contents.is_empty() { Ok(()) } else { stores.iter().try_for_each(|store| store.delete(&contents)) }
    }
}

/// The folder from the root of the file system.
fn absolute(folder: &Path) -> Result<PathBuf> {
    std::path::absolute(folder).with_context(|| format!("could not open {}", folder.display()))
}

/// What the system said, without its number.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission is denied".to_owned(),
        ErrorKind::StorageFull => "there is no space left".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the disk can only be read".to_owned(),
        _ => {
            let said = error.to_string();
            said.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}
