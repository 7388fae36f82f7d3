//! What is known of the files: an SQLite file that any number of readers and one writer share.

mod albums;
mod captions;
mod counts;
mod duplicates;
mod filter;
mod indexing;
mod migrate;
mod photos;
mod reading;
mod recent;
mod roots;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use rusqlite::{Connection, ErrorCode, MAIN_DB, Transaction, TransactionBehavior};

pub use albums::Album;
pub use captions::PastCaption;
pub use counts::Counts;
pub use filter::{Order, Row};
pub(super) use indexing::{Known, NewContent, NewFile, Read, Settled};
use reading::Way;
use recent::Recent;

/// How long a process waits for another one that writes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connections that are kept for the next reader.
const KEPT_READERS: usize = 8;

/// The catalogue: readers go on while someone writes.
#[derive(Debug)]
pub struct Catalog {
    file: PathBuf,
    /// None where it may only be read.
    writer: Option<Mutex<Connection>>,
    way: Way,
    readers: Mutex<Vec<Connection>>,
    /// Hears of what is written.
    watch: Mutex<Option<Connection>>,
    recent: Mutex<Option<Recent>>,
}

impl Catalog {
    /// Opens the catalogue in a file, and makes it where there is none; one that cannot be written is only read.
    ///
    /// # Errors
    /// A file that is no catalogue or that of a newer version, none in a folder that may not be written, a full disk.
    pub(super) fn open(file: &Path) -> Result<Self> {
        match connect(file) {
            Ok(writer) if writer.is_readonly(MAIN_DB).unwrap_or(false) => Self::open_read_only(file),
            Ok(mut writer) => {
                migrate::migrate(&mut writer, file)?;
                Ok(Self::new(file, Some(writer), Way::Beside))
            }
            Err(error) if is_refused(&error) && file.is_file() => Self::open_read_only(file),
            Err(error) => Err(explain(error, file)),
        }
    }

    /// Opens the catalogue in a file and writes nothing, neither there nor beside it.
    ///
    /// # Errors
    /// A file that cannot be read or is no catalogue, or one of another version.
    pub(super) fn open_read_only(file: &Path) -> Result<Self> {
        let way = reading::way(file).map_err(|error| explain(error, file))?;
        let catalog = Self::new(file, None, way);
        let version = catalog.read(migrate::version)?;
        migrate::check(version, file, true)?;
        Ok(catalog)
    }

    fn new(file: &Path, writer: Option<Connection>, way: Way) -> Self {
        Self {
            file: file.to_owned(),
            writer: writer.map(Mutex::new),
            way,
            readers: Mutex::default(),
            watch: Mutex::default(),
            recent: Mutex::default(),
        }
    }

    /// Whether it may only be read.
    pub fn is_read_only(&self) -> bool {
        self.writer.is_none()
    }

    /// Makes sure that it may be written.
    ///
    /// # Errors
    /// One that may only be read.
    pub(super) fn check_writable(&self) -> Result<()> {
        self.writer().map(|_| ())
    }

    fn writer(&self) -> Result<&Mutex<Connection>> {
        self.writer.as_ref().ok_or_else(|| {
            let folder = self.file.parent().unwrap_or(&self.file).display();
            anyhow!(
                "the library in {folder} can only be read: make its folder writable, or name another one with --library"
            )
        })
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
        let mut writer = locked(self.writer()?);
        let begun = writer.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| explain(error, &self.file))?;
        // A transaction that is dropped is rolled back.
        let answer = change(&transaction).map_err(|error| explain(error, &self.file))?;
        transaction.commit().map_err(|error| explain(error, &self.file))?;
        Ok(answer)
    }

    fn reader(&self) -> Result<Connection> {
        let open = || -> rusqlite::Result<Connection> {
            let reader = reading::connect(&self.file, self.way)?;
            reader.busy_timeout(PATIENCE)?;
            reader.pragma_update(None, "query_only", true)?;
            reader.set_prepared_statement_cache_capacity(64);
            Ok(reader)
        };
        open().map_err(|error| explain(error, &self.file))
    }
}

/// The connection that writes.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
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
    opened
}

/// Whether an error says that something cannot be written.
fn is_refused(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen))
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
