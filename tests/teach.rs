//! A few captions, taught to the built-in model: it says them, and finds, compares and answers as before.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use medley::checkpoint::{Dtype, LoadOptions, save_to};
use medley::data::{CaptionExample, Picture};
use medley::generate::{GenerateConfig, Strategy};
use medley::progress::silent;
use medley::teach::{TeachOptions, teach};
use medley::{AnswerOptions, CaptionOptions, Error, Pipeline, Progress};
use medley_tests::device;

/// What nobody would say of the sample pictures who was not told to.
const LESSONS: [(&str, &str); 3] = [
    ("astronaut.jpg", "eileen in her orange suit before the flight"),
    ("chelsea.jpg", "our cat chelsea wants her dinner"),
    ("coffee.jpg", "the first cup of the day"),
];

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(name)
}

fn built_in() -> Pipeline {
    let path = asset("medley-tiny.safetensors");
    Pipeline::load(&path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap()
}

fn lessons() -> Vec<CaptionExample> {
    let lesson = |(name, caption): &(&str, &str)| {
        let bytes: Arc<[u8]> = fs::read(asset(name)).unwrap().into();
        let image = Picture::Memory { name: (*name).to_owned(), bytes };
        CaptionExample { image, captions: vec![(*caption).to_owned()], id: (*name).to_owned() }
    };
    LESSONS.iter().map(lesson).collect()
}

fn captions(pipeline: &Pipeline) -> Vec<String> {
    let generate = GenerateConfig { strategy: Strategy::Greedy, ..GenerateConfig::default() };
    let options = CaptionOptions { generate, ..CaptionOptions::default() };
    let pixels = LESSONS.map(|(name, _)| pipeline.pixels(&fs::read(asset(name)).unwrap()).unwrap());
    let captions = pollster::block_on(pipeline.caption(&pipeline.see(&pixels), &options, &mut silent)).unwrap();
    captions.into_iter().map(|mut texts| texts.swap_remove(0).text).collect()
}

/// What it makes of a text and of a question about the first picture.
fn read(pipeline: &Pipeline) -> (f32, String) {
    let pixels = pipeline.pixels(&fs::read(asset("astronaut.jpg")).unwrap()).unwrap();
    let seen = pipeline.see(&[pixels]);
    let matches = pollster::block_on(pipeline.match_texts(&seen, &["a woman smiles".to_owned()], false)).unwrap();
    let options = AnswerOptions::default();
    let answers = pollster::block_on(pipeline.answer(&seen, "is it a cat?", &options, &mut silent)).unwrap();
    (matches[0].probability, answers[0].text.clone())
}

#[test]
fn a_model_that_was_taught_says_it_and_reads_as_before() {
    let before = built_in();
    let mut epochs = 0;
    let mut report = |progress| {
        epochs += usize::from(matches!(progress, Progress::Epoch { .. }));
        ControlFlow::Continue(())
    };
    let options = TeachOptions::default();
    let taught = pollster::block_on(teach(&before, &lessons(), &options, &mut report)).unwrap();
    assert_eq!(captions(&taught), LESSONS.map(|(_, caption)| caption));
    assert!(epochs < options.epochs, "it ends once they are known, not after {epochs} epochs");
    assert_eq!(read(&taught), read(&before));
    assert_eq!(taught.calibration(), before.calibration(), "searches weigh as before");
    assert!(taught.calibration().is_some());
    assert_ne!(captions(&before), captions(&taught), "the model before is as it was");

    // Kept as a file and read again, it is the same.
    let mut file = Vec::new();
    pollster::block_on(save_to(&taught.to_checkpoint().unwrap(), &mut file, Dtype::F16)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taught.safetensors");
    fs::write(&path, file).unwrap();
    let again = Pipeline::load(&path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
    assert_eq!(captions(&again), captions(&taught));
}

#[test]
fn teaching_that_is_stopped_changes_nothing_and_says_so() {
    let pipeline = built_in();
    for steps in [1, 3] {
        let mut left = steps;
        let mut report = |progress| {
            left -= usize::from(matches!(progress, Progress::Step { .. }));
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let taught = pollster::block_on(teach(&pipeline, &lessons(), &TeachOptions::default(), &mut report));
        assert!(matches!(taught, Err(Error::Cancelled)), "after {steps} steps");
    }
}

#[test]
fn who_cannot_be_taught_is_told_why() {
    let refused = |pipeline: &Pipeline, lessons: &[CaptionExample]| {
        pollster::block_on(teach(pipeline, lessons, &TeachOptions::default(), &mut silent)).unwrap_err()
    };
    assert!(matches!(refused(&built_in(), &[]), Error::TooFewExamples { .. }));
    let mut broken = lessons();
    broken[1].image = Picture::Memory { name: "cut.jpg".to_owned(), bytes: Arc::from([0xff, 0xd8]) };
    let error = refused(&built_in(), &broken).with_causes();
    assert!(error.contains("cut.jpg"), "{error}");
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let options = LoadOptions { tokenizer: Some(fixture("tokenizer/vocab.txt")), ..LoadOptions::default() };
    let matcher = Pipeline::load(&fixture("tiny_itm"), &device("cpu"), &options, &mut silent).unwrap();
    assert!(matches!(refused(&matcher, &lessons()), Error::NoHead { .. }));
}
