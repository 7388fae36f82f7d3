//! Searching a library of real photographs with the built-in model.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "search/reading.rs"]
mod reading;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use medley::DeviceChoice;
use medley_desktop::engine::{Engine, ModelChoice, Request, Urgency};
use medley_desktop::library::Library;
use medley_desktop::library::catalog::Order;
use medley_desktop::library::index::{IndexOptions, index};
use medley_desktop::library::query::{Filter, Query};
use medley_desktop::library::search::{Hit, SearchEvent, SearchOptions, SearchOrder, list, search, similar};
use medley_desktop::library::store::Among;
use serde_json::Value;
use tempfile::TempDir;

/// Three photographs, a copy of one in a folder of its own, and a library that knows them.
struct Album {
    folder: TempDir,
    library: Library,
    engine: Engine,
}

/// Made once: tests only look.
static ALBUM: LazyLock<Album> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    let photos = folder.path().join("photos");
    fs::create_dir_all(photos.join("copies")).unwrap();
    for name in ["astronaut.jpg", "chelsea.jpg", "coffee.jpg"] {
        fs::copy(asset(name), photos.join(name)).unwrap();
    }
    fs::write(photos.join("coffee.txt"), "A cup of coffee in New York\n").unwrap();
    fs::copy(asset("chelsea.jpg"), photos.join("copies/the cat again.jpg")).unwrap();
    let engine = Engine::open(ModelChoice::default(), DeviceChoice::Cpu, &mut |_| ()).unwrap();
    let library = Library::open(&folder.path().join("library")).unwrap();
    let go_on = &mut |_| ControlFlow::Continue(());
    index(&library, &engine, &[photos], &IndexOptions::default(), go_on).unwrap();
    Album { folder, library, engine }
});

/// The engine's model is one: searches of two tests would wait for each other anyway.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(name)
}

fn loose() -> SearchOptions {
    SearchOptions { strictness: 0.0, ..SearchOptions::default() }
}

fn found(query: &str, options: &SearchOptions) -> Vec<Hit> {
    let _turn = turn();
    let query: Query = query.parse().unwrap();
    search(&ALBUM.library, &ALBUM.engine, &query, options, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn names(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| ALBUM.library.catalog().photo(hit.photo).unwrap().unwrap().name()).collect()
}

#[test]
fn words_find_what_is_shown() {
    assert_eq!(names(&found("a cat", &loose()))[0], "chelsea.jpg");
    assert_eq!(names(&found("food on a table", &loose()))[0], "coffee.jpg");
    assert_eq!(names(&found("a woman in an orange suit", &loose()))[0], "astronaut.jpg");
}

#[test]
fn files_with_the_same_bytes_are_one_hit() {
    let hits = found("a cat", &loose());
    assert_eq!(hits.len(), 3);
    assert_eq!((hits[0].copies, hits[1].copies), (1, 0));
    let copies = found("a cat folder:copies", &loose());
    assert_eq!((names(&copies), copies[0].copies), (vec!["the cat again.jpg".to_owned()], 0));
}

#[test]
fn filters_are_asked_first() {
    assert_eq!(names(&found("a cat name:coffee", &loose())), ["coffee.jpg"]);
    assert_eq!(names(&found("a cat \"new york\"", &loose())), ["coffee.jpg"]);
    assert!(found("a cat camera:none", &loose()).is_empty());
}

#[test]
fn terms_count_against_and_alternatives_count_the_better() {
    assert_ne!(names(&found("-cat", &loose()))[0], "chelsea.jpg");
    let either = names(&found("a cat OR a woman in an orange suit", &loose()));
    assert_eq!(either[2], "coffee.jpg", "{either:?}");
    let options = SearchOptions { rerank: 0, ..loose() };
    let (one, other) = (found("a cat", &options), found("a person", &options));
    let either = found("a cat OR a person", &options);
    for hit in &either {
        let similarity =
            |hits: &[Hit]| hits.iter().find(|found| found.content == hit.content).unwrap().similarity.unwrap();
        let better = similarity(&one).max(similarity(&other));
        assert!((hit.similarity.unwrap() - better).abs() < 1e-3);
    }
}

#[test]
fn a_picture_finds_itself_and_similar_ones_leave_it_out() {
    let query = format!("image:\"{}\"", asset("coffee.jpg").display().to_string().replace('\\', "\\\\"));
    let hits = found(&query, &loose());
    assert_eq!(names(&hits)[0], "coffee.jpg");
    assert!(hits[0].similarity.unwrap() > 0.95 && hits[0].matched.is_none() && hits[0].is_settled);
    let _turn = turn();
    let alike = similar(&ALBUM.library, &ALBUM.engine, hits[0].content, 10).unwrap();
    assert_eq!(alike.len(), 2);
    assert!(alike.iter().all(|hit| hit.content != hits[0].content));
}

#[test]
fn the_list_is_there_at_once_and_settles() {
    let _turn = turn();
    let mut events = Vec::new();
    let query: Query = "an animal that was not searched for before".parse().unwrap();
    let settled = search(&ALBUM.library, &ALBUM.engine, &query, &loose(), &mut |event| {
        events.push(event);
        ControlFlow::Continue(())
    })
    .unwrap();
    let SearchEvent::Found(first) = &events[0] else { panic!("{events:?}") };
    assert!(first.len() == 3 && first.iter().all(|hit| !hit.is_settled && hit.matched.is_some()));
    let Some(SearchEvent::Reranked(last)) = events.last() else { panic!("{events:?}") };
    assert_eq!(*last, settled);
    assert!(settled.iter().all(|hit| hit.is_settled));
    assert!(settled.is_sorted_by(|a, b| a.matched >= b.matched), "{settled:?}");
}

#[test]
fn the_cut_off_cuts_and_dates_sort() {
    let strict = SearchOptions { strictness: 1.0, nearest: 0, ..SearchOptions::default() };
    assert!(found("a cat", &strict).is_empty());
    let by_date = found("a cat", &SearchOptions { order: SearchOrder::Date, top: 2, ..loose() });
    assert_eq!(by_date.len(), 2);
    assert!(names(&by_date).contains(&"chelsea.jpg".to_owned()), "the best matches, by date");
}

#[test]
fn the_nearest_are_shown_where_nothing_reaches_the_cut_off() {
    let strict = SearchOptions { strictness: 1.0, nearest: 2, ..SearchOptions::default() };
    let nearest = found("a cat", &strict);
    assert_eq!((nearest.len(), names(&nearest)[0].as_str()), (2, "chelsea.jpg"));
    assert!(strict.are_nearest(&nearest));
    let sure = found("a cat", &SearchOptions { strictness: nearest[0].matched.unwrap(), ..strict.clone() });
    assert_eq!(sure, nearest[..1], "of those that reach it, none is added");
    assert!(!loose().are_nearest(&sure) && !strict.are_nearest(&[]));
}

#[test]
fn a_search_that_nobody_wants_stops() {
    let _turn = turn();
    let query: Query = "something else that is new".parse().unwrap();
    let options = loose();
    options.cancel.cancel();
    let cancelled = search(&ALBUM.library, &ALBUM.engine, &query, &options, &mut |_| ControlFlow::Continue(()));
    let stopped = search(&ALBUM.library, &ALBUM.engine, &query, &loose(), &mut |_| ControlFlow::Break(()));
    for stopped in [cancelled, stopped] {
        let error = stopped.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(medley::Error::Cancelled)), "{error}");
    }
}

#[test]
fn without_terms_every_file_is_listed_and_no_model_is_needed() {
    let hits = list(&ALBUM.library, &Filter::All, 100).unwrap();
    assert_eq!(hits.len(), 4);
    assert!(hits.iter().all(|hit| hit.similarity.is_none() && hit.is_settled));
    let rows = ALBUM.library.catalog().find(&Filter::All, Order::Name).unwrap();
    let first = ALBUM.library.catalog().photo(rows[0].photo).unwrap().unwrap();
    assert_eq!((rows.len(), first.name()), (4, "astronaut.jpg".to_owned()));
}

fn medley(arguments: &[&str]) -> Output {
    let library = ALBUM.library.folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.arg("search").args(arguments).env("MEDLEY_DEVICE", "cpu").env("MEDLEY_LIBRARY", library);
    command.env_remove("MEDLEY_MODEL").stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_command_prints_matches_paths_and_json() {
    let lines = out(&medley(&["a", "cat", "--strict", "0"]));
    let (matched, path) = lines.lines().next().unwrap().split_once('\t').unwrap();
    assert!(matched.ends_with('%') && path.ends_with("chelsea.jpg"), "{lines}");
    let json = out(&medley(&["a cat", "--json", "--top", "1", "--no-rerank", "--strict", "0"]));
    let hit: Value = serde_json::from_str(json.trim_end()).unwrap();
    assert!(hit["path"].as_str().unwrap().ends_with("chelsea.jpg"));
    assert!(hit["similarity"].is_number() && hit["match"].is_number() && hit["copies"] == 1);
    let paths = out(&medley(&["name:c", "-0"]));
    assert_eq!(paths.matches('\0').count(), 3, "{paths:?}");
    assert!(paths.contains("the cat again.jpg\0") && !paths.contains('\n'));
    assert_eq!(out(&medley(&["\"new york\"", "--paths"])).lines().count(), 1);
    let picture = asset("coffee.jpg");
    assert_eq!(out(&medley(&["--similar", picture.to_str().unwrap(), "name:coffee", "--paths"])).lines().count(), 1);
}

#[test]
fn words_that_count_against_need_no_quotes() {
    let shown = |arguments: &[&str]| out(&medley(&[&["--paths", "--strict", "0"], arguments].concat()));
    let against = shown(&["-cat", "--top", "1"]);
    assert!(against.lines().count() == 1 && !against.contains("chelsea"), "{against}");
    assert_eq!(shown(&["-cat", "-name:coffee"]), shown(&["--", "-cat", "-name:coffee"]));
    assert_eq!(shown(&["a", "--top", "1", "person", "-cat", "-mountain"]).lines().count(), 1);
    assert!(err(&medley(&["cat", "--snow"]), 2).contains("--snow"));
    assert!(err(&medley(&["cat", "--top"]), 2).contains("--top"));
}

#[test]
fn the_command_saves_searches() {
    assert_eq!(out(&medley(&["name:chelsea", "--save", "cats", "--paths"])).lines().count(), 1);
    assert_eq!(out(&medley(&["folder:photos", "--album", "cats", "--paths"])).lines().count(), 1);
    let unknown = err(&medley(&["--album", "dogs"]), 1);
    assert!(unknown.contains("no saved search dogs") && unknown.contains("cats"), "{unknown}");
}

#[test]
fn the_command_says_what_is_wrong() {
    let misspelt = err(&medley(&["dog", "camra:canon"]), 2);
    assert!(misspelt.contains("  dog camra:canon\n      ^^^^^^\n") && misspelt.contains("camera:?"), "{misspelt}");
    assert!(err(&medley(&[]), 2).contains("say what to find"));
    assert!(err(&medley(&["dog", "--strict", "2"]), 2).contains("from 0 to 1"));
    let nowhere = ALBUM.folder.path().join("nowhere");
    let missing = err(&medley(&["dog", "--library", nowhere.to_str().unwrap()]), 1);
    assert!(missing.contains("medley index FOLDER --library"), "{missing}");
    assert!(!nowhere.exists(), "a search makes no library");
    let nothing = medley(&["name:nothing"]);
    assert_eq!((out(&nothing), err(&nothing, 0).trim_end()), (String::new(), "medley: nothing was found"));
    let hidden = err(&medley(&["a cat", "--strict", "1"]), 0);
    assert!(hidden.contains("--strict 0"), "{hidden}");
    let unlikely = medley(&["+submarine +volcano +tractor +pyramid +violin", "--paths"]);
    assert_eq!(out(&unlikely).lines().count(), 3);
    assert!(err(&unlikely, 0).contains("the nearest are shown"), "{}", err(&unlikely, 0));
}

/// As many photographs as `MEDLEY_PHOTOS` says, invented: a date, a folder, a name, a camera, stars, half of them a caption.
const FILL: &str = "
    insert into root(id, path) values (1, x'2f70');
    insert into content(id, hash, width, height) with recursive n(i) as (select 1 union all select i + 1 from n where i < :count)
        select i, randomblob(32), iif(i % 4 = 0, 4032, 1920), iif(i % 4 = 0, 3024, 1080) from n;
    insert into photo(root, path, folder, name, kind, size_bytes, modified_ns, content, taken, camera, rating)
        select 1, cast(id as blob), '/p/' || (2005 + id % 20) || '/event ' || (id % 977), 'IMG_' || id || '.jpg',
        iif(id % 50 = 0, 'video', 'photo'), 100000 + id * 7919 % 9000000, 0, id,
        strftime('%Y-%m-%dT%H:%M:%S', 1104537600 + id * 7919 * 61 % 630000000, 'unixepoch'),
        case id % 3 when 0 then 'Canon EOS R6' when 1 then 'Apple iPhone 15 Pro' end, iif(id % 10 = 0, id / 10 % 6, null) from content;
    insert into caption(content, text, source, written_ms)
        select id, 'a black dog in ' || iif(id % 101 = 0, 'new york', 'the grass'), 'model', 0 from content where id % 2 = 0;";

#[test]
#[ignore = "prints how long the parts of a search take"]
fn times_of_a_large_library() {
    let _turn = turn();
    let count: i64 = std::env::var("MEDLEY_PHOTOS").map_or(100_000, |count| count.parse().unwrap());
    let folder = TempDir::new().unwrap();
    let (engine, library) = (&ALBUM.engine, Library::open(folder.path()).unwrap());
    let connection = rusqlite::Connection::open(folder.path().join("catalog.sqlite")).unwrap();
    connection.execute_batch(&FILL.replace(":count", &count.to_string())).unwrap();
    let store = library.vectors(engine.about()).unwrap();
    let mut state = 1_u32;
    let mut vector = || {
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let numbers: Vec<f32> = (0..store.dimensions()).map(|_| number()).collect();
        let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
        numbers.into_iter().map(|number| number / length).collect::<Vec<f32>>()
    };
    let contents: Vec<i64> = (1..=count).collect();
    for batch in contents.chunks(10_000) {
        store.upsert(&batch.iter().map(|content| (*content, vector())).collect::<Vec<_>>()).unwrap();
    }
    println!("{count} photographs; the least and the median of 9, in milliseconds");
    let time = |name: &str, work: &mut dyn FnMut(usize)| {
        let mut times: Vec<f64> = (0..9)
            .map(|run| {
                let start = Instant::now();
                work(run);
                1000.0 * start.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name:<44} {:>8.1} {:>8.1}", times[0], times[4]);
    };
    time("start: library, vectors, all photographs", &mut |_| {
        let library = Library::open(folder.path()).unwrap();
        library.vectors(engine.about()).unwrap();
        library.catalog().find(&Filter::default(), Order::Newest).unwrap();
    });
    for filter in
        ["", "date:2014-06", "camera:canon", "rating:>=4", "folder:2014", "\"new york\"", "size:>8mp", "has:caption"]
    {
        let query: Query = filter.parse().unwrap();
        time(&format!("filter {filter}"), &mut |_| {
            library.catalog().find(&query.filter, Order::Newest).unwrap();
        });
    }
    time("text", &mut |run| {
        let text = format!("a dog number {run} jumping into a lake");
        engine.ask(Urgency::Interactive, Request::TextFeatures(vec![text])).features().unwrap();
    });
    let query = vector();
    time("scan of all", &mut |_| {
        store.search(&query, 200, Among::All).unwrap();
    });
    for (number, filter) in ["", "camera:canon", "date:2014-06"].into_iter().enumerate() {
        let options = SearchOptions { rerank: 0, ..loose() };
        time(&format!("first results: words {filter}"), &mut |run| {
            let query: Query = format!("a cat number {run}{number} running in the snow {filter}").parse().unwrap();
            search(&library, engine, &query, &options, &mut |_| ControlFlow::Continue(())).unwrap();
        });
    } // Of this process, which holds two libraries' worth: the pages of the vectors are the system's.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .filter(|line| line.starts_with("Rss") || line.starts_with("VmHWM"))
        .for_each(|line| println!("{line}"));
}
