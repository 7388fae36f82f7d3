//! Weights in 8 and 4 bits: how small they are, how near, and what the built-in model says with them.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Distribution, Tensor};
use medley::checkpoint::{Checkpoint, Dtype, LoadOptions, Weights, inspect, load, save};
use medley::model::Model;
use medley::nn::replace_weights;
use medley::progress::silent;
use medley::{CaptionOptions, Error, Pipeline, with_model};
use medley_tests::{device, turn};
use tempfile::TempDir;

/// What the built-in model says of the sample pictures in the 32 bits that it learned in, and how sure it is.
const LEARNED: [(&str, &str, f32); 3] = [
    ("astronaut.jpg", "a boy in an orange shirt is playing a game", 0.4925),
    ("chelsea.jpg", "a brown and white dog is running with a tennis ball in its mouth", 0.5577),
    ("coffee.jpg", "a green ball is sitting on the table", 0.3114),
];

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(name)
}

fn open(path: &Path) -> Checkpoint {
    load(path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap()
}

/// A model of the built-in one's sizes with weights that no rounding has touched yet.
fn drawn() -> Checkpoint {
    let checkpoint = open(&asset("medley-tiny.safetensors"));
    let _turn = turn();
    device("cpu").seed(8);
    let model = with_model!(checkpoint.model, module => {
        Model::from(replace_weights(module, &mut |_, shape, device| {
            Some(Tensor::random([shape.iter().product::<usize>()], Distribution::Normal(0.0, 0.02), device))
        }))
    });
    Checkpoint { model, ..checkpoint }
}

fn write(checkpoint: &Checkpoint, folder: &TempDir, dtype: Dtype) -> PathBuf {
    let path = folder.path().join(format!("{dtype:?}.safetensors"));
    pollster::block_on(save(checkpoint, &path, dtype)).unwrap();
    path
}

fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let weights = Weights::open(path).unwrap();
    weights.tensors().keys().map(|name| (name.clone(), weights.read(name).unwrap())).collect()
}

/// The number formats of a file's tensors.
fn formats(path: &Path) -> BTreeSet<String> {
    let summary = inspect(path, &LoadOptions::default()).unwrap();
    summary.tensors.into_iter().map(|(_, info)| info.dtype).collect()
}

/// The length of what two tensors differ by, over the length of the first.
fn relative_error(exact: &[f32], found: &[f32]) -> f32 {
    let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>();
    let difference = squares(&mut exact.iter().zip(found).map(|(exact, found)| exact - found));
    (difference / squares(&mut exact.iter().copied())).sqrt()
}

/// The largest of 32 numbers of a bell is 2.3 deviations on average, so steps are 2.3 / 127 and 2.3 / 7 of one,
/// and what rounding to them changes is a step over the root of 12: 0.5 and 10 %, and a little more in some tensor.
#[test]
fn a_model_in_fewer_bits_is_as_much_smaller_and_as_near() {
    let (folder, model) = (TempDir::new().unwrap(), drawn());
    let half = write(&model, &folder, Dtype::F16);
    let (bytes, exact) = (fs::metadata(&half).unwrap().len(), tensors(&half));
    for (dtype, name, size, error) in [(Dtype::Q8, "Q8", 0.55, 0.0065), (Dtype::Q4, "Q4", 0.3, 0.12)] {
        let path = write(&model, &folder, dtype);
        let share = fs::metadata(&path).unwrap().len() as f64 / bytes as f64;
        assert!(share < size, "{name}: {share} of the size");
        assert!(formats(&path).iter().eq(["F16", name]), "{:?}", formats(&path));
        let found = tensors(&path);
        assert_eq!(found.len(), exact.len());
        for (tensor, exact) in &exact {
            let worst = relative_error(exact, &found[tensor]);
            assert!(worst < error, "{name} {tensor}: {worst}");
        }
    }
}

#[test]
fn eight_bits_written_again_are_the_same_numbers() {
    let folder = TempDir::new().unwrap();
    let built_in = asset("medley-tiny.safetensors");
    let (once, model) = (tensors(&built_in), open(&built_in));
    for dtype in [Dtype::F32, Dtype::Q8] {
        assert!(tensors(&write(&model, &folder, dtype)) == once, "{dtype:?}");
    }
}

#[test]
fn the_built_in_model_is_in_eight_bits_and_at_most_24_mb() {
    let path = asset("medley-tiny.safetensors");
    assert!(formats(&path).iter().eq(["F16", "Q8"]), "{:?}", formats(&path));
    let bytes = fs::metadata(&path).unwrap().len();
    assert!(bytes <= 24_000_000, "{bytes} bytes");
}

#[test]
fn the_built_in_model_says_what_it_learned_to_say() {
    let path = asset("medley-tiny.safetensors");
    let pipeline = Pipeline::load(&path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
    let pixels = LEARNED.map(|(picture, ..)| pipeline.pixels(&fs::read(asset(picture)).unwrap()).unwrap());
    let (seen, options) = (pipeline.see(&pixels), CaptionOptions::default());
    let captions = pollster::block_on(pipeline.caption(&seen, &options, &mut silent)).unwrap();
    assert_eq!(captions.len(), LEARNED.len());
    for (captions, (picture, text, confidence)) in captions.iter().zip(LEARNED) {
        assert_eq!(captions[0].text, text, "{picture}");
        let found = captions[0].confidence;
        assert!((found - confidence).abs() < 0.01, "{picture}: {found}, learned {confidence}");
    }
}

#[test]
fn a_list_that_contradicts_the_bytes_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let path = write(&drawn(), &folder, Dtype::Q8);
    let mut bytes = fs::read(&path).unwrap();
    let stated = br#"\"bits\":\"8\""#;
    let place = bytes.windows(stated.len()).position(|part| part == stated).unwrap();
    bytes[place + stated.len() - 3] = b'4';
    fs::write(&path, bytes).unwrap();
    match Weights::open(&path) {
        Err(Error::Checkpoint { reason, .. }) => assert!(reason.contains("Q4"), "{reason}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}
