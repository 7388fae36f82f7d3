//! Writing a store's files: at the start, and anew without what was replaced, forgotten or damaged.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

use super::disk::Disk;
use super::journal::{Entry, FILE_HEAD, FileHead, Record};
use super::rows::{Rows, generations, journal_path, vectors_path};

/// Rows that a record names after a compaction: a damaged one takes no more than these.
const RECORD: usize = 1024;
/// Dead rows that are not worth the trouble.
const FEW: usize = 4096;
/// Bytes by which the file of vectors grows at least, so that it is seldom mapped anew.
const GROWTH: u64 = 1 << 20;

/// Whether a compaction would halve the file.
pub fn is_worthwhile(rows: &Rows) -> bool {
    let dead = rows.len() - rows.index.len();
    dead > FEW && dead > rows.index.len()
}

/// Makes a store without vectors.
pub fn create(disk: &dyn Disk, folder: &Path, dimensions: usize, generation: u64) -> Result<()> {
    // What comes after nothing.
    rewrite(disk, folder, &Rows::none(dimensions, generation.wrapping_sub(1)))
}

/// Writes what is alive and whole as the next generation, in order of contents.
///
/// Until the new journal has the old one's name the store is the old one.
pub fn rewrite(disk: &dyn Disk, folder: &Path, rows: &Rows) -> Result<()> {
    let generation = rows.generation.wrapping_add(1);
    let write = || -> io::Result<()> {
        let vectors = disk.create(&vectors_path(folder, generation))?;
        let fresh = folder.join("journal.new");
        let journal = disk.create(&fresh)?;
        let alive: Vec<u32> = rows.index.values().copied().collect();
        make_room(disk, &vectors, (alive.len() * rows.width) as u64)?;
        disk.write(&journal, 0, &FileHead::write(rows.width / 2, generation))?;
        let (mut first, mut end) = (0, FILE_HEAD as u64);
        for batch in alive.chunks(RECORD) {
            // What was damaged since it was read is left out: its content is found missing and read again.
            let whole = batch.iter().map(|row| *row as usize).filter(|row| rows.is_row_whole(*row));
            let whole: Vec<usize> = whole.collect();
            let bytes: Vec<u8> = whole.iter().flat_map(|row| rows.row(*row)).copied().collect();
            disk.write(&vectors, first * rows.width as u64, &bytes)?;
            let entry = |row: &usize| Entry { content: rows.contents[*row], sum: rows.sums[*row] };
            let record = Record::Kept { first, entries: whole.iter().map(entry).collect() };
            let record = record.write(generation, end);
            disk.write(&journal, end, &record)?;
            first += whole.len() as u64;
            end += record.len() as u64;
        }
        disk.sync(&vectors)?;
        disk.sync(&journal)?;
        disk.rename(&fresh, &journal_path(folder))
    };
    write().with_context(|| format!("could not write {} anew", folder.display()))?;
    clean(disk, folder, generation);
    Ok(())
}

/// Removes files of other generations and of a compaction that was killed.
///
/// Readers that still have one go on with it. One that cannot be removed yet, as on Windows while it is read, is
/// removed by a later writer.
pub fn clean(disk: &dyn Disk, folder: &Path, generation: u64) {
    for other in generations(folder).unwrap_or_default().into_iter().filter(|other| *other != generation) {
        let _ = disk.remove(&vectors_path(folder, other));
    }
    let fresh = folder.join("journal.new");
    if fresh.exists() {
        let _ = disk.remove(&fresh);
    }
}

/// Lets a file have at least so many bytes, and some more that follow soon.
pub fn make_room(disk: &dyn Disk, file: &File, bytes: u64) -> io::Result<()> {
    if file.metadata()?.len() >= bytes {
        return Ok(());
    }
    // The room is a hole: it takes no disk until it is written, and a disk that is full then is an error of that.
    disk.set_len(file, (bytes + bytes / 8).next_multiple_of(GROWTH))
}
