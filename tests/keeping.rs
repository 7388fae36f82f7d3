//! What a training run keeps when it is killed, and when a step fails.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use medley::data::{CaptionSet, epoch_order, hold_out, read_captions};
use serde_json::Value;
use tempfile::TempDir;

/// How many pictures there are; about a tenth is held out.
const PICTURES: usize = 40;

fn training(pictures: &Path, out: &Path, more: &[&str]) -> Command {
    let (data, out) = (pictures.to_str().unwrap(), out.to_str().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.args(["train", "caption", "--data", data, "--out", out, "--epochs", "1", "--batch", "1", "--lr", "1e-4"]);
    command.args(["--warmup", "1", "--freeze", "vision.*", "--no-augment", "--feature-memory", "0"]);
    command.args(["--eval-images", "1"]).args(more);
    command.env("MEDLEY_DEVICE", "cpu").env_remove("MEDLEY_MODEL");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn captioned(folder: &TempDir) -> PathBuf {
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    for (index, name) in ["astronaut", "chelsea", "coffee"].iter().cycle().take(PICTURES).enumerate() {
        fs::copy(assets.join(format!("{name}.jpg")), pictures.join(format!("{index}.jpg"))).unwrap();
        fs::write(pictures.join(format!("{index}.txt")), format!("a picture of a {name}\n")).unwrap();
    }
    pictures
}

/// Those it learns from, one a step.
fn learned(pictures: &Path) -> CaptionSet {
    hold_out(read_captions(pictures, None, None).unwrap(), 0.1, 0).0
}

/// The steps a run wrote down.
fn steps(out: &Path) -> Vec<u64> {
    let log = fs::read_to_string(out.join("log.jsonl")).unwrap();
    let record = |line: &str| serde_json::from_str::<Value>(line).ok();
    log.lines()
        .filter_map(record)
        .filter(|record| record.get("lr").is_some())
        .map(|r| r["step"].as_u64().unwrap())
        .collect()
}

#[test]
fn a_run_killed_in_the_middle_of_an_epoch_goes_on_from_there() {
    let folder = TempDir::new().unwrap();
    let (pictures, out) = (captioned(&folder), folder.path().join("run"));
    let mut killed = training(&pictures, &out, &["--save-every", "0.0001"]).spawn().unwrap();
    let since = Instant::now();
    while !out.join("state.safetensors").exists() {
        assert!(
            since.elapsed() < Duration::from_secs(300) && killed.try_wait().unwrap().is_none(),
            "nothing was saved"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    fs::remove_file(out.join("log.jsonl")).unwrap();
    let resumed = training(&pictures, &out, &["--resume"]).output().unwrap();
    assert!(resumed.status.success(), "{}", err(&resumed));
    let (steps, last) = (steps(&out), learned(&pictures).examples.len() as u64);
    assert!((2..=last).contains(&steps[0]), "{steps:?}");
    assert_eq!(steps, (steps[0]..=last).collect::<Vec<_>>());
}

#[test]
fn what_was_learned_before_a_broken_picture_is_kept() {
    let folder = TempDir::new().unwrap();
    let (pictures, out) = (captioned(&folder), folder.path().join("run"));
    let train = learned(&pictures).examples;
    let broken = train[epoch_order(train.len(), 0, 0)[20]].image.path();
    let whole = fs::read(&broken).unwrap();
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let ended = training(&pictures, &out, &[]).output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{}", err(&ended));
    let said = err(&ended);
    assert!(said.contains("saved after step 20; go on with --resume"), "{said}");
    assert!(said.contains(broken.to_str().unwrap()) && said.contains("medley data check"), "{said}");
    fs::write(&broken, whole).unwrap();
    fs::remove_file(out.join("log.jsonl")).unwrap();
    let resumed = training(&pictures, &out, &["--resume"]).output().unwrap();
    assert!(resumed.status.success(), "{}", err(&resumed));
    assert_eq!(steps(&out), (21..=train.len() as u64).collect::<Vec<_>>());
}
