//! What is known of the files: an SQLite file that any number of readers and one writer share.

mod albums;
mod captions;
mod counts;
mod duplicates;
mod filter;
mod indexing;
mod migrate;
mod photos;
mod roots;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

pub use albums::Album;
pub use captions::PastCaption;
pub use counts::Counts;
pub use filter::{Order, Row};
pub(super) use indexing::{Known, NewContent, NewFile, Read, Settled};

/// How long a process waits for another one that writes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connections that are kept for the next reader.
const KEPT_READERS: usize = 8;

/// The catalogue: readers go on while someone writes.
#[derive(Debug)]
pub struct Catalog {
    file: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Catalog {
    /// Opens the catalogue in a file, and makes it where there is none.
    ///
    /// # Errors
    /// A file that is no catalogue or that of a newer version, a folder that may not be written, a full disk.
    pub(super) fn open(file: &Path) -> Result<Self> {
        let mut writer = connect(file)?;
        migrate::migrate(&mut writer, file)?;
        Ok(Self { file: file.to_owned(), writer: Mutex::new(writer), readers: Mutex::new(Vec::new()) })
    }

    /// Asks something on a connection of its own, as of one moment.
    pub(super) fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let kept = locked(&self.readers).pop();
        let reader = match kept {
            Some(reader) => reader,
            None => self.reader()?,
        };
        let asked = reader.unchecked_transaction().and_then(|moment| ask(&moment));
        let answer = asked.map_err(|error| explain(error, &self.file));
        let mut readers = locked(&self.readers);
        if readers.len() < KEPT_READERS {
            readers.push(reader);
        }
        answer
    }

    /// Changes something, wholly or not at all; it outlives a kill and a loss of power when this returns.
    pub(super) fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut writer = locked(&self.writer);
        let begun = writer.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| explain(error, &self.file))?;
        // A transaction that is dropped is rolled back.
        let answer = change(&transaction).map_err(|error| explain(error, &self.file))?;
        transaction.commit().map_err(|error| explain(error, &self.file))?;
        Ok(answer)
    }

    fn reader(&self) -> Result<Connection> {
        let open = || -> rusqlite::Result<Connection> {
            let reader = Connection::open_with_flags(&self.file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            reader.busy_timeout(PATIENCE)?;
            reader.pragma_update(None, "query_only", true)?;
            reader.set_prepared_statement_cache_capacity(64);
            Ok(reader)
        };
        open().map_err(|error| explain(error, &self.file))
    }
}

/// The connection that writes.
fn connect(file: &Path) -> Result<Connection> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(PATIENCE)?;
        // The first of two processes that open a new library at once makes it so; the other waits for that.
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        // Numbers of contents must be known to the disk before vectors are kept under them.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    let mut opened = open();
    // Changing the journal does not wait by itself.
    for _ in 0..100 {
        match &opened {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                std::thread::sleep(PATIENCE / 200);
                opened = open();
            }
            _ => break,
        }
    }
    opened.map_err(|error| explain(error, file))
}

/// What SQLite said, as something a person can act on.
fn explain(error: rusqlite::Error, file: &Path) -> anyhow::Error {
    let shown = file.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => anyhow!("there is no space left on the disk of {shown}"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            anyhow!("{shown} may not be written: make it writable, or name another folder with --library")
        }
        Some(ErrorCode::CannotOpen) => {
            anyhow!("could not open {shown}: make its folder writable, or name another one with --library")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            anyhow!("another program keeps {shown} busy; try again when it has ended")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            anyhow!("{shown} is damaged: move it away and index the photographs again ({error})")
        }
        _ => anyhow::Error::from(error).context(format!("could not use {shown}")),
    }
}

/// A connection is left between two transactions by a panic elsewhere too.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970 by this machine's clock: for people to read, never compared.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
