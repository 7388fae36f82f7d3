//! `medley data`, tar shards from the command line, and `medley eval capfilt`, on real pictures.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn asset(name: &str) -> PathBuf {
    repository().join("assets").join(format!("{name}.jpg"))
}

/// Runs `medley` in a folder.
fn medley(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env("MEDLEY_DEVICE", "cpu").env_remove("MEDLEY_MODEL").output().unwrap()
}

/// A fixture's model, with the words every fixture shares.
fn tiny(name: &str) -> [String; 4] {
    let fixtures = repository().join("tests/fixtures");
    let path = |name: &str| fixtures.join(name).to_str().unwrap().to_owned();
    ["--model".to_owned(), path(name), "--tokenizer".to_owned(), path("tokenizer/tokenizer.json")]
}

fn with<'a>(arguments: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    arguments.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

/// What it printed, after checking how it ended.
fn out(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output, code: i32) -> String {
    out(output, code);
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn parsed(output: &Output, code: i32) -> Value {
    serde_json::from_str(&out(output, code)).unwrap()
}

/// The pictures of `assets` under these names, and a list of them with captions and splits.
fn described(pictures: &[(&str, &str)], list: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, source) in pictures {
        fs::copy(asset(source), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("list.json"), list.to_string()).unwrap();
    folder
}

fn clean() -> TempDir {
    let list = json!([
        {"image": "a.jpg", "caption": ["a man", "one person"], "split": "train"},
        {"image": "b.jpg", "caption": "a cat", "split": "train"},
        {"image": "c.jpg", "caption": "a cup", "split": "val"},
    ]);
    described(&[("a.jpg", "astronaut"), ("b.jpg", "chelsea"), ("c.jpg", "coffee")], &list)
}

#[test]
fn a_clean_dataset_is_counted_and_nothing_is_odd() {
    let folder = clean();
    let text = out(&medley(folder.path(), &["data", "check", "list.json"]), 0);
    assert!(text.contains("nothing odd in 3 pictures"), "{text}");
    let found = parsed(&medley(folder.path(), &["data", "check", "list.json", "--json"]), 0);
    let splits = json!([{"split": "train", "images": 2, "texts": 3}, {"split": "val", "images": 1, "texts": 1}]);
    assert_eq!((&found["splits"], &found["found"]), (&splits, &json!(0)));
}

#[test]
fn everything_odd_is_found_and_named() {
    let long = "word ".repeat(31);
    let list = json!([
        {"image": "a.jpg", "caption": ["a man", "A man.", "..."], "split": "train"},
        {"image": "copy.jpg", "caption": long, "split": "train"},
        {"image": "b.jpg", "caption": "a cat", "split": "train"},
        {"image": "smaller.png", "caption": "the cat", "split": "train"},
        {"image": "c.jpg", "caption": "a cup", "split": "train"},
        {"image": "again.jpg", "caption": "a cup", "split": "val"},
        {"image": "gone.jpg", "caption": "nothing", "split": "val"},
        {"image": "cut.jpg", "caption": "half", "split": "val"},
        {"image": "bare.jpg", "caption": "", "split": "val"},
    ]);
    let folder = described(
        &[
            ("a.jpg", "astronaut"),
            ("copy.jpg", "astronaut"),
            ("b.jpg", "chelsea"),
            ("c.jpg", "coffee"),
            ("again.jpg", "coffee"),
        ],
        &list,
    );
    let smaller = image::open(asset("chelsea")).unwrap().thumbnail(120, 120);
    smaller.save(folder.path().join("smaller.png")).unwrap();
    smaller.rotate90().save(folder.path().join("bare.jpg")).unwrap();
    let picture = fs::read(asset("coffee")).unwrap();
    fs::write(folder.path().join("cut.jpg"), &picture[..picture.len() / 2]).unwrap();

    let found = parsed(&medley(folder.path(), &["data", "check", "list.json", "--json"]), 1);
    let names = |value: &Value| -> Vec<Vec<String>> {
        let group = |group: &Value| -> Vec<String> {
            let name = |path: &Value| path.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            group.as_array().unwrap().iter().map(name).collect()
        };
        value.as_array().unwrap().iter().map(group).collect()
    };
    assert_eq!(found["missing"], json!(["gone.jpg"]));
    assert!(found["broken"][0]["image"].as_str().unwrap().ends_with("cut.jpg"), "{found}");
    assert!(found["broken"][0]["reason"].as_str().unwrap().contains("ends before the image does"));
    assert_eq!(names(&found["duplicates"]), [["a.jpg", "copy.jpg"]]);
    assert_eq!(names(&found["near_duplicates"]), [["b.jpg", "smaller.png"]]);
    let leak = &found["leaks"][0];
    assert_eq!((&leak["images"][0]["split"], &leak["images"][1]["split"]), (&json!("train"), &json!("val")));
    assert!(leak["images"][1]["image"].as_str().unwrap().ends_with("again.jpg") && leak["is_exact"] == true);
    assert_eq!(found["bare"], json!(["bare.jpg"]));
    assert_eq!(found["empty_texts"], json!(["a.jpg", "bare.jpg"]));
    assert_eq!((&found["long_texts"][0]["image"], &found["long_texts"][0]["words"]), (&json!("copy.jpg"), &json!(31)));
    assert_eq!(found["repeated_texts"], json!([{"image": "a.jpg", "text": "A man."}]));
    assert_eq!(found["shared_texts"], json!([{"text": "a cup", "images": 2}]));
    assert_eq!(found["found"], 10);
    let text = out(&medley(folder.path(), &["data", "check", "list.json"]), 1);
    for part in ["gone.jpg", "cut.jpg", "31 words", "10 things to look at in 8 pictures", "train ", "val "] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn several_files_are_checked_against_each_other() {
    let folder = clean();
    let other = json!([{"image": "b.jpg", "caption": "the same cat"}]);
    fs::write(folder.path().join("test.json"), other.to_string()).unwrap();
    let found = parsed(&medley(folder.path(), &["data", "check", "list.json", "test.json", "--json"]), 1);
    let splits: Vec<&Value> =
        found["leaks"][0]["images"].as_array().unwrap().iter().map(|image| &image["split"]).collect();
    assert_eq!(splits, ["train", "test"]);
    assert_eq!(found["found"], 1);
}

#[test]
fn questions_are_checked_with_their_answers() {
    let folder = clean();
    let questions = json!({"questions": [
        {"image_id": 1, "question": "what is this?", "question_id": 10},
        {"image_id": 1, "question": "What is this", "question_id": 11},
        {"image_id": 2, "question": "?", "question_id": 12},
        {"image_id": 3, "question": "is it there?", "question_id": 13},
    ]});
    let answer = |id: u32| json!({"question_id": id, "answers": [{"answer": "a cat"}]});
    let annotations = json!({"annotations": [answer(10), answer(11), answer(13)]});
    fs::write(folder.path().join("q.json"), questions.to_string()).unwrap();
    fs::write(folder.path().join("a.json"), annotations.to_string()).unwrap();
    fs::rename(folder.path().join("b.jpg"), folder.path().join("COCO_1.jpg")).unwrap();
    fs::rename(folder.path().join("c.jpg"), folder.path().join("COCO_2.jpg")).unwrap();
    let found = parsed(&medley(folder.path(), &["data", "check", "q.json", "--annotations", "a.json", "--json"]), 1);
    assert_eq!(found["splits"], json!([{"split": "all", "images": 2, "texts": 3}]));
    assert_eq!(found["missing"], json!(["3"]));
    assert_eq!(found["unanswered"], json!([{"image": "COCO_2.jpg", "text": "?"}]));
    // Question marks stay: `what is this?` and `What is this` are two questions to the model.
    assert_eq!(found["repeated_texts"], json!([]));
    let alone = medley(folder.path(), &["data", "check", "list.json", "--annotations", "a.json"]);
    assert!(err(&alone, 1).contains("--annotations answers one file of questions"));
}

#[test]
fn noise_is_made_as_asked_and_a_filter_is_scored_on_it() {
    let folder = TempDir::new().unwrap();
    for (index, name) in ["astronaut", "chelsea", "coffee", "chelsea"].iter().enumerate() {
        fs::copy(asset(name), folder.path().join(format!("{index}.jpg"))).unwrap();
        fs::write(folder.path().join(format!("{index}.txt")), format!("the cat is there {index}\na cup {index}\n"))
            .unwrap();
    }
    let make = ["data", "noise", "--data", ".", "--share", "0.5", "--seed", "2", "--out", "web.json"];
    assert!(err(&medley(folder.path(), &make), 0).contains("8 captions of 4 pictures, 4 of another: web.json"));
    let again = err(&medley(folder.path(), &make), 1);
    assert!(again.contains("--overwrite"), "{again}");
    let web: Value = serde_json::from_slice(&fs::read(folder.path().join("web.json")).unwrap()).unwrap();
    for pair in web.as_array().unwrap() {
        let image = Path::new(pair["image"].as_str().unwrap());
        assert!(image.is_absolute() && image.is_file(), "{pair}");
        let own = image.file_stem().unwrap().to_str().unwrap();
        assert_eq!(pair["swapped"], !pair["caption"].as_str().unwrap().ends_with(own), "{pair}");
    }

    let part = |part: &str, out: &str| {
        let make = ["data", "noise", "--data", ".", "--share", "0", "--part", part, "--captions", "1", "--out", out];
        assert!(err(&medley(folder.path(), &make), 0).contains("2 captions of 2 pictures, 0 of another"));
        let pairs: Vec<Value> = serde_json::from_slice(&fs::read(folder.path().join(out)).unwrap()).unwrap();
        pairs.iter().map(|pair| pair["image"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (first, second) = (part("1/2", "first.json"), part("2/2", "second.json"));
    assert!(first.iter().all(|image| !second.contains(image)), "{first:?} {second:?}");

    let model = tiny("tiny_itm");
    let score = |threshold: &str| {
        let eval = ["eval", "capfilt", "--data", "web.json", "--json", "--threshold", threshold];
        parsed(&medley(folder.path(), &with(&eval, &model)), 0)
    };
    let (all, none) = (score("0"), score("1.1"));
    assert_eq!((&all["swapped"], &all["right"]), (&json!(4), &json!(4)));
    assert_eq!((&all["caught"], &all["kept"]), (&json!(0.0), &json!(1.0)));
    assert_eq!((&none["caught"], &none["kept"]), (&json!(1.0), &json!(0.0)));
    assert_eq!(all["auc"], none["auc"]);
    let text = out(&medley(folder.path(), &with(&["eval", "capfilt", "--data", "web.json"], &model)), 0);
    assert!(text.contains("of 4 swapped captions, below 0.5") && text.contains("AUC"), "{text}");

    let captioner = tiny("tiny_caption");
    let refused = medley(folder.path(), &with(&["eval", "capfilt", "--data", "web.json"], &captioner));
    assert!(err(&refused, 1).contains("cannot judge"));
}

#[test]
fn captions_make_questions_and_answers_make_captions_that_are_learned_from() {
    let folder = TempDir::new().unwrap();
    for (index, name) in ["astronaut", "chelsea", "coffee", "chelsea"].iter().enumerate() {
        fs::copy(asset(name), folder.path().join(format!("{index}.jpg"))).unwrap();
        fs::write(folder.path().join(format!("{index}.txt")), "a brown cat is on the table\ntwo cats in a red bowl\n")
            .unwrap();
    }
    let make = ["data", "questions", "--data", ".", "--most", "3", "--out", "questions.json"];
    let said = err(&medley(folder.path(), &make), 0);
    assert!(said.contains("12 questions about 4 pictures (") && said.contains("questions.json"), "{said}");
    assert!(err(&medley(folder.path(), &make), 1).contains("--overwrite"));
    let made: Value = serde_json::from_slice(&fs::read(folder.path().join("questions.json")).unwrap()).unwrap();
    for question in made.as_array().unwrap() {
        let image = Path::new(question["image"].as_str().unwrap());
        assert!(image.is_absolute() && image.is_file(), "{question}");
    }
    // Odd is only that a picture is there twice.
    let checked = ["data", "check", "questions.json", "--json"];
    assert_eq!(parsed(&medley(folder.path(), &checked), 1)["splits"][0]["images"], 4);

    fs::create_dir(folder.path().join("more")).unwrap();
    fs::copy(asset("coffee"), folder.path().join("more/cup.jpg")).unwrap();
    let asked = json!([
        {"image": "0.jpg", "question": "what color is the suit?", "answer": "orange"},
        {"image": "more/cup.jpg", "question": "what is on the saucer?", "answer": ["cup", "cup", "spoon"]},
        {"image": "more/cup.jpg", "question": "is it hot?", "answer": "yes"},
    ]);
    fs::write(folder.path().join("asked.json"), asked.to_string()).unwrap();
    let learn = ["train", "vqa", "--data", "asked.json", "--more-questions", "questions.json", "--more-questions"];
    let learn = [&learn[..], &["asked.json", "--out", "answers", "--epochs", "1"]].concat();
    let said = err(&medley(folder.path(), &with(&learn, &tiny("tiny_vqa"))), 0);
    // One of the first file, all of the second, and again one: the cup is held out.
    assert!(said.contains("14 questions to learn from, 2 to score on"), "{said}");
    let tell = ["data", "captions", "--data", "asked.json", "--out", "told.json"];
    assert!(err(&medley(folder.path(), &tell), 0).contains("2 captions of 2 pictures, of 3 questions: told.json"));
    let told = fs::read_to_string(folder.path().join("told.json")).unwrap();
    assert!(told.contains("an orange suit") && told.contains("a cup is on the saucer"), "{told}");
    let train = ["train", "caption", "--data", ".", "--more-data", "told.json", "--out", "run", "--epochs", "1"];
    let trained = medley(folder.path(), &with(&train, &tiny("tiny_caption")));
    // One of four is held out, whether it is told of or not.
    assert!(err(&trained, 0).contains("4 pictures to learn from, 1 to score on"), "{trained:?}");

    fs::write(folder.path().join("asked.json"), r#"[{"image": "0.jpg", "question": "why?", "answer": "yes"}]"#)
        .unwrap();
    let tell = ["data", "captions", "--data", "asked.json", "--out", "none.json"];
    assert!(err(&medley(folder.path(), &tell), 1).contains("no answered question tells"));
    let ask = ["data", "questions", "--data", "told.json", "--split", "val", "--out", "none.json"];
    assert!(err(&medley(folder.path(), &ask), 1).contains("split"));
    assert!(!folder.path().join("none.json").exists());
}

/// What CapFilt writes as shards is learned from, and says where each text comes from.
#[test]
fn what_is_found_is_compared_with_a_split_that_is_not_searched() {
    let (folder, model) = (clean(), tiny("tiny_itm"));
    let eval = |more: &[&str]| {
        let eval = ["eval", "retrieval", "--data", "list.json", "--split", "train", "--k-test", "2", "--json"];
        medley(folder.path(), &with(&[&eval[..], more].concat(), &model))
    };
    let scores = parsed(&eval(&["--bank-split", "val", "--logit-weight", "0.5"]), 0);
    assert_eq!((&scores["images"], &scores["texts"]), (&json!(2), &json!(3)));
    assert!(err(&eval(&["--bank-split", "train"]), 1).contains("choose another split"));
    assert!(err(&eval(&["--bank-split", "val", "--lm-weight", "1"]), 1).contains("captioning"));
    assert!(err(&eval(&["--lm-weight", "1"]), 2).contains("--bank-split"));
}

#[test]
fn cleaned_pairs_in_shards_are_trained_on_and_scored() {
    let folder = TempDir::new().unwrap();
    let web = folder.path().join("web");
    fs::create_dir(&web).unwrap();
    for (index, name) in ["astronaut", "chelsea", "coffee", "chelsea", "coffee"].iter().enumerate() {
        fs::copy(asset(name), web.join(format!("{index}.jpg"))).unwrap();
        fs::write(web.join(format!("{index}.txt")), format!("the cat is there {index}\n")).unwrap();
    }
    let fixtures = repository().join("tests/fixtures");
    let path = |name: &str| fixtures.join(name).to_str().unwrap().to_owned();
    let models = ["--captioner".to_owned(), path("tiny_caption"), "--filter".to_owned(), path("tiny_itm")];
    let words = ["--tokenizer".to_owned(), path("tokenizer/tokenizer.json")];
    let more = [&models[..], &words].concat();
    let clean = ["capfilt", "--data", "web", "--out", "clean", "--threshold", "0", "--human", "web"];
    let shards = ["--out-format", "webdataset", "--shard-size", "4"];
    let cleaned = medley(folder.path(), &with(&[&clean[..], &shards].concat(), &more));
    assert!(err(&cleaned, 0).contains("10 pictures in 3 shards: clean/shards"), "{cleaned:?}");
    let bytes = fs::read(folder.path().join("clean/shards/000000.tar")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for part in [r#""source":"web""#, r#""source":"synthetic""#, r#""score":"#, "web/0.jpg"] {
        assert!(text.contains(part), "{part} is not in the shard");
    }

    // From shards into shards, through a list of pairs and without: nothing is lost.
    let again = ["capfilt", "--data", "clean/shards/{000000..000002}.tar", "--out", "twice", "--threshold", "0"];
    assert_eq!(medley(folder.path(), &with(&again, &more)).status.code(), Some(0));
    let pairs: Value = serde_json::from_slice(&fs::read(folder.path().join("twice/pairs.json")).unwrap()).unwrap();
    assert!(pairs[0]["image"].as_str().unwrap().ends_with("clean/shards/000000.tar/000000000.jpg"), "{}", pairs[0]);
    let merge = ["capfilt", "--merge", "--out", "twice", "--out-format", "webdataset"];
    assert!(err(&medley(folder.path(), &merge), 0).contains("10 pictures in 1 shard"));

    let model = tiny("tiny_caption");
    for data in ["clean/shards", "twice/pairs.json", "twice/shards/000000.tar"] {
        let run = format!("run-{}", data.replace('/', "-"));
        let train = ["train", "caption", "--data", data, "--out", &run, "--epochs", "1", "--max-tokens", "20"];
        let trained = medley(folder.path(), &with(&train, &model));
        assert!(err(&trained, 0).contains("9 pictures to learn from, 1 to score on"), "{trained:?}");
    }
    let eval = ["eval", "caption", "--data", "clean/shards", "--json"];
    assert_eq!(parsed(&medley(folder.path(), &with(&eval, &model)), 0)["images"], 10);
    // What people wrote alone: a tiny model's own words are many tokens.
    let people = ["capfilt", "--data", "web", "--out", "people", "--threshold", "1.1", "--human", "web"];
    assert_eq!(medley(folder.path(), &with(&[&people[..], &shards].concat(), &more)).status.code(), Some(0));
    let eval = ["eval", "retrieval", "--data", "people/shards", "--json", "--k-test", "2"];
    assert_eq!(parsed(&medley(folder.path(), &with(&eval, &tiny("tiny_itm"))), 0)["images"], 5);
    let checked = parsed(&medley(folder.path(), &["data", "check", "clean/shards", "--json"]), 1);
    assert_eq!(checked["splits"][0]["images"], 10);
}

#[test]
fn bad_datasets_are_one_line_each() {
    let folder = clean();
    fs::write(folder.path().join("empty.json"), "[]").unwrap();
    fs::write(folder.path().join("gone.json"), r#"[{"image": "nowhere.jpg", "caption": "x"}]"#).unwrap();
    let model = tiny("tiny_caption");
    for (arguments, part) in [
        (&["eval", "caption", "--data", "list.json", "--split", "tset"][..], "it has train, val"),
        (&["eval", "caption", "--data", "{000000..000003}.tar"], "matches no shard"),
        (&["eval", "caption", "--data", "empty.json"], "no image in it"),
        (&["eval", "caption", "--data", "gone.json"], "--images"),
        (&["train", "caption", "--data", "list.json", "--train-split", "tset", "--out", "run"], "it has train, val"),
        (&["train", "caption", "--data", "gone.json", "--out", "run"], "nowhere.jpg"),
    ] {
        let complaint = err(&medley(folder.path(), &with(arguments, &model)), 1);
        assert!(complaint.contains(part) && complaint.lines().count() == 1, "{complaint}");
    }
    for (arguments, part) in [
        (&["data", "check", "nothing.json"][..], "could not read nothing.json"),
        (&["data", "check", "empty.json"], "no image in it"),
        (&["data", "noise", "--data", "gone.json", "--out", "n.json"], "--images"),
        (&["eval", "capfilt", "--data", "list.json"], "medley data noise"),
    ] {
        let complaint = err(&medley(folder.path(), arguments), 1);
        assert!(complaint.contains(part) && complaint.lines().count() == 1, "{complaint}");
    }
    let too_much = ["data", "noise", "--data", "list.json", "--share", "2", "--out", "n.json"];
    assert!(err(&medley(folder.path(), &too_much), 2).contains("share must be"));
    let found = out(&medley(folder.path(), &["data", "check", "gone.json"]), 1);
    assert!(found.contains("pictures that are not there: 1\n  nowhere.jpg"), "{found}");
}

/// Ctrl-C a while after the start, later where nothing was captioned by then.
#[cfg(unix)]
#[test]
fn scores_of_what_was_captioned_survive_being_stopped() {
    let names: Vec<String> = (0..2000).map(|place| format!("{place}.jpg")).collect();
    let list: Vec<Value> = names.iter().map(|name| json!({"image": name, "caption": "a man"})).collect();
    let folder = described(&[("a.jpg", "astronaut")], &json!(list));
    names.iter().for_each(|name| fs::hard_link(folder.path().join("a.jpg"), folder.path().join(name)).unwrap());
    for seconds in [2, 6, 18, 54] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
        command.args(["eval", "caption", "--data", "list.json", "--images", ".", "--batch", "1"]);
        command.current_dir(folder.path()).env("MEDLEY_DEVICE", "cpu").env_remove("MEDLEY_MODEL");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_secs(seconds));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let said = err(&output, 130);
        if said.contains("stopped after") {
            assert!(said.contains(" of 2000: what follows is of those"), "{said}");
            assert!(out(&output, 130).contains("CIDEr"));
            return;
        }
    }
    panic!("nothing was captioned in 54 seconds");
}
