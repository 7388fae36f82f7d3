//! The store that needs nothing but a folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use anyhow::{Context, Result, bail};
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::super::photo::ContentId;
use super::super::store::{Among, Scored, VectorStore, norm};
use super::compact::{self, is_worthwhile};
use super::disk::{Disk, RealDisk};
use super::journal::{Entry, Record, row_sum};
use super::lock::Lock;
use super::rows::{self, Damage, Rows, journal_path, vectors_path};
use super::scan;

/// Vectors of 16-bit floats in a folder of their own.
///
/// Any number of threads and programs may read while one writes; others that want to write wait for it.
#[derive(Debug)]
pub struct FlatStore {
    folder: PathBuf,
    dimensions: usize,
    disk: Box<dyn Disk>,
    rows: RwLock<Rows>,
    writing: Mutex<()>,
    repaired: Option<String>,
    is_read_only: bool,
}

impl FlatStore {
    /// Opens the store in a folder, or makes one there.
    ///
    /// What a kill left unfinished is cut off. What is damaged is left out, and the rest is written anew:
    /// see [`Self::repaired`].
    ///
    /// # Errors
    /// A folder that cannot be read, vectors of another length or of a newer version of this program.
    pub fn open(folder: &Path, dimensions: usize) -> Result<Self> {
        Self::open_on(Box::new(RealDisk), folder, dimensions)
    }

    /// [`Self::open`] with a disk of one's own, as tests need it.
    ///
    /// # Errors
    /// As there.
    pub fn open_on(disk: Box<dyn Disk>, folder: &Path, dimensions: usize) -> Result<Self> {
        if dimensions == 0 {
            bail!("a vector needs at least one number");
        }
        fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        let mut repaired = None;
        if !journal_path(folder).exists() {
            let _lock = Lock::wait(folder)?;
            // Another program may have made it in the meantime.
            if !journal_path(folder).exists() {
                let lost = rows::generations(folder)?.into_iter().max();
                // A start that was killed leaves an empty file.
                let is_lost = lost
                    .is_some_and(|last| fs::metadata(vectors_path(folder, last)).is_ok_and(|facts| facts.len() > 0));
                repaired = is_lost.then(|| "the journal was gone, and with it whose the vectors are".to_owned());
                compact::create(&*disk, folder, dimensions, lost.map_or(0, |last| last + 1))?;
            }
        }
        let rows = Rows::load(folder, dimensions)?;
        let damage = rows.damage;
        let mut store = Self {
            folder: folder.to_owned(),
            dimensions,
            disk,
            rows: RwLock::new(rows),
            writing: Mutex::new(()),
            repaired: repaired.or_else(|| told(folder, damage)),
            is_read_only: false,
        };
        // Where nothing can be written, or another program writes, what is whole can be read all the same.
        if let Ok(Some(_lock)) = Lock::now(folder)
            && let Err(error) = store.tidy()
            && let Some(repaired) = &mut store.repaired
        {
            repaired.push_str(&format!(" (not yet written anew: {error:#})"));
        }
        Ok(store)
    }

    /// Opens the store in a folder and writes nothing there; one that was never made is empty.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_read_only(folder: &Path, dimensions: usize) -> Result<Self> {
        let is_there = journal_path(folder).exists();
        let rows = if is_there { Rows::load(folder, dimensions)? } else { Rows::none(dimensions, 0) };
        let repaired = told(folder, rows.damage);
        Ok(Self {
            folder: folder.to_owned(),
            dimensions,
            disk: Box::new(RealDisk),
            rows: RwLock::new(rows),
            writing: Mutex::new(()),
            repaired,
            is_read_only: true,
        })
    }

    /// What was found damaged when the store was opened, for people to read; `None` where all was whole.
    pub fn repaired(&self) -> Option<String> {
        self.repaired.clone()
    }

    /// As [`VectorStore::search`], on so many threads.
    ///
    /// # Errors
    /// A query of another length or of no length, a folder that cannot be read any more.
    pub fn search_on(&self, threads: usize, query: &[f32], top: usize, among: Among<'_>) -> Result<Vec<Scored>> {
        self.check_length(query)?;
        let rows = self.current()?;
        scan::search(&rows, query, top, among, threads).context("a query needs a direction: all its numbers are zero")
    }

    /// Writes what is kept anew and lets go of what was replaced or forgotten; otherwise this happens by itself.
    ///
    /// # Errors
    /// A full disk; then all is as before.
    pub fn compact(&self) -> Result<()> {
        self.write(|| compact::rewrite(&*self.disk, &self.folder, &self.rows()))
    }

    /// Rows of the file, those that were replaced or forgotten among them.
    pub fn rows_on_disk(&self) -> usize {
        self.rows().len()
    }

    fn rows(&self) -> RwLockReadGuard<'_, Rows> {
        // A reader changes nothing, and what a writer changes it reads anew: no panic leaves half a change.
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows as they are now, what other programs wrote among them.
    fn current(&self) -> Result<RwLockReadGuard<'_, Rows>> {
        if self.is_read_only && !journal_path(&self.folder).exists() {
            return Ok(self.rows());
        }
        if !self.rows().is_current(&self.folder)? {
            self.refresh()?;
        }
        Ok(self.rows())
    }

    fn refresh(&self) -> Result<()> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner).refresh(&self.folder)
    }

    /// Runs `work` as the only writer, with rows that are current before and after.
    fn write(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.is_read_only {
            bail!("the vectors in {} can only be read", self.folder.display());
        }
        let _one: MutexGuard<'_, ()> = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = Lock::wait(&self.folder)?;
        drop(self.current()?);
        self.tidy()?;
        work()?;
        self.refresh()?;
        if is_worthwhile(&self.rows()) {
            // What was asked for is done; a compaction that fails leaves all as it is, and the next call tries again.
            let _ = compact::rewrite(&*self.disk, &self.folder, &self.rows());
            self.refresh()?;
        }
        Ok(())
    }

    /// Cuts off what a kill left unfinished, and writes what is whole anew where something is not.
    fn tidy(&self) -> Result<()> {
        let is_damaged = self.rows().damage.is_any();
        if is_damaged {
            compact::rewrite(&*self.disk, &self.folder, &self.rows())?;
            return self.refresh();
        }
        let (generation, end) = {
            let rows = self.rows();
            (rows.generation, rows.end)
        };
        compact::clean(&*self.disk, &self.folder, generation);
        let path = journal_path(&self.folder);
        let file = File::options()
            .write(true)
            .open(&path)
            .with_context(|| format!("could not write to {}", path.display()))?;
        if file.metadata()?.len() > end {
            self.disk.set_len(&file, end).with_context(|| format!("could not write to {}", path.display()))?;
        }
        Ok(())
    }

    /// Appends a record to the journal; where that fails, it is as before.
    fn append(&self, record: &Record) -> Result<()> {
        let (generation, end) = {
            // Given back at once: whoever reads must not wait for the disk.
            let rows = self.rows();
            (rows.generation, rows.end)
        };
        let path = journal_path(&self.folder);
        let append = || {
            let file = File::options().write(true).open(&path)?;
            let written = self.disk.write(&file, end, &record.write(generation, end));
            let done = written.and_then(|()| self.disk.sync(&file));
            if done.is_err() {
                // Where this fails too, the next writer does it.
                let _ = self.disk.set_len(&file, end);
            }
            done
        };
        append().with_context(|| format!("could not write to {}", path.display()))
    }

    fn check_length(&self, vector: &[f32]) -> Result<()> {
        if vector.len() != self.dimensions {
            bail!("a vector of {} numbers does not fit a store of vectors of {}", vector.len(), self.dimensions);
        }
        Ok(())
    }

    /// A vector's bytes, at unit length.
    fn row(&self, vector: &[f32]) -> Result<Vec<u8>> {
        self.check_length(vector)?;
        let norm = norm(vector).context("a vector needs a direction: all its numbers are zero, or one is none")?;
        let unit: Vec<f32> = vector.iter().map(|x| (f64::from(*x) / norm) as f32).collect();
        let mut numbers = vec![f16::ZERO; unit.len()];
        numbers.convert_from_f32_slice(&unit);
        Ok(numbers.into_iter().flat_map(f16::to_le_bytes).collect())
    }
}

impl VectorStore for FlatStore {
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn len(&self) -> usize {
        // What cannot be read any more is as many as it was.
        self.current().unwrap_or_else(|_| self.rows()).index.len()
    }

    fn upsert(&self, vectors: &[(ContentId, Vec<f32>)]) -> Result<()> {
        if vectors.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(vectors.len() * self.dimensions * 2);
        let mut entries = Vec::with_capacity(vectors.len());
        for (content, vector) in vectors {
            let row = self.row(vector)?;
            entries.push(Entry { content: *content, sum: row_sum(*content, &row) });
            bytes.extend(row);
        }
        self.write(|| {
            let (first, path) = {
                let rows = self.rows();
                (rows.len(), vectors_path(&self.folder, rows.generation))
            };
            if first + entries.len() > u32::MAX as usize {
                bail!("{} has no room for more vectors: split the library", self.folder.display());
            }
            let write = || {
                let file = File::options().write(true).open(&path)?;
                compact::make_room(&*self.disk, &file, ((first + entries.len()) * self.dimensions * 2) as u64)?;
                self.disk.write(&file, (first * self.dimensions * 2) as u64, &bytes)?;
                self.disk.sync(&file)
            };
            write().with_context(|| format!("could not write to {}", path.display()))?;
            self.append(&Record::Kept { first: first as u64, entries })
        })
    }

    fn delete(&self, contents: &[ContentId]) -> Result<()> {
        self.write(|| {
            let contents: Vec<ContentId> = {
                let index = &self.rows().index;
                contents.iter().copied().filter(|content| index.contains_key(content)).collect()
            };
            if contents.is_empty() { Ok(()) } else { self.append(&Record::Forgotten(contents)) }
        })
    }

    fn vector(&self, content: ContentId) -> Result<Option<Vec<f32>>> {
        let rows = self.current()?;
        let numbers = |row: &u32| {
            let numbers = rows.row(*row as usize).as_chunks::<2>().0.iter();
            numbers.map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
        };
        Ok(rows.index.get(&content).map(numbers))
    }

    fn contents(&self) -> Result<Vec<ContentId>> {
        Ok(self.current()?.index.keys().copied().collect())
    }

    fn search(&self, query: &[f32], top: usize, among: Among<'_>) -> Result<Vec<Scored>> {
        self.search_on(rows::threads(), query, top, among)
    }
}

/// What was damaged, in a sentence.
fn told(folder: &Path, damage: Damage) -> Option<String> {
    let what = match damage {
        Damage { journal: false, vectors: 0 } => return None,
        Damage { journal: false, vectors } => format!("{vectors} vectors were damaged"),
        Damage { journal: true, vectors: 0 } => "the journal was damaged".to_owned(),
        Damage { journal: true, vectors } => format!("the journal and {vectors} vectors were damaged"),
    };
    let forgotten = if damage.journal { "; what was forgotten may be back until then" } else { "" };
    let shown = folder.display();
    Some(format!("{shown}: {what}; what is whole was kept, and indexing again brings back the rest{forgotten}"))
}
