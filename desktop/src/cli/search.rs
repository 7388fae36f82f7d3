//! `medley search`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::caption::{on_a_line, path_text};
use super::library::LibraryArguments;
use super::model::{DeviceArguments, ModelArguments};
use super::number::count;
use super::{ALL_GOOD, WRONG_USAGE, file_name, interrupt, print};
use crate::library::Library;
use crate::library::photo::{Kind, Photo};
use crate::library::query::{Filter, Query, QueryError, Term, What};
use crate::library::search::{Hit, STRICTNESS, SearchEvent, SearchOptions, SearchOrder, list, search};

pub const EXAMPLES: &str = "\
Examples:
  medley search 'dog jumping into a lake'
  medley search 'sunset +beach -people date:2024-06..2024-08' --top 20
  medley search dog -snow
  medley search --similar photo.jpg type:photo
  medley search 'camera:canon rating:>=4' -0 | xargs -0 cp -t best/
  medley search 'birthday cake' --album family --json

What a query is made of:
  dog in a lake         plain words: what is shown looks like this, the best match first
  +snow -snow           another text that counts for or against; +(red car) has several words
  beach^2 snow^0.5      how much a text counts
  ./x.jpg               looks like this picture; image:\"~/a b.jpg\" where there are spaces
  dog OR cat            the better of the two counts
  \"new york\"            these words, so, in the caption or the file's name
  date:2024-06..2024-08 taken then; also date:2024, date:..2023-01-15, date:>2020, date:last-week
  folder:italy          in a folder whose path has this in it; folder:/photos/italy that one and below
  name:img_20 name:*.png  camera:canon  lens:50mm
  rating:>=3            stars; also rating:5, rating:1..2
  size:>2mp size:<5mb   pixels, or bytes of the file
  type:video            or type:photo
  has:caption           or has:place, has:rating
  NOT type:video        or -type:video; filters side by side must all hold
  rating:5 OR has:caption, with (parentheses) where needed
Every value may be quoted: camera:\"iphone 15\". Words and options may stand in any order; behind -- all are words.

On a terminal the list is there at once and settles while pictures are read together with the text. Without a
text, photographs are listed by date. Elsewhere, a line is the match, a tab and the path.";

/// Rows that are shown while the list settles.
const PREVIEW: usize = 15;

/// How hits are sorted.
#[derive(Clone, Copy, ValueEnum)]
enum Sort {
    /// The best match first
    Match,
    /// The best matches, the newest first
    Date,
}

/// What to search, and how it is shown.
#[derive(Args)]
pub struct Arguments {
    /// What to find; several are joined by a space
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Find what looks like this picture
    #[arg(long, value_name = "FILE")]
    similar: Option<PathBuf>,
    /// Search within a saved search
    #[arg(long, value_name = "NAME")]
    album: Option<String>,
    /// Save the search under a name, and make it
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
    /// Hits at most
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = count)]
    top: usize,
    /// How hits are sorted
    #[arg(long, value_enum, default_value_t = Sort::Match)]
    sort: Sort,
    /// Leave out what matches with a smaller probability: 0 for nothing, 1 for nearly all; if not given, 0.02, and the
    /// nearest are shown where nothing reaches that
    #[arg(long, value_name = "P", value_parser = probability)]
    strict: Option<f32>,
    /// The most similar that are read together with the text
    #[arg(long, default_value_t = SearchOptions::default().rerank, value_name = "K")]
    rerank: usize,
    /// Go by similarity alone, which is faster
    #[arg(long, conflicts_with = "rerank")]
    no_rerank: bool,
    /// Print JSON, an object a line
    #[arg(long, conflicts_with_all = ["null", "paths"])]
    json: bool,
    /// Print paths, each ended by a NUL: for xargs -0
    #[arg(short = '0', long)]
    null: bool,
    /// Print paths alone, a line each
    #[arg(long, conflicts_with = "null")]
    paths: bool,
    #[command(flatten)]
    library: LibraryArguments,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

/// Searches and prints what was found.
pub fn run(arguments: &Arguments) -> Result<u8> {
    interrupt::listen();
    let own: Query = match arguments.query.join(" ").parse() {
        Ok(query) => query,
        Err(error) => return Ok(not_understood(&error)),
    };
    if arguments.query.is_empty() && arguments.similar.is_none() && arguments.album.is_none() {
        eprintln!("medley: say what to find, such as: medley search 'dog jumping into a lake'");
        return Ok(WRONG_USAGE);
    }
    let library = arguments.open_library()?;
    if let Some(name) = &arguments.save {
        library.catalog().save_album(name, &own.to_string())?;
    }
    let album = arguments.album.as_ref().map(|name| album(&library, name)).transpose()?;
    let query = arguments.whole_query(own, album)?;
    let hits = arguments.find(&library, &query)?;
    if hits.is_empty() {
        eprintln!("medley: nothing was found{}", arguments.advice(&query));
    } else if arguments.options().are_nearest(&hits) {
        eprintln!("medley: nothing is a match of {:.0}% or more: the nearest are shown", 100.0 * STRICTNESS);
    }
    arguments.show(&library, &hits)?;
    Ok(ALL_GOOD)
}

impl Arguments {
    /// The library, which must be there: a search makes none.
    fn open_library(&self) -> Result<Library> {
        let folder = match &self.library.library {
            Some(folder) => folder.clone(),
            None => Library::default_folder()?,
        };
        let advice = match &self.library.library {
            Some(folder) => format!("medley index FOLDER --library {}", folder.display()),
            None => "medley index FOLDER".to_owned(),
        };
        if !folder.join("catalog.sqlite").is_file() {
            bail!("there is no library in {} yet: make one with {advice}", folder.display());
        }
        let library = self.library.open_in(&folder)?;
        if library.catalog().counts()?.photos == 0 {
            bail!("the library in {} is empty: fill it with {advice}", folder.display());
        }
        Ok(library)
    }

    fn whole_query(&self, own: Query, album: Option<Query>) -> Result<Query> {
        let Query { mut terms, filter } = own;
        let mut filters = vec![filter];
        if let Some(path) = &self.similar {
            let path = std::path::absolute(path).with_context(|| path.display().to_string())?;
            terms.push(Term { what: What::Image(path), weight: 1.0 });
        }
        if let Some(album) = album {
            terms.extend(album.terms);
            filters.push(album.filter);
        }
        Ok(Query { terms, filter: Filter::And(filters) }.simplified())
    }

    fn find(&self, library: &Library, query: &Query) -> Result<Vec<Hit>> {
        if query.terms.is_empty() {
            return list(library, &query.filter, self.top);
        }
        let engine = self.model.open_engine(&self.device)?;
        if library.vectors(engine.about())?.is_empty() {
            let name = &engine.about().name;
            bail!("nothing is indexed for the model {name} yet: run medley index with the same --model");
        }
        let preview = Preview::new(self.json || self.null || self.paths);
        let mut hits = search(library, &engine, query, &self.options(), &mut |event| {
            let (SearchEvent::Found(hits) | SearchEvent::Reranked(hits)) = event;
            // What cannot be shown on the way is reported at the end.
            let _ = preview.show(library, &hits);
            interrupt::flow()
        })?;
        preview.clear();
        if let Some(path) = &self.similar {
            let own = std::path::absolute(path).ok().and_then(|path| library.catalog().photo_at(&path).transpose());
            let content = own.transpose()?.map(|photo| photo.content);
            hits.retain(|hit| Some(hit.content) != content);
            hits.truncate(self.top);
        }
        Ok(hits)
    }

    fn options(&self) -> SearchOptions {
        let usual = SearchOptions::default();
        SearchOptions {
            // What the picture itself is found by is left out.
            top: self.top + usize::from(self.similar.is_some()),
            rerank: if self.no_rerank { 0 } else { self.rerank },
            order: match self.sort {
                Sort::Match => SearchOrder::Match,
                Sort::Date => SearchOrder::Date,
            },
            strictness: self.strict.unwrap_or(STRICTNESS),
            // Whoever names a cut-off, perhaps in a script, wants nothing below it.
            nearest: if self.strict.is_some() { 0 } else { usual.nearest },
            ..usual
        }
    }

    fn advice(&self, query: &Query) -> &'static str {
        match (query.terms.is_empty(), query.filter == Filter::All) {
            (false, true) if self.options().strictness > 0.0 => "; --strict 0 shows what is less sure",
            (false, false) => "; a filter may hold too much back",
            _ => "",
        }
    }

    fn show(&self, library: &Library, hits: &[Hit]) -> Result<()> {
        let is_seen = std::io::stdout().is_terminal();
        for hit in hits {
            let Some(photo) = library.catalog().photo(hit.photo)? else { continue };
            if self.json {
                print(&in_json(hit, &photo));
            } else if self.null || self.paths {
                print_path(&photo.path, if self.null { b'\0' } else { b'\n' });
            } else if is_seen {
                print(&row(hit, &photo));
            } else {
                print(&format_args!(
                    "{}{}",
                    shown_match(hit).map_or_else(String::new, |text| text + "\t"),
                    on_a_line(&photo.path)
                ));
            }
        }
        Ok(())
    }
}

/// Says what is wrong with a query, and where.
fn not_understood(error: &QueryError) -> u8 {
    eprintln!("medley: {}", error.pointed());
    WRONG_USAGE
}

/// A saved search.
fn album(library: &Library, name: &str) -> Result<Query> {
    let albums = library.catalog().albums()?;
    let Some(album) = albums.iter().find(|album| album.name == name) else {
        let names: Vec<&str> = albums.iter().map(|album| album.name.as_str()).collect();
        let there =
            if names.is_empty() { "none is saved".to_owned() } else { format!("there are {}", names.join(", ")) };
        bail!("there is no saved search {name}: {there}");
    };
    album.query.parse().with_context(|| format!("the saved search {name}"))
}

/// The probability of a match, else the similarity, else nothing.
fn shown_match(hit: &Hit) -> Option<String> {
    match (hit.matched, hit.similarity) {
        (Some(matched), _) => Some(format!("{:.1}%", 100.0 * matched)),
        (None, Some(similarity)) => Some(format!("{similarity:.3}")),
        (None, None) => None,
    }
}

fn row(hit: &Hit, photo: &Photo) -> String {
    let found = shown_match(hit).map_or_else(String::new, |text| format!("{text:>6}  "));
    let day = photo.taken.get(..10).unwrap_or(&photo.taken);
    let copies = if hit.copies > 0 { format!("  (and {} more of it)", hit.copies) } else { String::new() };
    format!("{found}{day}  {}{copies}", on_a_line(&photo.path))
}

fn in_json(hit: &Hit, photo: &Photo) -> serde_json::Value {
    json!({
        "path": path_text(&photo.path),
        "match": hit.matched,
        "similarity": hit.similarity,
        "caption": photo.caption,
        "taken": photo.taken,
        "type": match photo.kind { Kind::Photo => "photo", Kind::Video => "video" },
        "width": photo.width,
        "height": photo.height,
        "camera": photo.camera,
        "lens": photo.lens,
        "place": photo.place.map(|(north, east)| [north, east]),
        "rating": photo.rating,
        "copies": hit.copies,
    })
}

/// Prints a path as the system spells it, which need not be text.
fn print_path(path: &Path, end: u8) {
    let mut bytes = file_name::to_bytes(path);
    bytes.push(end);
    super::written(std::io::stdout().lock().write_all(&bytes));
}

/// The first rows of the list, while it settles.
struct Preview(Option<ProgressBar>);

impl Preview {
    fn new(is_for_machines: bool) -> Self {
        let is_shown = !is_for_machines && std::io::stdout().is_terminal();
        Self(is_shown.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            bar.with_style(ProgressStyle::with_template("{msg}").expect("a constant template"))
        }))
    }

    fn show(&self, library: &Library, hits: &[Hit]) -> Result<()> {
        let Some(bar) = &self.0 else { return Ok(()) };
        let ids: Vec<_> = hits.iter().take(PREVIEW).map(|hit| hit.photo).collect();
        let photos = library.catalog().photos(&ids)?;
        let rows: Vec<String> = hits.iter().zip(&photos).map(|(hit, photo)| row(hit, photo)).collect();
        bar.set_message(rows.join("\n"));
        Ok(())
    }

    fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn probability(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "must be from 0 to 1".to_owned())
}
