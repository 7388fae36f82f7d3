//! Pictures fetched in threads before their turn: the same numbers, bounded, named when broken, and no waiting for
//! nothing.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use image::{Rgb, RgbImage};
use medley::data::{CaptionExample, ShardWriter, read_captions};
use medley::model::{BlipConfig, Captioner, Kind};
use medley::preprocess::Preprocessor;
use medley::progress::{Progress, silent};
use medley::text::TextConfig;
use medley::tokenizer::train;
use medley::train::{CaptionTrainer, TrainConfig};
use medley::vision::VisionConfig;
use medley::{Error, Result};
use medley_tests::{device, turn};

const PICTURES: usize = 24;

/// Pictures of different sizes with a caption each.
fn pictures(folder: &Path) -> Vec<CaptionExample> {
    let example = |index: usize| {
        let image = folder.join(format!("{index:02}.png"));
        let size = 20 + 7 * index as u32;
        let level = |x: u32, y: u32| ((x * (index as u32 + 3) + y * 5) % 251) as u8;
        RgbImage::from_fn(size, size + 9, |x, y| Rgb([level(x, y), level(y, x), index as u8])).save(&image).unwrap();
        CaptionExample { image: image.into(), captions: vec![format!("number {index}")], id: index.to_string() }
    };
    (0..PICTURES).map(example).collect()
}

/// Two epochs of steps of two pictures, augmented, in two parts; no dropout, which is drawn from one source for all.
fn trainer(examples: &[CaptionExample]) -> CaptionTrainer {
    let texts: Vec<&str> = examples.iter().flat_map(|example| example.captions.iter().map(String::as_str)).collect();
    let tokenizer = train(texts.into_iter().chain(["a picture of "; 2]), 100).unwrap();
    let text = TextConfig::new().with_vocab_size(tokenizer.vocab_size()).with_hidden_size(32).with_num_layers(1);
    let text = text.with_num_heads(2).with_feed_forward_size(32).with_max_positions(32);
    let text = text.with_dropout(0.0).with_attention_dropout(0.0);
    let device = device("cpu");
    device.seed(1);
    let model =
        Captioner::init(&BlipConfig::new(Kind::Captioner, VisionConfig::new(32, 8, 32, 1, 2, 32), text), &device);
    let config = TrainConfig {
        epochs: 2,
        batch_size: 2,
        accumulate: 2,
        learning_rate: 1e-3,
        warmup_steps: 2,
        ..TrainConfig::default()
    };
    let preprocessor = Preprocessor { image_size_px: 32, ..Preprocessor::default() };
    CaptionTrainer::new(model, &tokenizer, tokenizer.ids(), preprocessor, examples, config).unwrap()
}

/// The loss of every step of an epoch, and how it ended.
fn epoch(trainer: &mut CaptionTrainer) -> (Vec<f32>, Result<()>) {
    let mut losses = Vec::new();
    let mut note = |progress| {
        if let Progress::Step { loss, .. } = progress {
            losses.push(loss);
        }
        ControlFlow::Continue(())
    };
    let ended = pollster::block_on(trainer.epoch(&mut note)).map(|_| ());
    (losses, ended)
}

/// A thread of the pool cannot wait for the pool: it reads the pictures itself.
#[test]
fn a_pool_of_one_thread_trains_itself_with_the_same_numbers() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let examples = pictures(folder.path());
    let (losses, ended) = epoch(&mut trainer(&examples));
    ended.unwrap();
    assert_eq!(losses.len(), PICTURES / 2);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (alone, ended) = pool.install(|| epoch(&mut trainer(&examples)));
    ended.unwrap();
    assert_eq!(losses, alone);
}

#[test]
fn a_run_from_shards_is_the_run_from_files() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let examples = pictures(folder.path());
    let shards = folder.path().join("shards");
    let mut writer = ShardWriter::create(&shards, 5).unwrap();
    for example in &examples {
        writer.add(&example.image.read().unwrap(), &example.captions, serde_json::Map::new()).unwrap();
    }
    writer.finish().unwrap();
    let from_shards = read_captions(&shards.join("{000000..000004}.tar"), None, None).unwrap().examples;
    assert_eq!(from_shards.len(), PICTURES);
    let [files, shards] = [examples, from_shards].map(|examples| {
        let mut trainer = trainer(&examples);
        let losses = [epoch(&mut trainer).0, epoch(&mut trainer).0].concat();
        let path = folder.path().join("state.safetensors");
        pollster::block_on(trainer.save(&path)).unwrap();
        (losses, fs::read(path).unwrap())
    });
    assert_eq!(files.0, shards.0);
    assert!(files.1 == shards.1, "the states differ");
}

#[test]
fn a_broken_picture_is_named_whichever_thread_met_it() {
    let _turn = turn();
    for broken in [0, 11, PICTURES - 1] {
        let folder = tempfile::tempdir().unwrap();
        let examples = pictures(folder.path());
        let path = examples[broken].image.path();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let (_, ended) = epoch(&mut trainer(&examples));
        assert!(matches!(ended, Err(Error::Data { path: named, .. }) if named == path));
    }
}

/// All pictures go away after the first step: those that were fetched are still learned from, and no others.
#[test]
fn only_a_few_steps_are_fetched_before_their_turn() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let examples = pictures(folder.path());
    let mut trainer = trainer(&examples);
    let mut take_away = |progress| {
        if let Progress::Step { step: 1, .. } = progress {
            examples.iter().for_each(|example| fs::remove_file(example.image.path()).unwrap());
        }
        ControlFlow::Continue(())
    };
    let ended = pollster::block_on(trainer.epoch(&mut take_away));
    assert!(matches!(ended, Err(Error::Read { .. })), "{ended:?}");
    assert!((1..=6).contains(&trainer.step()), "{} steps", trainer.step());
}

#[test]
fn a_run_that_is_stopped_or_dropped_does_not_wait() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let examples = pictures(folder.path());
    for step in [1, 5] {
        let mut stopped = trainer(&examples);
        let mut stop = |progress| match progress {
            Progress::Step { step: now, .. } if now == step => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        assert!(matches!(pollster::block_on(stopped.epoch(&mut stop)), Err(Error::Cancelled)));
        assert_eq!(stopped.step(), step);
        // What was under way belonged to the epoch that was stopped: going on reads it again.
        pollster::block_on(stopped.epoch(&mut silent)).unwrap();
        assert_eq!(stopped.step(), PICTURES / 2);
    }
}
