//! Training: what is learned, what is left alone, and that a run can stop and go on.
//!
//! Where two ways of computing the same loss are compared they may differ by rounding, whose
//! order of summation is all that differs: [`ROUNDING`]. Features that are kept have eleven
//! binary digits: half a thousandth of a token at most, so [`HALF_PRECISION`] of a loss.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use image::{Rgb, RgbImage};
use medley::checkpoint::Weights;
use medley::data::CaptionExample;
use medley::generate::{GenerateConfig, Strategy, generate};
use medley::model::{BlipConfig, Captioner, Kind};
use medley::preprocess::Preprocessor;
use medley::progress::{Progress, silent};
use medley::text::{Context, TextConfig};
use medley::tokenizer::{Tokenizer, train};
use medley::train::{CaptionTrainer, TrainConfig, learning_rate};
use medley::vision::VisionConfig;
use medley::{Error, Result};
use medley_tests::{device, finish, turn};
use tempfile::TempDir;

const ROUNDING: f32 = 1e-5;
const HALF_PRECISION: f32 = 5e-4;

const PROMPT: &str = "a picture of ";
const PICTURES: [(&str, [u8; 3]); 4] = [
    ("a red bus in the street", [230, 20, 20]),
    ("two dogs in the water", [20, 200, 40]),
    ("a boat near the beach at night", [20, 30, 220]),
    ("snow", [240, 240, 240]),
];

/// Four pictures with captions, and a captioner that has seen neither.
struct Lesson {
    folder: TempDir,
    examples: Vec<CaptionExample>,
    tokenizer: Tokenizer,
    model: Captioner,
    /// Dropout draws from one source for the whole process, so one lesson is held at a time.
    _turn: MutexGuard<'static, ()>,
}

impl Lesson {
    fn new(dropout: f64) -> Self {
        let turn = turn();
        let folder = tempfile::tempdir().unwrap();
        let examples = PICTURES.iter().enumerate().map(|(index, (caption, color))| {
            let image = folder.path().join(format!("{index}.png"));
            let picture = RgbImage::from_fn(32, 32, |x, y| if x * 8 > y * 3 { Rgb(*color) } else { Rgb([9, 9, 9]) });
            picture.save(&image).unwrap();
            CaptionExample { image: image.into(), captions: vec![(*caption).to_owned()], id: index.to_string() }
        });
        let examples: Vec<CaptionExample> = examples.collect();
        let texts = PICTURES.iter().map(|(caption, _)| *caption).chain([PROMPT; 2]);
        let tokenizer = train(texts, 100).unwrap();
        let text = TextConfig::new().with_vocab_size(tokenizer.vocab_size()).with_hidden_size(32).with_num_layers(2);
        let text = text.with_num_heads(2).with_feed_forward_size(64).with_max_positions(64);
        let text = text.with_dropout(dropout).with_attention_dropout(dropout);
        let vision = VisionConfig::new(32, 8, 32, 2, 2, 64);
        let device = device("cpu");
        device.seed(1);
        let model = Captioner::init(&BlipConfig::new(Kind::Captioner, vision, text), &device);
        Self { folder, examples, tokenizer, model, _turn: turn }
    }

    fn trainer(&self, config: TrainConfig) -> Result<CaptionTrainer> {
        let preprocessor = Preprocessor { image_size_px: 32, ..Preprocessor::default() };
        let tokens = self.tokenizer.ids();
        CaptionTrainer::new(self.model.clone(), &self.tokenizer, tokens, preprocessor, &self.examples, config)
    }

    /// The state of a run as it is saved.
    fn save(&self, trainer: &CaptionTrainer, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        pollster::block_on(trainer.save(&path)).unwrap();
        path
    }
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 3,
        batch_size: 2,
        learning_rate: 1e-3,
        warmup_steps: 2,
        augment: false,
        label_smoothing: 0.0,
        ..TrainConfig::default()
    }
}

/// Enough to tell the pictures apart, which six steps are not.
fn learning() -> TrainConfig {
    TrainConfig { epochs: 100, learning_rate: 1e-2, warmup_steps: 10, weight_decay: 0.0, ..config() }
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert!(!a.is_empty());
    medley_tests::largest_difference(a, b)
}

/// The weights of a saved run by path.
fn weights(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let file = Weights::open(path).unwrap();
    let weight = |name: &String| Some((name.strip_prefix("weight/")?.to_owned(), file.read(name).unwrap()));
    file.tensors().keys().filter_map(weight).collect()
}

#[test]
fn a_captioner_learns_four_pictures_by_heart() {
    let lesson = Lesson::new(0.0);
    let config = TrainConfig { batch_size: 4, ..learning() };
    let mut trainer = lesson.trainer(config).unwrap();
    let losses = finish(&mut trainer);
    assert!(losses[0] > 2.0 && losses[losses.len() - 1] < 0.05, "from {} to {:?}", losses[0], losses.last());
    let loss = pollster::block_on(trainer.validation_loss(&lesson.examples, &lesson.tokenizer)).unwrap();
    assert!(loss < 0.05, "{loss}");

    let (model, tokens) = (trainer.model(), lesson.tokenizer.ids());
    let prompt = [vec![tokens.decode], lesson.tokenizer.encode(PROMPT).unwrap()].concat();
    let preprocessor = Preprocessor { image_size_px: 32, ..Preprocessor::default() };
    for (example, (caption, _)) in lesson.examples.iter().zip(PICTURES) {
        let pixels = preprocessor.pixels(&example.image.read().unwrap()).unwrap();
        let pixels = burn::tensor::TensorData::new(pixels, [1, 3, 32, 32]);
        let pixels = burn::tensor::Tensor::<4>::from_data(pixels, &device("cpu"));
        let context = Context::new(model.vision().forward(pixels));
        let greedy = GenerateConfig { strategy: Strategy::Greedy, max_length: 40, ..GenerateConfig::default() };
        let mut go_on = |_: usize, _: &[u32]| ControlFlow::Continue(());
        let writing = generate(model.writer(), &context, &prompt, tokens, &greedy, &mut go_on);
        let written = pollster::block_on(writing).unwrap();
        assert_eq!(lesson.tokenizer.decode(&written[0][0].ids).unwrap(), caption);
    }
}

/// With all that is drawn at random, and all that is remembered between steps.
fn restless() -> TrainConfig {
    TrainConfig { augment: true, weight_average: 0.9, accumulate: 2, ..config() }
}

#[test]
fn a_run_that_stopped_goes_on_as_if_it_never_had() {
    let lesson = Lesson::new(0.1);
    let mut straight = lesson.trainer(restless()).unwrap();
    finish(&mut straight);

    let mut stopped = lesson.trainer(restless()).unwrap();
    pollster::block_on(stopped.epoch(&mut silent)).unwrap();
    let cancelled = pollster::block_on(stopped.epoch(&mut |_| ControlFlow::Break(())));
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert_eq!(stopped.step(), 3, "in the middle of the second epoch");
    let path = lesson.save(&stopped, "stopped");
    let mut resumed = lesson.trainer(restless()).unwrap();
    resumed.resume(&path).unwrap();
    assert_eq!(resumed.step(), 3);
    finish(&mut resumed);

    let [straight, resumed] = [(straight, "straight"), (resumed, "resumed")]
        .map(|(trainer, name)| fs::read(lesson.save(&trainer, name)).unwrap());
    assert!(straight == resumed, "the two runs differ");
}

#[test]
fn the_same_seed_trains_the_same_model() {
    let lesson = Lesson::new(0.1);
    let losses = |seed| finish(&mut lesson.trainer(TrainConfig { seed, ..restless() }).unwrap());
    assert_eq!(losses(1), losses(1));
    assert_ne!(losses(1), losses(2));
}

#[test]
fn a_step_in_two_parts_is_a_step_in_one() {
    let lesson = Lesson::new(0.0);
    let losses = |accumulate| {
        finish(&mut lesson.trainer(TrainConfig { accumulate, batch_size: 4, epochs: 40, ..learning() }).unwrap())
    };
    let whole = losses(1);
    for parts in [2, 3, 4] {
        let worst = largest_difference(&whole, &losses(parts));
        assert!(worst <= ROUNDING, "{parts} parts: {worst:e}");
    }
}

#[test]
fn frozen_parameters_stay_and_all_others_move() {
    let lesson = Lesson::new(0.0);
    let frozen = ["text.embedding.word", "text.layers.0.*", "vision.norm.*"];
    let freeze = frozen.map(str::to_owned).to_vec();
    let mut trainer = lesson.trainer(TrainConfig { freeze, ..config() }).unwrap();
    let before = weights(&lesson.save(&trainer, "before"));
    finish(&mut trainer);
    let after = weights(&lesson.save(&trainer, "after"));
    for (name, before) in &before {
        let is_frozen = frozen.iter().any(|pattern| name.starts_with(pattern.trim_end_matches('*')));
        // A key's bias adds the same to all scores of a query, so its gradient is zero.
        if is_frozen || !name.ends_with("key.bias") {
            assert_eq!(before == &after[name], is_frozen, "{name}");
        }
    }
}

#[test]
fn features_that_are_kept_train_as_features_that_are_not() {
    let lesson = Lesson::new(0.0);
    let run = |freeze: &[&str], feature_memory_mb: usize| {
        let freeze = freeze.iter().map(|pattern| (*pattern).to_owned()).collect();
        let mut trainer = lesson.trainer(TrainConfig { freeze, feature_memory_mb, epochs: 50, ..learning() }).unwrap();
        let mut encodes = false;
        let mut losses = Vec::new();
        while !trainer.is_finished() {
            let mut note = |progress| {
                match progress {
                    Progress::Items { stage: "encoding", .. } => encodes = true,
                    Progress::Step { loss, .. } => losses.push(loss),
                    _ => {}
                }
                ControlFlow::Continue(())
            };
            pollster::block_on(trainer.epoch(&mut note)).unwrap();
        }
        (encodes, losses)
    };
    // All of the encoder, all but its last norm, all before its second block.
    let start = ["vision.p*", "vision.class_token", "vision.blocks.0.*"];
    for freeze in [&["vision.*"][..], &["vision.p*", "vision.class_token", "vision.blocks*"], &start] {
        let (kept, losses) = run(freeze, 100);
        let (also_kept, expected) = run(freeze, 0);
        assert!(kept && !also_kept, "{freeze:?}");
        let worst = largest_difference(&losses, &expected);
        assert!(worst <= HALF_PRECISION, "{freeze:?}: {worst:e}");
    }
    let (kept, _) = run(&["vision.norm*"], 100);
    assert!(!kept, "the patches learn, so nothing may be kept");
}

/// A model that is paid for one word writes it more and more.
#[test]
fn what_is_rewarded_is_written_more_often() {
    let lesson = Lesson::new(0.0);
    let word = lesson.tokenizer.encode("snow").unwrap()[0];
    let heard = Arc::new(Mutex::new(Vec::new()));
    let rewards = Arc::clone(&heard);
    let reward = Box::new(move |example: usize, ids: &[u32]| {
        assert!(example < PICTURES.len());
        let share = ids.iter().filter(|id| **id == word).count() as f64 / ids.len().max(1) as f64;
        rewards.lock().unwrap().push(share);
        share
    });
    let config = TrainConfig { self_critical: true, captions_per_image: 8, epochs: 150, batch_size: 4, ..learning() };
    let mut trainer = lesson.trainer(config).unwrap().with_reward(reward);
    finish(&mut trainer);
    let heard = heard.lock().unwrap();
    let mean = |shares: &[f64]| shares.iter().sum::<f64>() / shares.len() as f64;
    let (first, last) = (mean(&heard[..32]), mean(&heard[heard.len() - 32..]));
    assert!(last > 0.5 && first < 0.2, "from {first} to {last}");
}

#[test]
fn a_loss_that_is_no_number_is_an_error_and_keeps_the_weights() {
    let lesson = Lesson::new(0.0);
    let mut trainer =
        lesson.trainer(TrainConfig { batch_size: 4, warmup_steps: 0, learning_rate: 1e30, ..config() }).unwrap();
    pollster::block_on(trainer.epoch(&mut silent)).unwrap();
    let before = fs::read(lesson.save(&trainer, "before")).unwrap();
    let next = pollster::block_on(trainer.epoch(&mut silent));
    assert!(matches!(next, Err(Error::LossNotFinite { step: 1 })), "{next:?}");
    assert!(fs::read(lesson.save(&trainer, "after")).unwrap() == before, "the state changed");
}

#[test]
fn a_picture_that_is_gone_is_named() {
    let lesson = Lesson::new(0.0);
    let mut trainer = lesson.trainer(config()).unwrap();
    let gone = lesson.examples[2].image.path();
    fs::remove_file(&gone).unwrap();
    assert!(matches!(pollster::block_on(trainer.epoch(&mut silent)), Err(Error::Read { path, .. }) if path == gone));
}

#[test]
fn settings_that_make_no_sense_are_errors() {
    let lesson = Lesson::new(0.0);
    let wrong = [
        ("epochs", TrainConfig { epochs: 0, ..config() }),
        ("batch size", TrainConfig { batch_size: 0, ..config() }),
        ("accumulation", TrainConfig { accumulate: 0, ..config() }),
        ("accumulation", TrainConfig { accumulate: 3, ..config() }),
        ("captions for each image", TrainConfig { captions_per_image: 0, ..config() }),
        ("learning rate", TrainConfig { learning_rate: 0.0, ..config() }),
        ("learning rate", TrainConfig { learning_rate: f64::NAN, ..config() }),
        ("weight average and label smoothing", TrainConfig { label_smoothing: 1.0, ..config() }),
        ("weight average and label smoothing", TrainConfig { weight_average: -0.1, ..config() }),
    ];
    for (name, config) in wrong {
        match lesson.trainer(config).err() {
            Some(Error::Option { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_lesson_without_words_is_an_error() {
    let mut lesson = Lesson::new(0.0);
    for example in &mut lesson.examples {
        example.captions = vec![" ".to_owned()];
    }
    assert!(matches!(lesson.trainer(config()).err(), Some(Error::TooFewExamples { found: 0, least: 1 })));
}

#[test]
fn a_run_is_not_resumed_with_other_settings_or_pictures() {
    let mut lesson = Lesson::new(0.0);
    let mut begun = lesson.trainer(config()).unwrap();
    pollster::block_on(begun.epoch(&mut silent)).unwrap();
    let path = lesson.save(&begun, "begun");

    let other = || TrainConfig { learning_rate: 0.5, seed: 9, ..config() };
    let mut trainer = lesson.trainer(other()).unwrap();
    match trainer.resume(&path) {
        Err(Error::Config { reason }) => {
            assert!(reason.contains("learning_rate: 0.5 was 0.001") && reason.contains("seed: 9 was 0"), "{reason}");
            assert!(!reason.contains("epochs"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let mut untouched = lesson.trainer(other()).unwrap();
    assert_eq!(finish(&mut trainer), finish(&mut untouched), "a refusal changes nothing");

    lesson.examples.pop();
    let refused = lesson.trainer(config()).unwrap().resume(&path);
    assert!(matches!(refused, Err(Error::Config { reason }) if reason.contains("photographs: 3 was 4")));
}

#[test]
fn a_file_that_is_no_run_is_not_resumed() {
    let lesson = Lesson::new(0.0);
    let mut trainer = lesson.trainer(config()).unwrap();
    let model = medley_tests::fixture("tiny_caption/model.safetensors");
    assert!(matches!(trainer.resume(&model), Err(Error::Checkpoint { path, .. }) if path == model));
}

#[test]
fn the_learning_rate_rises_straight_and_falls_as_half_a_cosine() {
    let config = TrainConfig { learning_rate: 2.0, warmup_steps: 4, final_rate_factor: 0.1, ..TrainConfig::default() };
    let rates: Vec<f64> = (0..=24).map(|step| learning_rate(&config, step, 24)).collect();
    assert_eq!(rates[..5], [0.5, 1.0, 1.5, 2.0, 2.0]);
    assert!(rates[4..].is_sorted_by(|a, b| a > b));
    assert!((rates[14] - (2.0 + 0.2) / 2.0).abs() < 1e-12, "half way down");
    assert!((rates[24] - 0.2).abs() < 1e-12 && (learning_rate(&config, 99, 24) - 0.2).abs() < 1e-12);
}

#[test]
fn the_last_step_of_an_epoch_may_be_smaller() {
    let sizes = TrainConfig { epochs: 3, batch_size: 2, ..config() }.sizes(5);
    assert_eq!((sizes.steps_per_epoch, sizes.total_steps), (3, 9));
}

/// A step of two pictures, one on the CPU and one on a software GPU, learns what both learn on the CPU.
#[test]
fn devices_share_a_step() {
    let lesson = Lesson::new(0.0);
    let mut alone = lesson.trainer(config()).unwrap();
    let mut shared = lesson.trainer(config()).unwrap().beside(&[device("gpu")]).unwrap();
    let (expected, found) = (finish(&mut alone), finish(&mut shared));
    assert!(largest_difference(&expected, &found) < 1e-4, "{expected:?} {found:?}");
    assert_ne!(expected, found, "a GPU adds up in another order: it took no part");
    let (expected, found) = (lesson.save(&alone, "alone"), lesson.save(&shared, "shared"));
    for (path, expected) in weights(&expected) {
        assert!(largest_difference(&expected, &weights(&found)[&path]) < 1e-4, "{path}");
    }
}

#[test]
fn settings_that_leave_nothing_to_learn_are_refused() {
    let lesson = Lesson::new(0.0);
    let freeze = |pattern: &str| TrainConfig { freeze: vec![pattern.to_owned()], ..config() };
    for pattern in ["*", "visoin.*", "["] {
        let refused = lesson.trainer(freeze(pattern)).map(|_| ());
        assert!(matches!(refused, Err(Error::Option { option: "freeze", .. })), "{pattern}");
    }
    let refused = lesson.trainer(TrainConfig { max_tokens: 1, ..config() }).map(|_| ());
    assert!(matches!(refused, Err(Error::Option { option: "longest caption", .. })));
}
