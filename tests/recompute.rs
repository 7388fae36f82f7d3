//! Blocks that run again in the backward pass: the same losses and gradients as blocks that keep
//! everything, with all that is dropped at random.
//!
//! The two differ by the order of sums and by attention's two ways to the same result, once with
//! and once without its weights kept: [`ROUNDING`] of a tensor's largest gradient, or of one where
//! that is smaller, and of a loss.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use image::{Rgb, RgbImage};
use medley::data::{CaptionExample, QuestionExample};
use medley::loss::cross_entropy;
use medley::model::{Answerer, BlipConfig, Captioner, Kind, Matcher, Model, Pretraining};
use medley::nn::BlockRuns;
use medley::preprocess::Preprocessor;
use medley::progress::Progress;
use medley::text::{Context, TextConfig};
use medley::tokenizer::{self, Tokenizer};
use medley::train::{
    AnswerTrainer, CaptionTrainer, ContrastConfig, LearnsPairs, PairTrainer, Task, TrainConfig, Trainer,
};
use medley::vision::VisionConfig;
use medley_tests::{device, largest_difference, values};

const ROUNDING: f32 = 1e-5;

/// Chance comes from one source for the whole process, so one test draws at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A small model that drops whatever can be dropped.
fn model(kind: Kind, vocab_size: usize, device: &Device) -> Model {
    made(kind, vocab_size, 0.2, device)
}

fn made(kind: Kind, vocab_size: usize, dropout: f64, device: &Device) -> Model {
    let text = TextConfig::new().with_vocab_size(vocab_size).with_hidden_size(32).with_num_layers(2);
    let text = text.with_num_heads(2).with_feed_forward_size(64).with_max_positions(64);
    let text = text.with_dropout(dropout).with_attention_dropout(dropout);
    let vision = VisionConfig::new(32, 8, 32, 3, 2, 64).with_drop_path(2.0 * dropout);
    device.seed(1);
    Model::init(&BlipConfig::new(kind, vision, text).with_embed_size(16), device)
}

fn captioner(device: &Device) -> Captioner {
    let Model::Captioner(model) = model(Kind::Captioner, 50, device) else { panic!("not a captioner") };
    model
}

/// The gradient of every weight that has one, by path.
struct Collector<'a> {
    grads: &'a Gradients,
    path: Vec<String>,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Collector<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = param.val().grad(self.grads) {
            self.found.insert(self.path.join("."), values(grad));
        }
    }
}

/// Leaves every second weight as it is.
struct Freezer(usize);

impl ModuleMapper for Freezer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        param.set_require_grad(self.0.is_multiple_of(2))
    }
}

/// Loss and gradients of three pictures, two rows of words each.
fn step(model: Captioner, recompute: bool, device: &Device) -> (f32, BTreeMap<String, Vec<f32>>) {
    let runs = BlockRuns::new(recompute);
    let model = model.with_runs(&runs);
    runs.begin(7);
    let pixels: Vec<f32> = (0..3 * 3 * 32 * 32).map(|index| (index as f32 * 0.37).sin()).collect();
    let pixels = Tensor::<4>::from_data(TensorData::new(pixels, [3, 3, 32, 32]), device);
    let context = Context::new(model.vision().forward(pixels));
    let ids: Vec<i32> = (0..6 * 5).map(|index| index * 7 % 50).collect();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [6, 5]), device);
    let states = model.writer().states(ids.clone(), &context).reshape([30, 32]);
    let losses = model.writer().losses(states, move |scores| cross_entropy(scores, ids.clone().reshape([30]), 0.1));
    let loss = losses.mean();
    let grads = loss.backward();
    let mut collector = Collector { grads: &grads, path: Vec::new(), found: BTreeMap::new() };
    model.visit(&mut collector);
    (values(loss.inner())[0], collector.found)
}

fn assert_same(kept: (f32, BTreeMap<String, Vec<f32>>), again: (f32, BTreeMap<String, Vec<f32>>)) {
    assert!((kept.0 - again.0).abs() <= ROUNDING, "{} and {}", kept.0, again.0);
    assert_eq!(kept.1.keys().collect::<Vec<_>>(), again.1.keys().collect::<Vec<_>>());
    for (path, kept) in kept.1 {
        let largest = kept.iter().fold(1.0, |largest: f32, value| largest.max(value.abs()));
        let worst = largest_difference(&kept, &again.1[&path]) / largest;
        assert!(worst <= ROUNDING, "{path}: {worst:e}");
    }
}

fn gradients(device_name: &str) {
    let _turn = turn();
    let device = device(device_name).autodiff();
    let model = captioner(&device).train();
    let kept = step(model.clone(), false, &device);
    assert!(kept.1.len() > 100 && kept.1.values().flatten().any(|value| value.abs() > 1e-3));
    assert_same(kept, step(model.clone(), true, &device));
    let model = model.map(&mut Freezer(0));
    assert_same(step(model.clone(), false, &device), step(model, true, &device));
}

#[test]
fn blocks_that_run_again_have_the_gradients_of_blocks_that_kept_everything() {
    gradients("cpu");
}

#[test]
fn blocks_that_run_again_have_the_same_gradients_on_a_gpu() {
    gradients("gpu");
}

/// Nothing before the blocks learns, so that no gradient asks for what they read.
#[test]
fn blocks_learn_that_read_what_does_not() {
    let _turn = turn();
    struct Start(Vec<String>);
    impl ModuleMapper for Start {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let path = self.0.join(".");
            let learns = path.contains(".layers.") || path.starts_with("vision.blocks.");
            param.set_require_grad(learns)
        }
    }
    let device = device("cpu").autodiff();
    let model = captioner(&device).train().map(&mut Start(Vec::new()));
    let kept = step(model.clone(), false, &device);
    assert!(kept.1.keys().all(|path| path.contains("blocks") || path.contains("layers")));
    assert_same(kept, step(model, true, &device));
}

/// Four pictures of one colour each, whose captions name it.
fn lesson(folder: &Path) -> (Vec<CaptionExample>, Tokenizer) {
    let colors = [("red", [230, 20, 20]), ("green", [20, 200, 40]), ("blue", [20, 30, 220]), ("white", [240; 3])];
    let examples = colors.map(|(name, color)| {
        let image = folder.join(format!("{name}.png"));
        RgbImage::from_fn(32, 32, |x, y| if x > y { Rgb(color) } else { Rgb([9, 9, 9]) }).save(&image).unwrap();
        CaptionExample {
            image: image.into(),
            captions: vec![format!("a {name} wall"), format!("all {name}")],
            id: name.into(),
        }
    });
    let texts: Vec<&str> = examples.iter().flat_map(|example| example.captions.iter().map(String::as_str)).collect();
    let texts = texts.into_iter().chain(["a picture of", "what color is it", "what color is it"]);
    let tokenizer = tokenizer::train(texts.collect::<Vec<_>>().into_iter(), 120).unwrap();
    (examples.to_vec(), tokenizer)
}

fn config(recompute: bool) -> TrainConfig {
    let contrast = ContrastConfig { queue: 6, ..ContrastConfig::default() };
    let base = TrainConfig { epochs: 3, batch_size: 4, learning_rate: 1e-3, warmup_steps: 2, ..TrainConfig::default() };
    TrainConfig { recompute, contrast, ..base }
}

fn preprocessor() -> Preprocessor {
    Preprocessor { image_size_px: 32, ..Preprocessor::default() }
}

/// The loss of every step of a run.
fn losses<T: Task>(mut trainer: Trainer<T>) -> Vec<f32> {
    let mut losses = Vec::new();
    while !trainer.is_finished() {
        let mut note = |progress| {
            if let Progress::Step { loss, .. } = progress {
                losses.push(loss);
            }
            ControlFlow::Continue(())
        };
        pollster::block_on(trainer.epoch(&mut note)).unwrap();
    }
    losses
}

fn assert_close(kept: &[f32], again: &[f32]) {
    let worst = largest_difference(kept, again);
    assert!(worst <= 10.0 * ROUNDING, "{worst:e}: {kept:?} and {again:?}");
    assert!(kept[0] != kept[kept.len() - 1], "it learns");
}

#[test]
fn captions_are_learned_as_by_blocks_that_kept_everything() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = lesson(folder.path());
    let run = |recompute| {
        let Model::Captioner(model) = model(Kind::Captioner, tokenizer.vocab_size(), &device("cpu")) else {
            panic!("not a captioner")
        };
        let config = TrainConfig { accumulate: 2, ..config(recompute) };
        let trainer = CaptionTrainer::new(model, &tokenizer, tokenizer.ids(), preprocessor(), &examples, config);
        losses(trainer.unwrap())
    };
    assert_close(&run(false), &run(true));
}

/// Scores of a large vocabulary are computed piece by piece: here the tokens of all texts need
/// two pieces, those of one text one.
#[test]
fn a_loss_in_pieces_is_the_loss() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (mut examples, tokenizer) = lesson(folder.path());
    for example in &mut examples {
        example.captions = vec!["wall ".repeat(30); 3];
    }
    let run = |recompute| {
        let Model::Captioner(model) = model(Kind::Captioner, 1 << 16, &device("cpu")) else {
            panic!("not a captioner")
        };
        let config = TrainConfig { epochs: 1, captions_per_image: 3, augment: false, ..config(recompute) };
        let trainer = CaptionTrainer::new(model, &tokenizer, tokenizer.ids(), preprocessor(), &examples, config);
        let mut trainer = trainer.unwrap();
        pollster::block_on(trainer.epoch(&mut medley::progress::silent)).unwrap();
        let loss = pollster::block_on(trainer.validation_loss(&examples, &tokenizer)).unwrap();
        let alone = examples.chunks(1).map(|one| pollster::block_on(trainer.validation_loss(one, &tokenizer)).unwrap());
        (loss, alone.sum::<f32>() / 4.0)
    };
    let (together, alone) = run(true);
    assert!((together - alone).abs() <= ROUNDING, "{together} and {alone}");
    let (kept, _) = run(false);
    assert!((together - kept).abs() <= 10.0 * ROUNDING, "{together} and {kept}");
}

fn pair_losses<M: LearnsPairs>(kind: Kind, of: impl Fn(Model) -> M) {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = lesson(folder.path());
    let run = |recompute| {
        let model = of(model(kind, tokenizer.vocab_size(), &device("cpu")));
        let config = config(recompute);
        losses(PairTrainer::new(model, &tokenizer, tokenizer.ids(), preprocessor(), &examples, config).unwrap())
    };
    assert_close(&run(false), &run(true));
}

#[test]
fn pre_training_learns_as_by_blocks_that_kept_everything() {
    pair_losses::<Pretraining>(Kind::Pretraining, |model| match model {
        Model::Pretraining(model) => model,
        _ => panic!("not a pre-training model"),
    });
}

#[test]
fn retrieval_learns_as_by_blocks_that_kept_everything() {
    pair_losses::<Matcher>(Kind::Matcher, |model| match model {
        Model::Matcher(model) => model,
        _ => panic!("not a matcher"),
    });
}

#[test]
fn answers_are_learned_as_by_blocks_that_kept_everything() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = lesson(folder.path());
    let ask = |example: &CaptionExample| QuestionExample {
        image: example.image.clone(),
        question: "what color is it".into(),
        weight: 1.0,
        answers: vec![example.id.clone(), "wall".into()],
        id: example.id.clone(),
        answer_type: None,
        question_type: None,
    };
    let questions: Vec<QuestionExample> = examples.iter().map(ask).collect();
    let run = |recompute| {
        let Model::Answerer(model) = model(Kind::Answerer, tokenizer.vocab_size(), &device("cpu")) else {
            panic!("not an answerer")
        };
        let model: Answerer = model;
        let (ids, config) = (tokenizer.ids(), config(recompute));
        losses(AnswerTrainer::new(model, &tokenizer, ids, preprocessor(), &questions, config).unwrap())
    };
    assert_close(&run(false), &run(true));
}

/// Pictures are compared with the whole batch, whatever parts it is read in (GradCache).
#[test]
fn pairs_in_parts_are_pairs_in_one() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (examples, tokenizer) = lesson(folder.path());
    let run = |accumulate| {
        let Model::Pretraining(model) = made(Kind::Pretraining, tokenizer.vocab_size(), 0.0, &device("cpu")) else {
            panic!("not a pre-training model")
        };
        let config = TrainConfig { accumulate, augment: false, ..config(false) };
        losses(PairTrainer::new(model, &tokenizer, tokenizer.ids(), preprocessor(), &examples, config).unwrap())
    };
    let whole = run(1);
    for parts in [2, 3, 4] {
        assert_close(&whole, &run(parts));
    }
}
