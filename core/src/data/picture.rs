//! Where the bytes of a picture are.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

/// A picture, on disk as a rule and not read yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Picture {
    /// A file of its own.
    File(PathBuf),
    /// A stretch of a tar shard, which is not unpacked for it.
    Stretch {
        /// The shard.
        shard: Arc<Path>,
        /// The picture's name within.
        name: String,
        /// Bytes before it.
        offset: u64,
        /// Bytes of it.
        length: u64,
    },
    /// Bytes in memory, where there is no disk: in a page.
    Memory {
        /// What it is called in messages.
        name: String,
        /// Its bytes, as they would be in a file.
        bytes: Arc<[u8]>,
    },
}

impl Picture {
    /// Its bytes, as they are in the file.
    ///
    /// # Errors
    /// [`Error::Read`] with its [`path`](Self::path).
    pub fn read(&self) -> Result<Vec<u8>> {
        let read = || match self {
            Self::File(path) => fs::read(path),
            Self::Stretch { shard, offset, length, .. } => {
                let mut file = File::open(shard)?;
                file.seek(SeekFrom::Start(*offset))?;
                let mut bytes = vec![0; usize::try_from(*length).unwrap_or(usize::MAX)];
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
            Self::Memory { bytes, .. } => Ok(bytes.to_vec()),
        };
        read().map_err(|source| Error::Read { path: self.path(), source })
    }

    /// The file, or the shard with the picture's name behind it as if the shard were a folder; in memory the name alone.
    ///
    /// Lists of pairs may name pictures like that: reading them finds the stretch again.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Stretch { shard, name, .. } => shard.join(name),
            Self::Memory { name, .. } => PathBuf::from(name),
        }
    }

    /// Its [`path`](Self::path) from the root, where the system knows one: the same for the same file however it is named.
    pub fn whole_path(&self) -> PathBuf {
        let path = self.path();
        std::path::absolute(&path).unwrap_or(path)
    }

    /// The last part of its path.
    pub fn name(&self) -> String {
        self.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl From<PathBuf> for Picture {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().display().fmt(formatter)
    }
}
