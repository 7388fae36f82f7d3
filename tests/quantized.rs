//! Weights in 8 and 4 bits: how small they are, how near, and what a model still says with them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use medley::checkpoint::{Checkpoint, Dtype, LoadOptions, Weights, inspect, load, save};
use medley::progress::silent;
use medley::{CaptionOptions, Error, Pipeline};
use medley_tests::device;
use tempfile::TempDir;

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(name)
}

fn open(path: &Path) -> Checkpoint {
    load(path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap()
}

/// The built-in model in these numbers.
fn built_in(folder: &TempDir, dtype: Dtype) -> PathBuf {
    let path = folder.path().join(format!("{dtype:?}.safetensors"));
    pollster::block_on(save(&open(&asset("medley-tiny.safetensors")), &path, dtype)).unwrap();
    path
}

fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let weights = Weights::open(path).unwrap();
    weights.tensors().keys().map(|name| (name.clone(), weights.read(name).unwrap())).collect()
}

/// The length of what two tensors differ by, over the length of the first.
fn relative_error(exact: &[f32], found: &[f32]) -> f32 {
    let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>();
    let difference = squares(&mut exact.iter().zip(found).map(|(exact, found)| exact - found));
    (difference / squares(&mut exact.iter().copied())).sqrt()
}

#[test]
fn a_model_in_fewer_bits_is_as_much_smaller_and_as_near() {
    let folder = TempDir::new().unwrap();
    let half = built_in(&folder, Dtype::F16);
    let (bytes, exact) = (fs::metadata(&half).unwrap().len(), tensors(&half));
    for (dtype, name, size, error) in [(Dtype::Q8, "Q8", 0.6, 0.012), (Dtype::Q4, "Q4", 0.36, 0.2)] {
        let path = built_in(&folder, dtype);
        let share = fs::metadata(&path).unwrap().len() as f64 / bytes as f64;
        assert!(share < size, "{name}: {share} of the size");
        let kinds: Vec<String> =
            inspect(&path, &LoadOptions::default()).unwrap().tensors.into_iter().map(|(_, info)| info.dtype).collect();
        assert!(kinds.iter().any(|kind| kind == name) && kinds.iter().any(|kind| kind == "F16"), "{kinds:?}");
        let found = tensors(&path);
        assert_eq!(found.len(), exact.len());
        for (tensor, exact) in &exact {
            let worst = relative_error(exact, &found[tensor]);
            assert!(worst < error, "{name} {tensor}: {worst}");
        }
    }
}

#[test]
fn a_model_in_eight_bits_says_what_it_says_in_sixteen() {
    let folder = TempDir::new().unwrap();
    let caption = |path: &Path| {
        let pipeline = Pipeline::load(path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
        let pixels = ["astronaut.jpg", "chelsea.jpg", "coffee.jpg"]
            .map(|picture| pipeline.pixels(&fs::read(asset(picture)).unwrap()).unwrap());
        let (seen, options) = (pipeline.see(&pixels), CaptionOptions::default());
        let captions = pollster::block_on(pipeline.caption(&seen, &options, &mut silent)).unwrap();
        captions.into_iter().map(|mut texts| texts.remove(0)).collect::<Vec<_>>()
    };
    let (whole, eighth) = (caption(&asset("medley-tiny.safetensors")), caption(&built_in(&folder, Dtype::Q8)));
    for (whole, eighth) in whole.iter().zip(&eighth) {
        assert_eq!(whole.text, eighth.text);
        assert!((whole.confidence - eighth.confidence).abs() < 0.03, "{} {}", whole.confidence, eighth.confidence);
    }
}

#[test]
fn a_list_that_contradicts_the_bytes_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let path = built_in(&folder, Dtype::Q8);
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
