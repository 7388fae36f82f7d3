//! Captions and everything that was one.

use anyhow::Result;
use rusqlite::{Connection, params};

use super::{Catalog, now_ms};
use crate::library::photo::{CaptionSource, ContentId};

/// A caption that was set once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCaption {
    /// Its text; empty where the caption was taken away.
    pub text: String,
    /// Who wrote it.
    pub source: CaptionSource,
    /// When, in milliseconds since 1970.
    pub written_ms: i64,
}

impl Catalog {
    /// Sets the caption of what one or more files show; an empty text takes it away. What was there before is kept in
    /// [`captions`](Self::captions).
    ///
    /// # Errors
    /// A content that is not there, a catalogue that cannot be written.
    pub fn set_caption(&self, content: ContentId, text: &str, source: CaptionSource) -> Result<()> {
        self.write(|connection| add(connection, content, text.trim(), source))
    }

    /// Sets many captions at once, all or none.
    ///
    /// # Errors
    /// As [`set_caption`](Self::set_caption).
    pub fn set_captions(&self, captions: &[(ContentId, String)], source: CaptionSource) -> Result<()> {
        self.write(|connection| {
            captions.iter().try_for_each(|(content, text)| add(connection, *content, text.trim(), source))
        })
    }

    /// All captions there were, the newest first.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn captions(&self, content: ContentId) -> Result<Vec<PastCaption>> {
        self.read(|connection| {
            let sql = "select text, source, written_ms from caption where content = ?1 order by id desc";
            let past = |row: &rusqlite::Row<'_>| {
                Ok(PastCaption { text: row.get(0)?, source: row.get(1)?, written_ms: row.get(2)? })
            };
            connection.prepare_cached(sql)?.query_map([content], past)?.collect()
        })
    }

    /// Takes the last caption back: the one before it is shown again.
    ///
    /// # Errors
    /// A catalogue that cannot be written.
    pub fn undo_caption(&self, content: ContentId) -> Result<()> {
        self.write(|connection| {
            let sql = "delete from caption where id = (select max(id) from caption where content = ?1)";
            connection.execute(sql, [content]).map(|_| ())
        })
    }
}

/// A new caption, unless it is the one that is shown.
pub(super) fn add(
    connection: &Connection,
    content: ContentId,
    text: &str,
    source: CaptionSource,
) -> rusqlite::Result<()> {
    let sql = "insert into caption(content, text, source, written_ms) select ?1, ?2, ?3, ?4
        where (?2, ?3) is not (select text, source from caption where content = ?1 order by id desc limit 1)";
    connection.prepare_cached(sql)?.execute(params![content, text, source, now_ms()]).map(|_| ())
}

/// A caption from a file beside the photograph, unless it was there once: a person may have changed it since.
pub(super) fn add_from_sidecar(connection: &Connection, content: ContentId, text: &str) -> rusqlite::Result<()> {
    let sql = "select exists (select 1 from caption where content = ?1 and text = ?2)";
    let was_there: bool = connection.prepare_cached(sql)?.query_row(params![content, text], |row| row.get(0))?;
    if was_there { Ok(()) } else { add(connection, content, text, CaptionSource::Person) }
}
