//! What a store does to files, as a trait: so that a test can stop between any two bytes, or fill the disk.

use std::fmt::Debug;
use std::fs::File;
use std::io::{Result, Seek, SeekFrom, Write};
use std::path::Path;

/// Everything a store changes on a disk goes through here; the functions as given do what their names say.
pub trait Disk: Send + Sync + Debug {
    /// Makes an empty file, in place of one that is there.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> Result<File> {
        File::options().create(true).truncate(true).read(true).write(true).open(path)
    }

    /// Writes all bytes from a place on.
    ///
    /// # Errors
    /// What the system says; then some of them may be written.
    fn write(&self, mut file: &File, offset: u64, bytes: &[u8]) -> Result<()> {
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    /// Makes a file longer or shorter.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, file: &File, bytes: u64) -> Result<()> {
        file.set_len(bytes)
    }

    /// Waits until the disk has what was written.
    ///
    /// # Errors
    /// What the system says; then nothing is known of what was written.
    fn sync(&self, file: &File) -> Result<()> {
        file.sync_data()
    }

    /// Gives a file the name of another, which is gone then, for good.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to)?;
        // Where folders cannot be opened, as on Windows, renaming is all there is.
        match to.parent().map(File::open) {
            Some(Ok(folder)) if cfg!(unix) => folder.sync_all(),
            _ => Ok(()),
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path)
    }
}

/// The disk as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}
