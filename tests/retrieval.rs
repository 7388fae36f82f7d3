//! Retrieval within a set: which candidates are read, and what their scores are.
//!
//! Scores are sums of a logit and a cosine, computed in batches here and one by one there: they
//! agree within [`ROUNDING`].

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use medley::checkpoint::LoadOptions;
use medley::model::Model;
use medley::pipeline::{Rerank, Retrieved};
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
    let mut pixels = |index| Ok(picture(index));
    pollster::block_on(pipeline.retrieve(PICTURES, &mut pixels, &texts(), rerank, &mut silent)).unwrap()
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
        let pixels = burn::tensor::TensorData::new(picture(image), [1, 3, 32, 32]);
        let image_embeds = model.vision().forward(burn::tensor::Tensor::from_data(pixels, &device("cpu")));
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
    let at = |logit_weight| retrieve(&pipeline, Rerank { candidates: 100, logit_weight });
    let score = |found: &Retrieved, image: usize, text: usize| {
        found.texts[image].iter().find(|(place, _)| *place == text).unwrap().1
    };
    let (none, half, whole) = (at(0.0), at(0.5), at(1.0));
    assert_eq!(none.images, retrieve(&pipeline, Rerank::of(0)).images);
    for (image, text) in (0..PICTURES).flat_map(|image| (0..TEXTS.len()).map(move |text| (image, text))) {
        let [none, half, whole] = [&none, &half, &whole].map(|found| score(found, image, text));
        assert!((half - (none + whole) / 2.0).abs() < ROUNDING && none != whole, "{none}, {half}, {whole}");
    }
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
    let found = pollster::block_on(pipeline.retrieve(PICTURES, &mut pixels, &texts(), Rerank::of(3), &mut stop));
    assert!(matches!(found, Err(Error::Cancelled)));
}

#[test]
fn a_picture_that_cannot_be_read_is_an_error() {
    let pipeline = pipeline();
    let mut pixels =
        |index: usize| -> Result<Vec<f32>> { if index == 2 { Err(Error::EmptyText) } else { Ok(picture(index)) } };
    let found = pollster::block_on(pipeline.retrieve(PICTURES, &mut pixels, &texts(), Rerank::of(3), &mut silent));
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
