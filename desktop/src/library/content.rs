//! The bytes of a file, as of one moment, and what tells them from all others.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Result, anyhow, bail};
use sha2::{Digest, Sha256};

use super::plain;

/// Larger files are no photographs.
const MOST_BYTES: u64 = 1 << 30;

/// How often a file is read that changes while it is read.
const TRIES: usize = 2;

/// The SHA-256 of a file's bytes.
pub type Hash = [u8; 32];

/// What tells, without reading, whether a file has changed. Compared for equality only: clocks jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes of the file.
    pub size_bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified_ns: i64,
}

impl Stamp {
    /// What the system says of a file.
    pub fn of(about: &Metadata) -> Self {
        // A system without such a time leaves the size to tell.
        let modified_ns = about.modified().map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanoseconds| -nanoseconds),
        });
        Self { size_bytes: about.len(), modified_ns }
    }
}

/// The SHA-256 of bytes.
pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The bytes of a photograph; none where it changed each time while it was read.
///
/// # Errors
/// A file that is no ordinary one, that is empty or far too large, or that cannot be read.
pub fn read(path: &Path) -> Result<Option<(Vec<u8>, Stamp)>> {
    for _ in 0..TRIES {
        let mut file = open(path)?;
        let before = stamp(&file)?;
        if before.size_bytes > MOST_BYTES {
            bail!("the file is larger than a gigabyte, which no photograph is");
        }
        let mut bytes = Vec::with_capacity(before.size_bytes as usize);
        file.read_to_end(&mut bytes).map_err(|error| anyhow!(plain(&error)))?;
        if stamp(&file)? == before && bytes.len() as u64 == before.size_bytes {
            return Ok(Some((bytes, before)));
        }
    }
    Ok(None)
}

/// The hash of a file of any size; none where it changed each time while it was read.
///
/// # Errors
/// As [`read`].
pub fn hash_file(path: &Path) -> Result<Option<(Hash, Stamp)>> {
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..TRIES {
        let mut file = open(path)?;
        let before = stamp(&file)?;
        let mut digest = Sha256::new();
        loop {
            let count = file.read(&mut buffer).map_err(|error| anyhow!(plain(&error)))?;
            if count == 0 {
                break;
            }
            digest.update(&buffer[..count]);
        }
        if stamp(&file)? == before {
            return Ok(Some((digest.finalize().into(), before)));
        }
    }
    Ok(None)
}

fn open(path: &Path) -> Result<File> {
    // A pipe would wait for whoever writes.
    let about = std::fs::metadata(path).map_err(|error| anyhow!(plain(&error)))?;
    if !about.is_file() {
        bail!("it is no ordinary file");
    }
    File::open(path).map_err(|error| anyhow!(plain(&error)))
}

fn stamp(file: &File) -> Result<Stamp> {
    Ok(Stamp::of(&file.metadata().map_err(|error| anyhow!(plain(&error)))?))
}
