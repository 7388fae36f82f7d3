//! Files of the catalogue, as everyone else sees them.

use std::path::Path;

use anyhow::Result;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Catalog;
use crate::library::photo::{CaptionSource, ContentId, Kind, Photo, PhotoId};
use crate::library::spelling;

const COLUMNS: &str = "\
select photo.id, coalesce(photo.content, 0), photo.path, photo.kind, photo.size_bytes, photo.modified_ns,
    coalesce(content.width, 0), coalesce(content.height, 0), photo.taken, photo.camera, photo.lens,
    photo.latitude, photo.longitude, photo.rating, caption.text, caption.source
from photo
left join content on content.id = photo.content
left join caption on caption.id = (select max(id) from caption where content = photo.content) and caption.text <> ''";

impl Catalog {
    /// A file, also one that is missing; its content is 0 until it was read.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn photo(&self, id: PhotoId) -> Result<Option<Photo>> {
        self.read(|connection| one(connection, id))
    }

    /// Files in this order; those that are gone from the catalogue are left out.
    ///
    /// # Errors
    /// As [`photo`](Self::photo).
    pub fn photos(&self, ids: &[PhotoId]) -> Result<Vec<Photo>> {
        self.read(|connection| {
            let mut photos = Vec::with_capacity(ids.len());
            for id in ids {
                photos.extend(one(connection, *id)?);
            }
            Ok(photos)
        })
    }

    /// The file of a path, if the catalogue has it.
    ///
    /// # Errors
    /// As [`photo`](Self::photo).
    pub fn photo_at(&self, path: &Path) -> Result<Option<Photo>> {
        self.read(|connection| {
            let sql = format!("{COLUMNS} where photo.path = ?1");
            connection.prepare_cached(&sql)?.query_row([spelling::to_bytes(path)], photo).optional()
        })
    }

    /// The files that are there and show this, the first that was found first.
    ///
    /// # Errors
    /// As [`photo`](Self::photo).
    pub fn photos_of(&self, content: ContentId) -> Result<Vec<PhotoId>> {
        self.read(|connection| {
            let sql = "select id from photo where content = ?1 and missing_ms is null order by id";
            connection.prepare_cached(sql)?.query_map([content], |row| row.get(0))?.collect()
        })
    }

    /// The SHA-256 of a content's bytes: what its thumbnail is named by.
    ///
    /// # Errors
    /// As [`photo`](Self::photo).
    pub fn hash(&self, content: ContentId) -> Result<Option<Vec<u8>>> {
        self.read(|connection| {
            let sql = "select hash from content where id = ?1";
            connection.prepare_cached(sql)?.query_row([content], |row| row.get(0)).optional()
        })
    }

    /// Since when a file is missing, in milliseconds since 1970; none for one that is there.
    ///
    /// # Errors
    /// As [`photo`](Self::photo).
    pub fn missing_since(&self, id: PhotoId) -> Result<Option<i64>> {
        self.read(|connection| {
            let sql = "select missing_ms from photo where id = ?1";
            Ok(connection.prepare_cached(sql)?.query_row(params![id], |row| row.get(0)).optional()?.flatten())
        })
    }
}

fn one(connection: &Connection, id: PhotoId) -> rusqlite::Result<Option<Photo>> {
    let sql = format!("{COLUMNS} where photo.id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], photo).optional()
}

fn photo(row: &Row<'_>) -> rusqlite::Result<Photo> {
    let place: Option<f64> = row.get(11)?;
    Ok(Photo {
        id: row.get(0)?,
        content: row.get(1)?,
        path: spelling::from_bytes(row.get_ref(2)?.as_blob()?),
        kind: row.get(3)?,
        size_bytes: row.get::<_, i64>(4)?.cast_unsigned(),
        modified_ms: row.get::<_, i64>(5)?.div_euclid(1_000_000),
        width: row.get(6)?,
        height: row.get(7)?,
        taken: row.get(8)?,
        camera: row.get(9)?,
        lens: row.get(10)?,
        place: place.zip(row.get(12)?),
        rating: row.get(13)?,
        caption: row.get(14)?,
        caption_source: row.get(15)?,
    })
}

impl ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Photo => "photo",
            Self::Video => "video",
        }
        .into())
    }
}

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "photo" => Ok(Self::Photo),
            "video" => Ok(Self::Video),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

impl ToSql for CaptionSource {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Person => "person",
            Self::Model => "model",
        }
        .into())
    }
}

impl FromSql for CaptionSource {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "person" => Ok(Self::Person),
            "model" => Ok(Self::Model),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}
