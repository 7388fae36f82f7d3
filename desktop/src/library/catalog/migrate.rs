//! Brings a catalogue to the form this program knows.

use std::path::Path;

use anyhow::{Result, bail};
use rusqlite::{Connection, TransactionBehavior};

use super::explain;

/// What makes each version out of the one before it.
const STEPS: [&str; 1] = [include_str!("0001.sql")];

/// Takes the steps that are missing; a catalogue that knows more steps is left as it is.
pub(super) fn migrate(connection: &mut Connection, file: &Path) -> Result<()> {
    let explained = |error| explain(error, file);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explained)?;
    let version = version(&transaction).map_err(explained)?;
    check(version, file, false)?;
    let known = STEPS.len() as i64;
    for step in &STEPS[version as usize..] {
        transaction.execute_batch(step).map_err(|error| explain(error, file))?;
    }
    if version < known {
        transaction.pragma_update(None, "user_version", known).map_err(|error| explain(error, file))?;
    }
    transaction.commit().map_err(|error| explain(error, file))
}

/// The version that a catalogue says it has.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Refuses a catalogue of a version that cannot be used.
pub(super) fn check(version: i64, file: &Path, is_read_only: bool) -> Result<()> {
    let (shown, known) = (file.display(), STEPS.len() as i64);
    if version > known || version < 0 {
        bail!(
            "{shown} was made by a newer Medley (version {version} of the catalogue, this one knows {known}): \
             update Medley, or name another folder with --library"
        );
    }
    if is_read_only && version < known {
        bail!("{shown} is of an older Medley and must be written once to be read by this one: make it writable");
    }
    Ok(())
}
