//! Statements about two pictures: what a swap does to them, learning, stopping and going on.
//!
//! Where two ways of computing the same loss are compared they may differ by rounding, whose order of summation is
//! all that differs: [`ROUNDING`].

#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use image::{Rgb, RgbImage};
use medley::checkpoint::{Checkpoint, TokenizerText};
use medley::data::StatementExample;
use medley::model::{BlipConfig, Kind, Model};
use medley::pipeline::Inputs;
use medley::preprocess::{Preprocessor, pre_caption, swap_sides};
use medley::progress::silent;
use medley::text::TextConfig;
use medley::tokenizer::{self, Tokenizer};
use medley::train::{ReasonTrainer, TrainConfig};
use medley::vision::VisionConfig;
use medley::{Error, Pipeline};
use medley_tests::{device, finish, largest_difference, turn};
use tempfile::TempDir;

const ROUNDING: f32 = 1e-5;
const COLORS: [(&str, [u8; 3]); 3] = [("red", [230, 20, 20]), ("green", [20, 200, 40]), ("blue", [20, 30, 220])];

/// Whether a statement of the lesson is true of a left and a right picture of these colours.
fn truth(statement: &str, [left, right]: [&str; 2]) -> bool {
    match *statement.split(' ').collect::<Vec<_>>().as_slice() {
        ["the", "left", "picture", "is", color] => left == color,
        ["the", "right", "picture", "is", color] => right == color,
        ["one", "picture", "is", color] => left == color || right == color,
        ["the", "left", "picture", "not", "the", "right", "is", color] => left == color && right != color,
        ["the", "right", "picture", "not", "the", "left", "is", color] => right == color && left != color,
        _ => panic!("no statement of the lesson: {statement}"),
    }
}

fn statements() -> Vec<String> {
    let forms = ["the left picture is", "the right picture is", "one picture is", "the left picture not the right is"];
    forms.iter().flat_map(|form| COLORS.map(|(color, _)| format!("{form} {color}"))).collect()
}

fn pairs() -> Vec<[&'static str; 2]> {
    let names = COLORS.map(|(name, _)| name);
    names.iter().flat_map(|left| names.map(|right| [*left, right])).collect()
}

#[test]
fn what_is_true_of_two_pictures_is_true_of_them_exchanged() {
    for statement in statements() {
        for [left, right] in pairs() {
            let exchanged = truth(&swap_sides(&statement), [right, left]);
            assert_eq!(truth(&statement, [left, right]), exchanged, "{statement}: {left}, {right}");
        }
        assert_eq!(swap_sides(&swap_sides(&statement)), statement, "exchanged twice is not exchanged");
    }
}

#[test]
fn only_the_words_left_and_right_are_exchanged() {
    let cases = [
        ("the left-hand picture, not the right", "the right-hand picture, not the left"),
        ("left", "right"),
        ("two dogs lying upright on a leftover", "two dogs lying upright on a leftover"),
        ("there is nothing left, right?", "there is nothing right, left?"),
        ("", ""),
        ("  right  ", "  left  "),
    ];
    for (statement, expected) in cases {
        assert_eq!(swap_sides(statement), expected);
    }
}

/// Pictures of the colours, and a tokenizer that knows the statements' words.
struct Lesson {
    folder: TempDir,
    tokenizer: Tokenizer,
    /// Dropout draws from one source for the whole process, so one lesson is held at a time.
    _turn: MutexGuard<'static, ()>,
}

impl Lesson {
    fn new() -> Self {
        let turn = turn();
        let folder = tempfile::tempdir().unwrap();
        for (name, color) in COLORS {
            RgbImage::from_pixel(32, 32, Rgb(color)).save(folder.path().join(format!("{name}.png"))).unwrap();
        }
        let statements = statements();
        let texts = statements.iter().map(String::as_str).cycle().take(3 * statements.len());
        Self { tokenizer: tokenizer::train(texts, 100).unwrap(), folder, _turn: turn }
    }

    fn image(&self, color: &str) -> PathBuf {
        self.folder.path().join(format!("{color}.png"))
    }

    fn example(&self, statement: &str, [left, right]: [&str; 2]) -> StatementExample {
        StatementExample {
            images: [self.image(left).into(), self.image(right).into()],
            statement: format!("{statement}."),
            label: Some(truth(statement, [left, right])),
            id: format!("{statement} {left} {right}"),
            group: statement.to_owned(),
        }
    }

    fn pipeline(&self, dropout: f64) -> Pipeline {
        let text = TextConfig::new().with_vocab_size(self.tokenizer.vocab_size()).with_hidden_size(32);
        let text = text.with_num_layers(2).with_num_heads(2).with_feed_forward_size(64).with_max_positions(16);
        let text = text.with_dropout(dropout).with_attention_dropout(dropout);
        let config = BlipConfig::new(Kind::Reasoner, VisionConfig::new(32, 8, 32, 2, 2, 64), text);
        let device = device("cpu");
        device.seed(1);
        let checkpoint = Checkpoint {
            model: Model::init(&config, &device),
            config,
            tokenizer: Some(TokenizerText::Json(self.tokenizer.to_json().unwrap())),
            preprocessor: Some(Inputs::new(32).to_json()),
            calibration: None,
        };
        Pipeline::new(checkpoint, &device).unwrap()
    }

    fn trainer(
        &self,
        examples: &[StatementExample],
        dropout: f64,
        config: TrainConfig,
    ) -> Result<ReasonTrainer, Error> {
        let Model::Reasoner(model) = self.pipeline(dropout).model().clone() else { panic!("not a reasoner") };
        let preprocessor = Preprocessor { image_size_px: 32, ..Preprocessor::default() };
        ReasonTrainer::new(model, &self.tokenizer, self.tokenizer.ids(), preprocessor, examples, config)
    }

    fn saved(&self, trainer: &ReasonTrainer, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        pollster::block_on(trainer.save(&path)).unwrap();
        path
    }
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 3,
        batch_size: 4,
        learning_rate: 3e-3,
        warmup_steps: 5,
        weight_decay: 0.0,
        augment: false,
        ..TrainConfig::default()
    }
}

/// Only red on the left was ever shown, and never is `right` said: the rest is known by the swap.
#[test]
fn what_was_learned_of_one_side_is_known_of_the_other() {
    let lesson = Lesson::new();
    let shown = [("the left picture is red", ["red", "blue"]), ("the left picture is blue", ["red", "blue"])];
    let examples = shown.map(|(statement, pair)| lesson.example(statement, pair));
    let mut trainer = lesson.trainer(&examples, 0.0, TrainConfig { epochs: 300, batch_size: 2, ..config() }).unwrap();
    let losses = finish(&mut trainer);
    assert!(losses[0] > 0.5 && losses[losses.len() - 1] < 0.1, "from {} to {:?}", losses[0], losses.last());
    let pipeline = lesson.pipeline(0.0).with_model(trainer.model().into());
    let pixels = |color: &str| pipeline.pixels(&fs::read(lesson.image(color)).unwrap()).unwrap();
    let asked = [
        ("the left picture is red", ["red", "blue"], true),
        ("the left picture is blue", ["red", "blue"], false),
        ("the right picture is red", ["blue", "red"], true),
        ("the right picture is blue", ["blue", "red"], false),
    ];
    for (statement, [left, right], expected) in asked {
        let probability = pollster::block_on(pipeline.reason(&pixels(left), &pixels(right), statement)).unwrap();
        assert_eq!(probability > 0.5, expected, "{statement}: {left}, {right}: {probability}");
    }
}

#[test]
fn a_batch_of_pairs_is_judged_as_each_alone() {
    let lesson = Lesson::new();
    let pipeline = lesson.pipeline(0.0);
    let pixels = |color: &str| pipeline.pixels(&fs::read(lesson.image(color)).unwrap()).unwrap();
    let pairs: Vec<[Vec<f32>; 2]> = pairs().into_iter().map(|pair| pair.map(pixels)).collect();
    let texts: Vec<String> = statements().into_iter().take(pairs.len()).collect();
    let together = pollster::block_on(pipeline.reason_all(&pairs, &texts)).unwrap();
    let alone: Vec<f32> = pairs
        .iter()
        .zip(&texts)
        .map(|([left, right], text)| pollster::block_on(pipeline.reason(left, right, text)).unwrap())
        .collect();
    assert!(largest_difference(&together, &alone) < ROUNDING);
}

/// With all that is drawn at random, and all that is remembered between steps.
fn restless() -> TrainConfig {
    TrainConfig { augment: true, weight_average: 0.9, accumulate: 2, ..config() }
}

fn examples(lesson: &Lesson) -> Vec<StatementExample> {
    let all = statements().into_iter().zip(pairs().into_iter().cycle());
    all.map(|(statement, pair)| lesson.example(&statement, pair)).take(10).collect()
}

#[test]
fn a_run_that_stopped_goes_on_as_if_it_never_had() {
    let lesson = Lesson::new();
    let examples = examples(&lesson);
    let trainer = || lesson.trainer(&examples, 0.1, restless()).unwrap();
    let mut straight = trainer();
    finish(&mut straight);

    let mut stopped = trainer();
    pollster::block_on(stopped.epoch(&mut silent)).unwrap();
    let cancelled = pollster::block_on(stopped.epoch(&mut |_| ControlFlow::Break(())));
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert_eq!(stopped.step(), 4, "in the middle of the second epoch");
    let path = lesson.saved(&stopped, "stopped");
    let mut resumed = trainer();
    resumed.resume(&path).unwrap();
    finish(&mut resumed);

    let [straight, resumed] =
        [(straight, "straight"), (resumed, "resumed")].map(|(run, name)| fs::read(lesson.saved(&run, name)).unwrap());
    assert!(straight == resumed, "the two runs differ");
}

#[test]
fn a_step_in_parts_is_a_step_in_one() {
    let lesson = Lesson::new();
    let examples = examples(&lesson);
    let losses =
        |accumulate| finish(&mut lesson.trainer(&examples, 0.0, TrainConfig { accumulate, ..config() }).unwrap());
    let whole = losses(1);
    for parts in [2, 3] {
        let worst = largest_difference(&whole, &losses(parts));
        assert!(worst <= ROUNDING, "{parts} parts: {worst:e}");
    }
}

#[test]
fn statements_without_a_label_or_a_word_are_left_out() {
    let lesson = Lesson::new();
    let mut examples = examples(&lesson);
    examples[0].label = None;
    examples[1].statement = " . ".to_owned();
    assert_eq!(lesson.trainer(&examples, 0.0, config()).unwrap().sizes().examples, examples.len() - 2);
    let none = lesson.trainer(&examples[..2], 0.0, config()).err();
    assert!(matches!(none, Some(Error::TooFewExamples { found: 0, least: 1 })), "{none:?}");
}

#[test]
fn a_statement_longer_than_the_model_reads_is_cut_in_training_and_refused_in_judging() {
    let lesson = Lesson::new();
    let long = "the left picture is red ".repeat(9);
    assert!(lesson.tokenizer.encode(&pre_caption(&long, 40)).unwrap().len() > 16);
    let mut example = examples(&lesson).remove(0);
    example.statement.clone_from(&long);
    finish(&mut lesson.trainer(&[example], 0.0, config()).unwrap());
    let pipeline = lesson.pipeline(0.0);
    let pixels = pipeline.pixels(&fs::read(lesson.image("red")).unwrap()).unwrap();
    let refused = pollster::block_on(pipeline.reason(&pixels, &pixels, &long));
    assert!(matches!(refused, Err(Error::TextTooLong { max: 16, .. })), "{refused:?}");
    let shortened = pipeline.shortened(&long).unwrap();
    assert!(pollster::block_on(pipeline.reason(&pixels, &pixels, &shortened)).is_ok());
}

#[test]
fn a_picture_that_is_gone_is_named() {
    let lesson = Lesson::new();
    let mut trainer = lesson.trainer(&examples(&lesson), 0.0, config()).unwrap();
    fs::remove_file(lesson.image("green")).unwrap();
    let failed = pollster::block_on(trainer.epoch(&mut silent));
    let is_it = |path: &Path| path == lesson.image("green");
    assert!(matches!(&failed, Err(Error::Read { path, .. }) if is_it(path)), "{failed:?}");
}
