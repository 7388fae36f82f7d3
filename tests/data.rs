//! Caption datasets in every form that is read, and what is said about broken ones.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use medley::data::{CaptionExample, CaptionSet, epoch_order, has_splits, hold_out, read_captions, splits};
use medley::error::Error;
use tempfile::TempDir;

/// A folder with these files in it; the content of pictures is not read.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn read(folder: &TempDir, name: &str) -> CaptionSet {
    read_captions(&folder.path().join(name), None, None).unwrap()
}

/// The path and the reason of the error that reading gives.
fn complaint(folder: &TempDir, name: &str, images: Option<&str>, split: Option<&str>) -> (PathBuf, String) {
    let images = images.map(|images| folder.path().join(images));
    match read_captions(&folder.path().join(name), images.as_deref(), split) {
        Err(Error::Data { path, reason }) => {
            assert!(!reason.contains('\n'), "{reason:?} is longer than a line");
            (path, reason)
        }
        other => panic!("{other:?} is no complaint about the data"),
    }
}

fn reason(folder: &TempDir, name: &str) -> String {
    complaint(folder, name, None, None).1
}

/// Names of the images below a folder, with their captions.
fn contents<'a>(set: &'a CaptionSet, folder: &Path) -> Vec<(String, Vec<&'a str>)> {
    let name = |example: &CaptionExample| {
        example.image.path().strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/")
    };
    set.examples.iter().map(|example| (name(example), example.captions.iter().map(String::as_str).collect())).collect()
}

const KARPATHY: &str = r#"{"dataset": "flickr", "images": [
    {"filename": "a.jpg", "split": "train", "sentences": [{"raw": "A dog ."}, {"raw": "A wet dog ."}]},
    {"filename": "b.jpg", "split": "restval", "sentences": [{"raw": "A cat ."}]},
    {"filename": "c.jpg", "split": "val", "sentences": [{"raw": "A cow ."}]},
    {"filename": "d.jpg", "split": "test", "sentences": [{"raw": "A pig ."}]}
]}"#;

fn karpathy() -> TempDir {
    folder(&[("set.json", KARPATHY), ("a.jpg", ""), ("b.jpg", ""), ("c.jpg", ""), ("d.jpg", "")])
}

/// A set of photographs by number, none of which needs to exist.
fn numbered(total: usize) -> CaptionSet {
    let example = |number: usize| CaptionExample {
        image: PathBuf::from(format!("{number}.jpg")).into(),
        captions: vec![format!("number {number}")],
        id: number.to_string(),
    };
    CaptionSet { examples: (0..total).map(example).collect(), warnings: vec!["odd".to_owned()] }
}

// ---- forms ----

#[test]
fn a_karpathy_file_is_read_split_by_split() {
    let folder = karpathy();
    let split = |name: &str| read_captions(&folder.path().join("set.json"), None, Some(name)).unwrap();
    let train = split("train");
    assert_eq!(
        contents(&train, folder.path()),
        [("a.jpg".to_owned(), vec!["A dog .", "A wet dog ."]), ("b.jpg".to_owned(), vec!["A cat ."])]
    );
    assert_eq!(split("val").examples.len(), 1);
    assert_eq!(split("restval").examples.len(), 1);
    assert_eq!(split("validation"), split("val"));
    assert_eq!(read(&folder, "set.json").examples.len(), 4);
}

#[test]
fn a_karpathy_file_of_coco_names_the_folder_and_the_number() {
    let json = r#"{"images": [{"filename": "a.jpg", "filepath": "val2014", "cocoid": 391895, "split": "test",
        "sentences": [{"raw": "A man"}]}]}"#;
    let folder = folder(&[("dataset_coco.json", json), ("images/val2014/a.jpg", "")]);
    let set = read(&folder, "dataset_coco.json");
    assert_eq!(set.examples[0].id, "391895");
    assert_eq!(set.examples[0].image.path(), folder.path().join("images/val2014/a.jpg"));
}

#[test]
fn coco_annotations_are_joined_to_their_images() {
    let json = r#"{"images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "annotations": [{"id": 1, "image_id": 8, "caption": "two"}, {"id": 2, "image_id": 7, "caption": "one"},
                        {"id": 3, "image_id": 8, "caption": "too"}, {"id": 4, "image_id": 9, "caption": "lost"}]}"#;
    let folder = folder(&[("annotations/captions.json", json), ("images/a.jpg", ""), ("images/b.jpg", "")]);
    let set = read(&folder, "annotations/captions.json");
    let ids: Vec<&str> = set.examples.iter().map(|example| example.id.as_str()).collect();
    assert_eq!(ids, ["7", "8"]);
    assert_eq!(set.examples[1].captions, ["two", "too"]);
    assert_eq!(set.warnings, ["captions of images that the file does not list, left out: 1"]);
}

#[test]
fn a_list_of_pairs_takes_one_caption_or_several() {
    let json = r#"[{"image": "a.jpg", "caption": "one"}, {"image": "b.jpg", "caption": ["two", "too"], "image_id": "b"},
        {"image": "a.jpg", "caption": "uno"}]"#;
    let folder = folder(&[("pairs.json", json), ("a.jpg", ""), ("b.jpg", "")]);
    assert_eq!(
        contents(&read(&folder, "pairs.json"), folder.path()),
        [("a.jpg".to_owned(), vec!["one", "uno"]), ("b.jpg".to_owned(), vec!["two", "too"])]
    );
}

#[test]
fn lines_of_json_are_read_whatever_the_file_is_called() {
    let lines =
        "\u{feff}{\"file_name\": \"a.jpg\", \"text\": \"one\"}\n\n{\"file_name\": \"b.jpg\", \"caption\": [\"two\"]}\n";
    for name in ["metadata.jsonl", "list.txt"] {
        let folder = folder(&[(name, lines), ("a.jpg", ""), ("b.jpg", "")]);
        assert_eq!(read(&folder, name).examples.len(), 2, "{name}");
    }
}

#[test]
fn a_folder_is_read_with_its_text_files() {
    let folder = folder(&[
        ("b.PNG", ""),
        ("b.txt", "one\n\n  two  \n"),
        ("a/c.jpg", ""),
        ("a/c.jpg.txt", "three"),
        ("d.jpg", ""),
        ("e.heic", ""),
        ("notes.txt", "not a caption"),
    ]);
    let set = read(&folder, "");
    assert_eq!(
        contents(&set, folder.path()),
        [("a/c.jpg".to_owned(), vec!["three"]), ("b.PNG".to_owned(), vec!["one", "  two  "])]
    );
    assert_eq!(set.warnings[0], "pictures without a .txt beside them, left out: 1 (d.jpg)");
    assert_eq!(set.warnings[1], "HEIC and AVIF pictures, left out: save them as JPEG: 1 (e.heic)");
}

#[test]
fn a_folder_with_metadata_is_read_by_it() {
    let line = r#"{"file_name": "x.jpg", "text": "one"}"#;
    let folder = folder(&[
        ("train/metadata.jsonl", line),
        ("train/x.jpg", ""),
        ("test/metadata.jsonl", line),
        ("test/x.jpg", ""),
    ]);
    assert_eq!(splits(folder.path()).unwrap(), ["test", "train"]);
    let train = read_captions(folder.path(), None, Some("train")).unwrap();
    assert_eq!(contents(&train, folder.path()), [("train/x.jpg".to_owned(), vec!["one"])]);
}

#[test]
fn a_folder_of_trains_is_no_split() {
    let folder =
        folder(&[("train/a.jpg", ""), ("train/a.txt", "a train"), ("boat/b.jpg", ""), ("boat/b.txt", "a boat")]);
    assert!(!has_splits(folder.path()).unwrap());
}

#[test]
fn splits_are_listed_once_each() {
    let folder = karpathy();
    assert_eq!(splits(&folder.path().join("set.json")).unwrap(), ["train", "val", "test"]);
}

// ---- images ----

#[test]
fn a_named_folder_is_the_only_one_searched() {
    let folder = folder(&[("p.json", r#"[{"image": "a.jpg", "caption": "one"}]"#), ("a.jpg", ""), ("else/a.jpg", "")]);
    let images = folder.path().join("else");
    let set = read_captions(&folder.path().join("p.json"), Some(&images), None).unwrap();
    assert_eq!(set.examples[0].image.path(), images.join("a.jpg"));
}

#[test]
fn images_of_another_machine_are_found_by_their_names() {
    let json = r#"[{"image": "/export/home/someone/coco/a.jpg", "caption": "one"}]"#;
    let folder = folder(&[("p.json", json), ("images/a.jpg", "")]);
    assert_eq!(read(&folder, "p.json").examples[0].image.path(), folder.path().join("images/a.jpg"));
}

#[test]
fn equal_names_in_lost_folders_are_not_confused() {
    let json = r#"[{"image": "x/1.jpg", "caption": "one"}, {"image": "y/1.jpg", "caption": "two"}, {"image": "2.jpg", "caption": "three"}]"#;
    let folder = folder(&[("p.json", json), ("1.jpg", ""), ("2.jpg", "")]);
    let set = read(&folder, "p.json");
    assert_eq!(contents(&set, folder.path()), [("2.jpg".to_owned(), vec!["three"])]);
    assert_eq!(set.warnings, ["images missing and left out: 2 (x/1.jpg, y/1.jpg)"]);
}

#[test]
fn missing_images_are_counted_and_named() {
    let folder = karpathy();
    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let set = read(&folder, "set.json");
    assert_eq!(set.examples.len(), 1);
    assert_eq!(set.warnings, ["images missing and left out: 3 (a.jpg, b.jpg, c.jpg)"]);
}

#[test]
fn without_any_image_the_complaint_says_where_it_looked() {
    let folder = folder(&[("p.json", r#"[{"image": "a.jpg", "caption": "one"}]"#)]);
    let reason = reason(&folder, "p.json");
    assert!(
        reason.contains("not one of its images") && reason.contains("--images") && reason.contains("a.jpg"),
        "{reason}"
    );
}

#[test]
fn a_missing_images_folder_is_named() {
    let folder = karpathy();
    let (path, reason) = complaint(&folder, "set.json", Some("nowhere"), None);
    assert_eq!(path, folder.path().join("nowhere"));
    assert!(reason.contains("no such folder"), "{reason}");
}

// ---- complaints ----

#[test]
fn empty_captions_are_left_out_with_a_warning() {
    let json = r#"[{"image": "a.jpg", "caption": ["one", " ", ""]}, {"image": "b.jpg", "caption": ""}]"#;
    let folder = folder(&[("p.json", json), ("a.jpg", ""), ("b.jpg", "")]);
    let set = read(&folder, "p.json");
    assert_eq!(contents(&set, folder.path()), [("a.jpg".to_owned(), vec!["one"])]);
    assert_eq!(
        set.warnings,
        ["captions empty and left out: 3 (a.jpg, a.jpg, b.jpg)", "images without a caption, left out: 1 (b.jpg)"]
    );
}

#[test]
fn a_dataset_without_captions_is_refused() {
    let folder = folder(&[("p.json", r#"[{"image": "a.jpg"}, {"image": "b.jpg", "caption": null}]"#), ("a.jpg", "")]);
    assert_eq!(reason(&folder, "p.json"), "no image in it has a caption");
}

#[test]
fn an_unknown_split_is_answered_with_the_known_ones() {
    let folder = karpathy();
    let (_, reason) = complaint(&folder, "set.json", None, Some("dev2"));
    assert_eq!(reason, "has no split called dev2; it has train, val, test");
}

#[test]
fn a_split_of_data_without_splits_is_refused() {
    let folder = folder(&[("p.json", r#"[{"image": "a.jpg", "caption": "one"}]"#), ("a.jpg", "")]);
    let (_, reason) = complaint(&folder, "p.json", None, Some("val"));
    assert!(reason.starts_with("has no splits"), "{reason}");
}

#[test]
fn malformed_json_is_shown_by_line_and_column() {
    let folder = folder(&[
        ("cut.json", "[{\"image\": \"a.jpg\",\n  \"caption\": "),
        ("wrong.json", "[{\"image\": \"a.jpg\", \"caption\": 5}]"),
        ("lines.jsonl", "{\"file_name\": \"a.jpg\", \"text\": \"one\"}\n{\"file_name\" \"b.jpg\"}\n"),
        ("karpathy.json", "{\"images\": [\n{\"filename\": \"a.jpg\"}]}"),
    ]);
    for (name, place) in
        [("cut.json", "line 2"), ("wrong.json", "line 1"), ("lines.jsonl", "line 2"), ("karpathy.json", "line 2")]
    {
        let reason = reason(&folder, name);
        assert!(reason.contains(place) && reason.contains("column"), "{name}: {reason}");
    }
}

#[test]
fn files_that_hold_something_else_are_told_apart() {
    let folder = folder(&[
        ("empty.json", " \n"),
        ("none.json", "[]"),
        ("questions.json", r#"{"questions": []}"#),
        ("other.json", r#"{"a": 1}"#),
        ("plain.txt", "a dog"),
        ("urls.json", r#"[{"url": "http://example.com/a.jpg", "caption": "one"}]"#),
    ]);
    for (name, part) in [
        ("empty.json", "empty"),
        ("none.json", "no image"),
        ("questions.json", "questions"),
        ("other.json", "has no \"images\""),
        ("plain.txt", "no known form"),
        ("urls.json", "SHA-256"),
    ] {
        let reason = reason(&folder, name);
        assert!(reason.contains(part), "{name}: {reason}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let folder = folder(&[]);
    fs::write(folder.path().join("a.json"), [0xff, 0xd8, 0xff]).unwrap();
    assert_eq!(reason(&folder, "a.json"), "not a text in UTF-8");
}

#[test]
fn a_folder_without_text_files_points_to_the_file_in_it() {
    let with_json = folder(&[("a.jpg", ""), ("dataset.json", KARPATHY)]);
    assert!(reason(&with_json, "").contains("dataset.json"));
    let bare = folder(&[("a.jpg", "")]);
    assert_eq!(reason(&bare, ""), "no picture in this folder has a .txt with captions beside it");
    assert_eq!(reason(&folder(&[]), ""), "no picture in this folder");
    assert!(reason(&folder(&[("1.HEIC", ""), ("1.txt", "a")]), "").starts_with("all pictures in this folder"));
}

#[test]
fn a_path_that_does_not_exist_cannot_be_read() {
    let folder = folder(&[]);
    assert!(matches!(read_captions(&folder.path().join("nothing.json"), None, None), Err(Error::Read { .. })));
}

// ---- parts and orders ----

#[test]
fn held_out_photographs_are_a_tenth_and_on_one_side_only() {
    let (rest, held) = hold_out(numbered(100), 0.1, 0);
    assert_eq!((rest.examples.len(), held.examples.len()), (90, 10));
    assert!(held.examples.iter().all(|example| !rest.examples.contains(example)));
    assert_eq!(rest.warnings, ["odd"]);
}

#[test]
fn which_are_held_out_depends_on_names_and_seed_alone() {
    let ids = |set: &CaptionSet| {
        let mut ids: Vec<String> = set.examples.iter().map(|example| example.id.clone()).collect();
        ids.sort();
        ids
    };
    let mut reversed = numbered(50);
    reversed.examples.reverse();
    let held = ids(&hold_out(numbered(50), 0.2, 3).1);
    assert_eq!(held, ids(&hold_out(reversed, 0.2, 3).1));
    assert_ne!(held, ids(&hold_out(numbered(50), 0.2, 4).1));
}

#[test]
fn neither_side_is_left_without_photographs() {
    let sizes = |total, fraction| {
        let (rest, held) = hold_out(numbered(total), fraction, 0);
        (rest.examples.len(), held.examples.len())
    };
    assert_eq!(sizes(3, 0.1), (2, 1));
    assert_eq!(sizes(3, 1.0), (1, 2));
    assert_eq!(sizes(1, 0.1), (1, 0));
    assert_eq!(sizes(5, 0.0), (5, 0));
    assert_eq!(sizes(0, 0.1), (0, 0));
}

#[test]
fn an_epoch_visits_every_example_once() {
    for len in [0, 1, 2, 7, 1000] {
        let mut order = epoch_order(len, 5, 3);
        order.sort_unstable();
        assert_eq!(order, (0..len).collect::<Vec<_>>());
    }
}

#[test]
fn orders_differ_by_epoch_and_by_seed() {
    let orders = [epoch_order(100, 0, 0), epoch_order(100, 0, 1), epoch_order(100, 1, 0), epoch_order(100, 1, 1)];
    for (place, order) in orders.iter().enumerate() {
        assert!(!orders[place + 1..].contains(order));
    }
}

/// A run that is resumed on another machine must go on where it was.
#[test]
fn an_order_is_the_same_everywhere() {
    assert_eq!(epoch_order(10, 42, 7), [0, 2, 4, 1, 5, 3, 8, 7, 6, 9]);
}

#[test]
fn every_place_is_equally_likely() {
    let mut counts = [0; 5];
    for epoch in 0..5000 {
        counts[epoch_order(5, 9, epoch)[0]] += 1;
    }
    // A fifth of 5000 with a standard deviation of 28.
    assert!(counts.iter().all(|count| (880..1120).contains(count)), "{counts:?}");
}
