//! Question datasets in every form that is read, and what is said about broken ones.

#![allow(clippy::unwrap_used)]

use std::fs;

use medley::data::{QuestionSet, hold_out_questions, holds_questions, read_questions};
use medley::error::Error;
use medley::eval::VqaPrior;
use tempfile::TempDir;

const QUESTIONS: &str = r#"{"questions": [
    {"image_id": 42, "question": "How many?", "question_id": 42001},
    {"image_id": 7, "question": "Is it red?", "question_id": 7000}]}"#;
const ANNOTATIONS: &str = r#"{"annotations": [
    {"question_id": 42001, "answer_type": "number", "question_type": "how many",
     "answers": [{"answer": "2", "answer_id": 1}, {"answer": "two", "answer_id": 2}]}]}"#;

/// A folder with two pictures named as COCO names them and one other, whose content is not read.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pictures = ["images/COCO_train2014_000000000042.jpg", "images/COCO_train2014_000000000007.jpg", "images/a.png"];
    for (name, content) in pictures.map(|name| (name, "")).iter().chain(files) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn read(folder: &TempDir, data: &str, annotations: Option<&str>) -> Result<QuestionSet, Error> {
    let annotations = annotations.map(|name| folder.path().join(name));
    read_questions(&folder.path().join(data), annotations.as_deref(), None)
}

#[test]
fn questions_of_vqa_find_their_answers_and_pictures_by_number() {
    let folder = folder(&[("q.json", QUESTIONS), ("a.json", ANNOTATIONS)]);
    let set = read(&folder, "q.json", Some("a.json")).unwrap();
    let first = &set.examples[0];
    assert!(first.image.path().ends_with("COCO_train2014_000000000042.jpg"));
    assert_eq!((first.id.as_str(), first.question.as_str()), ("42001", "How many?"));
    assert_eq!(first.answers, ["2", "two"]);
    assert_eq!((first.answer_type.as_deref(), first.question_type.as_deref()), (Some("number"), Some("how many")));
    assert!(set.examples[1].answers.is_empty());
    assert_eq!(set.warnings, ["questions that the annotations do not answer: 1 (7000)"]);
}

#[test]
fn further_questions_are_not_about_pictures_held_out() {
    let more = r#"[{"image_id": 42, "question": "which color?", "answer": "brown"},
        {"image_id": 7, "question": "what is there?", "answer": "cat"}]"#;
    let folder = folder(&[("q.json", QUESTIONS), ("more.json", more)]);
    let (mut train, held) = hold_out_questions(read(&folder, "q.json", None).unwrap(), 0.5, 0);
    assert_eq!((train.examples.len(), held.examples.len()), (1, 1));
    train.extend_beside(read(&folder, "more.json", None).unwrap(), &held);
    let pictures: Vec<String> = train.examples.iter().map(|example| example.image.name()).collect();
    assert_eq!(pictures, vec![pictures[0].clone(); 2], "two questions about one picture");
    assert_ne!(held.examples[0].image.name(), pictures[0]);
}

#[test]
fn questions_without_annotations_have_no_answers() {
    let folder = folder(&[("q.json", QUESTIONS)]);
    let set = read(&folder, "q.json", None).unwrap();
    assert!(set.examples.iter().all(|example| example.answers.is_empty()));
    assert!(set.warnings.is_empty(), "{:?}", set.warnings);
}

#[test]
fn lists_of_blip_and_of_coco_qa_are_read() {
    let list = r#"[{"image": "a.png", "question": "what?", "answer": ["cat", "cats"], "question_id": "x"},
        {"image_id": 42, "question": "which color?", "answer": "brown", "type": "color"}]"#;
    let folder = folder(&[("list.json", list)]);
    let set = read(&folder, "list.json", None).unwrap();
    assert!(set.examples[0].image.path().ends_with("images/a.png"));
    assert_eq!(
        (set.examples[0].id.as_str(), &set.examples[0].answers[..]),
        ("x", &["cat".to_owned(), "cats".into()][..])
    );
    assert_eq!((set.examples[1].id.as_str(), &set.examples[1].answers[..]), ("1", &["brown".to_owned()][..]));
    assert_eq!(set.examples[1].question_type.as_deref(), Some("color"));
}

/// BLIP's mixed lists (`vqa_dataset.py`): a question of Visual Genome was answered by one person.
#[test]
fn questions_of_visual_genome_count_a_fifth() {
    let list = r#"[{"image": "a.png", "question": "what?", "answer": ["cat", "cat", "dog"], "dataset": "vqa"},
        {"image": "a.png", "question": "who?", "answer": "me", "dataset": "vg"},
        {"image": "a.png", "question": "why?", "answer": ["so"], "dataset": "vg"},
        {"image": "a.png", "question": "where?", "answer": "here"}]"#;
    let folder = folder(&[("list.json", list)]);
    let set = read(&folder, "list.json", None).unwrap();
    let weights: Vec<f32> = set.examples.iter().map(|example| example.weight).collect();
    assert_eq!(weights, [1.0, 0.2, 0.2, 1.0]);
    assert_eq!(set.examples[2].answers, ["so"]);
}

#[test]
fn questions_are_told_from_captions() {
    let list = r#"[{"image": "a.png", "question": "what?", "answer": "cat"}]"#;
    let captions = r#"[{"image": "a.png", "caption": "a cat"}]"#;
    let folder =
        folder(&[("q.json", QUESTIONS), ("list.json", list), ("captions.json", captions), ("none.json", "[]")]);
    let holds = |name: &str| holds_questions(&folder.path().join(name));
    assert_eq!(["q.json", "list.json", "captions.json", "none.json", ""].map(holds), [true, true, false, false, false]);
}

#[test]
fn a_missing_picture_is_a_warning_and_all_missing_an_error() {
    let some = r#"[{"image": "a.png", "question": "what?"}, {"image": "b.png", "question": "who?"}]"#;
    let none = r#"[{"image": "b.png", "question": "who?"}]"#;
    let folder = folder(&[("some.json", some), ("none.json", none)]);
    let set = read(&folder, "some.json", None).unwrap();
    assert_eq!(set.examples.len(), 1);
    assert_eq!(set.warnings, ["images missing, their questions left out: 1 (b.png)"]);
    let error = read(&folder, "none.json", None).unwrap_err().to_string();
    assert!(error.contains("--images") && error.contains("b.png"), "{error}");
}

#[test]
fn what_is_no_dataset_of_questions_is_one_line() {
    let files = [
        ("captions.json", r#"{"images": [], "annotations": []}"#),
        ("empty.json", r#"{"questions": []}"#),
        ("cut.json", r#"{"questions": [{"image_id": 4"#),
        ("nameless.json", r#"[{"question": "what?"}]"#),
    ];
    let folder = folder(&files);
    for (name, _) in files {
        match read(&folder, name, None) {
            Err(Error::Data { path, reason }) => {
                assert!(path.ends_with(name) && !reason.contains('\n'), "{reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn without_looking_each_kind_of_question_gets_its_most_frequent_answer() {
    let answers = |answers: &[&str]| answers.iter().map(|answer| (*answer).to_owned()).collect::<Vec<_>>();
    let asked = [
        (answers(&["2", "two", "3"]), Some("how many")),
        (answers(&["3"]), Some("how many")),
        (answers(&["yes", "yes", "no", "yes", "yes"]), Some("is it")),
        (answers(&["a dog"]), None),
    ];
    let prior = VqaPrior::of(asked.iter().map(|(answers, kind)| (&answers[..], *kind)));
    // "2" and "two" are one answer; of two given as often, the first in the alphabet.
    assert_eq!(prior.answer(Some("how many")), "2");
    assert_eq!(prior.answer(Some("is it")), "yes");
    assert_eq!((prior.answer(Some("why")), prior.answer(None)), ("yes", "yes"));
    assert_eq!(VqaPrior::of(std::iter::empty()).answer(Some("why")), "");
}
