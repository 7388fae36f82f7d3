//! What a journal and its file of vectors say, kept in memory: whose each row is, and the rows as the system maps them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use memmap2::Mmap;

use super::super::photo::ContentId;
use super::journal::{self, Entry, FILE_HEAD, FileHead, Found, Record};
use super::share::share;

/// Rows whose sums a thread checks at a time.
const CHECKED: usize = 4096;

/// Where a folder's journal lies.
pub fn journal_path(folder: &Path) -> PathBuf {
    folder.join("journal")
}

/// Where the vectors of a generation lie.
pub fn vectors_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("vectors.{generation}"))
}

/// What was found damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The journal's head or some of its records.
    pub journal: bool,
    /// Vectors that are not what was written.
    pub vectors: usize,
}

impl Damage {
    /// Whether there is any.
    pub fn is_any(self) -> bool {
        self.journal || self.vectors > 0
    }
}

/// A store's rows as of some record of its journal.
#[derive(Debug, Default)]
pub struct Rows {
    /// Bytes of a vector.
    pub width: usize,
    /// Which pair of files.
    pub generation: u64,
    /// Where the next record belongs.
    pub end: u64,
    /// What was damaged when this was read.
    pub damage: Damage,
    /// Whose each row is; without meaning where the row is dead.
    pub contents: Vec<ContentId>,
    /// The sum of each row.
    pub sums: Vec<u32>,
    /// Whether a row is its content's vector; where not, it was replaced, forgotten, or is damaged.
    pub alive: Vec<bool>,
    /// Where each content's vector lies.
    pub index: BTreeMap<ContentId, u32>,
    map: Option<Mmap>,
    last_sum: Option<u32>,
    seen: Option<Seen>,
}

/// A journal as the system describes it, to notice what other programs add.
type Seen = (u64, Option<SystemTime>);

impl Rows {
    /// No rows at all.
    pub fn none(dimensions: usize, generation: u64) -> Self {
        Self { width: dimensions * 2, generation, ..Self::default() }
    }

    /// Reads a folder's store.
    pub fn load(folder: &Path, dimensions: usize) -> Result<Self> {
        let mut rows = Self::none(dimensions, 0);
        // Between opening the two files another program may put others in their place.
        for _ in 0..100 {
            if rows.load_once(folder)? {
                return Ok(rows);
            }
        }
        bail!("{} is being written anew over and over: try again", folder.display());
    }

    /// Bytes of a row.
    pub fn row(&self, row: usize) -> &[u8] {
        &self.bytes()[row * self.width..(row + 1) * self.width]
    }

    /// All rows that the file has, one after the other.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| &map[..self.len().min(self.mapped()) * self.width])
    }

    /// Rows, dead ones among them.
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// Whether the journal on the disk is as it was when this was read.
    pub fn is_current(&self, folder: &Path) -> Result<bool> {
        let (mut file, seen) = open_journal(folder)?;
        let mut head = [0; FILE_HEAD];
        let is_same = self.seen == Some(seen) && file.read_exact(&mut head).is_ok();
        Ok(is_same && (self.damage.journal || self.is_generation(FileHead::read(&head))))
    }

    fn is_generation(&self, head: FileHead) -> bool {
        matches!(head, FileHead::Good { generation, .. } if generation == self.generation)
    }

    /// Reads what was added since, or everything where more has changed.
    pub fn refresh(&mut self, folder: &Path) -> Result<()> {
        if !self.read_on(folder)? {
            *self = Self::load(folder, self.width / 2)?;
        }
        Ok(())
    }

    /// Whether nothing but whole records was added.
    fn read_on(&mut self, folder: &Path) -> Result<bool> {
        let (mut file, seen) = open_journal(folder)?;
        let mut head = [0; FILE_HEAD];
        if seen.0 < self.end || file.read_exact(&mut head).is_err() || !self.is_generation(FileHead::read(&head)) {
            return Ok(false);
        }
        // The last record may have been taken back and another written in its place.
        let from = self.end - self.last_sum.map_or(0, |_| 4);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let skip = (self.end - from) as usize;
        if self.last_sum.is_some_and(|sum| bytes.len() < 4 || sum != journal::u32_at(&bytes, 0)) {
            return Ok(false);
        }
        let parsed = journal::parse(&bytes[skip..], self.generation, self.end);
        if parsed.is_damaged {
            return Ok(false);
        }
        let before = self.len();
        if !self.map(folder, &parsed.records)? {
            return Ok(false);
        }
        self.apply(parsed.records);
        self.last_sum = parsed.last_sum.or(self.last_sum);
        self.end = parsed.end;
        self.seen = Some(seen);
        self.check(before);
        Ok(true)
    }

    /// Whether the journal and its vectors were both there.
    fn load_once(&mut self, folder: &Path) -> Result<bool> {
        *self = Self::none(self.width / 2, 0);
        let (mut file, seen) = open_journal(folder)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("could not read {}", journal_path(folder).display()))?;
        let parsed = match FileHead::read(&bytes) {
            FileHead::Newer => {
                bail!("the vectors in {} are of a newer version of this program: use that one", folder.display())
            }
            FileHead::Good { dimensions, .. } if dimensions * 2 != self.width => bail!(
                "the vectors in {} have {dimensions} numbers, not {}: they are of another model",
                folder.display(),
                self.width / 2
            ),
            FileHead::Good { generation, .. } => {
                self.generation = generation;
                journal::parse(bytes.get(FILE_HEAD..).unwrap_or_default(), generation, FILE_HEAD as u64)
            }
            FileHead::Damaged => {
                self.damage.journal = true;
                let (generation, parsed) = self.salvage(folder, &bytes)?;
                self.generation = generation;
                parsed
            }
        };
        self.damage.journal |= parsed.is_damaged || parsed.is_tail_damaged;
        self.last_sum = parsed.last_sum;
        self.end = parsed.end;
        self.seen = Some(seen);
        // Without its vectors a journal is damaged; or another program has just put others in their place.
        if !self.map(folder, &parsed.records)? && !self.is_current(folder)? {
            return Ok(false);
        }
        self.apply(parsed.records);
        self.check(0);
        Ok(true)
    }

    /// The generation of a journal without a head: that of the file of vectors with which most of it makes sense.
    fn salvage(&self, folder: &Path, bytes: &[u8]) -> Result<(u64, journal::Parsed)> {
        let mut best = (0, journal::Parsed { end: FILE_HEAD as u64, ..Default::default() });
        for generation in generations(folder)? {
            let parsed = journal::parse(bytes.get(FILE_HEAD..).unwrap_or_default(), generation, FILE_HEAD as u64);
            if parsed.records.len() >= best.1.records.len() {
                best = (generation, parsed);
            }
        }
        Ok(best)
    }

    /// Takes records over, in order; those of damaged records as far as vectors bear them out.
    fn apply(&mut self, records: Vec<Found>) {
        let mut news: Vec<(ContentId, Option<u32>)> = Vec::new();
        for Found { record, is_whole } in records {
            match record {
                Record::Kept { first, entries } => {
                    // Rows of a record that was lost belong to nobody.
                    let end = (first as usize).saturating_add(entries.len());
                    if end > u32::MAX as usize {
                        continue;
                    }
                    self.contents.resize(end.max(self.len()), 0);
                    self.sums.resize(self.len(), 0);
                    self.alive.resize(self.len(), false);
                    for (row, Entry { content, sum }) in (first as usize..).zip(entries) {
                        (self.contents[row], self.sums[row]) = (content, sum);
                        if is_whole || self.is_row_whole(row) {
                            news.push((content, Some(row as u32)));
                        }
                    }
                }
                // What a damaged one says was forgotten may be another's.
                Record::Forgotten(contents) if is_whole => {
                    news.extend(contents.into_iter().map(|content| (content, None)));
                }
                Record::Forgotten(_) => {}
            }
        }
        if self.index.is_empty() {
            // Made at once, which is far quicker; of equal keys the last one stays.
            let index: BTreeMap<ContentId, Option<u32>> = news.into_iter().collect();
            self.index = index.into_iter().filter_map(|(content, row)| Some((content, row?))).collect();
            for row in self.index.values() {
                self.alive[*row as usize] = true;
            }
            return;
        }
        for (content, row) in news {
            let old = match row {
                Some(row) => self.index.insert(content, row),
                None => self.index.remove(&content),
            };
            for (row, is_alive) in [(old, false), (row, true)] {
                if let Some(row) = row {
                    self.alive[row as usize] = is_alive;
                }
            }
        }
    }

    /// Maps the vectors of the records that are about to be taken over; whether their file is there.
    fn map(&mut self, folder: &Path, records: &[Found]) -> Result<bool> {
        let rows = records.iter().map(|found| match &found.record {
            Record::Kept { first, entries } => (*first as usize).saturating_add(entries.len()),
            Record::Forgotten(_) => 0,
        });
        let bytes = rows.max().unwrap_or(0).saturating_mul(self.width);
        if bytes <= self.map.as_ref().map_or(0, |map| map.len()) {
            return Ok(true);
        }
        let path = vectors_path(folder, self.generation);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            file => file.with_context(|| format!("could not open {}", path.display()))?,
        };
        if file.metadata()?.len() > 0 {
            self.map = Some(mapped(&file).with_context(|| format!("could not map {}", path.display()))?);
        }
        Ok(true)
    }

    /// Rows that the file has room for.
    fn mapped(&self) -> usize {
        self.map.as_ref().map_or(0, |map| map.len() / self.width)
    }

    /// Whether a row's vector is the one that was written for its content.
    pub fn is_row_whole(&self, row: usize) -> bool {
        row < self.mapped() && journal::row_sum(self.contents[row], self.row(row)) == self.sums[row]
    }

    /// Lets go of rows from `start` on whose vectors are not what was written.
    fn check(&mut self, start: usize) {
        let tasks = (self.len() - start).div_ceil(CHECKED);
        let found = share(tasks, threads(), Vec::new, |damaged: &mut Vec<usize>, task| {
            let from = start + task * CHECKED;
            let rows = from..(from + CHECKED).min(self.len());
            damaged.extend(rows.filter(|row| self.alive[*row] && !self.is_row_whole(*row)));
        });
        for row in found.into_iter().flatten() {
            self.alive[row] = false;
            self.index.remove(&self.contents[row]);
            self.damage.vectors += 1;
        }
    }
}

/// Threads that read at the same time.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Opens a folder's journal and says how it looks from outside.
fn open_journal(folder: &Path) -> Result<(File, Seen)> {
    let path = journal_path(folder);
    let file = File::open(&path).with_context(|| format!("could not open {}", path.display()))?;
    let facts = file.metadata().with_context(|| format!("could not read {}", path.display()))?;
    Ok((file, (facts.len(), facts.modified().ok())))
}

/// The generations of vectors that lie in a folder.
pub fn generations(folder: &Path) -> Result<Vec<u64>> {
    let mut generations = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("vectors."));
        generations.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    generations.sort_unstable();
    Ok(generations)
}

#[expect(unsafe_code, reason = "a file's bytes may change under a map; ours only behind the rows that are read")]
fn mapped(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: rows that a journal names are never written again nor cut off: writers append, and a compaction
    // writes other files. What another program does to the file is beyond us, as with every map.
    unsafe { Mmap::map(file) }
}
