//! Saved searches, and settings that belong to a library.

use anyhow::Result;
use rusqlite::OptionalExtension;

use super::Catalog;

/// A saved search: whatever it finds now is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Album {
    /// What it is called; no two are called the same.
    pub name: String,
    /// The search, as it was typed.
    pub query: String,
}

impl Catalog {
    /// The saved searches, by name.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn albums(&self) -> Result<Vec<Album>> {
        self.read(|connection| {
            let album = |row: &rusqlite::Row<'_>| Ok(Album { name: row.get(0)?, query: row.get(1)? });
            let sql = "select name, query from album order by name collate nocase, name";
            connection.prepare_cached(sql)?.query_map([], album)?.collect()
        })
    }

    /// Saves a search, in place of one that is called the same.
    ///
    /// # Errors
    /// A catalogue that cannot be written.
    pub fn save_album(&self, name: &str, query: &str) -> Result<()> {
        let sql =
            "insert into album(name, query) values (?1, ?2) on conflict(name) do update set query = excluded.query";
        self.write(|connection| connection.execute(sql, [name, query]).map(|_| ()))
    }

    /// Forgets a saved search; answers whether there was one.
    ///
    /// # Errors
    /// A catalogue that cannot be written.
    pub fn delete_album(&self, name: &str) -> Result<bool> {
        self.write(|connection| connection.execute("delete from album where name = ?1", [name]).map(|count| count > 0))
    }

    /// What was set under a name.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn setting(&self, name: &str) -> Result<Option<String>> {
        self.read(|connection| {
            let sql = "select value from setting where name = ?1";
            connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()
        })
    }

    /// Sets something for this library, in whatever program opens it.
    ///
    /// # Errors
    /// A catalogue that cannot be written.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        let sql =
            "insert into setting(name, value) values (?1, ?2) on conflict(name) do update set value = excluded.value";
        self.write(|connection| connection.execute(sql, [name, value]).map(|_| ()))
    }
}
