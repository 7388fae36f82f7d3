//! Statements about two pictures in both forms that are read, and what is said about broken ones.

#![allow(clippy::unwrap_used)]

use std::fs;

use medley::data::{Picture, StatementSet, hold_out_statements, read_statements};
use medley::error::Error;
use tempfile::TempDir;

const LINES: &str = r#"{"identifier": "dev-850-0-0", "sentence": "Two dogs.", "label": "True", "synset": "dog"}
{"identifier": "dev-850-1-0", "sentence": "Two dogs.", "label": "False"}

{"identifier": "dev-850-1-1", "sentence": "The left one sleeps.", "label": "False"}
"#;

/// A folder with these pictures, whose content is not read, and these files.
fn folder(pictures: &[&str], files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in pictures.iter().map(|name| (*name, "")).chain(files.iter().copied()) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn read(folder: &TempDir, data: &str) -> Result<StatementSet, Error> {
    read_statements(&folder.path().join(data), None)
}

/// The names of the pictures below the folder.
fn pictures(set: &StatementSet, folder: &TempDir) -> Vec<[String; 2]> {
    let name = |image: &Picture| image.path().strip_prefix(folder.path()).unwrap().to_string_lossy().replace('\\', "/");
    set.examples.iter().map(|example| example.images.each_ref().map(name)).collect()
}

#[test]
fn nlvr2s_lines_name_their_pictures_by_the_identifier() {
    let names = ["850-0-img0", "850-0-img1", "850-1-img0", "850-1-img1"].map(|name| format!("dev/dev-{name}.png"));
    let folder = folder(&names.each_ref().map(String::as_str), &[("dev.json", LINES)]);
    let set = read(&folder, "dev.json").unwrap();
    assert!(set.warnings.is_empty(), "{:?}", set.warnings);
    let second = ["dev/dev-850-1-img0.png", "dev/dev-850-1-img1.png"].map(str::to_owned);
    assert_eq!(pictures(&set, &folder)[1..], [second.clone(), second]);
    let first = &set.examples[0];
    assert_eq!((first.id.as_str(), first.statement.as_str(), first.label), ("dev-850-0-0", "Two dogs.", Some(true)));
    let groups: Vec<&str> = set.examples.iter().map(|example| example.group.as_str()).collect();
    assert_eq!(groups, ["dev-850--0", "dev-850--0", "dev-850--1"]);
}

#[test]
fn a_training_picture_lies_in_a_numbered_folder() {
    let line = r#"{"identifier": "train-10171-0-0", "sentence": "One.", "label": "False", "directory": 46}"#;
    for place in ["train/46/", "46/", "images/train/46/", "images/46/", ""] {
        let names = [0, 1].map(|image| format!("{place}train-10171-0-img{image}.png"));
        let folder = folder(&names.each_ref().map(String::as_str), &[("train.json", line)]);
        assert_eq!(pictures(&read(&folder, "train.json").unwrap(), &folder), [names], "{place}");
    }
}

#[test]
fn blips_lists_name_their_pictures() {
    let list = r#"[{"images": ["dev/dev-850-0-img0.png", "dev/dev-850-0-img1.png"], "label": "True", "sentence": "a"},
        {"images": ["x/nlvr2/dev/dev-850-1-img0.png", "x/nlvr2/dev/dev-850-1-img1.png"], "label": "False", "sentence": "a"},
        {"images": ["mine/1.jpg", "mine/2.jpg"], "label": true, "sentence": "a"}, {"images": ["mine/1.jpg", "mine/2.jpg"], "sentence": "b"}]"#;
    let flat = ["dev-850-1-img0.png", "dev-850-1-img1.png"];
    let named = ["dev/dev-850-0-img0.png", "dev/dev-850-0-img1.png", "mine/1.jpg", "mine/2.jpg"];
    let folder = folder(&[&flat[..], &named].concat(), &[("nlvr_dev.json", list)]);
    let set = read(&folder, "nlvr_dev.json").unwrap();
    let found = pictures(&set, &folder);
    assert_eq!(found[0], named[..2]);
    assert_eq!(found[1], flat, "a path of another machine");
    assert_eq!(found[2], named[2..]);
    let labels: Vec<Option<bool>> = set.examples.iter().map(|example| example.label).collect();
    assert_eq!(labels, [Some(true), Some(false), Some(true), None]);
    let groups: Vec<&str> = set.examples.iter().map(|example| example.group.as_str()).collect();
    assert_eq!(groups, ["dev-850 a", "dev-850 a", "1.jpg a", "1.jpg b"]);
    assert_eq!(set.examples[3].id, "3");
}

/// A name that other pictures may have is no picture's name in another folder.
#[test]
fn a_common_name_is_not_taken_for_the_picture_of_another_folder() {
    let list = r#"[{"images": ["mine/1.jpg", "mine/2.jpg"], "label": "True", "sentence": "a"}]"#;
    let folder = folder(&["1.jpg", "2.jpg"], &[("list.json", list)]);
    assert!(matches!(read(&folder, "list.json"), Err(Error::Data { .. })));
}

#[test]
fn missing_pictures_are_a_warning_and_all_missing_an_error() {
    let half =
        folder(&["dev/dev-850-0-img0.png", "dev/dev-850-0-img1.png", "dev-850-1-img0.png"], &[("dev.json", LINES)]);
    let set = read(&half, "dev.json").unwrap();
    assert_eq!(set.examples.len(), 1);
    assert_eq!(set.warnings, ["images missing, the statements about them left out: 1 (dev-850-1-img1.png)"]);
    let none = folder(&[], &[("dev.json", LINES)]);
    let error = read(&none, "dev.json").unwrap_err().to_string();
    assert!(error.contains("--images") && error.contains("dev-850-0-img0.png") && !error.contains('\n'), "{error}");
}

#[test]
fn empty_statements_are_left_out() {
    let list = r#"[{"images": ["a.png", "b.png"], "label": "True", "sentence": " . "},
        {"images": ["a.png", "b.png"], "label": "True", "sentence": "fine"}]"#;
    let folder = folder(&["a.png", "b.png"], &[("list.json", list)]);
    let set = read(&folder, "list.json").unwrap();
    assert_eq!((set.examples.len(), &set.warnings[..]), (1, &["statements empty and left out: 1 (0)".to_owned()][..]));
}

#[test]
fn what_is_no_dataset_of_statements_is_one_line() {
    let cases = [
        ("captions.json", r#"{"images": [], "annotations": []}"#, "NLVR2's JSON lines"),
        ("empty.json", "", "no statement"),
        ("none.json", "[]", "no statement"),
        ("cut.json", "{\"identifier\": \"dev-1-0-0\", \"sent", "not the JSON"),
        ("label.json", r#"{"identifier": "dev-850-0-0", "sentence": "Two.", "label": "Maybe"}"#, "Maybe"),
        ("nameless.json", r#"{"sentence": "Two.", "label": "True"}"#, "identifier"),
        ("odd.json", r#"{"identifier": "dev", "sentence": "Two.", "label": "True"}"#, "identifier"),
        ("one.json", r#"[{"images": ["a.png"], "sentence": "Two.", "label": "True"}]"#, "length 2"),
        ("wordless.json", r#"[{"images": ["a.png", "a.png"], "sentence": "..."}]"#, "word"),
    ];
    let files = cases.map(|(name, content, _)| (name, content));
    let folder = folder(&["a.png"], &files);
    for (name, _, says) in cases {
        match read(&folder, name) {
            Err(Error::Data { path, reason }) => {
                assert!(path.ends_with(name) && !reason.contains('\n') && reason.contains(says), "{name}: {reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(matches!(read(&folder, "absent.json"), Err(Error::Read { .. })));
}

#[test]
fn a_set_of_pictures_goes_to_one_side() {
    let line = |set: usize, pair: usize| {
        format!(r#"{{"identifier": "train-{set}-{pair}-0", "sentence": "Two.", "label": "True"}}"#)
    };
    let lines: Vec<String> = (0..200).map(|place| line(place / 4, place % 4)).collect();
    let names: Vec<String> = (0..200)
        .flat_map(|place| [0, 1].map(|image| format!("train-{}-{}-img{image}.png", place / 4, place % 4)))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = folder(&names, &[("train.json", &lines.join("\n"))]);
    let (kept, held) = hold_out_statements(read(&folder, "train.json").unwrap(), 0.2, 7);
    assert_eq!((kept.examples.len(), held.examples.len()), (160, 40), "10 sets of 50");
    let sets =
        |set: &StatementSet| -> Vec<String> { set.examples.iter().map(|example| example.group.clone()).collect() };
    assert!(sets(&held).iter().all(|group| !sets(&kept).contains(group)), "a set is on both sides");
}
