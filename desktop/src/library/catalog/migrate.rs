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
    let version: i64 =
        transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| explain(error, file))?;
    let known = STEPS.len() as i64;
    if version > known || version < 0 {
        bail!(
            "{} was made by a newer Medley (version {version} of the catalogue, this one knows {known}): \
             update Medley, or name another folder with --library",
            file.display()
        );
    }
    for step in &STEPS[version as usize..] {
        transaction.execute_batch(step).map_err(|error| explain(error, file))?;
    }
    if version < known {
        transaction.pragma_update(None, "user_version", known).map_err(|error| explain(error, file))?;
    }
    transaction.commit().map_err(|error| explain(error, file))
}
