//! The folders that were given to a library.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rusqlite::{Connection, params};

use super::{Catalog, now_ms};
use crate::library::photo::ContentId;
use crate::library::spelling;

/// Contents that nothing refers to any more, and what their thumbnails are named by.
pub(in crate::library) type Orphans = Vec<(ContentId, Vec<u8>)>;

impl Catalog {
    /// The folders of the library, by name.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn roots(&self) -> Result<Vec<PathBuf>> {
        self.read(|connection| {
            let sql = "select path from root order by path";
            let root = |row: &rusqlite::Row<'_>| Ok(spelling::from_bytes(row.get_ref(0)?.as_blob()?));
            connection.prepare_cached(sql)?.query_map([], root)?.collect()
        })
    }

    /// Adds a folder and answers which folder of the library holds it now: itself, or one that it lies in. Folders
    /// that lie in it become part of it.
    ///
    /// # Errors
    /// A catalogue that cannot be written.
    pub fn add_root(&self, folder: &Path) -> Result<PathBuf> {
        let roots = self.roots()?;
        if let Some(holder) = roots.iter().find(|root| folder.starts_with(root)) {
            return Ok(holder.clone());
        }
        self.write(|connection| {
            let path = spelling::to_bytes(folder);
            connection.execute("insert into root(path) values (?1)", [&path])?;
            let id = connection.last_insert_rowid();
            let (start, end) = spelling::below(folder);
            connection.execute("update photo set root = ?1 where path >= ?2 and path < ?3", params![id, start, end])?;
            connection.execute("delete from root where path >= ?1 and path < ?2", [start, end]).map(|_| ())
        })?;
        Ok(folder.to_owned())
    }

    /// Takes a folder out of the library, with all its files; they themselves stay as they are. Answers whether it was
    /// one of the library's folders.
    ///
    /// # Errors
    /// A catalogue that cannot be written.
    pub fn remove_root(&self, folder: &Path) -> Result<bool> {
        let sql = "delete from root where path = ?1";
        self.write(|connection| connection.execute(sql, [spelling::to_bytes(folder)]).map(|count| count > 0))
    }

    /// Forgets a file, or a folder and everything below it; answers how many files that were.
    ///
    /// # Errors
    /// A catalogue that cannot be written.
    pub fn forget(&self, path: &Path) -> Result<usize> {
        let spelled = spelling::to_bytes(path);
        let (start, end) = spelling::below(path);
        self.write(|connection| {
            let sql = "delete from photo where path = ?1 or (path >= ?2 and path < ?3)";
            let count = connection.execute(sql, params![spelled, start, end])?;
            let sql = "delete from root where path = ?1 or (path >= ?2 and path < ?3)";
            connection.execute(sql, params![spelled, start, end])?;
            Ok(count)
        })
    }

    /// Says that a folder was scanned to its end just now.
    pub(in crate::library) fn set_scanned(&self, root: &Path) -> Result<()> {
        let sql = "update root set scanned_ms = ?2 where path = ?1";
        self.write(|connection| connection.execute(sql, params![spelling::to_bytes(root), now_ms()]).map(|_| ()))
    }

    /// Takes out what no file shows any more; with captions only where `with_captions` says so, because a person may
    /// have written them.
    pub(in crate::library) fn take_orphans(&self, with_captions: bool) -> Result<Orphans> {
        self.write(|connection| orphans(connection, with_captions))
    }
}

fn orphans(connection: &Connection, with_captions: bool) -> rusqlite::Result<Orphans> {
    let sql = "select id, hash from content
        where not exists (select 1 from photo where photo.content = content.id)
        and (?1 or not exists (select 1 from caption where caption.content = content.id))";
    let orphans: Orphans = connection
        .prepare(sql)?
        .query_map([with_captions], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut delete = connection.prepare("delete from content where id = ?1")?;
    for (content, _) in &orphans {
        delete.execute([content])?;
    }
    Ok(orphans)
}
