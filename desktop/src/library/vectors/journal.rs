//! The journal's bytes: which row of the file of vectors is whose, and who was forgotten.
//!
//! A file header, then one record for each call. A record's sums cover its place and the file's generation, so
//! what is left of an older record is never taken for one. All numbers are little-endian.
//!
//! ```text
//! file    magic "medleyvj", version u32, dimensions u32, generation u64, zero u32, sum u32
//! record  magic "MVR1", kind u32, count u32, sum of these and of first u32, first row u64, entries, sum of entries u32
//! entry   content i64, sum of content and vector u32   (kept)
//!         content i64                                  (forgotten)
//! ```

use crc32fast::Hasher;

use super::super::photo::ContentId;

const FILE_MAGIC: &[u8; 8] = b"medleyvj";
const VERSION: u32 = 1;
const MAGIC: &[u8; 4] = b"MVR1";
const KEPT: u32 = 1;
const FORGOTTEN: u32 = 2;

/// Bytes of a file's header.
pub const FILE_HEAD: usize = 32;
/// Bytes of a record before its entries.
const HEAD: usize = 24;
/// Bytes of a sum.
const SUM: usize = 4;

/// What stands at a journal's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileHead {
    /// A journal of ours.
    Good { dimensions: usize, generation: u64 },
    /// Of a version that this program does not know.
    Newer,
    /// Not what was written.
    Damaged,
}

impl FileHead {
    pub fn read(bytes: &[u8]) -> Self {
        let Some(head) = bytes.first_chunk::<FILE_HEAD>() else { return Self::Damaged };
        if head[..8] != FILE_MAGIC[..] || crc32fast::hash(&head[..28]) != u32_at(head, 28) {
            return Self::Damaged;
        }
        if u32_at(head, 8) > VERSION {
            return Self::Newer;
        }
        Self::Good { dimensions: u32_at(head, 12) as usize, generation: u64_at(head, 16) }
    }

    pub fn write(dimensions: usize, generation: u64) -> Vec<u8> {
        let mut bytes = FILE_MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((dimensions as u32).to_le_bytes());
        bytes.extend(generation.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }
}

/// A vector that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub content: ContentId,
    /// [`row_sum`] of the content and its vector's bytes.
    pub sum: u32,
}

/// What one call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Vectors in the rows from `first` on.
    Kept { first: u64, entries: Vec<Entry> },
    /// Contents that have no vector any more.
    Forgotten(Vec<ContentId>),
}

impl Record {
    /// The record's bytes for one place of one file.
    pub fn write(&self, generation: u64, offset: u64) -> Vec<u8> {
        let (kind, count, first) = match self {
            Self::Kept { first, entries } => (KEPT, entries.len(), *first),
            Self::Forgotten(contents) => (FORGOTTEN, contents.len(), 0),
        };
        let mut bytes = Vec::with_capacity(HEAD + count * 12 + SUM);
        bytes.extend(MAGIC);
        bytes.extend(kind.to_le_bytes());
        bytes.extend((count as u32).to_le_bytes());
        bytes.extend(head_sum(generation, offset, kind, count as u32, first).to_le_bytes());
        bytes.extend(first.to_le_bytes());
        match self {
            Self::Kept { entries, .. } => {
                for entry in entries {
                    bytes.extend(entry.content.to_le_bytes());
                    bytes.extend(entry.sum.to_le_bytes());
                }
            }
            Self::Forgotten(contents) => bytes.extend(contents.iter().flat_map(|content| content.to_le_bytes())),
        }
        let sum = crc32fast::hash(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }
}

/// Covers whose a vector is and the vector.
pub fn row_sum(content: ContentId, vector: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(crc32fast::hash(&content.to_le_bytes()));
    hasher.update(vector);
    hasher.finalize()
}

fn head_sum(generation: u64, offset: u64, kind: u32, count: u32, first: u64) -> u32 {
    let mut hasher = Hasher::new();
    for number in [generation, offset, u64::from(kind), u64::from(count), first] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.finalize()
}

/// A record that was found in a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub record: Record,
    /// Whether its entries are those that were written; where not, each kept vector must be held against its sum.
    pub is_whole: bool,
}

/// What part of a journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub records: Vec<Found>,
    /// Where the next record belongs: behind the last that is whole.
    pub end: u64,
    /// The sum that the last whole record ends with.
    pub last_sum: Option<u32>,
    /// Whether something within was not what was written.
    pub is_damaged: bool,
    /// Whether what follows the last whole record is more than a record that was not written to its end.
    pub is_tail_damaged: bool,
}

/// Reads records from the journal's byte `start` on, which `bytes` begin with.
///
/// A record that was not written to its end ends the journal. What is damaged before a whole record is stepped over.
pub fn parse(bytes: &[u8], generation: u64, start: u64) -> Parsed {
    let mut parsed = Parsed { end: start, ..Parsed::default() };
    let (mut at, mut suspects) = (0, Vec::new());
    let mut skipped = false;
    while at + HEAD + SUM <= bytes.len() {
        let Some(head) = Head::read(&bytes[at..], generation, start + at as u64) else {
            at += 4;
            skipped = true;
            continue;
        };
        let Some(length) = head.length().filter(|length| at + length <= bytes.len()) else {
            // Cut off, unless whole records follow: then its length is the damage's.
            at += 4;
            skipped = true;
            continue;
        };
        let body = &bytes[at..at + length];
        let is_whole = crc32fast::hash(&body[..length - SUM]) == u32_at(body, length - SUM);
        let found = Found { record: head.record(&body[HEAD..length - SUM]), is_whole };
        at += length;
        if is_whole {
            parsed.is_damaged |= skipped || !suspects.is_empty();
            skipped = false;
            parsed.records.append(&mut suspects);
            parsed.records.push(found);
            parsed.end = start + at as u64;
            parsed.last_sum = Some(u32_at(body, length - SUM));
        } else {
            suspects.push(found);
        }
    }
    let rest = &bytes[(parsed.end - start) as usize..];
    let length = Head::read(rest, generation, parsed.end).and_then(|head| head.length());
    let is_unfinished = rest.len() < HEAD + SUM || length.is_some_and(|length| length > rest.len());
    parsed.is_tail_damaged = !is_unfinished;
    parsed
}

/// A record's head whose sum is right.
struct Head {
    kind: u32,
    count: usize,
    first: u64,
}

impl Head {
    fn read(bytes: &[u8], generation: u64, offset: u64) -> Option<Self> {
        let head = bytes.first_chunk::<HEAD>()?;
        if head[..4] != MAGIC[..] {
            return None;
        }
        let (kind, count, first) = (u32_at(head, 4), u32_at(head, 8), u64_at(head, 16));
        let is_good =
            matches!(kind, KEPT | FORGOTTEN) && u32_at(head, 12) == head_sum(generation, offset, kind, count, first);
        is_good.then_some(Self { kind, count: count as usize, first })
    }

    /// Bytes of the whole record.
    fn length(&self) -> Option<usize> {
        let entry = if self.kind == KEPT { 12 } else { 8 };
        self.count.checked_mul(entry)?.checked_add(HEAD + SUM)
    }

    fn record(&self, entries: &[u8]) -> Record {
        let content = |bytes: &[u8]| u64_at(bytes, 0) as ContentId;
        if self.kind == KEPT {
            let entry = |bytes: &[u8; 12]| Entry { content: content(bytes), sum: u32_at(bytes, 8) };
            Record::Kept { first: self.first, entries: entries.as_chunks::<12>().0.iter().map(entry).collect() }
        } else {
            Record::Forgotten(entries.as_chunks::<8>().0.iter().map(|bytes| content(bytes)).collect())
        }
    }
}

/// The number at a place; 0 where the bytes end before.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
