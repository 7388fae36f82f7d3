//! Retrieval within a set: which candidates are read, and what their scores are.
//!
//! Scores are sums of a logit and a cosine, computed in batches here and one by one there: they
//! agree within [`ROUNDING`].

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use burn::tensor::{Bool, Tensor, TensorData};
use medley::checkpoint::LoadOptions;
use medley::loss::{Reduction, lm};
use medley::model::Model;
use medley::pipeline::{Bank, Found, Rerank, Retrieved};
use medley::progress::{Progress, silent};
use medley::text::Context;
use medley::tokenizer::pad;
use medley::{Error, Pipeline, Result};
use medley_tests::{device, fixture, values};

const ROUNDING: f32 = 1e-4;
const TEXTS: [&str; 5] = ["the dog runs", "a cat", "two red dogs", "a man on the grass", "the snow"];
const PICTURES: usize = 4;

fn pipeline() -> Pipeline {
    let tokenizer = Some(fixture("tokenizer").join("tokenizer.json"));
    let options = LoadOptions { tokenizer, ..LoadOptions::default() };
    Pipeline::load(&fixture("tiny_itm"), &device("cpu"), &options, &mut silent).unwrap()
}

/// Pictures that differ enough for a random model to tell them apart.
fn picture(index: usize) -> Vec<f32> {
    (0..3 * 32 * 32).map(|place| ((place * (index + 3)) as f32 * 0.37).sin() * (index as f32 + 0.5)).collect()
}

fn texts() -> Vec<String> {
    TEXTS.map(str::to_owned).to_vec()
}

fn retrieve(pipeline: &Pipeline, rerank: Rerank) -> Retrieved {
    retrieve_beside(pipeline, rerank, None)
}

fn retrieve_beside(pipeline: &Pipeline, rerank: Rerank, bank: Option<&Bank>) -> Retrieved {
    let mut pixels = |index| Ok(picture(index));
    pollster::block_on(pipeline.retrieve(PICTURES, &mut pixels, &texts(), rerank, bank, &mut silent)).unwrap()
}

/// Two pictures that are not searched, and two texts.
const BESIDE: ([usize; 2], [&str; 2]) = ([7, 9], ["a man", "the dog on the snow"]);

fn bank(pipeline: &Pipeline) -> Bank {
    let (pictures, texts) = BESIDE;
    let mut pixels = |index: usize| Ok(picture(pictures[index]));
    let texts = texts.map(str::to_owned);
    pollster::block_on(pipeline.bank(pictures.len(), &mut pixels, &texts, &mut silent)).unwrap()
}

/// A random pre-training model: it compares and writes.
fn pretrained() -> Pipeline {
    let tokenizer = Some(fixture("tokenizer").join("tokenizer.json"));
    let config = Some(fixture("tiny_itm").join("config.json"));
    let options = LoadOptions { tokenizer, config, skip_training_state: true, ..LoadOptions::default() };
    Pipeline::load(&fixture("orig").join("pretrain.pth"), &device("cpu"), &options, &mut silent).unwrap()
}

fn score(found: &Found, place: usize) -> f32 {
    found.iter().find(|(key, _)| *key == place).unwrap().1
}

fn places(found: &[(usize, f32)]) -> Vec<usize> {
    let mut places: Vec<usize> = found.iter().map(|(place, _)| *place).collect();
    places.sort_unstable();
    places
}

#[test]
fn a_score_is_what_reading_both_says_and_how_alike_they_are() {
    let pipeline = pipeline();
    let Model::Matcher(model) = pipeline.model() else { panic!("not a matcher") };
    let found = retrieve(&pipeline, Rerank::of(100));
    for (image, found_texts) in found.texts.iter().enumerate() {
        let pixels = TensorData::new(picture(image), [1, 3, 32, 32]);
        let image_embeds = model.vision().forward(Tensor::from_data(pixels, &device("cpu")));
        let matches =
            pollster::block_on(pipeline.match_texts(&pipeline.see(&[picture(image)]), &texts(), false)).unwrap();
        assert_eq!(places(found_texts), [0, 1, 2, 3, 4]);
        assert!(found_texts.is_sorted_by(|a, b| a.1 >= b.1), "the best first");
        for (text, score) in found_texts {
            let tokens = pipeline.tokens();
            let ids = pipeline.tokenizer().encode_between(tokens.encode, TEXTS[*text], usize::MAX).unwrap();
            let ids = pad(&[ids], tokens.pad, &device("cpu")).ids;
            let logit = values(model.comparer().itm_logits(ids, None, &Context::new(image_embeds.clone())))[1];
            let expected = logit + matches[*text].similarity;
            assert!((score - expected).abs() < ROUNDING, "{image}, {text}: {score} is not {expected}");
            let other_way = found.images[*text].iter().find(|(place, _)| *place == image).unwrap().1;
            assert!((score - other_way).abs() < ROUNDING, "both directions read the same pair");
        }
    }
}

#[test]
fn reading_counts_as_much_as_asked() {
    let pipeline = pipeline();
    let at = |logit_weight| retrieve(&pipeline, Rerank { logit_weight, ..Rerank::of(100) });
    let (none, half, whole) = (at(0.0), at(0.5), at(1.0));
    assert_eq!(none.images, retrieve(&pipeline, Rerank::of(0)).images);
    for (image, text) in (0..PICTURES).flat_map(|image| (0..TEXTS.len()).map(move |text| (image, text))) {
        let [none, half, whole] = [&none, &half, &whole].map(|found| score(&found.texts[image], text));
        assert!((half - (none + whole) / 2.0).abs() < ROUNDING && none != whole, "{none}, {half}, {whole}");
    }
}

#[test]
fn what_is_near_a_bank_counts_for_less() {
    let pipeline = pipeline();
    let temperature = 1.0 / 20.0;
    let read = |texts: &[String]| pollster::block_on(pipeline.text_features(texts, &mut silent)).unwrap();
    let see = |pictures: &[usize]| {
        let pixels: Vec<Vec<f32>> = pictures.iter().map(|index| picture(*index)).collect();
        pollster::block_on(pipeline.features(&pipeline.see(&pixels))).unwrap()
    };
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let common = |feature: &[f32], keys: &[Vec<f32>]| {
        let likely: f32 = keys.iter().map(|key| (cosine(feature, key) / temperature).exp()).sum();
        temperature * (likely / keys.len() as f32).ln()
    };
    let found = retrieve_beside(&pipeline, Rerank::of(0), Some(&bank(&pipeline)));
    let (images, texts) = (see(&[0, 1, 2, 3]), read(&texts()));
    let (bank_images, bank_texts) = (see(&BESIDE.0), read(&BESIDE.1.map(str::to_owned)));
    for (image, text) in (0..PICTURES).flat_map(|image| (0..TEXTS.len()).map(move |text| (image, text))) {
        let similarity = cosine(&images[image], &texts[text]);
        let of_text = similarity - common(&texts[text], &bank_images);
        let of_image = similarity - common(&images[image], &bank_texts);
        assert!((score(&found.texts[image], text) - of_text).abs() < ROUNDING);
        assert!((score(&found.images[text], image) - of_image).abs() < ROUNDING);
    }
}

#[test]
fn what_a_picture_explains_better_than_the_average_one_counts_as_asked() {
    let pipeline = pretrained();
    let Model::Pretraining(model) = pipeline.model() else { panic!("no pre-training model") };
    let see = |index| {
        model.vision().forward(Tensor::from_data(TensorData::new(picture(index), [1, 3, 32, 32]), &device("cpu")))
    };
    let surprise = |states: Tensor<3>, text: &str| {
        let tokens = pipeline.tokens();
        let row = pipeline.tokenizer().encode_between(tokens.decode, text, usize::MAX).unwrap();
        let ids = pad(&[row], tokens.pad, &device("cpu")).ids;
        let logits = model.writer().logits(ids.clone(), None, &Context::new(states));
        let none = Tensor::<2, Bool>::zeros(ids.dims(), &device("cpu"));
        values(lm(logits, ids, none, 0.0, Reduction::RowSum))[0]
    };
    let average = (see(BESIDE.0[0]) + see(BESIDE.0[1])) / 2.0;
    let bank = bank(&pipeline);
    let at = |lm_weight| retrieve_beside(&pipeline, Rerank { lm_weight, ..Rerank::of(100) }, Some(&bank));
    let (without, with) = (at(0.0), at(0.5));
    for (image, text) in (0..PICTURES).flat_map(|image| (0..TEXTS.len()).map(move |text| (image, text))) {
        let better = surprise(average.clone(), TEXTS[text]) - surprise(see(image), TEXTS[text]);
        for (without, with, place) in
            [(&without.texts[image], &with.texts[image], text), (&without.images[text], &with.images[text], image)]
        {
            let more = score(with, place) - score(without, place);
            assert!((more - 0.5 * better).abs() < 10.0 * ROUNDING, "{more} is not half of {better}");
        }
    }
}

#[test]
fn a_decoder_is_asked_only_where_there_is_one_and_a_bank() {
    let asked = |pipeline: &Pipeline, bank: Option<&Bank>| {
        let mut pixels = |index| Ok(picture(index));
        let rerank = Rerank { lm_weight: 0.1, ..Rerank::of(3) };
        pollster::block_on(pipeline.retrieve(PICTURES, &mut pixels, &texts(), rerank, bank, &mut silent)).err()
    };
    assert!(matches!(asked(&pretrained(), None), Some(Error::Option { option: "lm_weight", .. })));
    let matcher = pipeline();
    assert!(matches!(asked(&matcher, Some(&bank(&matcher))), Some(Error::NoHead { .. })));
    let mut pixels = |index| Ok(picture(index));
    let empty = pollster::block_on(matcher.bank(0, &mut pixels, &texts(), &mut silent));
    assert!(matches!(empty, Err(Error::Option { option: "bank", .. })));
}

#[test]
fn the_most_alike_are_the_candidates() {
    let pipeline = pipeline();
    let all = retrieve(&pipeline, Rerank::of(0));
    let few = retrieve(&pipeline, Rerank::of(2));
    let directions = [(&all.texts, &few.texts), (&all.images, &few.images)];
    for (all, few) in directions.into_iter().flat_map(|(all, few)| all.iter().zip(few)) {
        assert_eq!(places(few), places(&all[..2]));
    }
}

#[test]
fn retrieval_can_be_stopped() {
    let pipeline = pipeline();
    let mut stop = |progress| match progress {
        Progress::Items { stage: "matching", .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let mut pixels = |index| Ok(picture(index));
    let found = pollster::block_on(pipeline.retrieve(PICTURES, &mut pixels, &texts(), Rerank::of(3), None, &mut stop));
    assert!(matches!(found, Err(Error::Cancelled)));
}

#[test]
fn a_picture_that_cannot_be_read_is_an_error() {
    let pipeline = pipeline();
    let mut pixels =
        |index: usize| -> Result<Vec<f32>> { if index == 2 { Err(Error::EmptyText) } else { Ok(picture(index)) } };
    let found =
        pollster::block_on(pipeline.retrieve(PICTURES, &mut pixels, &texts(), Rerank::of(3), None, &mut silent));
    assert!(matches!(found, Err(Error::EmptyText)));
}

#[test]
fn a_text_beyond_the_models_positions_is_refused_not_cut() {
    let pipeline = pipeline();
    let seen = pipeline.see(&[picture(0)]);
    let texts = [texts()[0].clone(), "dog ".repeat(600)];
    let refused = pollster::block_on(pipeline.match_texts(&seen, &texts, false));
    assert!(matches!(refused, Err(Error::TextTooLong { .. })));
}
