//! `medley capfilt` on real pictures with tiny models: what is kept, stopping and going on, parts.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Five pictures with a caption each, a picture that is none, and the folder for results.
fn web() -> TempDir {
    let folder = TempDir::new().unwrap();
    let pictures = folder.path().join("web");
    fs::create_dir(&pictures).unwrap();
    for (index, name) in ["astronaut", "chelsea", "coffee", "chelsea", "coffee"].iter().enumerate() {
        let asset = repository().join("assets").join(format!("{name}.jpg"));
        fs::copy(asset, pictures.join(format!("{index}.jpg"))).unwrap();
        fs::write(pictures.join(format!("{index}.txt")), format!("the cat is there {index}\n")).unwrap();
    }
    folder
}

fn fixture(name: &str) -> String {
    repository().join("tests/fixtures").join(name).to_str().unwrap().to_owned()
}

fn capfilt(folder: &TempDir, out: &str, more: &[&str]) -> Output {
    let (captioner, filter) = (fixture("tiny_caption"), fixture("tiny_itm"));
    let models = ["--captioner", &captioner, "--filter", &filter];
    capfilt_by(folder, out, &[&models, more].concat())
}

/// With models of one's choice.
fn capfilt_by(folder: &TempDir, out: &str, more: &[&str]) -> Output {
    let arguments = [
        ["--data", folder.path().join("web").to_str().unwrap()].map(str::to_owned),
        ["--tokenizer".to_owned(), fixture("tokenizer/tokenizer.json")],
        ["--out".to_owned(), folder.path().join(out).to_str().unwrap().to_owned()],
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.arg("capfilt").args(arguments.concat()).args(more).env("MEDLEY_DEVICE", "cpu");
    command.output().unwrap()
}

fn merge(folder: &TempDir, out: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.args(["capfilt", "--merge", "--out", folder.path().join(out).to_str().unwrap()]).output().unwrap()
}

fn json(folder: &TempDir, out: &str, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.path().join(out).join(name)).unwrap()).unwrap()
}

fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_threshold_decides_what_is_kept() {
    let folder = web();
    assert_code(&capfilt(&folder, "all", &["--threshold", "0"]), 0);
    let pairs = json(&folder, "all", "pairs.json");
    let texts = fs::read_to_string(folder.path().join("all/texts-1-of-1.jsonl")).unwrap();
    let scores: Vec<(f64, bool)> = texts
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .flat_map(|line| line["texts"].as_array().unwrap().clone())
        .map(|text| (text["score"].as_f64().unwrap(), text["kept"].as_bool().unwrap()))
        .collect();
    assert_eq!(pairs.as_array().unwrap().len(), scores.len(), "all are kept");
    assert!(pairs[0]["image"].as_str().unwrap().ends_with("web/0.jpg"));
    assert_eq!(pairs[0]["caption"], "the cat is there 0");

    // Half way between two scores, some stay and some go.
    let mut sorted: Vec<f64> = scores.iter().map(|(score, _)| *score).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = (sorted[sorted.len() / 2 - 1] + sorted[sorted.len() / 2]) / 2.0;
    assert_code(&capfilt(&folder, "half", &["--threshold", &middle.to_string()]), 0);
    let kept = json(&folder, "half", "pairs.json").as_array().unwrap().len();
    assert_eq!(kept, scores.iter().filter(|(score, _)| *score >= middle).count());
    let summary = json(&folder, "half", "summary.json");
    let count = |source: &str, what: &str| summary["sources"][source][what].as_u64().unwrap_or(0) as usize;
    assert_eq!(count("web", "kept") + count("synthetic", "kept"), kept);
    assert_eq!(count("web", "kept") + count("web", "dropped"), 5);
}

#[test]
fn a_run_that_was_killed_goes_on_and_parts_make_the_whole() {
    let folder = web();
    assert_code(&capfilt(&folder, "whole", &[]), 0);
    let whole = json(&folder, "whole", "pairs.json");

    // Killed while it wrote its third line.
    let texts = fs::read_to_string(folder.path().join("whole/texts-1-of-1.jsonl")).unwrap();
    let third: usize = texts.lines().take(2).map(|line| line.len() + 1).sum::<usize>() + 20;
    fs::create_dir(folder.path().join("killed")).unwrap();
    fs::write(folder.path().join("killed/texts-1-of-1.jsonl"), &texts[..third]).unwrap();
    assert_code(&capfilt(&folder, "killed", &[]), 0);
    assert_eq!(json(&folder, "killed", "pairs.json"), whole);

    assert_code(&capfilt(&folder, "parts", &["--shard", "2/2"]), 0);
    let early = merge(&folder, "parts");
    assert_code(&early, 1);
    assert!(String::from_utf8_lossy(&early.stderr).contains("1 of 2 parts"));
    assert_code(&capfilt(&folder, "parts", &["--shard", "1/2"]), 0);
    assert_code(&merge(&folder, "parts"), 0);
    assert_eq!(json(&folder, "parts", "pairs.json"), whole);
}

#[test]
fn a_run_does_not_go_on_with_other_settings() {
    let folder = web();
    assert_code(&capfilt(&folder, "out", &["--threshold", "0"]), 0);
    assert_code(&capfilt(&folder, "out", &["--threshold", "0"]), 0);
    let other = capfilt(&folder, "out", &["--threshold", "0.9"]);
    assert_code(&other, 1);
    assert!(String::from_utf8_lossy(&other.stderr).contains("other settings"));
}

#[test]
fn a_bad_picture_is_named_and_the_others_are_cleaned() {
    let folder = web();
    fs::write(folder.path().join("web/9.jpg"), b"not a picture").unwrap();
    fs::write(folder.path().join("web/9.txt"), "a cat\n").unwrap();
    let output = capfilt(&folder, "out", &["--threshold", "0"]);
    assert_code(&output, 1);
    assert!(String::from_utf8_lossy(&output.stderr).contains("9.jpg"));
    let pairs = json(&folder, "out", "pairs.json");
    assert!(pairs.as_array().unwrap().len() >= 5);
    assert!(!pairs.to_string().contains("9.jpg"));
}

#[test]
fn pairs_by_people_stay_as_they_are() {
    let folder = web();
    let people = folder.path().join("web").to_str().unwrap().to_owned();
    assert_code(&capfilt(&folder, "out", &["--threshold", "1.1", "--human", &people]), 0);
    assert_eq!(json(&folder, "out", "pairs.json").as_array().unwrap().len(), 5);
    assert_eq!(json(&folder, "out", "summary.json")["sources"]["human"]["kept"], 5);
}

#[test]
fn a_captioner_alone_cannot_judge() {
    let folder = web();
    let output = capfilt_by(&folder, "out", &["--captioner", &fixture("tiny_caption")]);
    assert_code(&output, 1);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--filter"));
}

#[test]
fn a_matcher_is_no_captioner() {
    let folder = web();
    let output = capfilt_by(&folder, "out", &["--captioner", &fixture("tiny_itm")]);
    assert_code(&output, 1);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--captioner"));
}

/// The rows of the paper's Table 1.
#[test]
fn either_half_works_alone() {
    let folder = web();
    let (captioner, filter) = (fixture("tiny_caption"), fixture("tiny_itm"));
    let sources = |out: &str, more: &[&str]| {
        assert_code(&capfilt_by(&folder, out, more), 0);
        let count = |source: &str, what: &str| json(&folder, out, "summary.json")["sources"][source][what].as_u64();
        (count("web", "kept"), count("web", "dropped"), count("synthetic", "kept"))
    };
    assert_eq!(sources("neither", &["--no-filter"]), (Some(5), Some(0), None));
    assert_eq!(sources("captioner", &["--captioner", &captioner, "--no-filter"]), (Some(5), Some(0), Some(5)));
    assert_eq!(sources("filter", &["--filter", &filter, "--threshold", "1.1"]), (Some(0), Some(5), None));
}
