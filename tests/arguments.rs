//! What the binary makes of its arguments: which files they name, what it refuses, and what it leaves as it was.

#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

fn medley<A: AsRef<OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.args(arguments).env("MEDLEY_DEVICE", "cpu").env_remove("MEDLEY_MODEL").stdin(Stdio::null());
    command
}

fn run<A: AsRef<OsStr>>(arguments: &[A]) -> Output {
    medley(arguments).output().unwrap()
}

/// Runs with this on standard input.
fn run_with_list(arguments: &[&str], list: &[u8]) -> Output {
    let pipe = Stdio::piped;
    let mut child = medley(arguments).stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(list).unwrap();
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// Asserts that nothing was done, and that the reason is said in one line.
fn assert_refused(output: &Output, says: &str) {
    assert_eq!((code(output), out(output)), (Some(1), String::new()), "{}", err(output));
    assert!(err(output).contains(says) && err(output).lines().count() == 1, "{}", err(output));
}

/// Asserts that the command was called wrong, and that the message holds all of these.
fn assert_wrong(output: &Output, says: &[&str]) {
    assert_eq!((code(output), out(output)), (Some(2), String::new()), "{says:?}: {}", err(output));
    assert!(says.iter().all(|word| err(output).contains(word)), "{says:?}: {}", err(output));
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn asset(name: &str) -> String {
    repository().join("assets").join(name).to_str().unwrap().to_owned()
}

/// Arguments with a fixture's model, and the words every fixture shares.
fn with_tiny(arguments: &[&str], name: &str) -> Vec<String> {
    let fixtures = repository().join("tests/fixtures");
    let [model, words] = [name, "tokenizer/tokenizer.json"].map(|name| fixtures.join(name).display().to_string());
    let model = ["--model".to_owned(), model, "--tokenizer".to_owned(), words];
    arguments.iter().map(|argument| (*argument).to_owned()).chain(model).collect()
}

/// A folder with pictures of these names.
fn folder(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(asset("coffee.jpg"), path).unwrap();
    }
    folder
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_number_out_of_range_is_wrong_usage_and_its_option_is_named() {
    let picture = asset("coffee.jpg");
    let cases: [(&[&str], &str); 15] = [
        (&["--beams", "0"], "--beams"),
        (&["-n", "0"], "--count"),
        (&["--sample", "--top-p", "0"], "--top-p"),
        (&["--sample", "--top-p", "1.5"], "--top-p"),
        (&["--sample", "--temperature", "0"], "--temperature"),
        (&["--sample", "--temperature", "-1"], "must be a number above 0"),
        (&["--sample", "--top-k", "-1"], "--top-k"),
        (&["--min-length", "30"], "--min-length 30"),
        (&["--max-length", "0"], "--max-length"),
        (&["--repetition-penalty", "0"], "--repetition-penalty"),
        (&["--length-penalty", "nan"], "--length-penalty"),
        (&["--image-size", "0"], "--image-size"),
        (&["--image-size", "7"], "image size"),
        (&["--max-pixels", "0"], "--max-pixels"),
        (&["--beams", "100000"], "beams"),
    ];
    for (options, named) in cases {
        let output = run(&[&["caption", picture.as_str()][..], options].concat());
        assert_wrong(&output, &[named]);
        assert!(!err(&output).contains("unexpected argument"), "{}", err(&output));
    }
}

#[test]
fn a_training_setting_out_of_range_is_wrong_usage() {
    let folder = folder(&["0.jpg", "1.jpg"]);
    (0..2).for_each(|index| fs::write(path(&folder, &format!("{index}.txt")), "a cup\n").unwrap());
    let (data, out) = (path(&folder, ""), path(&folder, "run"));
    for (option, value, named) in [
        ("--epochs", "0", "epochs"),
        ("--batch", "0", "batch"),
        ("--label-smoothing", "2", "label smoothing"),
        ("--lr", "-1", "learning rate"),
    ] {
        let output = run(&["train", "caption", "--data", &data, "--out", &out, option, value]);
        assert_eq!(code(&output), Some(2), "{}", err(&output));
        assert!(err(&output).contains(named), "{}", err(&output));
    }
}

#[test]
fn more_texts_than_beams_names_both_options() {
    assert_wrong(&run(&["caption", &asset("coffee.jpg"), "-n", "4"]), &["-n 4", "--beams 3"]);
}

#[test]
fn a_longest_length_below_the_usual_shortest_is_no_contradiction() {
    let output = run(&["caption", &asset("coffee.jpg"), "--prompt", "", "--max-length", "3"]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let help = out(&run(&["caption", "--help"]));
    assert!(help.contains("[default: 20, of an answer 10]"), "{help}");
}

#[test]
fn options_of_the_other_way_to_write_are_refused() {
    let picture = asset("coffee.jpg");
    for option in [["--top-p", "0.5"], ["--top-k", "5"], ["--temperature", "2"], ["--seed", "7"]] {
        assert_wrong(&run(&["caption", &picture, option[0], option[1]]), &["--sample"]);
    }
    for option in [["--beams", "4"], ["--length-penalty", "2"], ["--beam-search", "authors"]] {
        assert_wrong(&run(&["caption", &picture, "--sample", option[0], option[1]]), &["--sample", option[0]]);
    }
}

#[test]
fn a_device_may_be_in_capitals_and_an_unknown_one_is_told_the_words_there_are() {
    let picture = asset("coffee.jpg");
    assert_eq!(code(&run(&["caption", &picture, "--device", "CPU"])), Some(0));
    let unknown = run(&["caption", &picture, "--device", "tpu"]);
    assert_wrong(&unknown, &["tpu", "auto, cpu, gpu, gpu:N"]);
    assert!(!err(&unknown).contains("this machine has"), "{}", err(&unknown));
}

#[test]
fn devices_and_pipes_are_no_pictures() {
    let folder = TempDir::new().unwrap();
    let pipe = path(&folder, "pipe.jpg");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for name in ["/dev/null", pipe.as_str()] {
        assert_refused(&run(&["caption", name]), "is no ordinary file");
    }
}

#[test]
fn ctrl_c_ends_the_wait_for_a_list() {
    // Where the tests run in the background of a shell, what they start would not hear of Ctrl-C.
    let mut child = Command::new("env");
    child.args(["--default-signal=INT", env!("CARGO_BIN_EXE_medley"), "caption", "-"]).env("MEDLEY_DEVICE", "cpu");
    let mut child = child.env_remove("MEDLEY_MODEL").stdin(Stdio::piped()).spawn().unwrap();
    sleep(Duration::from_millis(500));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ended = (0..100).any(|_| {
        sleep(Duration::from_millis(50));
        child.try_wait().unwrap().is_some()
    });
    child.kill().unwrap();
    assert!(ended, "it still waits");
}

#[test]
fn a_name_that_is_no_text_is_captioned() {
    let folder = folder(&[]);
    let odd = folder.path().join(OsStr::from_bytes(b"b\xff.jpg"));
    let plain = folder.path().join("plain.jpg");
    for path in [&odd, &plain] {
        fs::copy(asset("coffee.jpg"), path).unwrap();
    }
    let named = run(&[OsStr::new("caption"), odd.as_os_str(), plain.as_os_str()]);
    assert_eq!((code(&named), out(&named).lines().count()), (Some(0), 2), "{}", err(&named));

    let list = [odd.as_os_str().as_bytes(), b"\n", plain.as_os_str().as_bytes(), b"\n"].concat();
    let listed = run_with_list(&["caption", "-"], &list);
    assert_eq!((code(&listed), out(&listed).lines().count()), (Some(0), 2), "{}", err(&listed));
}

#[test]
fn names_that_end_with_nul_may_hold_line_breaks_and_stay_on_their_line() {
    let folder = folder(&["tab\tand\nbreak.jpg", "plain.jpg"]);
    let list = format!("{}\0{}\0", path(&folder, "tab\tand\nbreak.jpg"), path(&folder, "plain.jpg"));
    let output = run_with_list(&["caption", "-"], list.as_bytes());
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let fields: Vec<usize> = out(&output).lines().map(|line| line.split('\t').count()).collect();
    assert_eq!(fields, [2, 2], "{}", out(&output));
    assert!(out(&output).contains(r"tab\tand\nbreak.jpg"), "{}", out(&output));
}

#[test]
fn an_empty_list_and_an_empty_name_are_said() {
    assert_refused(&run(&["caption", "-"]), "standard input named no picture");
    assert_wrong(&run(&["caption", ""]), &["PATH"]);
}

#[test]
fn a_full_disk_is_said() {
    for arguments in [&["caption", &asset("coffee.jpg")][..], &["inspect"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = medley(arguments).stdout(full).output().unwrap();
        assert_refused(&output, "could not write standard output: there is no space left");
    }
}

#[test]
fn a_pattern_follows_no_link_in_a_circle() {
    let folder = folder(&["a.jpg", "deeper/b.jpg", "deeper/b.png"]);
    symlink("..", folder.path().join("deeper/loop")).unwrap();
    let pattern = |pattern: &str| {
        let output = medley(&["caption", pattern]).current_dir(folder.path()).output().unwrap();
        assert_eq!(code(&output), Some(0), "{}", err(&output));
        out(&output).lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(pattern("**/*.jpg"), ["a.jpg", "deeper/b.jpg"]);
    assert_eq!(pattern("deeper/**/b.*"), ["deeper/b.jpg", "deeper/b.png"]);
    assert_eq!(pattern("*.jpg"), ["a.jpg"]);
}

#[test]
fn a_folder_that_cannot_be_searched_is_not_called_empty() {
    let folder = TempDir::new().unwrap();
    // A path longer than the system takes: the one thing that even the administrator may not read.
    let make = r#"name=$(printf 'x%.0s' $(seq 250)); for level in $(seq 18); do mkdir "$name" && cd -P "$name"; done"#;
    assert!(Command::new("sh").args(["-c", make]).current_dir(folder.path()).status().unwrap().success());
    let output = run(&["caption", &path(&folder, "")]);
    assert_eq!((code(&output), err(&output).lines().count()), (Some(1), 1), "{}", err(&output));
    assert!(!err(&output).contains("no pictures") && !err(&output).contains("os error"), "{}", err(&output));
}

#[test]
fn an_old_list_stays_until_there_is_a_new_one() {
    let folder = folder(&["good.jpg"]);
    fs::write(path(&folder, "bad.jpg"), "no picture").unwrap();
    let list = path(&folder, "captions.jsonl");
    fs::write(&list, "old\n").unwrap();
    let write = |picture: &str, options: &[&str]| {
        let arguments = [&["caption", picture, "--write", "jsonl"][..], options].concat();
        medley(&arguments).current_dir(folder.path()).output().unwrap()
    };
    assert_refused(&write("good.jpg", &[]), "--overwrite");
    assert_eq!(code(&write("bad.jpg", &["--overwrite"])), Some(1));
    assert_eq!(fs::read_to_string(&list).unwrap(), "old\n");
    assert_eq!(code(&write("good.jpg", &["--overwrite"])), Some(0));
    let line: Value = serde_json::from_str(&fs::read_to_string(&list).unwrap()).unwrap();
    assert_eq!(line["file_name"], "good.jpg");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left beside it");
}

#[test]
fn captioned_pictures_are_refused_before_any_is_captioned_or_left_out() {
    let folder = folder(&["a.jpg", "b.jpg"]);
    fs::write(path(&folder, "b.txt"), "mine\n").unwrap();
    let write = |options: &[&str]| run(&[&["caption", &path(&folder, ""), "--write", "txt"][..], options].concat());
    assert_refused(&write(&[]), "--skip-existing");
    assert!(!folder.path().join("a.txt").exists());
    let rest = write(&["--skip-existing"]);
    assert_eq!((code(&rest), out(&rest).lines().count()), (Some(0), 1), "{}", err(&rest));
    assert!(folder.path().join("a.txt").exists());
    assert_eq!(fs::read_to_string(path(&folder, "b.txt")).unwrap(), "mine\n");
}

#[test]
fn choices_are_printed_with_probabilities_that_sum_to_one() {
    let ask = ["ask", &asset("coffee.jpg"), "is it a cup?", "--choose", "no", "--choose", "yes of course"];
    let people = run(&with_tiny(&ask, "tiny_vqa"));
    assert_eq!(code(&people), Some(0), "{}", err(&people));
    assert!(out(&people).lines().all(|line| line.split_once("%\t").is_some()), "{}", out(&people));

    let output = run(&with_tiny(&[&ask[..], &["--json"]].concat(), "tiny_vqa"));
    let lines: Vec<Value> = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second] = [0, 1].map(|line: usize| lines[line]["confidence"].as_f64().unwrap());
    assert!(first >= second && (first + second - 1.0).abs() < 1e-5, "{first} {second}");
    let words = |line: &Value| line["answer"].as_str().unwrap().split(' ').count();
    assert!(lines.iter().all(|line| line["log_probs"].as_array().unwrap().len() > words(line)), "{lines:?}");
}

#[test]
fn a_text_without_a_word_is_named() {
    let picture = asset("coffee.jpg");
    assert_refused(&run(&with_tiny(&["match", &picture, "a dog", "..."], "tiny_itm")), r#"text 2 of 2, "...""#);
    assert_refused(&run(&with_tiny(&["ask", &picture, " "], "tiny_vqa")), "the question");
}

#[test]
fn results_are_not_written_over_unless_told_to() {
    let folder = folder(&["a.jpg"]);
    let (data, results) = (path(&folder, "questions.json"), path(&folder, "results.json"));
    fs::write(&data, r#"[{"image": "a.jpg", "question": "is it hot?", "answer": "yes", "question_id": 6}]"#).unwrap();
    fs::write(&results, "mine").unwrap();
    let score = ["eval", "vqa", "--data", &data, "--results", &results];
    assert_refused(&run(&with_tiny(&score, "tiny_vqa")), "--overwrite");
    assert_eq!(fs::read_to_string(&results).unwrap(), "mine");
    let scored = run(&with_tiny(&[&score[..], &["--overwrite"]].concat(), "tiny_vqa"));
    assert_eq!(code(&scored), Some(0), "{}", err(&scored));
    assert!(fs::read_to_string(&results).unwrap().contains("question_id"));
}

#[test]
fn a_checkpoint_is_written_through_links_and_over_nothing_but_a_file() {
    let folder = TempDir::new().unwrap();
    let [target, link, pipe] = ["target", "link", "pipe"].map(|name| path(&folder, &format!("{name}.safetensors")));
    fs::write(&target, "old").unwrap();
    symlink(&target, &link).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let builtin = asset("medley-tiny.safetensors");
    assert_refused(&run(&["convert", &builtin, &pipe, "--overwrite"]), "is no ordinary file");
    let output = run(&["convert", &builtin, &link, "--overwrite"]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::metadata(&target).unwrap().len() > 1_000_000);
}

#[test]
fn a_checkpoint_is_not_written_under_the_ending_of_another_format() {
    let folder = TempDir::new().unwrap();
    let name = path(&folder, "x.pth");
    assert_wrong(&run(&["convert", &asset("medley-tiny.safetensors"), &name]), &["x.pth", ".safetensors"]);
    assert!(!Path::new(&name).exists());
}

#[test]
fn a_checkpoint_that_cannot_be_loaded_is_named_once() {
    let folder = TempDir::new().unwrap();
    let model = path(&folder, "broken.safetensors");
    fs::write(&model, [7; 100]).unwrap();
    let output = run(&["caption", &asset("coffee.jpg"), "--model", &model]);
    assert_refused(&output, &model);
    assert_eq!(err(&output).matches(&model).count(), 1, "{}", err(&output));
}

#[test]
fn json_of_every_head_names_pictures_and_seconds() {
    let (one, other) = (asset("coffee.jpg"), asset("chelsea.jpg"));
    for (arguments, model, keys) in [
        (&["ask", &one, "what is it?", "--json"][..], "tiny_vqa", &["path", "question"][..]),
        (&["match", &one, "a cup", "--json"], "tiny_itm", &["path"]),
        (&["reason", &one, &other, "both are red", "--json"], "tiny_nlvr/nlvr.safetensors", &["left", "right"]),
    ] {
        let output = run(&with_tiny(arguments, model));
        assert_eq!(code(&output), Some(0), "{}", err(&output));
        let line: Value = serde_json::from_str(out(&output).trim_end()).unwrap();
        assert!(keys.iter().all(|key| line[key].is_string()) && line["seconds"].is_number(), "{line}");
    }
}

#[test]
fn several_answers_show_how_sure_the_model_is_of_each() {
    let ask =
        |count: &str| out(&run(&with_tiny(&["ask", &asset("coffee.jpg"), "what is it?", "-n", count], "tiny_vqa")));
    assert!(ask("3").lines().all(|line| line.contains("%\t")) && ask("3").lines().count() == 3, "{}", ask("3"));
    assert!(!ask("1").contains('%'), "{}", ask("1"));
}
