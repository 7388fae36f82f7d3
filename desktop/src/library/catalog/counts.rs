//! How much there is, and what is wrong with some of it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Catalog;
use crate::library::photo::ContentId;
use crate::library::spelling;

/// How many of what a catalogue knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pictures that are there.
    pub photos: usize,
    /// Films that are there.
    pub videos: usize,
    /// Files that are there and have a caption.
    pub captioned: usize,
    /// Files that are gone.
    pub missing: usize,
    /// Files that are there and cannot be shown or searched.
    pub problems: usize,
    /// Different things that the files that are there show.
    pub contents: usize,
}

impl Catalog {
    /// Counts everything.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn counts(&self) -> Result<Counts> {
        let sql = "select
            coalesce(sum(missing_ms is null and kind = 'photo'), 0),
            coalesce(sum(missing_ms is null and kind = 'video'), 0),
            coalesce(sum(missing_ms is null and photo.content in (
                select content from caption where id in (select max(id) from caption group by content) and text <> '')), 0),
            coalesce(sum(missing_ms is not null), 0),
            coalesce(sum(missing_ms is null and (photo.problem is not null or content.problem is not null)), 0),
            count(distinct case when missing_ms is null then photo.content end)
            from photo left join content on content.id = photo.content";
        self.read(|connection| {
            connection.prepare_cached(sql)?.query_row([], |row| {
                let count = |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)? as usize);
                Ok(Counts {
                    photos: count(0)?,
                    videos: count(1)?,
                    captioned: count(2)?,
                    missing: count(3)?,
                    problems: count(4)?,
                    contents: count(5)?,
                })
            })
        })
    }

    /// Every file that is there and cannot be shown or searched, and why.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn problems(&self) -> Result<Vec<(PathBuf, String)>> {
        let sql = "select photo.path, coalesce(photo.problem, content.problem) as reason
            from photo left join content on content.id = photo.content
            where missing_ms is null and reason is not null order by photo.path";
        self.read(|connection| {
            let line = |row: &rusqlite::Row<'_>| Ok((spelling::from_bytes(row.get_ref(0)?.as_blob()?), row.get(1)?));
            connection.prepare_cached(sql)?.query_map([], line)?.collect()
        })
    }

    /// Contents that can be searched and that a file which is there shows, in ascending order.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn searchable(&self) -> Result<Vec<ContentId>> {
        let sql = "select id from content where problem is null and exists
            (select 1 from photo where content = content.id and missing_ms is null) order by id";
        self.read(|connection| connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect())
    }

    /// All contents without a problem, whether or not a file is there.
    pub(in crate::library) fn searchable_set(&self) -> Result<HashSet<ContentId>> {
        let sql = "select id from content where problem is null";
        self.read(|connection| connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect())
    }

    /// All contents.
    pub(in crate::library) fn contents(&self) -> Result<Vec<ContentId>> {
        let sql = "select id from content";
        self.read(|connection| connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect())
    }

    /// Files of a folder of the library that are there.
    pub(in crate::library) fn count_in_root(&self, root: &Path) -> Result<usize> {
        let sql =
            "select count(*) from photo where missing_ms is null and root = (select id from root where path = ?1)";
        self.read(|connection| {
            let count: i64 = connection.prepare_cached(sql)?.query_row([spelling::to_bytes(root)], |row| row.get(0))?;
            Ok(count as usize)
        })
    }
}
