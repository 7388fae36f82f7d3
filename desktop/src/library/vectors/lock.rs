//! One writer at a time, among threads and among programs.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a writer waits for another: longer than a million vectors take to be written anew.
const PATIENCE: Duration = Duration::from_secs(30);

/// The right to write; given back when dropped, and by the system when the program ends in any way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for it.
    pub fn wait(folder: &Path) -> Result<Self> {
        let start = Instant::now();
        loop {
            if let Some(lock) = Self::now(folder)? {
                return Ok(lock);
            }
            if start.elapsed() > PATIENCE {
                bail!("another program has been writing to {} for long: try again when it is done", folder.display());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// `None` while another has it.
    pub fn now(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("could not write to {}", folder.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some network drives know no locks; there one program at a time is the user's care.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(Some(Self { _file: file })),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("could not lock {}", path.display())),
        }
    }
}
