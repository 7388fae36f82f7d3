//! The binary as a person or a script meets it: what it prints, where, and with which exit code.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn medley(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.args(arguments).env("MEDLEY_DEVICE", "cpu").env_remove("MEDLEY_MODEL").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    medley(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn asset(name: &str) -> String {
    repository().join("assets").join(name).to_str().unwrap().to_owned()
}

/// A fixture's model, with the words every fixture shares.
fn tiny(name: &str) -> Vec<String> {
    let fixtures = repository().join("tests/fixtures");
    let model = fixtures.join(name);
    let words = fixtures.join("tokenizer/tokenizer.json");
    ["--model", model.to_str().unwrap(), "--tokenizer", words.to_str().unwrap()].map(str::to_owned).to_vec()
}

fn run_with(arguments: &[&str], more: &[String]) -> Output {
    medley(arguments).args(more).output().unwrap()
}

/// A folder with one good picture, one cut short and one that is no picture.
fn mixed_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let picture = fs::read(asset("chelsea.jpg")).unwrap();
    fs::write(folder.path().join("a.jpg"), &picture).unwrap();
    fs::write(folder.path().join("b.jpg"), &picture[..300]).unwrap();
    fs::write(folder.path().join("c.png"), b"not a picture").unwrap();
    fs::create_dir(folder.path().join("deeper")).unwrap();
    fs::copy(asset("coffee.jpg"), folder.path().join("deeper/d.jpg")).unwrap();
    folder
}

#[test]
fn caption_prints_path_tab_caption() {
    let picture = asset("astronaut.jpg");
    let output = run(&["caption", &picture]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let line = out(&output);
    let (path, caption) = line.trim_end().split_once('\t').unwrap();
    assert_eq!(path, picture);
    assert!(caption.split(' ').count() >= 3, "{caption}");
    assert_eq!(err(&output), "", "no progress where nobody looks");
}

#[test]
fn readme_shows_what_the_built_in_model_says() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let output = medley(&["caption", "assets/astronaut.jpg"]).current_dir(repository()).output().unwrap();
    assert!(readme.contains(out(&output).trim_end()), "README does not show: {}", out(&output));
}

#[test]
fn json_has_caption_confidence_and_token_probabilities() {
    let output = run(&["caption", &asset("coffee.jpg"), "--json"]);
    let line: Value = serde_json::from_str(out(&output).trim_end()).unwrap();
    let confidence = line["confidence"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&confidence));
    let words = line["caption"].as_str().unwrap().split(' ').count();
    assert!(line["log_probs"].as_array().unwrap().len() >= words);
    assert!(line["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(line["path"], asset("coffee.jpg"));
}

#[test]
fn sampling_with_a_seed_repeats_itself_and_gives_as_many_as_asked() {
    let sample = |seed: &str| out(&run(&["caption", &asset("chelsea.jpg"), "--sample", "-n", "3", "--seed", seed]));
    assert_eq!(sample("7").lines().count(), 3);
    assert_eq!(sample("7"), sample("7"));
    assert_ne!(sample("7"), sample("8"));
}

#[test]
fn a_bad_file_is_named_and_the_others_are_captioned() {
    let folder = mixed_folder();
    let output = run(&["caption", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    let names: Vec<String> = out(&output).lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].ends_with("a.jpg") && names[1].ends_with("d.jpg"));
    let errors = err(&output);
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(errors.contains("b.jpg") && errors.contains("c.png"));
}

#[test]
fn a_list_on_standard_input_and_a_pattern_name_pictures_too() {
    let folder = mixed_folder();
    let mut child = medley(&["caption", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let list = format!("{}\n\n{}\n", asset("chelsea.jpg"), asset("coffee.jpg"));
    child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    assert_eq!(out(&child.wait_with_output().unwrap()).lines().count(), 2);

    let pattern = folder.path().join("deeper/*.jpg");
    assert_eq!(out(&run(&["caption", pattern.to_str().unwrap()])).lines().count(), 1);
    let nothing = run(&["caption", folder.path().join("*.bmp").to_str().unwrap()]);
    assert_eq!(code(&nothing), 1);
    assert!(err(&nothing).contains("matches no file"));
}

#[test]
fn sidecars_are_written_once_unless_told_to() {
    let folder = TempDir::new().unwrap();
    let picture = folder.path().join("a.jpg");
    fs::copy(asset("chelsea.jpg"), &picture).unwrap();
    let picture = picture.to_str().unwrap();
    assert_eq!(code(&run(&["caption", picture, "--write", "txt"])), 0);
    let sidecar = folder.path().join("a.txt");
    let first = fs::read_to_string(&sidecar).unwrap();
    assert!(first.ends_with('\n') && first.lines().count() == 1);

    fs::write(&sidecar, "mine\n").unwrap();
    let refused = run(&["caption", picture, "--write", "txt"]);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("--overwrite"));
    assert_eq!(fs::read_to_string(&sidecar).unwrap(), "mine\n");
    assert_eq!(code(&run(&["caption", picture, "--write", "txt", "--overwrite"])), 0);
    assert_eq!(fs::read_to_string(&sidecar).unwrap(), first);
}

#[test]
fn wrong_usage_is_code_two() {
    for arguments in [&["caption"][..], &["no-such-command"], &["caption", "x.jpg", "--beams", "many"]] {
        assert_eq!(code(&run(arguments)), 2, "{arguments:?}");
    }
    assert_eq!(code(&run(&["caption", "--help"])), 0);
}

#[test]
fn a_missing_model_is_one_line() {
    let output = run(&["caption", &asset("coffee.jpg"), "--model", "no-such-model"]);
    assert_eq!(code(&output), 1);
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    assert!(err(&output).contains("no-such-model"));
}

#[test]
fn a_captioner_asked_a_question_says_which_models_answer() {
    let output = run_with(&["ask", &asset("coffee.jpg"), "what is this?"], &tiny("tiny_caption"));
    assert_eq!(code(&output), 1);
    assert_eq!(err(&output).lines().count(), 1);
    assert!(err(&output).contains("blip-vqa-base"), "{}", err(&output));
}

#[test]
fn every_head_answers_from_the_command_line() {
    let picture = asset("coffee.jpg");
    let answer = run_with(&["ask", &picture, "what is this", "--json"], &tiny("tiny_vqa"));
    assert_eq!(code(&answer), 0, "{}", err(&answer));
    assert!(serde_json::from_str::<Value>(out(&answer).trim_end()).unwrap()["answer"].is_string());

    let scores = run_with(&["match", &picture, "a cup", "a cat", "--json"], &tiny("tiny_itm"));
    assert_eq!(code(&scores), 0, "{}", err(&scores));
    assert_eq!(out(&scores).lines().count(), 2);

    let other = asset("chelsea.jpg");
    let verdict = run_with(&["reason", &picture, &other, "both show a cat"], &tiny("tiny_nlvr/nlvr.safetensors"));
    assert_eq!(code(&verdict), 0, "{}", err(&verdict));
}

#[test]
fn inspect_and_convert_agree_about_a_checkpoint() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole.safetensors");
    let [_, model, words_option, words] = <[String; 4]>::try_from(tiny("tiny_caption")).unwrap();
    let converted = run(&["convert", &model, whole.to_str().unwrap(), "--dtype", "f16", &words_option, &words]);
    assert_eq!(code(&converted), 0, "{}", err(&converted));
    let about = run(&["inspect", whole.to_str().unwrap()]);
    assert_eq!(code(&about), 0);
    assert!(out(&about).to_lowercase().contains("captioner"), "{}", out(&about));
}

/// Twelve pictures of three things, each with a caption beside it.
fn captioned(folder: &TempDir) -> PathBuf {
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    for (index, name) in ["astronaut", "chelsea", "coffee"].iter().cycle().take(12).enumerate() {
        fs::copy(asset(&format!("{name}.jpg")), pictures.join(format!("{index}.jpg"))).unwrap();
        fs::write(pictures.join(format!("{index}.txt")), format!("a picture of a {name}\n")).unwrap();
    }
    pictures
}

#[test]
fn a_matcher_is_trained_and_scored() {
    let folder = TempDir::new().unwrap();
    let (pictures, run_folder) = (captioned(&folder), folder.path().join("run"));
    let (pictures, out_folder) = (pictures.to_str().unwrap(), run_folder.to_str().unwrap());
    let train = ["train", "retrieval", "--data", pictures, "--out", out_folder, "--epochs", "1", "--batch", "4"];
    let trained = run_with(&[&train[..], &["--queue", "8", "--eval-k", "2"]].concat(), &tiny("tiny_itm"));
    assert_eq!(code(&trained), 0, "{}", err(&trained));
    assert!(err(&trained).contains("best mean recall"), "{}", err(&trained));

    let best = run_folder.join("best.safetensors");
    let score = ["eval", "retrieval", "--data", pictures, "--k-test", "4", "--json", "--model", best.to_str().unwrap()];
    let scored = run(&score);
    assert_eq!(code(&scored), 0, "{}", err(&scored));
    let scores: Value = serde_json::from_str(&out(&scored)).unwrap();
    assert_eq!((&scores["images"], &scores["texts"]), (&Value::from(12), &Value::from(12)));
    let recall = scores["ir_r10"].as_f64().unwrap();
    assert!(recall > 0.0 && recall <= 1.0 && recall >= scores["ir_r1"].as_f64().unwrap(), "{scores}");
}

#[test]
fn answers_are_scored_and_written_down() {
    let folder = TempDir::new().unwrap();
    for name in ["chelsea", "coffee"] {
        fs::copy(asset(&format!("{name}.jpg")), folder.path().join(format!("{name}.jpg"))).unwrap();
    }
    let list = r#"[{"image": "chelsea.jpg", "question": "what is this?", "answer": "cat", "question_id": 5},
        {"image": "coffee.jpg", "question": "is it hot?", "answer": "cat", "question_id": 6}]"#;
    let data = folder.path().join("questions.json");
    fs::write(&data, list).unwrap();
    fs::write(folder.path().join("answers.txt"), "cat\n\n").unwrap();
    let results = folder.path().join("results.json");
    let [data, results_text] = [&data, &results].map(|path| path.to_str().unwrap());
    let choices = folder.path().join("answers.txt");
    let ranked = ["eval", "vqa", "--data", data, "--answers", choices.to_str().unwrap(), "--results", results_text];
    let scored = run_with(&[&ranked[..], &["--json"]].concat(), &tiny("tiny_vqa"));
    assert_eq!(code(&scored), 0, "{}", err(&scored));
    let scores: Value = serde_json::from_str(&out(&scored)).unwrap();
    assert_eq!(scores["accuracy"], 1.0, "there is only one answer to choose, and it is right: {scores}");
    let written: Value = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
    assert_eq!(written, serde_json::json!([{"question_id": 5, "answer": "cat"}, {"question_id": 6, "answer": "cat"}]));
    let free = run_with(&["eval", "vqa", "--data", data, "--limit", "1"], &tiny("tiny_vqa"));
    assert!(code(&free) == 0 && out(&free).contains("of 1 questions"), "{}{}", out(&free), err(&free));
}

#[test]
fn a_recipe_of_another_task_is_refused_and_those_of_this_one_are_named() {
    let output = run(&["train", "caption", "--data", "x", "--out", "y", "--preset", "paper-vqa"]);
    assert_eq!(code(&output), 2);
    let said = err(&output);
    assert!(said.contains("mine, paper-caption, paper-caption-large") && !said.contains("nlvr"), "{said}");
    assert!(!Path::new("y").exists());
}

#[test]
fn training_saves_scores_and_goes_on_where_it_stopped() {
    let folder = TempDir::new().unwrap();
    let pictures = captioned(&folder);
    let run_folder = folder.path().join("run");
    let (pictures, run_folder_text) = (pictures.to_str().unwrap(), run_folder.to_str().unwrap());
    let train = ["train", "caption", "--data", pictures, "--out", run_folder_text, "--epochs", "1", "--batch", "4"];
    let more = ["--lr", "1e-4", "--warmup", "1", "--freeze", "vision.*", "--no-augment"];
    let first = run(&[&train[..], &more].concat());
    assert_eq!(code(&first), 0, "{}", err(&first));
    assert!(err(&first).contains("before CIDEr"), "{}", err(&first));
    for name in ["best.safetensors", "last.safetensors", "state.safetensors", "log.jsonl"] {
        assert!(run_folder.join(name).is_file(), "{name} is missing");
    }
    let again = run(&[&train[..], &more].concat());
    assert_eq!(code(&again), 1);
    assert!(err(&again).contains("--resume"));
    let best = run_folder.join("best.safetensors");
    assert_eq!(code(&run(&["caption", &asset("coffee.jpg"), "--model", best.to_str().unwrap()])), 0);
}

#[test]
fn a_conversation_is_a_question_a_line() {
    let mut asked =
        medley(&["ask", &asset("coffee.jpg")]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    asked.stdin.take().unwrap().write_all(b"is this a dog?\n\nwhat is on the table?\n").unwrap();
    let output = asked.wait_with_output().unwrap();
    assert_eq!((code(&output), out(&output).lines().count()), (0, 2), "{}", out(&output));
    let alone = run(&["ask", &asset("coffee.jpg"), "is this a dog?"]);
    assert_eq!(out(&output).lines().next(), out(&alone).lines().next());

    let choices = run(&["ask", &asset("coffee.jpg"), "is it?", "--choose-from", "no-such-file"]);
    assert_eq!(code(&choices), 1);
    assert!(err(&choices).contains("no-such-file"), "{}", err(&choices));
}

#[test]
fn the_built_in_model_answers_and_matches_too() {
    let coffee = asset("coffee.jpg");
    let answered = run(&["ask", &coffee, "is this a dog?", "--json"]);
    assert_eq!(code(&answered), 0, "{}", err(&answered));
    let answer: Value = serde_json::from_str(out(&answered).trim()).unwrap();
    assert!(!answer["answer"].as_str().unwrap().is_empty() && answer["confidence"].as_f64().unwrap() > 0.0, "{answer}");

    let dog = "a brown dog runs through the snow";
    let matched = run(&["match", &coffee, "a cup on a table", dog, "--json"]);
    assert_eq!(code(&matched), 0, "{}", err(&matched));
    let found: Vec<f64> = out(&matched)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["match"].as_f64().unwrap())
        .collect();
    assert!(found[0] > found[1], "{found:?}");
}
