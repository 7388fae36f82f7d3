//! What an indexing run asks and writes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, params};

use super::captions::{add, add_from_sidecar};
use super::{Catalog, now_ms};
use crate::library::content::Stamp;
use crate::library::metadata::Metadata;
use crate::library::photo::{CaptionSource, ContentId, Kind, PhotoId};
use crate::library::spelling;

/// A file as the catalogue knows it.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: PhotoId,
    pub size_bytes: u64,
    pub modified_ns: i64,
    pub sidecars_ns: i64,
    pub content: Option<ContentId>,
    pub problem: Option<String>,
    pub is_missing: bool,
}

/// A file that was found and is not in the catalogue yet.
#[derive(Clone, Debug)]
pub struct NewFile {
    pub path: PathBuf,
    pub kind: Kind,
    pub size_bytes: u64,
    pub modified_ns: i64,
    pub taken: String,
    pub problem: Option<String>,
}

/// What some bytes show.
#[derive(Clone, Debug)]
pub struct NewContent {
    pub hash: [u8; 32],
    pub width: u32,
    pub height: u32,
    pub perceptual: Option<u64>,
    pub problem: Option<String>,
}

/// What was read from a file, as of this size and time.
#[derive(Clone, Debug)]
pub struct Read {
    pub id: PhotoId,
    /// A new file that this one turned out to be, moved: it takes its path.
    pub moved_to: Option<PhotoId>,
    pub size_bytes: u64,
    pub modified_ns: i64,
    pub sidecars_ns: i64,
    /// When it was written, as days and hours.
    pub written: String,
    pub metadata: Metadata,
}

/// A content that has its row.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    pub id: ContentId,
    pub has_problem: bool,
}

/// Captions go with a picture that was edited, up to this many different bits.
const SAME_PICTURE_BITS: u32 = 12;

impl Catalog {
    /// Every file at or below a folder.
    pub(in crate::library) fn known_below(&self, folder: &Path) -> Result<HashMap<PathBuf, Known>> {
        let (start, end) = spelling::below(folder);
        let sql = "select path, id, size_bytes, modified_ns, sidecars_ns, content, problem, missing_ms is not null
            from photo where path >= ?1 and path < ?2";
        self.read(|connection| {
            let known = |row: &rusqlite::Row<'_>| {
                let known = Known {
                    id: row.get(1)?,
                    size_bytes: row.get::<_, i64>(2)?.cast_unsigned(),
                    modified_ns: row.get(3)?,
                    sidecars_ns: row.get(4)?,
                    content: row.get(5)?,
                    problem: row.get(6)?,
                    is_missing: row.get(7)?,
                };
                Ok((spelling::from_bytes(row.get_ref(0)?.as_blob()?), known))
            };
            connection.prepare_cached(sql)?.query_map([start, end], known)?.collect()
        })
    }

    /// Files of the whole library that are missing, by what they showed.
    pub(in crate::library) fn missing_by_content(&self) -> Result<HashMap<ContentId, Vec<PhotoId>>> {
        let sql = "select content, id from photo where missing_ms is not null and content is not null";
        let pairs: Vec<(ContentId, PhotoId)> = self.read(|connection| {
            connection.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        let mut missing: HashMap<ContentId, Vec<PhotoId>> = HashMap::new();
        for (content, photo) in pairs {
            missing.entry(content).or_default().push(photo);
        }
        Ok(missing)
    }

    /// Puts files into the catalogue that are to be read; answers their ids.
    pub(in crate::library) fn add_files(&self, root: &Path, files: &[NewFile]) -> Result<Vec<PhotoId>> {
        self.write(|connection| {
            let sql = "select id from root where path = ?1";
            let root: i64 = connection.query_row(sql, [spelling::to_bytes(root)], |row| row.get(0))?;
            let mut insert = connection.prepare_cached(
                "insert into photo(root, path, folder, name, kind, size_bytes, modified_ns, taken, problem)
                values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            let add = |file: &NewFile| {
                let (folder, name) = shown(&file.path);
                insert.insert(params![
                    root,
                    spelling::to_bytes(&file.path),
                    folder,
                    name,
                    file.kind,
                    file.size_bytes.cast_signed(),
                    file.modified_ns,
                    file.taken,
                    file.problem
                ])
            };
            files.iter().map(add).collect()
        })
    }

    /// The content of some bytes.
    pub(in crate::library) fn content(&self, hash: &[u8; 32]) -> Result<Option<Settled>> {
        let sql = "select id, problem is not null from content where hash = ?1";
        self.read(|connection| {
            let settled = |row: &rusqlite::Row<'_>| Ok(Settled { id: row.get(0)?, has_problem: row.get(1)? });
            connection.prepare_cached(sql)?.query_row([hash.as_slice()], settled).optional()
        })
    }

    /// Why a content can be neither shown nor searched.
    pub(in crate::library) fn content_problem(&self, content: ContentId) -> Result<Option<String>> {
        let sql = "select problem from content where id = ?1";
        self.read(|connection| {
            Ok(connection.prepare_cached(sql)?.query_row([content], |row| row.get(0)).optional()?.flatten())
        })
    }

    /// Gives contents their numbers, or finds those they have. No file refers to them before that is said by
    /// [`finish`](Self::finish): until then a killed run has lost nothing.
    pub(in crate::library) fn add_contents(&self, contents: &[NewContent]) -> Result<Vec<ContentId>> {
        let sql = "insert into content(hash, width, height, perceptual, problem) values (?1, ?2, ?3, ?4, ?5)
            on conflict(hash) do update set width = excluded.width, height = excluded.height,
            perceptual = excluded.perceptual, problem = excluded.problem returning id";
        self.write(|connection| {
            let mut insert = connection.prepare_cached(sql)?;
            let mut add = |content: &NewContent| {
                let NewContent { hash, width, height, perceptual, problem } = content;
                let perceptual = perceptual.map(u64::cast_signed);
                insert.query_row(params![hash.as_slice(), width, height, perceptual, problem], |row| row.get(0))
            };
            contents.iter().map(&mut add).collect()
        })
    }

    /// Says what files show and what was read in them.
    pub(in crate::library) fn finish(&self, files: &[(Read, ContentId)]) -> Result<()> {
        self.write(|connection| files.iter().try_for_each(|(read, content)| finish(connection, read, *content)))
    }

    /// Says why files could not be read. With a stamp, what they showed before is no longer there; without one nothing
    /// new is known of them.
    pub(in crate::library) fn fail(&self, files: &[(PhotoId, Option<Stamp>, String)]) -> Result<()> {
        self.write(|connection| {
            let mut changed = connection.prepare_cached(
                "update photo set content = null, size_bytes = ?2, modified_ns = ?3, problem = ?4, missing_ms = null
                where id = ?1",
            )?;
            let mut unknown =
                connection.prepare_cached("update photo set problem = ?2, missing_ms = null where id = ?1")?;
            for (id, stamp, problem) in files {
                match stamp {
                    Some(Stamp { size_bytes, modified_ns }) => {
                        changed.execute(params![id, size_bytes.cast_signed(), modified_ns, problem])?
                    }
                    None => unknown.execute(params![id, problem])?,
                };
            }
            Ok(())
        })
    }

    /// Says which files are gone, and which are there again.
    pub(in crate::library) fn set_missing(&self, gone: &[PhotoId], back: &[PhotoId]) -> Result<()> {
        self.write(|connection| {
            let mut update = connection.prepare_cached("update photo set missing_ms = ?2 where id = ?1")?;
            for id in gone {
                update.execute(params![id, now_ms()])?;
            }
            for id in back {
                update.execute(params![id, None::<i64>])?;
            }
            Ok(())
        })
    }
}

fn finish(connection: &Connection, read: &Read, content: ContentId) -> rusqlite::Result<()> {
    let Read { id, moved_to, size_bytes, modified_ns, sidecars_ns, written, metadata } = read;
    if let Some(new) = moved_to {
        move_file(connection, *id, *new)?;
    }
    let before: Option<ContentId> = connection
        .prepare_cached("select content from photo where id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .flatten();
    let sql = "update photo set size_bytes = ?2, modified_ns = ?3, sidecars_ns = ?4, content = ?5, taken = ?6,
        camera = ?7, lens = ?8, latitude = ?9, longitude = ?10, rating = ?11, missing_ms = null, problem = null
        where id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        id,
        size_bytes.cast_signed(),
        modified_ns,
        sidecars_ns,
        content,
        metadata.taken.as_ref().unwrap_or(written),
        metadata.camera,
        metadata.lens,
        metadata.place.map(|(latitude, _)| latitude),
        metadata.place.map(|(_, longitude)| longitude),
        metadata.rating
    ])?;
    if let Some(before) = before.filter(|before| *before != content) {
        keep_caption(connection, before, content)?;
    }
    match &metadata.caption {
        Some(caption) => add_from_sidecar(connection, content, caption),
        None => Ok(()),
    }
}

/// What was known of the old path goes on under the new one.
fn move_file(connection: &Connection, old: PhotoId, new: PhotoId) -> rusqlite::Result<()> {
    let place: (i64, Vec<u8>, String, String) = connection
        .prepare_cached("select root, path, folder, name from photo where id = ?1")?
        .query_row([new], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    connection.prepare_cached("delete from photo where id = ?1")?.execute([new])?;
    let sql = "update photo set root = ?2, path = ?3, folder = ?4, name = ?5 where id = ?1";
    connection.prepare_cached(sql)?.execute(params![old, place.0, place.1, place.2, place.3]).map(|_| ())
}

/// What a person wrote goes with a photograph that was edited.
fn keep_caption(connection: &Connection, before: ContentId, content: ContentId) -> rusqlite::Result<()> {
    let perceptual = |content: ContentId| -> rusqlite::Result<Option<i64>> {
        let sql = "select perceptual from content where id = ?1";
        connection.prepare_cached(sql)?.query_row([content], |row| row.get(0))
    };
    let Some((old, new)) = perceptual(before)?.zip(perceptual(content)?) else { return Ok(()) };
    let has_captions: bool = connection
        .prepare_cached("select exists (select 1 from caption where content = ?1)")?
        .query_row([content], |row| row.get(0))?;
    if has_captions || (old ^ new).count_ones() > SAME_PICTURE_BITS {
        return Ok(());
    }
    let sql = "select text, source from caption where content = ?1 order by id desc limit 1";
    let last: Option<(String, CaptionSource)> =
        connection.prepare_cached(sql)?.query_row([before], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match last {
        Some((text, CaptionSource::Person)) if !text.is_empty() => {
            add(connection, content, &text, CaptionSource::Person)
        }
        _ => Ok(()),
    }
}

/// Folder and name as they are shown.
fn shown(path: &Path) -> (String, String) {
    let folder = path.parent().unwrap_or(Path::new("")).to_string_lossy().into_owned();
    (folder, path.file_name().unwrap_or_default().to_string_lossy().into_owned())
}
