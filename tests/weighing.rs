//! How a search weighs what the model says: readings of real photographs by the built-in model, and numbers that travel
//! with weights.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use medley::checkpoint::{Dtype, LoadOptions, save};
use medley::generate::GenerateConfig;
use medley::model::Kind;
use medley::pipeline::{Calibration, Evidence, Logistic, Reading, Seen};
use medley::progress::silent;
use medley::{CaptionOptions, DeviceChoice, Error, Pipeline};
use medley_desktop::engine::{Engine, ModelChoice};
use medley_desktop::library::Library;
use medley_desktop::library::index::{IndexOptions, index};
use medley_desktop::library::search::{Hit, SearchEvent, SearchOptions, search};
use serde_json::Value;
use tempfile::TempDir;

/// Sums in another order, of some twenty words.
const ROUNDING: f32 = 1e-3;
const PICTURES: [&str; 3] = ["astronaut", "chelsea", "coffee"];

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(name)
}

fn builtin() -> Pipeline {
    load(&asset("medley-tiny.safetensors"), LoadOptions::default()).unwrap()
}

fn load(path: &Path, options: LoadOptions) -> medley::Result<Pipeline> {
    let device = pollster::block_on(medley::device::open(DeviceChoice::Cpu)).unwrap().device;
    Pipeline::load(path, &device, &options, &mut silent)
}

fn see(pipeline: &Pipeline, names: &[&str]) -> Seen {
    let pixels = |name: &&str| pipeline.pixels(&fs::read(asset(&format!("{name}.jpg"))).unwrap()).unwrap();
    pipeline.see(&names.iter().map(pixels).collect::<Vec<_>>())
}

fn readings(pipeline: &Pipeline, seen: &Seen, texts: &[&str], asks_decoder: bool) -> Vec<Vec<Reading>> {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    pollster::block_on(pipeline.readings(seen, &texts, asks_decoder)).unwrap()
}

fn calibration(gain: f64) -> Calibration {
    let of = |gain| Logistic { similarity: 5.0, logit: 0.1, gain, words: -1.5, offset: -3.0 };
    Calibration { read: of(gain), unread: of(0.0) }
}

/// The built-in model with other numbers, in a file.
fn weighed(folder: &TempDir, calibration: Option<String>) -> PathBuf {
    let mut checkpoint = builtin().to_checkpoint().unwrap();
    checkpoint.calibration = calibration;
    let path = folder.path().join("model.safetensors");
    pollster::block_on(save(&checkpoint, &path, Dtype::F32)).unwrap();
    path
}

fn medley(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    command.args(arguments).env("MEDLEY_DEVICE", "cpu").env_remove("MEDLEY_MODEL");
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn every_text_is_read_with_every_picture() {
    let pipeline = builtin();
    let texts = ["a cat", "a woman in an orange suit smiles", "a cup of coffee on a table"];
    let together = readings(&pipeline, &see(&pipeline, &PICTURES), &texts, true);
    assert_eq!(together.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3]);
    for (name, of_picture) in PICTURES.iter().zip(together) {
        let seen = see(&pipeline, &[name]);
        let words = texts.map(str::to_owned);
        let matches = pollster::block_on(pipeline.match_texts(&seen, &words, false)).unwrap();
        for ((text, read), matched) in texts.iter().zip(of_picture).zip(matches) {
            let alone = readings(&pipeline, &seen, &[text], true)[0][0];
            assert!((alone.logit - read.logit).abs() < ROUNDING && (alone.gain - read.gain).abs() < ROUNDING, "{text}");
            let odds = (matched.probability / (1.0 - matched.probability)).ln();
            assert!((odds - read.logit).abs() < 0.01 * odds.abs().max(1.0), "{text}: {odds}, {}", read.logit);
        }
    }
}

#[test]
fn a_picture_makes_its_own_text_likelier_than_others_and_a_blank_one_none() {
    let pipeline = builtin();
    let side = pipeline.config().vision.image_size_px;
    let blank = pipeline.see(&[vec![0.0; 3 * side * side]]);
    for reading in &readings(&pipeline, &blank, &["a cat", "a woman smiles"], true)[0] {
        assert!(reading.gain.abs() < ROUNDING, "{reading:?}");
    }
    let gains = readings(&pipeline, &see(&pipeline, &["astronaut", "chelsea"]), &["a woman smiles"], true);
    assert!(gains[0][0].gain > 0.0 && gains[0][0].gain > gains[1][0].gain + 1.0, "{gains:?}");
    let silent = readings(&pipeline, &blank, &["a cat"], false);
    assert_eq!(silent[0][0].gain, 0.0);
}

#[test]
fn a_decoder_that_is_asked_must_be_there() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let tokenizer = Some(fixtures.join("tokenizer/tokenizer.json"));
    let matcher = load(&fixtures.join("tiny_itm"), LoadOptions { tokenizer, ..LoadOptions::default() }).unwrap();
    let seen = see(&matcher, &["coffee"]);
    let texts = ["a cup".to_owned()];
    assert!(!matcher.hears_decoder() && pollster::block_on(matcher.readings(&seen, &texts, false)).is_ok());
    let asked = pollster::block_on(matcher.readings(&seen, &texts, true));
    assert!(matches!(asked, Err(Error::NoHead { .. })), "{asked:?}");
    assert!(matches!(pollster::block_on(matcher.readings(&seen, &[], false)), Err(Error::EmptyText)));
}

#[test]
fn numbers_travel_with_the_weights_they_were_fitted_to() {
    let folder = TempDir::new().unwrap();
    let path = weighed(&folder, Some(calibration(0.2).to_json()));
    let pipeline = load(&path, LoadOptions::default()).unwrap();
    assert_eq!(pipeline.calibration(), Some(&calibration(0.2)));
    assert!(pipeline.hears_decoder());
    assert_eq!(pipeline.to_checkpoint().unwrap().calibration, Some(calibration(0.2).to_json()));
    let bytes = fs::read(&path).unwrap();
    for _ in 0..3 {
        let again = fs::read(weighed(&folder, Some(calibration(0.2).to_json()))).unwrap();
        assert!(again == bytes, "the same model is the same file, by which a library knows it");
    }
    let other = pipeline.with_model(pipeline.model().clone());
    assert!(other.calibration().is_none() && !other.hears_decoder(), "they are not those of other weights");

    let silent = load(&weighed(&folder, Some(calibration(0.0).to_json())), LoadOptions::default()).unwrap();
    assert!(!silent.hears_decoder(), "whose word counts nothing is not asked");
    let damaged = load(&weighed(&folder, Some("{}".to_owned())), LoadOptions::default());
    assert!(matches!(damaged, Err(Error::Config { reason }) if reason.contains("calibration")));
}

#[test]
fn a_library_is_searched_by_the_numbers_of_its_model() {
    let folder = TempDir::new().unwrap();
    let found = |calibration: Option<Calibration>| -> Vec<Hit> {
        let path = weighed(&folder, calibration.as_ref().map(Calibration::to_json));
        let model = ModelChoice { path: Some(path), ..ModelChoice::default() };
        let engine = Engine::open(model, DeviceChoice::Cpu, &mut |_| ()).unwrap();
        let library = Library::open(&folder.path().join(format!("library of {}", engine.about().key))).unwrap();
        let photos = asset("");
        index(&library, &engine, &[photos], &IndexOptions::default(), &mut |_| ControlFlow::Continue(())).unwrap();
        let options = SearchOptions { rerank: 2, strictness: 0.0, ..SearchOptions::default() };
        let go_on = &mut |_: SearchEvent| ControlFlow::Continue(());
        search(&library, &engine, &"a cat lies on a bed".parse().unwrap(), &options, go_on).unwrap()
    };
    let pipeline = builtin();
    let numbers = calibration(0.1);
    let hits = found(Some(numbers));
    let text = ["a cat lies on a bed"];
    assert_eq!(hits.len(), 3);
    for hit in &hits {
        let read = PICTURES.iter().map(|name| readings(&pipeline, &see(&pipeline, &[name]), &text, true)[0][0]);
        let said = |reading| {
            let evidence = Evidence { similarity: hit.similarity.unwrap(), reading, words: 6 };
            medley::pipeline::probability(Some(&numbers), evidence).unwrap()
        };
        let possible: Vec<f32> = read.map(|reading| said(Some(reading))).chain([said(None)]).collect();
        let matched = hit.matched.unwrap();
        assert!(possible.iter().any(|one| (one - matched).abs() < ROUNDING), "{matched}, {possible:?}");
    }
    assert!(hits.is_sorted_by(|a, b| a.matched >= b.matched), "{hits:?}");
    let unread = found(None).into_iter().filter(|hit| hit.matched.is_none()).count();
    assert_eq!(unread, 1, "without numbers what was not read has no probability");
}

#[test]
fn what_a_search_is_scored_by_goes_into_the_model() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (index, name) in PICTURES.iter().cycle().take(6).enumerate() {
        fs::copy(asset(&format!("{name}.jpg")), file(&format!("{index}.jpg"))).unwrap();
        fs::write(file(&format!("{index}.txt")), format!("a photograph of the {name}\n")).unwrap();
    }
    let model = asset("medley-tiny.safetensors");
    let model = model.to_str().unwrap();
    let scores = out(&medley(&["eval", "search", "--data", &file(""), "--rerank", "3", "--model", model, "--json"]));
    fs::write(file("search.json"), &scores).unwrap();
    let fitted: Calibration =
        serde_json::from_value(serde_json::from_str::<Value>(&scores).unwrap()["calibration"].clone()).unwrap();

    let (search, weighed, again) = (file("search.json"), file("weighed.safetensors"), file("again.safetensors"));
    out(&medley(&["convert", model, &weighed, "--dtype", "q8", "--calibration", &search]));
    assert_eq!(load(Path::new(&weighed), LoadOptions::default()).unwrap().calibration(), Some(&fitted));
    assert!(out(&medley(&["inspect", &weighed])).contains("searches "));
    out(&medley(&["convert", &weighed, &again]));
    assert_eq!(load(Path::new(&again), LoadOptions::default()).unwrap().calibration(), Some(&fitted));
    out(&medley(&["convert", &weighed, &again, "--overwrite", "--match-threshold", "0.4"]));
    assert_eq!(load(Path::new(&again), LoadOptions::default()).unwrap().calibration(), None);

    for wrong in ["", "{}", "{\"calibration\": {\"read\": 3}}"] {
        fs::write(&search, wrong).unwrap();
        let refused = medley(&["convert", model, &again, "--overwrite", "--calibration", &search]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("search.json") && said.contains("calibration"), "{said}");
    }
}

#[test]
fn a_model_that_compares_takes_the_caption_that_fits_the_picture() {
    let pipeline = builtin();
    let seen = see(&pipeline, &PICTURES);
    let captions = |pipeline: &Pipeline, similarity_weight: f32, num_texts: usize| {
        let generate = GenerateConfig { num_texts, ..GenerateConfig::default() };
        let options = CaptionOptions { generate, similarity_weight, ..CaptionOptions::default() };
        pollster::block_on(pipeline.caption(&seen, &options, &mut silent)).unwrap()
    };
    let by_beam = captions(&pipeline, 0.0, 3);
    let (captioner, _) = pipeline.clone().into_kind(Kind::Captioner);
    assert_eq!(captions(&captioner, 1.0, 3), by_beam, "a captioner compares nothing");

    let by_similarity = captions(&pipeline, 1e6, 3);
    assert_ne!(by_similarity, by_beam);
    for ((name, captions), beams) in PICTURES.iter().zip(&by_similarity).zip(&by_beam) {
        assert_eq!(captions.len(), 3);
        assert!(captions.iter().all(|caption| beams.contains(caption)), "{name}: the same captions in another order");
        let texts: Vec<String> = captions.iter().map(|caption| caption.text.clone()).collect();
        let matches = pollster::block_on(pipeline.match_texts(&see(&pipeline, &[name]), &texts, false)).unwrap();
        assert!(matches.is_sorted_by(|a, b| a.similarity + ROUNDING >= b.similarity), "{name}: {matches:?}");
    }
    let best: Vec<_> = by_similarity.iter().map(|captions| captions[..1].to_vec()).collect();
    assert_eq!(captions(&pipeline, 1e6, 1), best, "all beams are read, however many are asked for");
}
