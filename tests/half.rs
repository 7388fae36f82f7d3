//! Learning in 16 bits under a software Vulkan driver, beside learning in 32.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor};
use medley::data::{CaptionExample, QuestionExample};
use medley::model::{BlipConfig, Kind, Model, Pretraining};
use medley::preprocess::Preprocessor;
use medley::progress::silent;
use medley::text::TextConfig;
use medley::tokenizer;
use medley::train::{ContrastConfig, PairTrainer, TrainConfig, half_precision_fault};
use medley::vision::VisionConfig;
use medley_tests::{device, finish, turn};

/// A run of all of pre-training's losses and questions, without chance but for what is drawn.
fn trainer(folder: &Path, half: bool, device: &Device) -> PairTrainer<Pretraining> {
    let colors = [("red", [230, 20, 20]), ("green", [20, 200, 40]), ("blue", [20, 30, 220]), ("white", [240; 3])];
    let example = |(name, color): &(&str, [u8; 3])| {
        let image = folder.join(format!("{name}.png"));
        image::RgbImage::from_pixel(32, 32, image::Rgb(*color)).save(&image).unwrap();
        let captions = vec![format!("a {name} wall"), format!("all {name}")];
        CaptionExample { image: image.into(), captions, id: (*name).into() }
    };
    let examples: Vec<CaptionExample> = colors.iter().map(example).collect();
    let question = |example: &CaptionExample| QuestionExample {
        image: example.image.clone(),
        question: "what color is it".to_owned(),
        answers: vec![example.id.clone()],
        id: example.id.clone(),
        weight: 1.0,
        answer_type: None,
        question_type: None,
    };
    let questions: Vec<QuestionExample> = examples.iter().map(question).collect();
    let captions = examples.iter().flat_map(|example| example.captions.iter().map(String::as_str));
    let tokenizer = tokenizer::train(captions.chain(["what color is it"]), 100).unwrap();
    let text = TextConfig::new().with_vocab_size(tokenizer.vocab_size()).with_hidden_size(32).with_num_layers(2);
    let text = text.with_num_heads(2).with_feed_forward_size(64).with_max_positions(16);
    let text = text.with_dropout(0.0).with_attention_dropout(0.0);
    let vision = VisionConfig::new(32, 8, 32, 2, 2, 64);
    let config = BlipConfig::new(Kind::Pretraining, vision, text).with_embed_size(16).with_answer_layers(Some(1));
    device.seed(1);
    let Model::Pretraining(model) = Model::init(&config, device) else { panic!("another kind") };
    let config = TrainConfig {
        epochs: 8,
        batch_size: 4,
        learning_rate: 1e-3,
        warmup_steps: 2,
        augment: false,
        captions_per_image: 2,
        questions_per_step: 2,
        half,
        contrast: ContrastConfig { queue: 4, ..ContrastConfig::default() },
        ..TrainConfig::default()
    };
    let preprocessor = Preprocessor { image_size_px: 32, ..Preprocessor::default() };
    let trainer = PairTrainer::new(model, &tokenizer, tokenizer.ids(), preprocessor, &examples, config).unwrap();
    trainer.with_questions(&tokenizer, &questions).unwrap()
}

struct Widths(Vec<DType>);

impl ModuleVisitor for Widths {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.val().dtype());
    }
}

#[test]
fn sixteen_bits_learn_what_thirty_two_do() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let device = device("gpu");
    assert_eq!(pollster::block_on(half_precision_fault(&device)).unwrap(), None);
    let exact = finish(&mut trainer(folder.path(), false, &device));
    let mut half = trainer(folder.path(), true, &device);
    let rough = finish(&mut half);
    assert!(rough[rough.len() - 1] < rough[0], "{rough:?}");
    // Eleven binary digits a number, in sums of a few dozen.
    assert!((exact[0] - rough[0]).abs() < 1e-3 * exact[0], "{} {}", exact[0], rough[0]);
    assert!(exact.iter().zip(&rough).all(|(a, b)| (a - b).abs() < 5e-2 * a), "{exact:?} {rough:?}");
    assert!(exact != rough, "copies of 16 bits computed");
    let mut widths = Widths(Vec::new());
    half.model().visit(&mut widths);
    assert!(widths.0.iter().all(|width| *width == DType::F32), "what is saved has 32 bits");
}

#[test]
fn a_run_in_sixteen_bits_goes_on_where_it_stopped() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let device = device("gpu");
    let mut straight = trainer(folder.path(), true, &device);
    let epoch =
        |trainer: &mut PairTrainer<Pretraining>| pollster::block_on(trainer.epoch(&mut silent)).unwrap().train_loss;
    epoch(&mut straight);
    let state = folder.path().join("state");
    pollster::block_on(straight.save(&state)).unwrap();
    let mut resumed = trainer(folder.path(), true, &device);
    resumed.resume(&state).unwrap();
    assert_eq!(epoch(&mut straight), epoch(&mut resumed));
}

#[test]
fn the_cpu_says_that_it_learns_in_thirty_two_bits() {
    let fault = pollster::block_on(half_precision_fault(&device("cpu"))).unwrap();
    assert!(fault.is_some_and(|fault| fault.contains("32 bits")));
}
