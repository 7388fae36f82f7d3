//! Dialogs of VisDial 1.0 as they are read, and what is said about broken ones.

#![allow(clippy::unwrap_used)]

use std::fs;

use medley::data::{DialogSet, hold_out_dialogs, read_dialogs};
use medley::error::Error;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Two dialogs: of the second nothing is known but what is to be asked last, as in the hidden test set.
fn visdial() -> Value {
    json!({"version": "1.0", "split": "val", "data": {
        "questions": ["is it red", "how many"],
        "answers": ["yes", "no", "two", "2 of them"],
        "dialogs": [
            {"image_id": 185565, "caption": "a red bus", "dialog": [
                {"question": 0, "answer": 0, "answer_options": [1, 0, 2], "gt_index": 1},
                {"question": 1, "answer": 2, "answer_options": [2, 3, 1], "gt_index": 0}]},
            {"image_id": 42, "caption": "dogs", "dialog": [
                {"question": 1, "answer": 3},
                {"question": 0, "answer_options": [0, 1, 3]}]}
        ]
    }})
}

fn dense() -> Value {
    json!([{"image_id": 185565, "round_id": 2, "gt_relevance": [1.0, 0.5, 0.0]}])
}

const PICTURES: [&str; 2] =
    ["images/VisualDialog_val2018/VisualDialog_val2018_000000185565.jpg", "images/COCO_train2014_000000000042.jpg"];

/// A folder with these pictures, whose content is not read, and these files.
fn folder(pictures: &[&str], files: &[(&str, Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = files.iter().map(|(name, content)| (*name, content.to_string()));
    for (name, content) in pictures.iter().map(|name| (*name, String::new())).chain(files) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn read(folder: &TempDir, data: &str, dense: Option<&str>) -> Result<DialogSet, Error> {
    let dense = dense.map(|name| folder.path().join(name));
    read_dialogs(&folder.path().join(data), dense.as_deref(), None)
}

#[test]
fn rounds_name_their_texts_and_pictures_are_found_by_number() {
    let folder = folder(&PICTURES, &[("val.json", visdial()), ("dense.json", dense())]);
    let set = read(&folder, "val.json", Some("dense.json")).unwrap();
    assert!(set.warnings.is_empty(), "{:?}", set.warnings);
    for (example, picture) in set.examples.iter().zip(PICTURES) {
        assert_eq!(example.image.path(), folder.path().join(picture));
    }
    let [first, second] = &set.examples[..] else { panic!("two dialogs") };
    assert_eq!((first.id.as_str(), first.caption.as_str()), ("185565", "a red bus"));
    let round = &first.rounds[1];
    assert_eq!((&set.questions[round.question][..], &set.answers[round.answer.unwrap()][..]), ("how many", "two"));
    assert_eq!((&round.options[..], round.right), (&[2, 3, 1][..], Some(0)));
    assert_eq!(round.relevance.as_deref(), Some(&[1.0, 0.5, 0.0][..]));
    assert_eq!(first.rounds[0].relevance, None);
    assert!(second.rounds[0].options.is_empty(), "history alone");
    assert_eq!((second.rounds[1].answer, second.rounds[1].right), (None, None));
}

/// The dense annotations of the training set say `relevance`.
#[test]
fn dense_annotations_have_two_names_for_the_same() {
    let annotations = json!([{"image_id": 185565, "round_id": 1, "relevance": [0.0, 1.0, 0.0]},
        {"image_id": 185565, "round_id": 3, "relevance": [0.0]}, {"image_id": 1, "round_id": 1, "relevance": []}]);
    let folder = folder(&PICTURES, &[("val.json", visdial()), ("dense.json", annotations)]);
    let set = read(&folder, "val.json", Some("dense.json")).unwrap();
    assert!(set.examples[0].rounds[0].relevance.is_some());
    let strangers = "dense annotations of rounds that are not in the dialogs: 2 (185565 round 3, 1 round 1)";
    assert_eq!(set.warnings, [strangers]);
}

#[test]
fn a_picture_of_ones_own_is_found_by_its_name() {
    let mut mine = visdial();
    mine["data"]["dialogs"][0]["image_id"] = json!("bus.png");
    let folder = folder(&["images/bus.png"], &[("mine.json", mine)]);
    let set = read(&folder, "mine.json", None).unwrap();
    assert_eq!((set.examples.len(), set.examples[0].id.as_str()), (1, "bus.png"));
    assert_eq!(set.warnings, ["images missing, the dialogs about them left out: 1 (42)"]);
}

#[test]
fn all_pictures_missing_is_an_error() {
    let folder = folder(&[], &[("val.json", visdial())]);
    let error = read(&folder, "val.json", None).unwrap_err().to_string();
    assert!(error.contains("--images") && error.contains("185565") && !error.contains('\n'), "{error}");
}

#[test]
fn a_dialog_with_an_empty_question_is_left_out() {
    let mut data = visdial();
    data["data"]["questions"].as_array_mut().unwrap().push(json!(" ... "));
    data["data"]["dialogs"][1]["dialog"][0]["question"] = json!(2);
    let folder = folder(&PICTURES, &[("val.json", data)]);
    let set = read(&folder, "val.json", None).unwrap();
    assert_eq!(
        (set.examples.len(), &set.warnings[..]),
        (1, &["dialogs with an empty question, left out: 1 (42)".to_owned()][..])
    );
}

/// What a change of the first dialog makes the reader say.
fn complaint(change: impl Fn(&mut Value)) -> String {
    let mut data = visdial();
    change(&mut data["data"]);
    let folder = folder(&PICTURES, &[("val.json", data)]);
    match read(&folder, "val.json", None) {
        Err(Error::Data { path, reason }) => {
            assert!(path.ends_with("val.json") && !reason.contains('\n'), "{reason}");
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn places_beyond_the_lists_are_named() {
    let round = |data: &mut Value, key: &str, value: Value| data["dialogs"][0]["dialog"][1][key] = value;
    let beyond = complaint(|data| round(data, "gt_index", json!(3)));
    assert_eq!(beyond, "dialog about image 185565, round 2: gt_index 3 of 3 answer_options, counted from 0");
    let none = complaint(|data| round(data, "answer_options", json!([])));
    assert!(none.contains("gt_index 0 of 0 answer_options"), "{none}");
    assert!(complaint(|data| round(data, "question", json!(2))).contains("question 2 of 2"));
    assert!(complaint(|data| round(data, "answer", json!(4))).contains("answer 4 of 4"));
    assert!(complaint(|data| round(data, "answer_options", json!([0, 1, 9]))).contains("answer 9 of 4"));
}

#[test]
fn what_is_no_set_of_dialogs_is_one_line() {
    assert!(complaint(|data| data["dialogs"] = json!([])).contains("no dialog"));
    let bare = complaint(|data| {
        for dialog in data["dialogs"].as_array_mut().unwrap() {
            dialog["dialog"] = json!([{"question": 0, "answer": 0}]);
        }
    });
    assert!(bare.contains("no round in it has answer_options"), "{bare}");
    assert!(complaint(|data| data["questions"] = json!(["", "."])).contains("empty question"));
    assert!(complaint(|data| *data = json!({"dialogs": []})).contains("missing field"));
}

#[test]
fn dense_annotations_of_another_length_are_an_error() {
    let short = json!([{"image_id": 185565, "round_id": 1, "gt_relevance": [1.0]}]);
    let folder = folder(&PICTURES, &[("val.json", visdial()), ("dense.json", short)]);
    let error = read(&folder, "val.json", Some("dense.json")).unwrap_err().to_string();
    assert!(error.contains("dense.json") && error.contains("1 relevances for 3 options"), "{error}");
}

#[test]
fn dialogs_are_held_out_by_picture_and_keep_their_texts() {
    let folder = folder(&PICTURES, &[("val.json", visdial())]);
    let set = read(&folder, "val.json", None).unwrap();
    let (kept, held) = hold_out_dialogs(set.clone(), 0.01, 3);
    assert_eq!((kept.examples.len(), held.examples.len()), (1, 1), "a side is never empty");
    assert_eq!((&kept.answers, &held.questions), (&set.answers, &set.questions));
    let (all, none) = hold_out_dialogs(set, 0.0, 3);
    assert_eq!((all.examples.len(), none.examples.len()), (2, 0));
}
