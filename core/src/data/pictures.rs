//! Finding the pictures that a dataset names.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::folder::{PICTURES, has_ending};
use super::listing::Record;
use super::{CaptionExample, Picture, broken, shards, some_of};
use crate::error::Result;

/// Endings a picture of a url may have been given.
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Where a described picture is looked for.
#[derive(Clone)]
pub(super) enum Place {
    /// On a shelf, by its path.
    Shelf,
    /// On a shelf, by a name that is made of its url.
    Url,
    /// It was found already.
    Known(Picture),
}

/// The folders where pictures may lie, the likeliest first.
pub struct Shelves {
    folders: Vec<PathBuf>,
    /// Shards that pictures were looked for in, and what lies there.
    shards: HashMap<PathBuf, HashMap<String, Picture>>,
}

impl Shelves {
    /// The folder `images`, or the places around `data`.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) where a folder was named and is none.
    pub fn new(data: &Path, images: Option<&Path>) -> Result<Self> {
        Ok(Self { folders: folders(data, images)?, shards: HashMap::new() })
    }

    /// The pictures of the folders, and of the folders right below them, by the number their names end in, as COCO
    /// names them.
    pub(super) fn numbered(&self) -> HashMap<u64, Picture> {
        let entries =
            |folder: &PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let (below, flat): (Vec<PathBuf>, Vec<PathBuf>) =
            self.folders.iter().flat_map(entries).partition(|path| path.is_dir());
        let pictures = below.iter().flat_map(entries).chain(flat).filter(|path| has_ending(path, &PICTURES));
        let number = |path: &Path| {
            let stem = path.file_stem()?.to_str()?;
            let digits = stem.len() - stem.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
            stem[stem.len() - digits..].parse().ok()
        };
        pictures.filter_map(|path| Some((number(&path)?, Picture::File(path)))).collect()
    }

    /// The picture of this path: a file, or a stretch of a shard on the way there.
    pub fn find(&mut self, name: &str) -> Option<Picture> {
        let paths = || self.folders.iter().map(|folder| folder.join(name));
        if let Some(path) = paths().find(|path| path.is_file()) {
            return Some(Picture::File(path));
        }
        let end = name.find(".tar/").or_else(|| name.find(".tar\\"))? + ".tar".len();
        let (shard, within) = (&name[..end], name[end + 1..].replace('\\', "/"));
        let shard = self.folders.iter().map(|folder| folder.join(shard)).find(|path| path.is_file())?;
        let pictures = self.shards.entry(shard).or_insert_with_key(|shard| {
            let members = shards::members(shard).map(|(members, _)| members).unwrap_or_default();
            members.into_iter().map(|member| (member.name.clone(), member.picture(&shard.as_path().into()))).collect()
        });
        pictures.get(&within).cloned()
    }

    /// Why no picture was found.
    pub(super) fn explain_missing(&self, missing: &[String]) -> String {
        let folders: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        let of_urls = match missing.first().is_some_and(|name| name.contains("://")) {
            true => "; the picture of a url is called by its last part or by its SHA-256",
            false => "",
        };
        format!(
            "not one of its images is in {}; say where they are with --images (looked for {}{of_urls})",
            folders.join(" or "),
            some_of(missing),
        )
    }
}

fn folders(data: &Path, images: Option<&Path>) -> Result<Vec<PathBuf>> {
    if let Some(images) = images {
        return match images.is_dir() {
            true => Ok(vec![images.to_path_buf()]),
            false => Err(broken(images, "no such folder; --images takes the folder that holds the images".to_owned())),
        };
    }
    if data.is_dir() {
        return Ok(vec![data.to_path_buf()]);
    }
    let here = match data.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // `annotations/captions.json` beside `images` is how COCO is unpacked.
    let folders = [Some(here), here.parent()].into_iter().flatten().map(|folder| folder.join("images"));
    Ok(std::iter::once(here.to_path_buf()).chain(folders.filter(|folder| folder.is_dir())).collect())
}

/// The records whose picture is found, and the names of the others.
pub(super) fn find(records: Vec<Record>, shelves: &mut Shelves) -> (Vec<CaptionExample>, Vec<String>) {
    let found = find_all(&records, shelves);
    let (mut examples, mut missing) = (Vec::new(), Vec::new());
    for (Record { id, image, captions, .. }, found) in records.into_iter().zip(found) {
        match found {
            Some(image) => examples.push(CaptionExample { image, captions, id }),
            None => missing.push(image),
        }
    }
    (examples, missing)
}

/// The picture of each record, where it is found.
pub(super) fn find_all(records: &[Record], shelves: &mut Shelves) -> Vec<Option<Picture>> {
    // Lists are often written on a machine with other folders: then the file's name must do, if it is enough.
    let bare_names: HashSet<&str> = records.iter().map(|record| bare_name(&record.image)).collect();
    let may_be_bare = bare_names.len() == records.len();
    let mut of_urls: HashMap<&str, usize> = HashMap::new();
    for record in records.iter().filter(|record| matches!(record.place, Place::Url)) {
        *of_urls.entry(last_part(&record.image)).or_default() += 1;
    }
    let mut find = |record: &Record| match &record.place {
        Place::Known(picture) => Some(picture.clone()),
        Place::Shelf => {
            let found = shelves.find(&record.image);
            found.or_else(|| may_be_bare.then(|| shelves.find(bare_name(&record.image))).flatten())
        }
        Place::Url => {
            let last = last_part(&record.image);
            let is_enough = !last.is_empty() && of_urls.get(last) == Some(&1);
            let stems = [Some(hash_name(&record.image)), is_enough.then(|| last.to_owned())];
            let mut names = stems.into_iter().flatten().flat_map(|stem| {
                let with_endings = ENDINGS.map(|ending| format!("{stem}.{ending}"));
                std::iter::once(stem).chain(with_endings)
            });
            names.find_map(|name| shelves.find(&name))
        }
    };
    records.iter().map(&mut find).collect()
}

/// A path without its folders, whichever system wrote it.
pub(super) fn bare_name(image: &str) -> &str {
    image.rsplit(['/', '\\']).next().unwrap_or(image)
}

/// The last part of a url's path.
fn last_part(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    path.split_once('/').map_or("", |(_, path)| bare_name(path))
}

/// The SHA-256 of a url, in hexadecimal digits.
fn hash_name(url: &str) -> String {
    Sha256::digest(url).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{hash_name, last_part};

    /// `printf %s URL | sha256sum`.
    #[test]
    fn a_url_is_hashed_as_the_shell_does() {
        assert_eq!(
            hash_name("http://example.com/a.jpg"),
            "4fd63207a70baba7076795ee9c3357851d661f231b21bdfec34671a1b14d7f09"
        );
    }

    #[test]
    fn the_last_part_of_a_url_has_no_query() {
        let urls = ["http://x.org/a/b.jpg?w=3/4#top", "https://x.org/b.jpg", "x.org/b.jpg"];
        assert!(urls.iter().all(|url| last_part(url) == "b.jpg"));
        assert_eq!([last_part("http://x.org/a/"), last_part("http://x.org"), last_part("")], ["", "", ""]);
    }
}
