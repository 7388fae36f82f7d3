//! Where a captioner looks for each word.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Distribution, Tensor};
use medley::nn::AttentionConfig;
use medley::pipeline::{Look, Seen};
use medley::progress::silent;
use medley::{Error, LoadOptions, Pipeline};
use medley_tests::{device, largest_difference, values};

/// Two ways to sum the same products.
const ROUNDING: f32 = 1e-5;

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(name)
}

fn built_in(device: &Device) -> Pipeline {
    Pipeline::load(&asset("medley-tiny.safetensors"), device, &LoadOptions::default(), &mut silent).unwrap()
}

fn see(pipeline: &Pipeline, name: &str) -> Seen {
    pipeline.see(&[pipeline.pixels(&fs::read(asset(name)).unwrap()).unwrap()])
}

fn look(pipeline: &Pipeline, seen: &Seen, text: &str) -> Look {
    pollster::block_on(pipeline.look(seen, text)).unwrap()
}

#[test]
fn attention_mixes_values_by_its_weights() {
    let device = device("cpu");
    let attention = AttentionConfig::new(8, 12, 2).init(&device);
    let x = Tensor::<3>::random([3, 5, 8], Distribution::Default, &device);
    let keys = attention.key_value(Tensor::random([3, 7, 12], Distribution::Default, &device));
    let weights = attention.weights(x.clone(), &keys);
    let mixed = weights.matmul(keys.value.clone()).swap_dims(1, 2).reshape([3, 5, 8]);
    let attended = attention.attend(x, keys, None);
    assert!(largest_difference(&values(attended), &values(mixed)) < ROUNDING);
}

#[test]
fn every_word_has_a_map_of_the_picture_that_sums_to_one() {
    let device = device("cpu");
    let pipeline = built_in(&device);
    let found = look(&pipeline, &see(&pipeline, "coffee.jpg"), "a cup of cappuccino on a saucer");
    assert_eq!(found.words, ["a", "cup", "of", "cappuccino", "on", "a", "saucer"]);
    assert_eq!((found.side, found.maps.len()), (14, 7));
    for map in &found.maps {
        assert_eq!(map.len(), 14 * 14);
        assert!((map.iter().sum::<f32>() - 1.0).abs() < ROUNDING);
        assert!(map.iter().all(|share| *share >= 0.0));
    }
}

#[test]
fn a_word_is_looked_for_without_knowing_those_behind_it() {
    let device = device("cpu");
    let pipeline = built_in(&device);
    let seen = see(&pipeline, "chelsea.jpg");
    let (short, long) = (look(&pipeline, &seen, "a dog"), look(&pipeline, &seen, "a dog runs through the snow"));
    for (short, long) in short.maps.iter().zip(&long.maps) {
        assert!(largest_difference(short, long) < ROUNDING);
    }
    let other = look(&pipeline, &seen, "two men");
    assert!(largest_difference(&short.maps[1], &other.maps[1]) > 1e-3, "the words before it make no difference");
}

#[test]
fn a_text_without_words_and_one_beyond_the_positions_are_refused() {
    let device = device("cpu");
    let pipeline = built_in(&device);
    let seen = see(&pipeline, "chelsea.jpg");
    assert!(matches!(pollster::block_on(pipeline.look(&seen, " ")), Err(Error::EmptyText)));
    let long = pollster::block_on(pipeline.look(&seen, &"dog ".repeat(100)));
    assert!(matches!(long, Err(Error::TextTooLong { .. })));
}
