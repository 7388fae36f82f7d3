//! Libraries that may only be read.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use medley_desktop::library::Library;
use medley_desktop::library::index::{IndexOptions, index};
use medley_desktop::library::query::{Filter, Query};
use medley_desktop::library::search::{SearchEvent, list, search};
use tempfile::TempDir;

use super::{ALBUM, err, loose, out, turn};

/// A copy of the library as it is, or as it is once everyone has closed it.
fn copied(is_closed: bool) -> TempDir {
    let folder = TempDir::new().unwrap();
    let copied = Command::new("cp").arg("-r").arg(ALBUM.library.folder()).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    if is_closed {
        drop(Library::open(&folder.path().join("library")).unwrap());
        assert!(!folder.path().join("library/catalog.sqlite-wal").exists());
    }
    folder
}

/// Every file below a folder, with its size and when it was written.
fn state(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let files = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let about = |file: walkdir::DirEntry| {
        let about = file.metadata().unwrap();
        (file.into_path(), about.len(), about.modified().unwrap())
    };
    files.map(about).collect()
}

#[test]
fn a_library_that_may_only_be_read_is_searched_and_left_as_it_was() {
    let _turn = turn();
    let go_on = &mut |_: SearchEvent| ControlFlow::Continue(());
    let query: Query = "a cat".parse().unwrap();
    let expected = search(&ALBUM.library, &ALBUM.engine, &query, &loose(), go_on).unwrap();
    for is_closed in [false, true] {
        let folder = copied(is_closed);
        let path = folder.path().join("library");
        // Without a thumbnail: it is made again and not kept.
        let thumbnail =
            ALBUM.library.thumbnails().path(&ALBUM.library.catalog().hash(expected[0].content).unwrap().unwrap());
        fs::remove_file(path.join(thumbnail.strip_prefix(ALBUM.library.folder()).unwrap())).unwrap();
        let before = state(folder.path());
        let library = Library::open_read_only(&path).unwrap();
        let found = search(&library, &ALBUM.engine, &query, &loose(), go_on).unwrap();
        assert!(found.iter().map(|hit| hit.photo).eq(expected.iter().map(|hit| hit.photo)), "{found:?}");
        assert_eq!(list(&library, &Filter::All, 100).unwrap().len(), 4);
        let photo = library.catalog().photo(expected[0].photo).unwrap().unwrap();
        library.thumbnails().load(library.catalog(), &photo).unwrap();
        let options = IndexOptions::default();
        let refused = [
            index(&library, &ALBUM.engine, &[], &options, &mut |_| ControlFlow::Continue(())).map(drop),
            library.catalog().save_album("cats", "cat"),
            library.forget(&photo.path).map(drop),
        ];
        for refused in refused {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("can only be read") && error.contains("--library"), "{error}");
        }
        drop(library);
        assert_eq!(state(folder.path()), before, "closed: {is_closed}");
    }
}

#[test]
#[ignore = "needs mounts"]
fn a_library_on_a_disk_that_can_only_be_read_is_searched() {
    for is_closed in [false, true] {
        let folder = copied(is_closed);
        let mount = r#"mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@""#;
        let medley = |arguments: &[&str]| {
            let library = folder.path().join("library");
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--mount", "sh", "-c", mount]).arg(folder.path());
            command.arg(env!("CARGO_BIN_EXE_medley")).args(arguments).arg("--library").arg(library);
            command.env("MEDLEY_DEVICE", "cpu").env_remove("MEDLEY_MODEL").stdin(Stdio::null()).output().unwrap()
        };
        let found = out(&medley(&["search", "a cat", "--paths", "--strict", "0"]));
        assert!(found.lines().next().unwrap().ends_with("chelsea.jpg"), "{found}");
        assert!(out(&medley(&["library"])).contains("photographs  4"));
        for arguments in [&["index"][..], &["library", "forget", "/"], &["search", "name:cat", "--save", "cats"]] {
            let error = err(&medley(arguments), 1);
            assert!(error.contains("can only be read") && error.lines().count() == 1, "{error}");
        }
    }
}
