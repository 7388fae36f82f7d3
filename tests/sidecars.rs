//! Captions in files beside photographs: whole or not at all, never over what is there unasked, and taken back.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use medley_desktop::library::export::{Existing, Export, Format};
use tempfile::{TempDir, tempdir};

fn photos(names: &[&str]) -> TempDir {
    let folder = tempdir().unwrap();
    for name in names {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::write(folder.path().join(name), "a photograph").unwrap();
    }
    folder
}

fn caption(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_text_has_a_caption_a_line() {
    let folder = photos(&["a.jpg"]);
    let photo = folder.path().join("a.jpg");
    let mut export = Export::beside(Format::Text, Existing::Leave);
    assert!(export.add(&photo, &["a dog".to_owned(), "two\nlines".to_owned()]).unwrap());
    export.finish().unwrap();
    assert_eq!(read(folder.path().join("a.txt")), "a dog\ntwo lines\n");
    assert_eq!(read(photo), "a photograph", "the photograph stays as it is");
}

#[test]
fn what_is_there_stays_unless_it_may_be_replaced() {
    for format in [Format::Text, Format::JsonLines, Format::Xmp] {
        let folder = photos(&["a.jpg"]);
        let photo = folder.path().join("a.jpg");
        let mut export = Export::beside(format, Existing::Leave);
        fs::write(export.path(&photo), "mine").unwrap();
        assert_eq!(export.count_existing([photo.as_path()].into_iter()), 1);
        assert!(!export.add(&photo, &caption("a dog")).unwrap());
        let path = export.path(&photo);
        assert!(export.finish().unwrap().is_empty());
        assert_eq!(read(path), "mine");
    }
}

#[test]
fn a_replaced_file_is_taken_back_and_a_new_one_goes() {
    let folder = photos(&["a.jpg", "b.jpg"]);
    fs::write(folder.path().join("a.txt"), "mine").unwrap();
    let mut export = Export::beside(Format::Text, Existing::Replace);
    for name in ["a.jpg", "b.jpg"] {
        export.add(&folder.path().join(name), &caption("a dog")).unwrap();
    }
    let written = export.finish().unwrap();
    assert_eq!(read(folder.path().join("a.txt")), "a dog\n");
    fs::write(folder.path().join("b.txt"), "changed since").unwrap();
    let taken_back: Vec<bool> = written.iter().map(|written| written.take_back().is_ok()).collect();
    assert_eq!(taken_back, [true, false]);
    assert_eq!(read(folder.path().join("a.txt")), "mine");
    assert_eq!(read(folder.path().join("b.txt")), "changed since");
}

#[test]
fn a_list_keeps_the_lines_of_other_files() {
    let folder = photos(&["a.jpg", "b.jpg"]);
    let list = folder.path().join("metadata.jsonl");
    fs::write(
        &list,
        "{\"file_name\":\"a.jpg\",\"text\":\"old\",\"album\":7}\n{\"file_name\":\"c.jpg\",\"text\":\"kept\"}\n",
    )
    .unwrap();
    let mut export = Export::beside(Format::JsonLines, Existing::Replace);
    export.add(&folder.path().join("a.jpg"), &caption("a dog")).unwrap();
    export.add(&folder.path().join("b.jpg"), &caption("a \"cat\"")).unwrap();
    export.finish().unwrap();
    let lines: Vec<serde_json::Value> = read(&list).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], serde_json::json!({ "file_name": "a.jpg", "text": "a dog", "album": 7 }));
    assert_eq!(lines[1]["text"], "kept");
    assert_eq!(lines[2], serde_json::json!({ "file_name": "b.jpg", "text": "a \"cat\"" }));
}

#[test]
fn a_list_takes_more_photographs_than_are_kept_back() {
    let folder = photos(&[]);
    let mut export = Export::beside(Format::JsonLines, Existing::Leave);
    for number in 0..2500 {
        assert!(export.add(&folder.path().join(format!("{number}.jpg")), &caption("a dog")).unwrap());
    }
    let written = export.finish().unwrap();
    assert_eq!(read(folder.path().join("metadata.jsonl")).lines().count(), 2500);
    assert_eq!(written.len(), 1);
    written[0].take_back().unwrap();
    assert!(!folder.path().join("metadata.jsonl").exists());
}

#[test]
fn two_photographs_of_one_name_do_not_overwrite_each_other() {
    let folder = photos(&["a.jpg", "a.png"]);
    let mut export = Export::beside(Format::Text, Existing::Replace);
    export.add(&folder.path().join("a.jpg"), &caption("a dog")).unwrap();
    assert!(export.add(&folder.path().join("a.png"), &caption("a cat")).is_err());
    assert_eq!(read(folder.path().join("a.txt")), "a dog\n");
    let mut export = Export::beside(Format::Xmp, Existing::Replace);
    export.add(&folder.path().join("a.jpg"), &caption("a dog")).unwrap();
    export.add(&folder.path().join("a.png"), &caption("a cat")).unwrap();
}

#[test]
fn a_mirror_has_the_shape_of_the_library() {
    let folder = photos(&["one/in/a.jpg", "two/in/a.jpg"]);
    let roots = [folder.path().join("one"), folder.path().join("two")];
    let mirror = folder.path().join("mirror");
    let mut export = Export::mirrored(Format::Xmp, Existing::Leave, &mirror, &roots);
    export.add(&folder.path().join("one/in/a.jpg"), &caption("a dog")).unwrap();
    export.add(&folder.path().join("two/in/a.jpg"), &caption("a cat")).unwrap();
    export.finish().unwrap();
    assert!(read(mirror.join("one/in/a.jpg.xmp")).contains("a dog"));
    assert!(read(mirror.join("two/in/a.jpg.xmp")).contains("a cat"));
    assert_eq!(fs::read_dir(folder.path().join("one/in")).unwrap().count(), 1);
}

#[test]
fn a_sidecar_of_another_program_keeps_what_it_says() {
    let folder = photos(&["a.jpg"]);
    let sidecar = folder.path().join("a.xmp");
    let old =
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF><rdf:Description xmp:Rating=\"4\"/></rdf:RDF></x:xmpmeta>";
    fs::write(&sidecar, old).unwrap();
    let mut export = Export::beside(Format::Xmp, Existing::Replace);
    export.add(&folder.path().join("a.jpg"), &caption("a dog & a cat")).unwrap();
    export.finish().unwrap();
    let new = read(&sidecar);
    assert!(new.contains("xmp:Rating=\"4\"") && new.contains("a dog &amp; a cat"));
    assert!(!folder.path().join("a.jpg.xmp").exists());

    fs::write(&sidecar, "no XML at all <").unwrap();
    let mut export = Export::beside(Format::Xmp, Existing::Replace);
    assert!(export.add(&folder.path().join("a.jpg"), &caption("a dog")).is_err());
    assert_eq!(read(&sidecar), "no XML at all <");
}

#[cfg(unix)]
#[test]
fn links_folders_and_closed_folders_are_refused_by_name() {
    let folder = photos(&["a.jpg", "b.jpg", "secret"]);
    std::os::unix::fs::symlink(folder.path().join("secret"), folder.path().join("a.txt")).unwrap();
    fs::create_dir(folder.path().join("b.txt")).unwrap();
    let mut export = Export::beside(Format::Text, Existing::Replace);
    for name in ["a", "b"] {
        let error = export.add(&folder.path().join(format!("{name}.jpg")), &caption("a dog")).unwrap_err();
        assert!(error.to_string().contains(&format!("{name}.txt")), "{error}");
    }
    assert_eq!(read(folder.path().join("secret")), "a photograph");
}
