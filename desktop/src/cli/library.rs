//! `medley library`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::caption::{on_a_line, path_text};
use super::{ALL_GOOD, SOME_FAILED, print};
use crate::library::Library;
use crate::library::index::spelled;
use crate::library::photo::PhotoId;
use crate::library::store::Place;

pub const EXAMPLES: &str = "\
Examples:
  medley library
  medley library problems
  medley library duplicates --near
  medley library forget ~/Pictures/screenshots";

/// Bits of 64 in which near-duplicates may differ.
const NEAR_BITS: u32 = 6;

/// Which library.
#[derive(Args, Clone)]
pub struct LibraryArguments {
    /// The folder of the library; one in your data folder if not given
    #[arg(long, env = "MEDLEY_LIBRARY", value_name = "DIR", global = true)]
    pub library: Option<PathBuf>,
    /// Where the library keeps its vectors from now on: folder, its own, or a Qdrant server as qdrant://host:port
    #[arg(long, value_name = "PLACE", global = true)]
    pub store: Option<Place>,
}

impl LibraryArguments {
    /// Opens the library, and makes it where there is none.
    pub fn open(&self) -> Result<Library> {
        match &self.library {
            Some(folder) => self.open_in(folder),
            None => self.open_in(&Library::default_folder()?),
        }
    }

    /// Opens the library in this folder.
    pub fn open_in(&self, folder: &Path) -> Result<Library> {
        let library = Library::open(folder)?;
        if let Some(place) = &self.store {
            library.keep_vectors(place)?;
        }
        Ok(library)
    }
}

/// What to show.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print JSON, an object a line
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    library: LibraryArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Name the photographs that cannot be read, and why
    Problems,
    /// Name photographs that lie there more than once, a group a paragraph
    Duplicates {
        /// Also those that look nearly the same
        #[arg(long)]
        near: bool,
        /// With --near: bits of 64 in which two may differ
        #[arg(long, requires = "near", default_value_t = NEAR_BITS, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=32))]
        bits: u32,
    },
    /// Take photographs or folders out of the library; the files stay as they are
    Forget {
        /// A file, or a folder with everything below it
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Show the saved searches
    Albums,
}

/// Shows what the library is, or one thing of it.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let library = arguments.library.open()?;
    let json = arguments.json;
    match &arguments.command {
        None => about(&library, json),
        Some(Command::Problems) => problems(&library, json),
        Some(Command::Duplicates { near: false, .. }) => groups(&library, &library.catalog().duplicates()?, json),
        Some(Command::Duplicates { bits, .. }) => groups(&library, &library.catalog().near_duplicates(*bits)?, json),
        Some(Command::Forget { paths }) => forget(&library, paths),
        Some(Command::Albums) => albums(&library, json),
    }
}

fn about(library: &Library, as_json: bool) -> Result<u8> {
    let (catalog, counts) = (library.catalog(), library.catalog().counts()?);
    let roots = catalog.roots()?;
    let columns: Vec<String> = library
        .columns()?
        .iter()
        .map(|column| column.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    if as_json {
        print(&json!({
            "folder": path_text(library.folder()),
            "roots": roots.iter().map(|root| path_text(root)).collect::<Vec<_>>(),
            "models": columns,
            "photos": counts.photos,
            "videos": counts.videos,
            "contents": counts.contents,
            "captioned": counts.captioned,
            "missing": counts.missing,
            "problems": counts.problems,
        }));
        return Ok(ALL_GOOD);
    }
    print(&format_args!("library      {}", library.folder().display()));
    for root in &roots {
        print(&format_args!("folder       {}{}", on_a_line(root), if root.is_dir() { "" } else { "  (not there)" }));
    }
    for column in columns {
        print(&format_args!("model        {column}"));
    }
    let numbers = [
        ("photographs", counts.photos),
        ("films", counts.videos),
        ("different", counts.contents),
        ("captioned", counts.captioned),
        ("missing", counts.missing),
        ("problems", counts.problems),
    ];
    for (name, number) in numbers {
        print(&format_args!("{name:<12} {number}"));
    }
    Ok(ALL_GOOD)
}

fn problems(library: &Library, as_json: bool) -> Result<u8> {
    for (path, reason) in library.catalog().problems()? {
        match as_json {
            true => print(&json!({ "path": path_text(&path), "reason": reason })),
            false => print(&format_args!("{}\t{reason}", on_a_line(&path))),
        }
    }
    Ok(ALL_GOOD)
}

fn groups(library: &Library, groups: &[Vec<PhotoId>], as_json: bool) -> Result<u8> {
    for (nth, group) in groups.iter().enumerate() {
        let photos = library.catalog().photos(group)?;
        if as_json {
            let paths: Vec<String> = photos.iter().map(|photo| path_text(&photo.path)).collect();
            print(&json!({ "paths": paths }));
            continue;
        }
        if nth > 0 {
            print(&"");
        }
        for photo in photos {
            print(&on_a_line(&photo.path));
        }
    }
    Ok(ALL_GOOD)
}

fn forget(library: &Library, paths: &[PathBuf]) -> Result<u8> {
    let mut code = ALL_GOOD;
    for path in paths {
        let whole = spelled(path)?;
        let was_root = library.catalog().roots()?.contains(&whole);
        match library.forget(&whole)? {
            0 if !was_root => {
                eprintln!("medley: {}: is not in the library", path.display());
                code = SOME_FAILED;
            }
            count => print(&format_args!("{}: {count} forgotten", on_a_line(path))),
        }
    }
    Ok(code)
}

fn albums(library: &Library, as_json: bool) -> Result<u8> {
    for album in library.catalog().albums()? {
        match as_json {
            true => print(&json!({ "name": album.name, "query": album.query })),
            false => print(&format_args!("{}\t{}", album.name, album.query)),
        }
    }
    Ok(ALL_GOOD)
}
