//! Bytes that can be read from anywhere: a file, memory, or where only the caller reaches.

use std::fmt::Debug;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex};

/// A file that lies where only the caller can read it: a page's storage, for one.
pub trait ReadAt: Debug {
    /// Its size in bytes.
    fn num_bytes(&self) -> u64;

    /// This many bytes from there on.
    ///
    /// # Errors
    /// A stretch that reaches beyond the file, and what its place gives.
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>>;
}

/// Bytes that can be read from anywhere.
#[derive(Debug)]
pub(super) enum Bytes {
    File(Mutex<File>),
    Memory(Arc<[u8]>),
    Static(&'static [u8]),
    Elsewhere(Box<dyn ReadAt>),
}

impl Bytes {
    pub fn len(&self) -> std::io::Result<u64> {
        Ok(match self {
            Self::File(file) => lock(file).metadata()?.len(),
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Static(bytes) => bytes.len() as u64,
            Self::Elsewhere(file) => file.num_bytes(),
        })
    }

    pub fn read(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let slice = |bytes: &[u8]| {
            let start = usize::try_from(offset).ok();
            let range = start.and_then(|start| bytes.get(start..start.checked_add(length)?));
            range.map(<[u8]>::to_vec).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
        };
        match self {
            Self::Memory(bytes) => slice(bytes),
            Self::Static(bytes) => slice(bytes),
            Self::Elsewhere(file) => file.read_at(offset, length),
            Self::File(file) => {
                let mut file = lock(file);
                let mut bytes = vec![0; length];
                file.seek(SeekFrom::Start(offset))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

fn lock(file: &Mutex<File>) -> std::sync::MutexGuard<'_, File> {
    // A thread that panicked while reading left no state behind that the next seek does not set.
    file.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
