//! The binary on statements about two pictures and on dialogs: a tiny model is trained, goes on, and is scored.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const PICTURES: [&str; 3] = ["astronaut", "chelsea", "coffee"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.args(arguments).env("MEDLEY_DEVICE", "cpu").env_remove("MEDLEY_MODEL");
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What was printed as JSON by a command that succeeded.
fn scores(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", err(output));
    serde_json::from_str(&out(output)).unwrap()
}

/// Asserts that a command failed with one line that says this.
fn assert_refused(output: &Output, says: &str) {
    assert_eq!((output.status.code(), out(output)), (Some(1), String::new()), "{}", err(output));
    let said = err(output);
    assert!(said.contains(says) && said.lines().count() == 1, "{said}");
}

/// A model of another kind to start from, with the words every fixture shares.
fn matcher() -> Vec<String> {
    let fixtures = repository().join("tests/fixtures");
    let [model, words] = ["tiny_itm", "tokenizer/tokenizer.json"].map(|name| fixtures.join(name));
    ["--model", model.to_str().unwrap(), "--tokenizer", words.to_str().unwrap()].map(str::to_owned).to_vec()
}

fn with<'a>(arguments: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    arguments.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

struct Folder(TempDir);

impl Folder {
    /// A folder with a picture of each name under `name(picture)`.
    fn new(name: impl Fn(usize) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        for (index, picture) in PICTURES.iter().enumerate() {
            let path = folder.path().join(name(index));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(repository().join("assets").join(format!("{picture}.jpg")), path).unwrap();
        }
        Self(folder)
    }

    fn write(&self, name: &str, content: &Value) -> String {
        fs::write(self.0.path().join(name), content.to_string()).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

/// Every pair of the pictures with a statement about it, the first of which lacks a picture.
fn statements(folder: &Folder) -> String {
    let entry = |left: usize, right: usize| {
        let label = if left < right { "True" } else { "False" };
        json!({"images": [format!("p/{left}.jpg"), format!("p/{right}.jpg")], "sentence": "the cat is left.", "label": label})
    };
    let pairs = (0..9).map(|place| entry(place / 3, place % 3));
    folder.write("list.json", &std::iter::once(entry(7, 0)).chain(pairs).collect())
}

#[test]
fn a_reasoner_is_trained_and_scored() {
    let folder = Folder::new(|index| format!("p/{index}.jpg"));
    let (data, out_folder, model) = (statements(&folder), folder.path("run"), matcher());
    let train = ["train", "nlvr", "--data", &data, "--val-data", &data, "--out", &out_folder, "--epochs", "1"];
    let more = ["--batch", "4", "--accumulate", "2", "--eval-images", "6"];
    let trained = run(&with(&[&train[..], &more].concat(), &model));
    assert_eq!(trained.status.code(), Some(0), "{}", err(&trained));
    let said = err(&trained);
    assert!(said.contains("from matcher to reasoner") && said.contains("best accuracy"), "{said}");
    assert!(said.contains("9 statements to learn from, 6 to score on"), "{said}");
    assert!(said.contains("images missing, the statements about them left out: 1 (p/7.jpg)"), "{said}");
    assert!(err(&run(&train)).contains("--resume"), "the folder holds a run");

    let best = folder.path("run/best.safetensors");
    let results = folder.path("results.csv");
    let scored = run(&["eval", "nlvr", "--data", &data, "--model", &best, "--results", &results, "--json"]);
    let scores = scores(&scored);
    assert_eq!((&scores["pairs"], &scores["statements"]), (&json!(9), &json!(3)), "{scores}");
    let written = fs::read_to_string(&results).unwrap();
    let lines: Vec<(&str, &str)> = written.lines().map(|line| line.split_once(',').unwrap()).collect();
    let right = lines.iter().filter(|(id, said)| {
        let place: usize = id.parse().unwrap();
        // The one without a picture was the first.
        *said == if (place - 1) / 3 < (place - 1) % 3 { "True" } else { "False" }
    });
    assert_eq!(lines.len(), 9);
    assert!((scores["accuracy"].as_f64().unwrap() - right.count() as f64 / 9.0).abs() < 1e-9, "{scores}: {written}");
    let table = run(&["eval", "nlvr", "--data", &data, "--model", &best, "--limit", "2"]);
    assert!(out(&table).contains("of 2 pairs"), "{}", out(&table));
}

/// A dialog about each picture, named as VisDial names it, with dense annotations of its second round.
fn dialogs(folder: &Folder) -> (String, String) {
    let round = |question: usize, answer: usize| json!({"question": question, "answer": answer, "answer_options": [0, 1, 2, 3], "gt_index": answer});
    let dialog =
        |image: usize| json!({"image_id": image, "caption": "the cat", "dialog": [round(0, image % 2), round(1, 2)]});
    let data = json!({"version": "1.0", "split": "val", "data": {
        "questions": ["is the cat there", "what is it"],
        "answers": ["yes", "no", "a cat", "the dog"],
        "dialogs": (0..4).map(dialog).collect::<Vec<_>>(),
    }});
    let dense: Vec<Value> =
        (0..3).map(|image| json!({"image_id": image, "round_id": 2, "gt_relevance": [0.0, 0.0, 1.0, 0.5]})).collect();
    (folder.write("val.json", &data), folder.write("dense.json", &json!(dense)))
}

/// Two questions to a dialog model, which chooses among the same answers for each.
fn converse(folder: &Folder, model: &str) {
    let (answers, questions) = (folder.path("answers.txt"), folder.path("questions.txt"));
    fs::write(&answers, "yes\n\nno\na cat\n").unwrap();
    fs::write(&questions, "is the cat there?\n...\n\nwhat is it").unwrap();
    let picture = folder.path("images/v/VisualDialog_val2018_000000000000.jpg");
    let ask = ["ask", &picture, "--model", model, "--choose-from", &answers, "--caption", "the cat", "--json"];
    let asked = || command(&ask).stdin(File::open(&questions).unwrap()).output().unwrap();
    let answered = asked();
    assert_eq!(answered.status.code(), Some(0), "{}", err(&answered));
    let lines: Vec<Value> = out(&answered).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = |lines: &[Value]| lines.iter().map(|line| line["confidence"].as_f64().unwrap()).sum::<f64>();
    assert_eq!(lines.len(), 6, "three answers to each of two questions");
    for (lines, question) in lines.chunks(3).zip(["is the cat there?", "what is it"]) {
        assert!(lines.iter().all(|line| line["question"] == question), "{lines:?}");
        assert!((sum(lines) - 1.0).abs() < 1e-5 && lines[0]["confidence"].as_f64() >= lines[2]["confidence"].as_f64());
    }
    // What was said before is read: asked alone, the second question has other probabilities.
    fs::write(&questions, "what is it").unwrap();
    let alone: Value = serde_json::from_str(out(&asked()).lines().next().unwrap()).unwrap();
    assert!(lines[3..].iter().all(|line| line["confidence"] != alone["confidence"]), "{lines:?} {alone}");
    assert_refused(&run(&["ask", &picture, "is it there?", "--model", model]), "--choose-from");
}

#[test]
fn a_dialog_model_is_trained_goes_on_and_is_scored() {
    let folder = Folder::new(|index| format!("images/v/VisualDialog_val2018_00000000000{index}.jpg"));
    let ((data, dense), out_folder, model) = (dialogs(&folder), folder.path("run"), matcher());
    let train = ["train", "dialog", "--data", &data, "--val-data", &data, "--val-dense", &dense, "--out", &out_folder];
    let more = ["--epochs", "1", "--batch", "2", "--rounds", "2", "--wrong-answers", "2"];
    let arguments = [&train[..], &more].concat();
    let trained = run(&with(&arguments, &model));
    assert_eq!(trained.status.code(), Some(0), "{}", err(&trained));
    let said = err(&trained);
    assert!(said.contains("from matcher to dialog model: it has every weight"), "{said}");
    assert!(said.contains("3 dialogs to learn from, 3 to score on") && said.contains("NDCG"), "{said}");
    assert!(said.contains("images missing, the dialogs about them left out: 1 (3)"), "{said}");
    let again = run(&[&arguments[..], &["--resume"]].concat());
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));

    let best = folder.path("run/best.safetensors");
    let about = run(&["inspect", &best]);
    assert!(out(&about).contains("dialog model"), "{}", out(&about));
    let results = folder.path("ranks.json");
    let score = ["eval", "dialog", "--data", &data, "--dense", &dense, "--model", &best, "--results", &results];
    let scores = scores(&run(&[&score[..], &["--json"]].concat()));
    assert_eq!((&scores["rounds"], &scores["dense_rounds"]), (&json!(6), &json!(3)), "{scores}");
    let written: Vec<Value> = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
    assert_eq!(written.len(), 6);
    assert_eq!((&written[3]["image_id"], &written[3]["round_id"]), (&json!(1), &json!(2)));
    let mut right = Vec::new();
    for result in &written {
        let ranks: Vec<u64> = serde_json::from_value(result["ranks"].clone()).unwrap();
        let answer = if result["round_id"] == 2 { 2 } else { result["image_id"].as_u64().unwrap() as usize % 2 };
        right.push(ranks[answer] as f64);
        let mut sorted = ranks;
        sorted.sort_unstable();
        assert_eq!(sorted, [1, 2, 3, 4]);
    }
    let mean = right.iter().sum::<f64>() / 6.0;
    assert!((scores["mean_rank"].as_f64().unwrap() - mean).abs() < 1e-9, "{scores}: {right:?}");
    converse(&folder, &best);
    let table = run(&[&score[..], &["--overwrite"]].concat());
    assert!(out(&table).contains("MRR") && out(&table).contains("of 3 rounds"), "{}", out(&table));
}

#[test]
fn what_cannot_be_scored_or_learned_is_one_line() {
    let folder = Folder::new(|index| format!("p/{index}.jpg"));
    let model = matcher();
    let hidden = folder.write("hidden.json", &json!([{"images": ["p/0.jpg", "p/1.jpg"], "sentence": "the cat"}]));
    let out_folder = folder.path("run");
    assert_refused(&run(&["train", "nlvr", "--data", &hidden, "--out", &out_folder]), "no labels to learn from");
    let known = folder
        .write("known.json", &json!([{"images": ["p/0.jpg", "p/1.jpg"], "sentence": "the cat", "label": "True"}]));
    let scored_on_hidden = ["train", "nlvr", "--data", &known, "--val-data", &hidden, "--out", &out_folder];
    assert_refused(&run(&scored_on_hidden), "hidden.json has no labels to score against");
    let nlvr = repository().join("tests/fixtures/tiny_nlvr/nlvr.safetensors").to_str().unwrap().to_owned();
    let reasoner = ["--model".to_owned(), nlvr, model[2].clone(), model[3].clone()];
    let eval = ["eval", "nlvr", "--data", &hidden];
    assert_refused(&run(&with(&eval, &reasoner)), "--results");
    let written = run(&with(&[&eval[..], &["--results", &folder.path("p.csv")]].concat(), &reasoner));
    assert_eq!(written.status.code(), Some(0), "{}", err(&written));
    assert!(fs::read_to_string(folder.path("p.csv")).unwrap().starts_with("0,"), "the prediction is written");
    assert_refused(&run(&with(&eval, &model)), "model_base_nlvr.pth");

    let round = json!({"question": 0, "answer_options": [0, 1]});
    let asked = |round: Value| {
        json!({"data": {"questions": ["what"], "answers": ["a", "b"],
            "dialogs": [{"image_id": "p/0.jpg", "caption": "c", "dialog": [round]}]}})
    };
    let hidden = folder.write("dialog.json", &asked(round));
    assert_refused(&run(&["train", "dialog", "--data", &hidden, "--out", &out_folder]), "no gt_index to learn from");
    assert_refused(&run(&with(&["eval", "dialog", "--data", &hidden], &model)), "medley train dialog");
    let beyond = folder.write("beyond.json", &asked(json!({"question": 0, "answer_options": [0], "gt_index": 5})));
    assert_refused(&run(&["eval", "dialog", "--data", &beyond]), "gt_index 5 of 1 answer_options");
    assert!(!Path::new(&out_folder).exists(), "a refused run leaves nothing");
}
