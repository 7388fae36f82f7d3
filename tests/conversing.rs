//! Dialogs about pictures: ranking answers, learning to, stopping and going on.
//!
//! Where two ways of computing the same are compared they may differ by rounding, whose order of summation is all
//! that differs: [`ROUNDING`].

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::MutexGuard;

use image::{Rgb, RgbImage};
use medley::checkpoint::{Checkpoint, TokenizerText};
use medley::data::{DialogExample, DialogRound, DialogSet};
use medley::eval::ranks;
use medley::model::{BlipConfig, Kind, Model};
use medley::nn::{each_weight, replace_weights};
use medley::pipeline::{DialogQuestion, Inputs};
use medley::preprocess::Preprocessor;
use medley::progress::silent;
use medley::text::TextConfig;
use medley::tokenizer::{self, Tokenizer};
use medley::train::{DialogTrainer, TrainConfig};
use medley::vision::VisionConfig;
use medley::{Error, Pipeline};
use medley_tests::{device, finish, largest_difference, turn};
use tempfile::TempDir;

const ROUNDING: f32 = 1e-5;
const COLORS: [(&str, [u8; 3]); 3] = [("red", [230, 20, 20]), ("green", [20, 200, 40]), ("blue", [20, 30, 220])];
const NUMBERS: [&str; 3] = ["one", "two", "three"];
const QUESTIONS: [&str; 3] = ["what color is it", "how many are there", "and what was the first answer"];
/// The colours, the numbers, and what nobody says.
const ANSWERS: [&str; 8] = ["red", "green", "blue", "one", "two", "three", "maybe", "Maybe."];

/// Dialogs whose answers are in the picture, in the caption, and in what was said before.
struct Lesson {
    folder: TempDir,
    tokenizer: Tokenizer,
    set: DialogSet,
    /// Dropout draws from one source for the whole process, so one lesson is held at a time.
    _turn: MutexGuard<'static, ()>,
}

impl Lesson {
    fn new() -> Self {
        let turn = turn();
        let folder = tempfile::tempdir().unwrap();
        let mut examples = Vec::new();
        for (color, (name, pixel)) in COLORS.into_iter().enumerate() {
            let image = folder.path().join(format!("{name}.png"));
            RgbImage::from_pixel(32, 32, Rgb(pixel)).save(&image).unwrap();
            for (number, word) in NUMBERS.iter().enumerate() {
                let round = |question: usize, answer: usize| DialogRound {
                    question,
                    answer: Some(answer),
                    options: (0..7).collect(),
                    right: Some(answer),
                    relevance: None,
                };
                examples.push(DialogExample {
                    image: image.clone().into(),
                    id: format!("{name} {word}"),
                    caption: format!("there are {word}"),
                    rounds: vec![round(0, color), round(1, 3 + number), round(2, color)],
                });
            }
        }
        let texts = QUESTIONS.iter().chain(&ANSWERS).chain(&["there are"]).copied();
        let tokenizer = tokenizer::train(texts.collect::<Vec<_>>().repeat(3).into_iter(), 120).unwrap();
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let set = DialogSet { questions: owned(&QUESTIONS), answers: owned(&ANSWERS), examples, warnings: Vec::new() };
        Self { folder, tokenizer, set, _turn: turn }
    }

    /// A fresh model whose images are `vision` wide and whose texts 32.
    fn pipeline(&self, vision: usize, max_positions: usize, dropout: f64) -> Pipeline {
        let text = TextConfig::new().with_vocab_size(self.tokenizer.vocab_size()).with_hidden_size(32);
        let text = text.with_num_layers(2).with_num_heads(2).with_feed_forward_size(64);
        let text = text.with_max_positions(max_positions).with_dropout(dropout).with_attention_dropout(dropout);
        let config = BlipConfig::new(Kind::Dialog, VisionConfig::new(32, 8, vision, 2, 2, 64), text);
        let device = device("cpu");
        device.seed(1);
        let checkpoint = Checkpoint {
            model: livelier(Model::init(&config, &device)),
            config,
            tokenizer: Some(TokenizerText::Json(self.tokenizer.to_json().unwrap())),
            preprocessor: Some(Inputs::new(32).to_json()),
            calibration: None,
        };
        Pipeline::new(checkpoint, &device).unwrap()
    }

    fn trainer(&self, pipeline: &Pipeline, set: DialogSet, config: TrainConfig) -> Result<DialogTrainer, Error> {
        let Model::Dialog(model) = pipeline.model().clone() else { panic!("not a dialog model") };
        let preprocessor = Preprocessor { image_size_px: 32, ..Preprocessor::default() };
        DialogTrainer::new(model, &self.tokenizer, self.tokenizer.ids(), preprocessor, set, config)
    }

    fn saved(&self, trainer: &DialogTrainer, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        pollster::block_on(trainer.save(&path)).unwrap();
        path
    }

    /// A round of a dialog as the pipeline is asked it.
    fn asked(&self, example: &DialogExample, round: usize) -> DialogQuestion {
        let history = example.rounds[..round].iter();
        let text = |texts: &[String], place: usize| texts[place].clone();
        let history = history
            .map(|round| (text(&self.set.questions, round.question), text(&self.set.answers, round.answer.unwrap())));
        DialogQuestion {
            history: history.collect(),
            question: text(&self.set.questions, example.rounds[round].question),
            candidates: example.rounds[round]
                .options
                .iter()
                .map(|place| text(&self.set.answers, *place as usize))
                .collect(),
        }
    }

    fn pixels(&self, pipeline: &Pipeline, name: &str) -> Vec<f32> {
        pipeline.pixels(&fs::read(self.folder.path().join(format!("{name}.png"))).unwrap()).unwrap()
    }
}

/// The model with matrices five times as large: drawn for a width of 768, at 32 they hardly tell two words apart.
fn livelier(model: Model) -> Model {
    let Model::Dialog(model) = model else { panic!("not a dialog model") };
    let mut matrices = BTreeMap::new();
    each_weight(&model, &mut |path, shape, weight| {
        if shape.len() == 2 {
            matrices.insert(path.to_owned(), weight * 5.0);
        }
    });
    replace_weights(model, &mut |path, _, _| matrices.get(path).cloned()).into()
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 3,
        batch_size: 4,
        learning_rate: 3e-3,
        warmup_steps: 5,
        weight_decay: 0.0,
        augment: false,
        captions_per_image: 2,
        ..TrainConfig::default()
    }
}

/// Asserts that a model that learned the lesson's dialogs ranks the right answers of these rounds first.
fn assert_learns(lesson: &Lesson, set: &DialogSet, rounds: &[usize], epochs: usize) {
    let fresh = lesson.pipeline(24, 64, 0.0);
    let (batch_size, captions_per_image) = (set.examples.len(), set.examples[0].rounds.len());
    let learning = TrainConfig { epochs, batch_size, captions_per_image, wrong_answers: 5, ..config() };
    let mut trainer = lesson.trainer(&fresh, set.clone(), learning).unwrap();
    let losses = finish(&mut trainer);
    assert!(losses[losses.len() - 1] < 0.05, "from {} to {:?}", losses[0], losses.last());
    let pipeline = fresh.with_model(trainer.model().into());
    for example in &set.examples {
        let pixels = pipeline.pixels(&example.image.read().unwrap()).unwrap();
        let asked: Vec<DialogQuestion> = rounds.iter().map(|round| lesson.asked(example, *round)).collect();
        let found = pollster::block_on(pipeline.rank_answers(&pixels, &example.caption, &asked, &mut silent)).unwrap();
        for (round, scores) in rounds.iter().zip(found) {
            assert_eq!(ranks(&scores)[example.rounds[*round].right.unwrap()], 1, "{}: round {round}", example.id);
        }
    }
}

/// Dialogs about three pictures, the same but for the colour.
#[test]
fn answers_come_from_the_picture() {
    let lesson = Lesson::new();
    let mut set = lesson.set.clone();
    set.examples = set.examples.into_iter().step_by(NUMBERS.len()).collect();
    for example in &mut set.examples {
        example.rounds.truncate(1);
    }
    assert_learns(&lesson, &set, &[0], 100);
}

/// Of three dialogs about one picture, only the captions say how many there are.
#[test]
fn answers_come_from_the_caption() {
    let lesson = Lesson::new();
    let mut set = lesson.set.clone();
    set.examples.truncate(NUMBERS.len());
    for example in &mut set.examples {
        example.rounds = vec![example.rounds[1].clone()];
    }
    assert_learns(&lesson, &set, &[0], 200);
}

/// What the picture does not show and the caption does not say is known from an earlier answer alone.
#[test]
fn answers_come_from_what_was_said_before() {
    let lesson = Lesson::new();
    let mut set = lesson.set.clone();
    // Three dialogs about one picture that differ in the first answer, which no round is asked for.
    set.examples.truncate(COLORS.len());
    for (answer, example) in set.examples.iter_mut().enumerate() {
        example.caption.clear();
        let first = DialogRound { answer: Some(answer), options: Vec::new(), right: None, ..example.rounds[0].clone() };
        let last = DialogRound { answer: Some(answer), right: Some(answer), ..example.rounds[2].clone() };
        example.rounds = vec![first, last];
    }
    assert_learns(&lesson, &set, &[1], 250);
}

#[test]
fn candidates_are_scored_the_same_in_any_company() {
    let lesson = Lesson::new();
    let pipeline = lesson.pipeline(32, 64, 0.0);
    let pixels = lesson.pixels(&pipeline, "red");
    let asked = lesson.asked(&lesson.set.examples[0], 2);
    // More than go through the model in one pass.
    let many =
        DialogQuestion { candidates: asked.candidates.iter().cycle().take(50).cloned().collect(), ..asked.clone() };
    let rank = |asked: &[DialogQuestion]| {
        pollster::block_on(pipeline.rank_answers(&pixels, "there are two", asked, &mut silent)).unwrap()
    };
    let together = rank(&[asked.clone(), many.clone()]);
    assert_eq!((together[0].len(), together[1].len()), (7, 50));
    let repeated: Vec<f32> = together[0].iter().cycle().take(50).copied().collect();
    assert!(largest_difference(&repeated, &together[1]) < ROUNDING);
    for (candidate, score) in asked.candidates.iter().zip(&together[0]) {
        let alone = DialogQuestion { candidates: vec![candidate.clone()], ..asked.clone() };
        assert!((rank(&[alone])[0][0] - score).abs() < ROUNDING, "{candidate}");
    }
}

/// With positions for the newest turn alone, what was said before it changes nothing.
#[test]
fn the_oldest_turns_are_forgotten_first() {
    let lesson = Lesson::new();
    let history =
        |first: &str| vec![(QUESTIONS[0].to_owned(), first.to_owned()), (QUESTIONS[1].to_owned(), "two".to_owned())];
    let asked = |first: &str| DialogQuestion {
        history: history(first),
        question: QUESTIONS[2].to_owned(),
        candidates: vec!["red".to_owned(), "green".to_owned()],
    };
    let length = |text: &str| lesson.tokenizer.encode(text).unwrap().len();
    let newest = length(QUESTIONS[1]) + length("two") + length(QUESTIONS[2]) + 3;
    let longest = length("red").max(length("green")) + 2;
    for (max_positions, is_read) in [(newest + longest, false), (64, true)] {
        let pipeline = lesson.pipeline(32, max_positions, 0.0);
        let pixels = lesson.pixels(&pipeline, "red");
        let score = |first: &str| pollster::block_on(pipeline.rank_answers(&pixels, "", &[asked(first)], &mut silent));
        assert_eq!(score("red").unwrap() != score("blue").unwrap(), is_read, "{max_positions}");
    }
}

#[test]
fn nothing_to_ask_or_to_answer_is_an_error_and_asking_can_be_stopped() {
    let lesson = Lesson::new();
    let pipeline = lesson.pipeline(32, 64, 0.0);
    let pixels = lesson.pixels(&pipeline, "red");
    let rank = |asked: DialogQuestion| pollster::block_on(pipeline.rank_answers(&pixels, "two", &[asked], &mut silent));
    let asked = lesson.asked(&lesson.set.examples[0], 1);
    let no_candidate = rank(DialogQuestion { candidates: Vec::new(), ..asked.clone() });
    assert!(matches!(no_candidate, Err(Error::Option { option: "candidates", .. })), "{no_candidate:?}");
    assert!(matches!(rank(DialogQuestion { question: " . ".to_owned(), ..asked.clone() }), Err(Error::EmptyText)));
    assert_eq!(rank(DialogQuestion { candidates: vec!["...".to_owned()], ..asked.clone() }).unwrap()[0].len(), 1);
    let mut stop = |_| ControlFlow::Break(());
    let stopped = pollster::block_on(pipeline.rank_answers(&pixels, "two", std::slice::from_ref(&asked), &mut stop));
    assert!(matches!(stopped, Err(Error::Cancelled)));
    let captioner = medley_tests::fixture("tiny_caption");
    let tokenizer = Some(medley_tests::fixture("tokenizer").join("tokenizer.json"));
    let options = medley::LoadOptions { tokenizer, ..medley::LoadOptions::default() };
    let captioner = Pipeline::load(&captioner, &device("cpu"), &options, &mut silent).unwrap();
    let refused = pollster::block_on(captioner.rank_answers(&pixels, "two", &[asked], &mut silent));
    assert!(matches!(refused, Err(Error::NoHead { .. })), "{refused:?}");
}

/// With all that is drawn at random, and all that is remembered between steps.
fn restless() -> TrainConfig {
    TrainConfig { augment: true, weight_average: 0.9, accumulate: 2, ..config() }
}

#[test]
fn a_run_that_stopped_goes_on_as_if_it_never_had() {
    let lesson = Lesson::new();
    let fresh = lesson.pipeline(24, 64, 0.1);
    let trainer = || lesson.trainer(&fresh, lesson.set.clone(), restless()).unwrap();
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

    let other = TrainConfig { wrong_answers: 4, captions_per_image: 1, ..restless() };
    match lesson.trainer(&fresh, lesson.set.clone(), other).unwrap().resume(&path) {
        Err(Error::Config { reason }) => {
            assert!(
                reason.contains("wrong_answers: 4 was 3") && reason.contains("captions_per_image: 1 was 2"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_in_parts_is_a_step_in_one() {
    let lesson = Lesson::new();
    let fresh = lesson.pipeline(32, 64, 0.0);
    let losses = |accumulate| {
        let config = TrainConfig { accumulate, ..config() };
        finish(&mut lesson.trainer(&fresh, lesson.set.clone(), config).unwrap())
    };
    let whole = losses(1);
    for parts in [2, 3] {
        let worst = largest_difference(&whole, &losses(parts));
        assert!(worst <= ROUNDING, "{parts} parts: {worst:e}");
    }
}

#[test]
fn dialogs_without_anything_to_tell_apart_are_left_out() {
    let lesson = Lesson::new();
    let fresh = lesson.pipeline(32, 64, 0.0);
    let mut set = lesson.set.clone();
    for round in &mut set.examples[0].rounds {
        round.right = None;
    }
    for round in &mut set.examples[1].rounds {
        // Both say the same, though they stand at two places of the list.
        (round.options, round.right) = (vec![6, 7], Some(1));
    }
    set.examples[2].rounds.truncate(1);
    assert_eq!(lesson.trainer(&fresh, set.clone(), config()).unwrap().sizes().examples, set.examples.len() - 2);
    // A dialog of one round, where two are read, has it read twice.
    set.examples = vec![set.examples[2].clone()];
    finish(&mut lesson.trainer(&fresh, set.clone(), config()).unwrap());
    set.examples.clear();
    assert!(matches!(lesson.trainer(&fresh, set, config()).err(), Some(Error::TooFewExamples { found: 0, least: 1 })));
}

#[test]
fn settings_that_make_no_sense_are_errors() {
    let lesson = Lesson::new();
    let fresh = lesson.pipeline(32, 64, 0.0);
    let wrong = [
        ("rounds", TrainConfig { captions_per_image: 0, ..config() }),
        ("wrong answers", TrainConfig { wrong_answers: 0, ..config() }),
        ("learning rate", TrainConfig { learning_rate: 0.0, ..config() }),
    ];
    for (name, config) in wrong {
        match lesson.trainer(&fresh, lesson.set.clone(), config).err() {
            Some(Error::Option { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}
