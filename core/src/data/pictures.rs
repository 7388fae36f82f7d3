//! Finding the image files that a dataset names.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::folder::{PICTURES, has_ending};
use super::{CaptionExample, Record, broken, some_of};
use crate::error::Result;

/// The folders where images may lie, the likeliest first.
///
/// # Errors
/// Where a folder was named and is none.
pub(super) fn shelves(data: &Path, images: Option<&Path>) -> Result<Vec<PathBuf>> {
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

/// The records whose image is found, and the names of the others.
pub(super) fn find(records: Vec<Record>, shelves: &[PathBuf]) -> (Vec<CaptionExample>, Vec<String>) {
    // Lists are often written on a machine with other folders: then the file's name must do, if it is enough.
    let bare_names: HashSet<&str> = records.iter().map(|record| bare_name(&record.image)).collect();
    let may_be_bare = bare_names.len() == records.len();
    let (mut examples, mut missing) = (Vec::new(), Vec::new());
    for Record { id, image, captions, .. } in records {
        let on_shelf = |name: &str| shelves.iter().map(|shelf| shelf.join(name)).find(|path| path.is_file());
        let found = on_shelf(&image).or_else(|| may_be_bare.then(|| on_shelf(bare_name(&image))).flatten());
        match found {
            Some(image) => examples.push(CaptionExample { image, captions, id }),
            None => missing.push(image),
        }
    }
    (examples, missing)
}

/// The pictures of these folders, and of the folders right below them, by the number their names end in, as COCO
/// names them.
pub(super) fn numbered(shelves: &[PathBuf]) -> HashMap<u64, PathBuf> {
    let entries =
        |folder: &PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let (below, flat): (Vec<PathBuf>, Vec<PathBuf>) = shelves.iter().flat_map(entries).partition(|path| path.is_dir());
    let pictures = below.iter().flat_map(entries).chain(flat).filter(|path| has_ending(path, &PICTURES));
    let number = |path: &Path| {
        let stem = path.file_stem()?.to_str()?;
        let digits = stem.len() - stem.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
        stem[stem.len() - digits..].parse().ok()
    };
    pictures.filter_map(|path| Some((number(&path)?, path))).collect()
}

/// A path without its folders, whichever system wrote it.
pub(super) fn bare_name(image: &str) -> &str {
    image.rsplit(['/', '\\']).next().unwrap_or(image)
}

/// Why no image was found.
pub(super) fn explain_missing(missing: &[String], shelves: &[PathBuf]) -> String {
    let shelves: Vec<String> = shelves.iter().map(|shelf| shelf.display().to_string()).collect();
    format!(
        "not one of its images is in {}; say where they are with --images (looked for {})",
        shelves.join(" or "),
        some_of(missing),
    )
}
