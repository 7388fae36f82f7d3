//! The losses of writing, reasoning and dialogs and their gradients against PyTorch's, and against finite differences.
//!
//! Tolerances: a loss is a mean or a sum of at most eight logits' worth of error, for which the
//! parity suite allows 2e-4; averaging leaves less than [`LOSS`] of it. A gradient passes twice
//! through the model; it must agree within [`GRADIENT`] of its tensor's largest value, or of one
//! where that is smaller: the gradient of a key's bias is zero but for rounding.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Device, Gradients, Int, Tensor, TensorData};
use medley::checkpoint::{LoadOptions, Weights, load};
use medley::loss::{Reduction, itc, itm, lm, positives, similarities, soft_targets};
use medley::model::{Captioner, Dialog, Head, Model, Pretraining, Reasoner};
use medley::progress::silent;
use medley::text::{Context, TokenIds};
use medley::train::{FeatureQueue, Pairs, Shown, matching_loss};
use medley_tests::{Reference, device, fixture, largest_difference, values};

const LOSS: f32 = 1e-4;
const GRADIENT: f32 = 1e-4;

/// The smoothings every loss was computed with.
const SMOOTHINGS: [(f64, &str); 2] = [(0.0, "ls0.0"), (0.1, "ls0.1")];

fn open(path: &str, sizes: &str, device: &Device) -> Model {
    let config = Some(fixture(sizes).join("config.json"));
    let options = LoadOptions { skip_training_state: true, config, ..LoadOptions::default() };
    load(&fixture(path), device, &options, &mut silent).unwrap_or_else(|error| panic!("{path}: {error}")).model
}

fn captioner(path: &str, sizes: &str, device: &Device) -> Captioner {
    let Model::Captioner(model) = open(path, sizes, device) else { panic!("not a captioner") };
    model
}

/// `true` where a label says -100.
fn ignored(reference: &Reference, labels: &str, device: &Device) -> Tensor<2, Bool> {
    let (shape, labels) = reference.int(labels);
    let ignored: Vec<bool> = labels.iter().map(|label| *label == -100).collect();
    Tensor::from_data(TensorData::new(ignored, shape.to_vec()), device)
}

/// Counts every token, padding too.
fn none_ignored(ids: &Tensor<2, Int>) -> Tensor<2, Bool> {
    ids.clone().equal_elem(-1)
}

fn caption_losses(name: &str, device_name: &str) {
    let device = device(device_name);
    let model = captioner(name, name, &device);
    let reference = Reference::read(&format!("{name}/ref.safetensors"));
    let context = Context::new(model.vision().forward(reference.tensor::<4>("pixel_values", &device)));
    let ids = reference.ids("input_ids", &device);
    let hidden = reference.hidden("attention_mask", &device);
    let logits = model.writer().logits(ids.clone(), Some(hidden), &context);
    let padding = ignored(&reference, "labels.pad_ignored", &device);
    let cases = [
        ("pad_ignored", padding.clone(), Reduction::Mean),
        ("prompt_ignored", ignored(&reference, "labels.prompt_ignored", &device), Reduction::Mean),
        ("hf_labels_eq_input_ids", none_ignored(&ids), Reduction::Mean),
        ("per_sample_sum", padding, Reduction::RowSum),
    ];
    for (case, ignored, reduction) in cases {
        for (smoothing, suffix) in SMOOTHINGS {
            let loss = lm(logits.clone(), ids.clone(), ignored.clone(), smoothing, reduction);
            reference.assert_close(&format!("loss.{case}.{suffix}"), loss, LOSS);
        }
    }
}

#[test]
fn losses_of_captions_are_those_of_pytorch() {
    caption_losses("tiny_caption", "cpu");
    caption_losses("tiny_wide_caption", "cpu");
}

#[test]
fn losses_of_captions_are_the_same_on_a_gpu() {
    caption_losses("tiny_caption", "gpu");
}

#[test]
fn losses_of_answers_are_those_of_pytorch() {
    let device = device("cpu");
    let Model::Answerer(model) = open("tiny_vqa", "tiny_vqa", &device) else { panic!("not an answerer") };
    let reference = Reference::read("tiny_vqa/ref.safetensors");
    let image = Context::new(model.vision().forward(reference.tensor::<4>("pixel_values", &device)));
    let hidden = reference.hidden("attention_mask", &device);
    let ids = reference.ids("answer_ids", &device);
    let padding = ignored(&reference, "answer_labels", &device);
    let answer_hidden = Some(reference.hidden("answer_mask", &device));
    let logits = |question: &str, answer_hidden: Option<Tensor<2, Bool>>| {
        let states = model.responder().question_states(reference.ids(question, &device), Some(hidden.clone()), &image);
        let question = Context { hidden: Some(hidden.clone()), ..Context::new(states) };
        model.responder().writer().logits(ids.clone(), answer_hidden, &question)
    };
    for (smoothing, suffix) in SMOOTHINGS {
        let loss = |logits, ignored, reduction| lm(logits, ids.clone(), ignored, smoothing, reduction);
        let proper = loss(logits("input_ids", answer_hidden.clone()), padding.clone(), Reduction::Mean);
        reference.assert_close(&format!("loss.pad_ignored.{suffix}"), proper, LOSS);
        // Reference quirk: with labels alone, Hugging Face reads and counts the padding.
        let labels_only = loss(logits("input_ids", None), none_ignored(&ids), Reduction::Mean);
        reference.assert_close(&format!("loss.hf_labels_only.{suffix}"), labels_only, LOSS);
        let rows = loss(logits("input_ids_enc", answer_hidden.clone()), padding.clone(), Reduction::RowSum);
        reference.assert_close(&format!("loss.orig_per_answer.{suffix}"), rows.clone(), LOSS);
        if smoothing > 0.0 {
            let weights = reference.tensor::<1>("orig_weights", &device);
            let [images, ..] = image.states.dims();
            let training = (rows * weights).sum() / images as f64;
            reference.assert_close("loss.orig_training.ls0.1", training, LOSS);
        }
    }
}

#[test]
fn the_loss_of_pre_training_is_that_of_pytorch() {
    let device = device("cpu");
    let Model::Pretraining(model) = open("orig/pretrain.pth", "tiny_itm", &device) else {
        panic!("not a pre-training model")
    };
    let reference = Reference::read("orig/pretrain_ref.safetensors");
    let context = Context::new(model.vision().forward(reference.tensor::<4>("pixel_values", &device)));
    let ids = reference.ids("input_ids", &device);
    let [batch, token] = ids.dims();
    let start = Tensor::<2, Int>::full([batch, 1], 126, &device);
    let ids = Tensor::cat(vec![start, ids.narrow(1, 1, token - 1)], 1);
    let hidden = reference.hidden("attention_mask", &device);
    let logits = model.writer().logits(ids.clone(), Some(hidden.clone()), &context);
    reference.assert_close("loss_lm", lm(logits, ids, hidden, 0.1, Reduction::Mean), LOSS);
}

/// Every parameter's numbers by path, or those of its gradient.
#[derive(Default)]
struct Collector {
    grads: Option<Gradients>,
    path: Vec<String>,
    tensors: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let tensor = match &self.grads {
            Some(grads) => param.val().grad(grads).unwrap_or_else(|| panic!("{path} has no gradient")),
            None => param.val(),
        };
        self.tensors.insert(path, values(tensor));
    }
}

fn collect<M: Module>(model: &M, grads: Option<Gradients>) -> BTreeMap<String, Vec<f32>> {
    let mut collector = Collector { grads, ..Collector::default() };
    model.visit(&mut collector);
    collector.tensors
}

fn caption_gradients(name: &str, device_name: &str, tolerance: f32) {
    let device = device(device_name);
    let reference = Reference::read(&format!("{name}/ref.safetensors"));
    // PyTorch's gradients carry the weights' names: loaded as a model, they have our shapes.
    let expected = collect(&captioner(&format!("{name}/grads.safetensors"), name, &device), None);

    let device = device.autodiff();
    let model = captioner(name, name, &device).train();
    let context = Context::new(model.vision().forward(reference.tensor::<4>("pixel_values", &device)));
    let ids = reference.ids("input_ids", &device);
    let hidden = reference.hidden("attention_mask", &device);
    let logits = model.writer().logits(ids.clone(), Some(hidden), &context);
    let loss = lm(logits, ids, ignored(&reference, "labels.prompt_ignored", &device), 0.1, Reduction::Mean);
    reference.assert_close("loss.prompt_ignored.ls0.1", loss.clone().inner(), LOSS);

    assert_gradients(&collect(&model, Some(loss.backward())), &expected, tolerance);
}

fn assert_gradients(found: &BTreeMap<String, Vec<f32>>, expected: &BTreeMap<String, Vec<f32>>, tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (path, expected) in expected {
        let largest = expected.iter().fold(1.0, |largest: f32, value| largest.max(value.abs()));
        let worst = largest_difference(expected, &found[path]) / largest;
        assert!(worst <= tolerance, "{path}: largest difference {worst:e} of {largest}");
    }
}

/// A model with autodiff, its reference, and the gradients PyTorch found, by path.
fn learning<M: Head>([path, sizes, name]: [&str; 3], device: &Device) -> (M, Reference, BTreeMap<String, Vec<f32>>) {
    let of = |path: &str, device: &Device| M::of(open(path, sizes, device)).unwrap();
    let grads = of(&format!("{name}/grads.safetensors"), device);
    let reference = Reference::read(&format!("{name}/ref.safetensors"));
    (of(path, &device.clone().autodiff()).train(), reference, collect(&grads, None))
}

/// One where a label says so.
fn labels(reference: &Reference) -> Vec<bool> {
    reference.int("targets").1.iter().map(|target| *target == 1).collect()
}

#[test]
fn the_loss_of_reasoning_and_its_gradients_are_those_of_pytorch() {
    let names = ["tiny_nlvr/nlvr.safetensors", "tiny_nlvr", "tiny_nlvr"];
    let (model, reference, expected) = learning::<Reasoner>(names, &device("cpu"));
    let device = device("cpu").autodiff();
    let image_embeds = model.vision().forward(reference.tensor::<4>("pixel_values", &device));
    let [images, ..] = image_embeds.dims();
    let [left, right] = [0, images / 2].map(|start| image_embeds.clone().narrow(0, start, images / 2));
    let hidden = Some(reference.hidden("attention_mask", &device));
    let logits = model.logits(reference.ids("input_ids", &device), hidden, &Context::pair(left, right));
    let loss = itm(logits, &labels(&reference));
    reference.assert_close("loss", loss.clone().inner(), LOSS);
    assert_gradients(&collect(&model, Some(loss.backward())), &expected, GRADIENT);
}

#[test]
fn the_loss_of_dialogs_and_its_gradients_are_those_of_pytorch() {
    let names = ["tiny_wide_dialog/dialog.safetensors", "tiny_wide_itm", "tiny_wide_dialog"];
    let (model, reference, expected) = learning::<Dialog>(names, &device("cpu"));
    let device = device("cpu").autodiff();
    let image_embeds = model.vision().forward(reference.tensor::<4>("pixel_values", &device));
    let caption_hidden = Some(reference.hidden("caption_mask", &device));
    let context = model.context(image_embeds, reference.ids("caption_ids", &device), caption_hidden);
    let hidden = Some(reference.hidden("attention_mask", &device));
    let loss = itm(model.itm_logits(reference.ids("input_ids", &device), hidden, &context), &labels(&reference));
    reference.assert_close("loss", loss.clone().inner(), LOSS);
    assert_gradients(&collect(&model, Some(loss.backward())), &expected, GRADIENT);
}

/// A file that belongs to the models of this repository, whatever other models are tested.
fn own(name: &str) -> String {
    format!("{}/fixtures/orig/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The sum of the three losses of one step, twin, queue and drawn negatives as the reference has them.
fn step_loss(model: &Pretraining, device: &Device) -> Tensor<1> {
    let reference = Reference::read(&own("pretrain_ref.safetensors"));
    let pixels = reference.tensor::<4>("pixel_values", device);
    let (ids, hidden) = (reference.ids("input_ids", device), reference.hidden("attention_mask", device));
    let image_embeds = model.vision().forward(pixels.clone());
    let context = Context::new(image_embeds.clone());
    let (comparer, [batch, token]) = (model.comparer(), ids.dims());
    let pictures: Vec<i64> = (0..batch as i64).collect();

    let file = Weights::open(own("pretrain.pth").as_ref()).unwrap();
    let queue = ["image_queue", "text_queue"].map(|name| {
        let shape: [usize; 2] = file.tensors()[name].shape.clone().try_into().unwrap();
        Tensor::<2>::from_data(TensorData::new(file.read(name).unwrap(), shape), device).transpose()
    });
    let [images, texts] = queue;
    let queue = FeatureQueue::restore(images.clone(), texts, vec![-100; images.dims()[0]], 0);
    let twin = ["image_feat_m", "text_feat_m"].map(|name| reference.tensor::<2>(name, device));
    let [image_keys, text_keys] = queue.keys(twin[0].clone(), twin[1].clone());
    let right = positives(&pictures, &queue.key_ids(&pictures), device);
    let alike = |features: Tensor<2>, keys: &Tensor<2>| similarities(features, keys.clone(), comparer.temperature());
    let targets = |features: &Tensor<2>, keys| soft_targets(alike(features.clone(), keys).detach(), right.clone(), 0.4);
    let contrast = itc(
        alike(comparer.image_feature(image_embeds), &text_keys),
        alike(comparer.text_feature(ids.clone(), Some(hidden.clone())), &image_keys),
        targets(&twin[0], &text_keys),
        targets(&twin[1], &image_keys),
    );

    let lengths = reference.int("attention_mask").1.chunks(token).map(|mask| mask.iter().sum::<i64>() as usize);
    let texts: Vec<Vec<u32>> =
        reference.rows("input_ids").iter().zip(lengths).map(|(row, length)| row[..length].to_vec()).collect();
    let tokens = TokenIds { pad: 0, cls: 101, sep: 102, decode: 126, encode: 127 };
    let pairs = Pairs { context: context.clone(), shown: Shown::Pixels(pixels), texts: &texts, ids: &pictures };
    let drawn = ["neg_image_idx", "neg_text_idx"]
        .map(|name| reference.int(name).1.iter().map(|place| *place as usize).collect::<Vec<_>>());
    let matching = matching_loss(comparer, tokens, &pairs, &drawn[0], &drawn[1]);

    let start = Tensor::<2, Int>::full([batch, 1], tokens.decode as i32, device);
    let written = Tensor::cat(vec![start, ids.narrow(1, 1, token - 1)], 1);
    let logits = model.writer().logits(written.clone(), Some(hidden.clone()), &context);
    contrast + matching + lm(logits, written, hidden, 0.1, Reduction::Mean)
}

#[test]
fn the_gradients_of_a_whole_step_of_pre_training_are_those_of_pytorch() {
    let device = device("cpu");
    let sizes = own("../tiny_itm");
    let of = |name: &str, device: &Device| Pretraining::of(open(&own(name), &sizes, device)).unwrap();
    let expected = collect(&of("pretrain_grads.pth", &device), None);
    let device = device.autodiff();
    let model = of("pretrain.pth", &device).train();
    let found = collect(&model, Some(step_loss(&model, &device).backward()));
    assert!(found.len() > 60 && found.contains_key("heads.temperature"), "{:?}", found.keys());
    assert_gradients(&found, &expected, GRADIENT);
}

#[test]
fn gradients_of_all_weights_are_those_of_pytorch() {
    caption_gradients("tiny_caption", "cpu", GRADIENT);
    caption_gradients("tiny_wide_caption", "cpu", GRADIENT);
}

#[test]
fn gradients_on_a_gpu_are_those_of_pytorch() {
    caption_gradients("tiny_caption", "gpu", GRADIENT);
}

/// Two rows of four tokens over five words, the second one token shorter.
fn tiny(device: &Device) -> (Vec<f32>, Tensor<2, Int>, Tensor<2, Bool>) {
    let logits: Vec<f32> = (0..40).map(|index| (index as f32 * 1.7).sin() * 2.0).collect();
    let ids = Tensor::from_data([[1, 4, 0, 2], [1, 3, 3, 0]], device);
    let ignored = Tensor::from_data([[true, false, false, false], [true, false, false, true]], device);
    (logits, ids, ignored)
}

fn logits(values: &[f32], device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(values.to_vec(), [2, 4, 5]), device)
}

/// The step is where the error of the difference, its square, meets that of rounding, its
/// inverse: both are about 1e-5.
#[test]
fn the_gradient_is_what_finite_differences_say() {
    const STEP: f32 = 1e-2;
    let device = device("cpu").autodiff();
    let (start, ids, ignored) = tiny(&device);
    for (smoothing, reduction) in [(0.0, Reduction::Mean), (0.1, Reduction::Mean), (0.1, Reduction::RowSum)] {
        let loss = |logits| lm(logits, ids.clone(), ignored.clone(), smoothing, reduction).sum();
        let point = logits(&start, &device).require_grad();
        let grads = loss(point.clone()).backward();
        let gradient = values(point.grad(&grads).unwrap());
        let at = |index: usize, step: f32| {
            let mut moved = start.clone();
            moved[index] += step;
            values(loss(logits(&moved, &device)).inner())[0]
        };
        let differences: Vec<f32> =
            (0..start.len()).map(|index| (at(index, STEP) - at(index, -STEP)) / (2.0 * STEP)).collect();
        let worst = largest_difference(&differences, &gradient);
        assert!(worst <= GRADIENT, "{smoothing}, {reduction:?}: {worst:e}");
    }
}

#[test]
fn tokens_that_are_ignored_do_not_matter() {
    let device = device("cpu");
    let (start, ids, ignored) = tiny(&device);
    let other = Tensor::from_data([[3, 4, 0, 2], [0, 3, 3, 4]], &device);
    let loss = |ids| values(lm(logits(&start, &device), ids, ignored.clone(), 0.1, Reduction::Mean));
    assert_eq!(loss(ids), loss(other));
}

#[test]
fn a_batch_without_labels_has_no_loss() {
    let device = device("cpu");
    let (start, ids, ignored) = tiny(&device);
    let all = ignored.full_like(true);
    assert_eq!(values(lm(logits(&start, &device), ids, all, 0.1, Reduction::Mean)), [0.0]);
}

#[test]
fn the_mean_is_the_sum_over_rows_divided_by_the_labels() {
    let device = device("cpu");
    let (start, ids, ignored) = tiny(&device);
    let loss = |reduction| values(lm(logits(&start, &device), ids.clone(), ignored.clone(), 0.1, reduction));
    let (mean, sums) = (loss(Reduction::Mean)[0], loss(Reduction::RowSum));
    assert!((mean - sums.iter().sum::<f32>() / 5.0).abs() < 1e-6);
}
