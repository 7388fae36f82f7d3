//! A folder of pictures: with a `metadata.jsonl`, or with a text file beside each picture.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::listing::{Record, Records, read_text};
use super::pictures::Place;
use super::{pairs, shards};
use crate::error::{Error, Result};

/// Name of the file that describes the pictures of its folder.
const METADATA: &str = "metadata.jsonl";

/// Endings of the formats this library decodes.
pub(super) const PICTURES: [&str; 9] = ["bmp", "gif", "jpeg", "jpg", "jxl", "png", "tif", "tiff", "webp"];

/// Endings of formats that telephones write and this library does not decode.
const UNREAD: [&str; 4] = ["avif", "heic", "heif", "hif"];

/// Names of subfolders that may be meant as splits.
pub(super) const SPLITS: [&str; 6] = ["train", "val", "valid", "validation", "dev", "test"];

/// Reads a folder with all its subfolders, or the shards in it. Images are named relative to it.
pub(super) fn read(folder: &Path) -> Result<Records> {
    let files = files_below(folder)?;
    let (metadata, pictures): (Vec<_>, Vec<_>) = (
        files.iter().filter(|file| file.file_name() == Some(OsStr::new(METADATA))).collect(),
        files.iter().filter(|file| has_ending(file, &PICTURES)).collect(),
    );
    let tars: Vec<PathBuf> = files.iter().filter(|file| has_ending(file, &["tar"])).cloned().collect();
    if metadata.is_empty() && pictures.is_empty() && !tars.is_empty() {
        return shards::read(folder, &tars);
    }
    let mut found = match metadata.is_empty() {
        true => read_sidecars(folder, &pictures),
        false => read_metadata(folder, &metadata)?,
    };
    found.warn(
        "tar shards beside pictures, left out",
        &tars.iter().map(|tar| relative(folder, tar)).collect::<Vec<_>>(),
    );
    let unread: Vec<String> =
        files.iter().filter(|file| has_ending(file, &UNREAD)).map(|file| relative(folder, file)).collect();
    found.warn("HEIC and AVIF pictures, left out: save them as JPEG", &unread);
    if found.records.is_empty() {
        let reason = explain_nothing(&files, pictures.len(), unread.len());
        return Err(Error::Data { path: folder.into(), reason });
    }
    name_splits(&mut found.records);
    Ok(found)
}

/// Why a folder gave nothing, and what might have been meant.
fn explain_nothing(files: &[PathBuf], pictures: usize, unread: usize) -> String {
    let descriptions: Vec<String> = files
        .iter()
        .filter(|file| has_ending(file, &["json", "jsonl"]))
        .filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()))
        .take(3)
        .collect();
    match (pictures, descriptions.as_slice()) {
        (0, []) if unread > 0 => "all pictures in this folder are HEIC or AVIF: save them as JPEG".to_owned(),
        (0, []) => "no picture in this folder".to_owned(),
        (_, []) => "no picture in this folder has a .txt with captions beside it".to_owned(),
        (_, names) => format!("no picture with a .txt beside it; name the file to read: {}", names.join(", ")),
    }
}

/// Every `metadata.jsonl` speaks of the files in its own folder.
fn read_metadata(folder: &Path, metadata: &[&PathBuf]) -> Result<Records> {
    let mut found = Records::default();
    for file in metadata {
        let broken = |reason: String| Error::Data { path: file.to_path_buf(), reason };
        let pairs = pairs::read_lines(&read_text(file)?).map_err(broken)?;
        let here = file.parent().unwrap_or(folder);
        for mut record in pairs::into_records(pairs).map_err(broken)? {
            record.image = relative(folder, &here.join(&record.image));
            record.id.clone_from(&record.image);
            found.records.push(record);
        }
    }
    Ok(found)
}

/// `dog.jpg` is described by `dog.txt` or `dog.jpg.txt`, one caption a line.
fn read_sidecars(folder: &Path, pictures: &[&PathBuf]) -> Records {
    let mut found = Records::default();
    let (mut bare, mut unreadable) = (Vec::new(), Vec::new());
    for picture in pictures {
        let mut long = picture.as_os_str().to_owned();
        long.push(".txt");
        let image = relative(folder, picture);
        let Some(sidecar) = [picture.with_extension("txt"), long.into()].into_iter().find(|sidecar| sidecar.is_file())
        else {
            bare.push(image);
            continue;
        };
        match read_text(&sidecar) {
            Ok(text) => {
                let captions = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
                found.records.push(Record { id: image.clone(), image, place: Place::Shelf, captions, split: None });
            }
            Err(_) => unreadable.push(relative(folder, &sidecar)),
        }
    }
    found.warn("pictures without a .txt beside them, left out", &bare);
    found.warn("text files that are not UTF-8, left out", &unreadable);
    found
}

/// Takes the first folder of every path for its split, where all of them bear such names and one is `train`.
fn name_splits(records: &mut [Record]) {
    let first = |record: &Record| record.image.split_once('/').map(|(first, _)| first.to_owned());
    let names: Vec<Option<String>> = records.iter().map(first).collect();
    let are_splits = names.iter().all(|name| name.as_deref().is_some_and(|name| SPLITS.contains(&name)));
    let distinct: HashSet<&Option<String>> = names.iter().collect();
    if are_splits && distinct.len() > 1 && distinct.contains(&Some("train".to_owned())) {
        for (record, name) in records.iter_mut().zip(names.clone()) {
            record.split = name;
        }
    }
}

/// All files below a folder in a fixed order; links are followed, each folder is visited once.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut seen, mut open) = (Vec::new(), HashSet::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = open.pop() {
        let unreadable = |source| Error::Read { path: folder.clone(), source };
        if !seen.insert(folder.canonicalize().map_err(unreadable)?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn has_ending(file: &Path, endings: &[&str]) -> bool {
    let ending = file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| endings.contains(&ending.as_str()))
}

/// The path below the folder, with `/` between its parts.
pub(super) fn relative(folder: &Path, file: &Path) -> String {
    let path = file.strip_prefix(folder).unwrap_or(file);
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}
