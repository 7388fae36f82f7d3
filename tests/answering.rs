//! Training on questions: learning by heart, what people's disagreement does, and parts of a step.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use medley::checkpoint::{Checkpoint, TokenizerText};
use medley::data::QuestionExample;
use medley::model::{BlipConfig, Kind, Model};
use medley::pipeline::Inputs;
use medley::preprocess::Preprocessor;
use medley::progress::silent;
use medley::text::TextConfig;
use medley::tokenizer::{self, Tokenizer};
use medley::train::{AnswerTrainer, TrainConfig};
use medley::vision::VisionConfig;
use medley::{AnswerOptions, Error, Pipeline};
use medley_tests::{device, finish, turn};

/// Order of summation is all that differs.
const ROUNDING: f32 = 1e-5;

/// Two questions about each of two pictures; of the last, people say different things.
fn lesson(folder: &Path) -> (Vec<QuestionExample>, Tokenizer) {
    let asked = [
        ("red", [230, 20, 20], "what color is it", vec!["red"; 10]),
        ("red", [230, 20, 20], "is it blue", vec!["no"; 10]),
        ("blue", [20, 30, 220], "what color is it", vec!["blue"; 10]),
        ("blue", [20, 30, 220], "is it blue", [vec!["yes"; 7], vec!["no"; 3]].concat()),
    ];
    let examples = asked.iter().enumerate().map(|(place, (name, color, question, answers))| {
        let image = folder.join(format!("{name}.png"));
        image::RgbImage::from_pixel(32, 32, image::Rgb(*color)).save(&image).unwrap();
        QuestionExample {
            image: image.into(),
            weight: 1.0,
            question: (*question).to_owned(),
            answers: answers.iter().map(|answer| (*answer).to_owned()).collect(),
            id: place.to_string(),
            answer_type: None,
            question_type: None,
        }
    });
    let texts = ["what color is it", "is it blue", "red", "blue", "yes", "no"].repeat(3);
    (examples.collect(), tokenizer::train(texts.into_iter(), 100).unwrap())
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 60,
        batch_size: 4,
        learning_rate: 1e-2,
        warmup_steps: 5,
        weight_decay: 0.0,
        augment: false,
        label_smoothing: 0.0,
        ..TrainConfig::default()
    }
}

/// A fresh answerer as a pipeline.
fn pipeline(tokenizer: &Tokenizer) -> Pipeline {
    let text = TextConfig::new().with_vocab_size(tokenizer.vocab_size()).with_hidden_size(32).with_num_layers(2);
    let text = text.with_num_heads(2).with_feed_forward_size(64).with_max_positions(16);
    let text = text.with_dropout(0.0).with_attention_dropout(0.0);
    let config = BlipConfig::new(Kind::Answerer, VisionConfig::new(32, 8, 32, 2, 2, 64), text);
    let device = device("cpu");
    device.seed(1);
    let checkpoint = Checkpoint {
        model: Model::init(&config, &device),
        config,
        tokenizer: Some(TokenizerText::Json(tokenizer.to_json().unwrap())),
        preprocessor: Some(Inputs::new(32).to_json()),
        calibration: None,
    };
    Pipeline::new(checkpoint, &device).unwrap()
}

fn trainer(examples: &[QuestionExample], tokenizer: &Tokenizer, config: TrainConfig) -> AnswerTrainer {
    let Model::Answerer(model) = pipeline(tokenizer).model().clone() else { panic!("not an answerer") };
    let preprocessor = Preprocessor { image_size_px: 32, ..Preprocessor::default() };
    AnswerTrainer::new(model, tokenizer, tokenizer.ids(), preprocessor, examples, config).unwrap()
}

#[test]
fn answers_depend_on_picture_and_question() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = lesson(folder.path());
    let mut trainer = trainer(&examples, &tokenizer, config());
    let losses = finish(&mut trainer);
    assert!(losses[0] > 2.0 * losses[losses.len() - 1], "from {} to {:?}", losses[0], losses.last());
    let pipeline = pipeline(&tokenizer).with_model(trainer.model().into());
    for (example, expected) in examples.iter().zip(["red", "no", "blue", "yes"]) {
        let pixels = pipeline.pixels(&example.image.read().unwrap()).unwrap();
        let options = AnswerOptions::default();
        let answers =
            pollster::block_on(pipeline.answer(&pipeline.see(&[pixels]), &example.question, &options, &mut silent))
                .unwrap();
        assert_eq!(answers[0].text, expected, "{} {}", example.image, example.question);
    }
}

/// What no answerer can do better than: saying "yes" and "no" as often as people do.
#[test]
fn people_who_disagree_leave_a_loss() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = lesson(folder.path());
    let mut trainer = trainer(&examples, &tokenizer, TrainConfig { epochs: 150, ..config() });
    let losses = finish(&mut trainer);
    let entropy = -(0.7_f32 * 0.7_f32.ln() + 0.3 * 0.3_f32.ln());
    let last = losses[losses.len() - 1];
    // One question of four is disagreed about.
    assert!((last - entropy / 4.0).abs() < 0.02, "{last} is not {}", entropy / 4.0);
}

#[test]
fn a_step_in_parts_is_a_step_in_one() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = lesson(folder.path());
    let losses =
        |accumulate| finish(&mut trainer(&examples, &tokenizer, TrainConfig { accumulate, epochs: 4, ..config() }));
    let worst = medley_tests::largest_difference(&losses(1), &losses(2));
    assert!(worst <= ROUNDING, "{worst:e}");
}

#[test]
fn questions_nobody_answered_are_left_out() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (mut examples, tokenizer) = lesson(folder.path());
    examples[0].answers = vec![" ".to_owned()];
    examples[1].answers.clear();
    assert_eq!(trainer(&examples, &tokenizer, config()).sizes().examples, 2);
}

#[test]
fn questions_and_choices_beyond_the_models_positions_are_refused() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (_, tokenizer) = lesson(folder.path());
    let pipeline = pipeline(&tokenizer);
    let seen = pipeline.see(&[vec![0.5; 3 * 32 * 32]]);
    let long = "red ".repeat(600);
    let ask = |question: &str, choices: Vec<String>| {
        let options = AnswerOptions { choices, ..AnswerOptions::default() };
        pollster::block_on(pipeline.answer(&seen, question, &options, &mut silent))
    };
    assert!(matches!(ask(&long, Vec::new()), Err(Error::TextTooLong { .. })));
    assert!(matches!(ask("what color is it", vec!["red".to_owned(), long.clone()]), Err(Error::TextTooLong { .. })));
}
