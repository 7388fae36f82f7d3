//! Pre-training as a run: resuming, and answering questions beside it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use medley::checkpoint::{Checkpoint, Dtype, LoadOptions, TokenizerText, save};
use medley::data::{CaptionExample, QuestionExample};
use medley::model::{BlipConfig, Kind, Model, Pretraining};
use medley::pipeline::Inputs;
use medley::preprocess::Preprocessor;
use medley::progress::{Progress, silent};
use medley::text::TextConfig;
use medley::tokenizer::{self, Tokenizer};
use medley::train::{ContrastConfig, PairTrainer, TrainConfig};
use medley::vision::VisionConfig;
use medley::{AnswerOptions, Error, Pipeline};
use medley_tests::{device, finish, turn};

/// Five pictures of one colour each, whose captions name it.
fn pictures(folder: &Path) -> (Vec<CaptionExample>, Tokenizer) {
    let colors = [("red", [230, 20, 20]), ("green", [20, 200, 40]), ("blue", [20, 30, 220]), ("white", [240; 3])];
    let examples = colors.iter().chain([&("black", [9; 3])]).map(|(name, color)| {
        let image = folder.join(format!("{name}.png"));
        image::RgbImage::from_pixel(32, 32, image::Rgb(*color)).save(&image).unwrap();
        CaptionExample {
            image: image.into(),
            captions: vec![format!("a {name} wall"), format!("all {name}")],
            id: (*name).into(),
        }
    });
    let examples: Vec<CaptionExample> = examples.collect();
    let captions = examples.iter().flat_map(|example| example.captions.iter().map(String::as_str));
    let texts: Vec<&str> = captions.chain(["what color is it", "is it blue", "yes", "no"].repeat(3)).collect();
    let tokenizer = tokenizer::train(texts.into_iter(), 100).unwrap();
    (examples, tokenizer)
}

/// Two questions about each of two of the pictures.
fn questions(examples: &[CaptionExample]) -> Vec<QuestionExample> {
    let asked = [(0, "what color is it", "red"), (0, "is it blue", "no"), (2, "what color is it", "blue")];
    let asked = asked.iter().chain([&(2, "is it blue", "yes")]);
    let example = |(place, (picture, question, answer)): (usize, &(usize, &str, &str))| QuestionExample {
        image: examples[*picture].image.clone(),
        question: (*question).to_owned(),
        answers: vec![(*answer).to_owned(); 10],
        id: place.to_string(),
        weight: 1.0,
        answer_type: None,
        question_type: None,
    };
    asked.enumerate().map(example).collect()
}

/// A small pre-training model with fresh weights, as a pipeline.
fn pipeline(tokenizer: &Tokenizer, answer_layers: Option<usize>) -> Pipeline {
    let text = TextConfig::new().with_vocab_size(tokenizer.vocab_size()).with_hidden_size(32).with_num_layers(2);
    let text = text.with_num_heads(2).with_feed_forward_size(64).with_max_positions(16).with_dropout(0.1);
    let config = BlipConfig::new(Kind::Pretraining, VisionConfig::new(32, 8, 32, 2, 2, 64), text)
        .with_embed_size(8)
        .with_answer_layers(answer_layers);
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

fn trainer(pipeline: &Pipeline, examples: &[CaptionExample], config: TrainConfig) -> PairTrainer<Pretraining> {
    let Model::Pretraining(model) = pipeline.model().clone() else { panic!("not a pre-training model") };
    let preprocessor = Preprocessor { image_size_px: 32, ..Preprocessor::default() };
    PairTrainer::new(model, pipeline.tokenizer(), pipeline.tokens(), preprocessor, examples, config).unwrap()
}

/// A run over four steps of two pictures; the fifth picture of an epoch is left out.
fn pretrainer(folder: &Path) -> PairTrainer<Pretraining> {
    let (examples, tokenizer) = pictures(folder);
    let config = TrainConfig {
        epochs: 2,
        batch_size: 2,
        learning_rate: 1e-3,
        warmup_steps: 2,
        weight_average: 0.9,
        questions_per_step: 2,
        contrast: ContrastConfig { queue: 3, ..ContrastConfig::default() },
        ..TrainConfig::default()
    };
    let trainer = trainer(&pipeline(&tokenizer, Some(1)), &examples, config);
    trainer.with_questions(&tokenizer, &questions(&examples)).unwrap()
}

fn answers(pipeline: &Pipeline, questions: &[QuestionExample]) -> Vec<String> {
    let answer = |question: &QuestionExample| {
        let pixels = pipeline.pixels(&question.image.read().unwrap()).unwrap();
        let options = AnswerOptions::default();
        let answers =
            pollster::block_on(pipeline.answer(&pipeline.see(&[pixels]), &question.question, &options, &mut silent))
                .unwrap();
        answers[0].text.clone()
    };
    questions.iter().map(answer).collect()
}

/// Weights, optimiser, twin, queue, crops, drawn captions and questions, negatives and dropout.
#[test]
fn pre_training_that_stopped_goes_on_as_if_it_had_not() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let mut straight = pretrainer(folder.path());
    assert_eq!(straight.sizes().total_steps, 4);
    while !straight.is_finished() {
        pollster::block_on(straight.epoch(&mut silent)).unwrap();
    }

    let mut stopped = pretrainer(folder.path());
    let mut after_three = |progress| match progress {
        Progress::Step { step: 3, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    pollster::block_on(stopped.epoch(&mut after_three)).unwrap();
    assert!(matches!(pollster::block_on(stopped.epoch(&mut after_three)), Err(Error::Cancelled)));
    let save = |trainer: &PairTrainer<Pretraining>, name: &str| {
        let path = folder.path().join(name);
        pollster::block_on(trainer.save(&path)).unwrap();
        path
    };
    let mut resumed = pretrainer(folder.path());
    resumed.resume(&save(&stopped, "stopped")).unwrap();
    pollster::block_on(resumed.epoch(&mut silent)).unwrap();
    let [straight, resumed] =
        [(&straight, "straight"), (&resumed, "resumed")].map(|(trainer, name)| fs::read(save(trainer, name)).unwrap());
    assert!(straight == resumed, "the two runs differ");
}

#[test]
fn one_model_learns_to_answer_while_it_learns_to_compare_and_write() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = pictures(folder.path());
    let questions = questions(&examples);
    let (pipeline, fresh) = pipeline(&tokenizer, None).with_answer_layers(1);
    // As wide as the text, the image encoder leaves nothing to be made anew.
    assert!(fresh.is_empty(), "{fresh:?}");
    let config = TrainConfig {
        epochs: 60,
        batch_size: 5,
        learning_rate: 1e-2,
        warmup_steps: 5,
        weight_decay: 0.0,
        augment: false,
        questions_per_step: 4,
        contrast: ContrastConfig { queue: 0, ..ContrastConfig::default() },
        ..TrainConfig::default()
    };
    let trainer = trainer(&pipeline, &examples, config);
    let mut trainer = trainer.with_questions(&tokenizer, &questions).unwrap();
    let losses = finish(&mut trainer);
    assert!(losses[0] > 1.5 * losses[losses.len() - 1], "from {} to {:?}", losses[0], losses.last());
    let pipeline = pipeline.with_model(trainer.model().into());
    assert_eq!(answers(&pipeline, &questions), ["red", "no", "blue", "yes"]);

    // One file holds it all, and an answerer alone can be made of it.
    let path = folder.path().join("whole.safetensors");
    pollster::block_on(save(&pipeline.to_checkpoint().unwrap(), &path, Dtype::F32)).unwrap();
    let loaded = Pipeline::load(&path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
    assert!(loaded.can_caption() && loaded.can_match() && loaded.can_answer());
    assert_eq!(answers(&loaded, &questions), ["red", "no", "blue", "yes"]);
    let (answerer, fresh) = loaded.into_kind(Kind::Answerer);
    assert!(fresh.is_empty(), "{fresh:?}");
    assert_eq!(answers(&answerer, &questions), ["red", "no", "blue", "yes"]);
}

#[test]
fn a_model_without_answer_layers_learns_no_answers() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = pictures(folder.path());
    let pipeline = pipeline(&tokenizer, None);
    assert!(!pipeline.can_answer());
    let trainer = trainer(&pipeline, &examples, TrainConfig { batch_size: 2, ..TrainConfig::default() });
    let refused = trainer.with_questions(&tokenizer, &questions(&examples));
    assert!(matches!(refused, Err(Error::NoHead { task: "answering", .. })));
}

/// Two steps over all pictures and questions, without chance but for what is drawn.
fn losses_with(folder: &Path, freeze: &[&str], feature_memory_mb: usize) -> Vec<f32> {
    let (examples, tokenizer) = pictures(folder);
    let pipeline = pipeline(&tokenizer, Some(1)).with_regularization(None, Some(0.0)).unwrap();
    let config = TrainConfig {
        epochs: 4,
        batch_size: 5,
        learning_rate: 1e-4,
        warmup_steps: 1,
        augment: false,
        freeze: freeze.iter().map(|pattern| (*pattern).to_owned()).collect(),
        feature_memory_mb,
        questions_per_step: 3,
        contrast: ContrastConfig { queue: 3, ..ContrastConfig::default() },
        ..TrainConfig::default()
    };
    let trainer = trainer(&pipeline, &examples, config);
    finish(&mut trainer.with_questions(&tokenizer, &questions(&examples)).unwrap())
}

/// Features that are kept have eleven binary digits: half a thousandth of a token at most. Steps are small, so that what
/// the first differs by does not grow.
#[test]
fn what_is_kept_of_a_frozen_image_encoder_teaches_what_running_it_again_does() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let first_block = ["vision.patch_embed*", "vision.class_token", "vision.position", "vision.blocks.0.*"];
    for freeze in [&["vision.*"][..], &first_block] {
        let [again, kept] = [0, 100].map(|memory| losses_with(folder.path(), freeze, memory));
        let worst = medley_tests::largest_difference(&again, &kept);
        assert!(worst < 5e-3 && again != kept, "{freeze:?}: {again:?} and {kept:?}");
    }
}

#[test]
fn a_caption_longer_than_the_model_reads_is_cut() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (mut examples, tokenizer) = pictures(folder.path());
    examples.iter_mut().for_each(|example| example.captions = vec!["a red wall ".repeat(9)]);
    let config = TrainConfig { epochs: 1, batch_size: 5, max_tokens: 40, ..TrainConfig::default() };
    let losses = finish(&mut trainer(&pipeline(&tokenizer, None), &examples, config));
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
}

#[test]
fn what_compares_its_whole_batch_does_not_share_it_between_devices() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = pictures(folder.path());
    let trainer = trainer(&pipeline(&tokenizer, None), &examples, TrainConfig::default());
    let refused = trainer.beside(&[device("cpu")]);
    assert!(matches!(refused, Err(Error::Option { option: "further devices", .. })));
}
