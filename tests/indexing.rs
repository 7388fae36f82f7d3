//! `medley index` and `medley library` as a person meets them: two at once, killed, on disks and files that are none.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use medley::DeviceChoice;
use medley_desktop::engine::{Engine, ModelChoice};
use medley_desktop::library::Library;
use serde_json::Value;
use tempfile::TempDir;

fn medley(library: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.args(arguments).env("MEDLEY_DEVICE", "cpu").env("MEDLEY_LIBRARY", library).env_remove("MEDLEY_MODEL");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(library: &Path, arguments: &[&str]) -> Output {
    medley(library, arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// So many photographs, of which the last fifth are copies of the first.
fn photographs(folder: &Path, count: u32) -> PathBuf {
    let photos = folder.join("photos");
    fs::create_dir_all(&photos).unwrap();
    for nth in 0..count {
        let seed = nth % (count - count / 5);
        let picture = RgbImage::from_fn(320, 240, |x, y| {
            Rgb([(x + seed * 3) as u8, (y * (1 + seed % 3)) as u8, (x * y / (1 + seed)) as u8])
        });
        let mut bytes = Vec::new();
        JpegEncoder::new(&mut bytes).encode_image(&picture).unwrap();
        fs::write(photos.join(format!("{nth:04}.jpg")), bytes).unwrap();
    }
    photos
}

fn summary(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|_| panic!("{} {}", out(output), err(output)))
}

#[test]
fn index_says_what_it_did_and_what_failed() {
    let folder = TempDir::new().unwrap();
    let (library, photos) = (folder.path().join("library"), photographs(folder.path(), 10));
    fs::write(photos.join("broken.jpg"), b"no picture").unwrap();
    let photos = photos.to_str().unwrap();
    let output = run(&library, &["index", photos]);
    assert_eq!(code(&output), 1, "{}", err(&output));
    assert!(out(&output).starts_with("11 photographs: 10 new, 1 unreadable ("), "{}", out(&output));
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    assert!(err(&output).starts_with(&format!("medley: {photos}/broken.jpg: ")), "{}", err(&output));
    let output = run(&library, &["index", "--json"]);
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
    assert_eq!((summary(&output)["unchanged"].as_u64(), summary(&output)["embedded"].as_u64()), (Some(11), Some(0)));
}

#[test]
fn library_shows_what_is_there() {
    let folder = TempDir::new().unwrap();
    let (library, photos) = (folder.path().join("library"), photographs(folder.path(), 10));
    fs::write(photos.join("broken.jpg"), b"no picture").unwrap();
    run(&library, &["index", photos.to_str().unwrap()]);
    let about: Value = serde_json::from_str(&out(&run(&library, &["library", "--json"]))).unwrap();
    assert_eq!(
        (about["photos"].as_u64(), about["contents"].as_u64(), about["problems"].as_u64()),
        (Some(11), Some(9), Some(1))
    );
    assert_eq!(about["roots"][0].as_str(), photos.to_str());
    assert_eq!(about["models"].as_array().unwrap().len(), 1);
    let problems = out(&run(&library, &["library", "problems"]));
    assert!(problems.contains("broken.jpg\t") && problems.lines().count() == 1, "{problems}");
    let copies = out(&run(&library, &["library", "duplicates"]));
    assert!(copies.contains("0000.jpg\n") && copies.contains("0008.jpg\n"), "{copies}");
    assert_eq!(copies.split("\n\n").count(), 2);
    let output = run(&library, &["library", "forget", photos.join("0001.jpg").to_str().unwrap()]);
    assert_eq!((code(&output), out(&output).trim_end().ends_with("1 forgotten")), (0, true));
    assert_eq!(code(&run(&library, &["library", "forget", "/nowhere"])), 1);
}

#[test]
fn wrong_folders_and_libraries_are_named() {
    let folder = TempDir::new().unwrap();
    let library = folder.path().join("library");
    let says = |library: &Path, arguments: &[&str]| {
        let output = run(library, arguments);
        assert_eq!(code(&output), 1, "{}", out(&output));
        assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
        err(&output)
    };
    assert!(says(&library, &["index", "/no/such/folder"]).contains("there is no folder /no/such/folder"));
    assert!(says(&library, &["index"]).contains("has no folders yet"));
    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    assert!(says(&library, &["index", file.to_str().unwrap()]).contains("is no folder"));
    assert!(says(&file, &["library"]).contains("it is no folder"));
    if cfg!(target_os = "linux") {
        assert!(says(Path::new("/proc/medley"), &["library"]).contains("could not make the folder /proc/medley"));
    }
    let damaged = folder.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("catalog.sqlite"), [b'x'; 4096]).unwrap();
    assert!(says(&damaged, &["library"]).contains("is damaged: move it away"));
}

/// What the library keeps is where it was, and is found.
#[cfg(not(feature = "qdrant"))]
#[test]
fn a_place_for_vectors_that_cannot_be_used_is_refused_before_it_is_kept() {
    let folder = TempDir::new().unwrap();
    let (library, photos) = (folder.path().join("library"), photographs(folder.path(), 5));
    assert_eq!(code(&run(&library, &["index", photos.to_str().unwrap(), "--store", "folder"])), 0);
    let refused = run(&library, &["search", "a wall", "--store", "qdrant://localhost:6333"]);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("--features medley-desktop/qdrant"), "{}", err(&refused));
    let wrong = run(&library, &["search", "a wall", "--store", "elsewhere"]);
    assert_eq!(code(&wrong), 2);
    assert!(err(&wrong).contains("qdrant://host:port"), "{}", err(&wrong));
    assert_eq!(code(&run(&library, &["search", "a wall"])), 0);
}

#[test]
fn a_catalogue_of_a_newer_version_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    drop(Library::open(folder.path()).unwrap());
    let file = folder.path().join("catalog.sqlite");
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let output = run(folder.path(), &["library"]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("made by a newer Medley (version 99"), "{}", err(&output));
    let version = rusqlite::Connection::open(&file).unwrap().pragma_query_value(None, "user_version", |row| row.get(0));
    assert_eq!(version, Ok(99));
}

/// What must be true of a library after all is indexed, whatever happened before.
fn check(library: &Path, files: usize, contents: usize) {
    let opened = Library::open(library).unwrap();
    let counts = opened.catalog().counts().unwrap();
    assert_eq!((counts.photos, counts.contents, counts.problems, counts.missing), (files, contents, 0, 0));
    let engine = Engine::open(ModelChoice::default(), DeviceChoice::Cpu, &mut |_| ()).unwrap();
    let kept: HashSet<_> = opened.vectors(engine.about()).unwrap().contents().unwrap().into_iter().collect();
    let searchable: HashSet<_> = opened.catalog().searchable().unwrap().into_iter().collect();
    assert_eq!(kept, searchable, "each content has one vector, and there are no others");
    let catalog = rusqlite::Connection::open(library.join("catalog.sqlite")).unwrap();
    let whole: String = catalog.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let words: i64 =
        catalog.query_row("select count(*) from words where words match 'jpg'", [], |row| row.get(0)).unwrap();
    assert_eq!(words, files as i64);
}

#[test]
fn a_run_killed_at_any_moment_loses_and_doubles_nothing() {
    let folder = TempDir::new().unwrap();
    let (library, photos) = (folder.path().join("library"), photographs(folder.path(), 150));
    let mut embedded = Vec::new();
    for milliseconds in [30, 120, 250, 400, 600, 800, 1000] {
        let mut child = medley(&library, &["index", photos.to_str().unwrap(), "--batch", "4"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        // What a kill leaves can always be opened and read.
        embedded.push(Library::open(&library).unwrap().catalog().counts().unwrap().contents);
    }
    assert!(embedded.is_sorted(), "what is done stays done: {embedded:?}");
    let output = run(&library, &["index", photos.to_str().unwrap(), "--json"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let left = summary(&output)["embedded"].as_u64().unwrap() as usize;
    // A kill between a vector and its file costs that vector nothing.
    assert!(left <= 120 - embedded[6], "{left} embedded after {embedded:?}");
    check(&library, 150, 120);
    assert_eq!(summary(&run(&library, &["index", "--json"]))["unchanged"].as_u64(), Some(150));
}

#[test]
fn two_processes_never_index_one_library_at_once_and_readers_go_on() {
    let folder = TempDir::new().unwrap();
    let (library, photos) = (folder.path().join("library"), photographs(folder.path(), 200));
    let opened = Library::open(&library).unwrap();
    let first = medley(&library, &["index", photos.to_str().unwrap(), "--json", "--batch", "2"]).spawn().unwrap();
    let start = Instant::now();
    while opened.catalog().counts().unwrap().contents == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is indexed");
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = run(&library, &["index"]);
    let asked = format!("process {}", first.id());
    // A reader and a writer of captions are not in its way.
    let content = opened.catalog().searchable().unwrap()[0];
    opened.catalog().set_caption(content, "meanwhile", medley_desktop::library::photo::CaptionSource::Person).unwrap();
    let first = first.wait_with_output().unwrap();
    assert_eq!(code(&first), 0, "{}", err(&first));
    assert_eq!(code(&second), 1, "{}", out(&second));
    assert!(err(&second).contains(&asked) && err(&second).contains("is indexing"), "{}", err(&second));
    assert_eq!(opened.catalog().captions(content).unwrap()[0].text, "meanwhile");
    drop(opened);
    check(&library, 200, 160);
}

/// A child is born with the files of its parent, and with a lock that was given back since.
#[test]
fn a_lock_that_a_starting_program_still_has_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let library = Library::open(folder.path()).unwrap();
    let child = fs::File::create(folder.path().join("index.lock")).unwrap();
    child.lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            drop(child);
        });
        library.lock_indexing().unwrap();
    });
}

#[test]
fn two_processes_may_make_one_library_at_once() {
    let folder = TempDir::new().unwrap();
    for nth in 0..5 {
        let library = folder.path().join(format!("library{nth}"));
        let children = [(); 4].map(|()| medley(&library, &["library", "--json"]).spawn().unwrap());
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert_eq!(code(&output), 0, "{}", err(&output));
        }
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_done() {
    let folder = TempDir::new().unwrap();
    let (library, photos) = (folder.path().join("library"), photographs(folder.path(), 150));
    let opened = Library::open(&library).unwrap();
    let child = medley(&library, &["index", photos.to_str().unwrap(), "--json", "--batch", "2"]).spawn().unwrap();
    while opened.catalog().counts().unwrap().contents < 4 {
        std::thread::sleep(Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130, "{}", err(&output));
    assert_eq!(summary(&output)["stopped"].as_bool(), Some(true));
    let done = summary(&output)["embedded"].as_u64().unwrap();
    assert!((4..120).contains(&done), "{done}");
    let rest = summary(&run(&library, &["index", "--json"]))["embedded"].as_u64().unwrap();
    assert_eq!(done + rest, 120);
    drop(opened);
    check(&library, 150, 120);
}
