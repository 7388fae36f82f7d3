//! ITC and ITM with twin and queue against the authors' pre-training step, and by themselves.
//!
//! Tolerances: as in the loss suite, a loss and its inputs agree within [`LOSS`]; similarities are
//! divided by a temperature of 0.07 and have fourteen times the error of features.

#![allow(clippy::unwrap_used)]

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use medley::checkpoint::{LoadOptions, Weights, load};
use medley::loss::{itc, itm, negative_weights, positives, similarities, soft_targets};
use medley::model::{Model, Pretraining};
use medley::progress::silent;
use medley::text::{Context, TokenIds};
use medley::train::{Contrast, ContrastConfig, FeatureQueue, Momentum, Pairs, Shown, matching_loss};
use medley_tests::{Reference, device, fixture, largest_difference, turn, values};
use rand::SeedableRng;
use rand::rngs::StdRng;

const LOSS: f32 = 1e-4;
const SIMILARITY: f32 = 2e-4;

/// Special tokens of the tiny models.
const TOKENS: TokenIds = TokenIds { pad: 0, cls: 101, sep: 102, decode: 126, encode: 127 };

fn pretraining(device: &Device) -> Pretraining {
    let config = Some(fixture("tiny_itm").join("config.json"));
    let options = LoadOptions { skip_training_state: true, config, ..LoadOptions::default() };
    match load(&fixture("orig/pretrain.pth"), device, &options, &mut silent).unwrap().model {
        Model::Pretraining(model) => model,
        _ => panic!("not a pre-training model"),
    }
}

/// A queue of the authors' file, `[queue, embed]`.
fn stored_queue(name: &str, device: &Device) -> Tensor<2> {
    let file = Weights::open(&fixture("orig/pretrain.pth")).unwrap();
    let embed = file.tensors()[name].shape[0];
    let values = file.read(name).unwrap();
    let queue = values.len() / embed;
    Tensor::<2>::from_data(TensorData::new(values, [embed, queue]), device).transpose()
}

fn reference() -> Reference {
    Reference::read("orig/pretrain_ref.safetensors")
}

/// Every pair is its own, as in pre-training.
fn own_ids(batch: usize) -> Vec<i64> {
    (0..batch as i64).collect()
}

#[test]
fn contrast_of_pre_training_is_that_of_the_authors() {
    let _turn = turn();
    let device = device("cpu");
    let (model, reference) = (pretraining(&device), reference());
    let comparer = model.comparer();
    let image_embeds = model.vision().forward(reference.tensor::<4>("pixel_values", &device));
    let hidden = Some(reference.hidden("attention_mask", &device));
    let image = comparer.image_feature(image_embeds);
    let text = comparer.text_feature(reference.ids("input_ids", &device), hidden);
    let twin = [reference.tensor::<2>("image_feat_m", &device), reference.tensor::<2>("text_feat_m", &device)];
    let [twin_image, twin_text] = twin;

    let stored = [stored_queue("image_queue", &device), stored_queue("text_queue", &device)];
    let [images, texts] = stored;
    let length = images.dims()[0];
    let queue = FeatureQueue::restore(images, texts, vec![-100; length], 0);
    let [image_keys, text_keys] = queue.keys(twin_image.clone(), twin_text.clone());
    let temperature = comparer.temperature();
    let alike = |features, keys: &Tensor<2>| similarities(features, keys.clone(), temperature.clone());
    let (image_to_text, text_to_image) = (alike(image, &text_keys), alike(text, &image_keys));
    reference.assert_close("sim_i2t", image_to_text.clone(), SIMILARITY);
    reference.assert_close("sim_t2i", text_to_image.clone(), SIMILARITY);

    let ids = own_ids(4);
    let right = positives(&ids, &queue.key_ids(&ids), &device);
    let text_targets = soft_targets(alike(twin_image, &text_keys), right.clone(), 0.4);
    let image_targets = soft_targets(alike(twin_text, &image_keys), right, 0.4);
    reference.assert_close(
        "loss_ita",
        itc(image_to_text.clone(), text_to_image.clone(), text_targets, image_targets),
        LOSS,
    );

    let own = positives(&ids, &ids, &device);
    let weights = |alike: Tensor<2>| negative_weights(alike.narrow(1, 0, 4), own.clone(), 1e-4);
    reference.assert_close("weights_i2t", weights(image_to_text), LOSS);
    reference.assert_close("weights_t2i", weights(text_to_image), LOSS);
}

fn matching(device_name: &str) {
    let _turn = turn();
    let device = device(device_name);
    let (model, reference) = (pretraining(&device), reference());
    let pixels = reference.tensor::<4>("pixel_values", &device);
    let (_, mask) = reference.int("attention_mask");
    let texts = reference.rows("input_ids");
    // Rows without their padding.
    let length = |row: usize| mask[row * texts[0].len()..][..texts[0].len()].iter().sum::<i64>() as usize;
    let texts: Vec<Vec<u32>> = texts.iter().enumerate().map(|(row, ids)| ids[..length(row)].to_vec()).collect();
    let pairs = Pairs {
        context: Context::new(model.vision().forward(pixels.clone())),
        shown: Shown::Pixels(pixels),
        texts: &texts,
        ids: &own_ids(4),
    };
    let drawn = |name: &str| reference.int(name).1.iter().map(|index| *index as usize).collect::<Vec<_>>();
    let loss = matching_loss(model.comparer(), TOKENS, &pairs, &drawn("neg_image_idx"), &drawn("neg_text_idx"));
    reference.assert_close("loss_itm", loss, LOSS);
}

#[test]
fn matching_of_pre_training_is_that_of_the_authors() {
    matching("cpu");
}

#[test]
fn matching_of_pre_training_is_the_same_on_a_gpu() {
    matching("gpu");
}

/// The step is where the error of the difference meets that of rounding.
fn assert_gradient(start: &[f32], shape: [usize; 2], loss: impl Fn(Tensor<2>) -> Tensor<1>) {
    const STEP: f32 = 1e-2;
    let device = device("cpu").autodiff();
    let tensor = |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), shape), &device);
    let point = tensor(start).require_grad();
    let grads = loss(point.clone()).backward();
    let gradient = values(point.grad(&grads).unwrap());
    let at = |index: usize, step: f32| {
        let mut moved = start.to_vec();
        moved[index] += step;
        values(loss(tensor(&moved)).inner())[0]
    };
    let differences: Vec<f32> =
        (0..start.len()).map(|index| (at(index, STEP) - at(index, -STEP)) / (2.0 * STEP)).collect();
    let worst = largest_difference(&differences, &gradient);
    assert!(worst <= LOSS, "{worst:e}");
    assert!(gradient.iter().any(|value| value.abs() > 0.01), "the loss depends on its input");
}

fn waves(count: usize) -> Vec<f32> {
    (0..count).map(|index| (index as f32 * 1.7).sin()).collect()
}

#[test]
fn the_gradient_of_contrast_is_what_finite_differences_say() {
    let device = device("cpu").autodiff();
    let targets = soft_targets(
        Tensor::from_data(TensorData::new(waves(15), [3, 5]), &device),
        positives(&[7, 8, 7], &[7, 8, 7, -100, 8], &device),
        0.4,
    );
    assert_gradient(&waves(15), [3, 5], |alike| itc(alike.clone(), alike * 0.5, targets.clone(), targets.clone()));
}

#[test]
fn the_gradient_of_matching_is_what_finite_differences_say() {
    assert_gradient(&waves(8), [4, 2], |logits| itm(logits, &[true, false, false, true]));
}

#[test]
fn keys_of_one_picture_share_what_is_right() {
    let shares = values(positives(&[4, 9], &[4, 9, 4, -100], &device("cpu")));
    assert_eq!(shares, [0.5, 0.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_pair_that_belongs_together_is_never_a_negative() {
    let device = device("cpu");
    let alike = Tensor::from_data(TensorData::new(waves(9), [3, 3]), &device);
    let weights = values(negative_weights(alike, positives(&[1, 2, 1], &[1, 2, 1], &device), 1e-4));
    for (place, weight) in weights.iter().enumerate() {
        let belongs = [0, 2, 4, 6, 8].contains(&place);
        assert_eq!(*weight == 0.0, belongs, "{place}: {weight}");
    }
}

#[test]
fn the_twin_follows_slowly() {
    let _turn = turn();
    struct Add(f64);
    impl ModuleMapper for Add {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| Tensor::from_inner(tensor.inner() + self.0).require_grad())
        }
    }
    let device = device("cpu");
    let before = pretraining(&device.clone().autodiff()).train();
    let mut momentum = Momentum::new(before.valid().to_matcher(), 0.75);
    momentum.follow(&before.clone().map(&mut Add(1.0)));
    let temperature = values(before.valid().comparer().temperature())[0];
    let twin = values(momentum.twin().comparer().temperature())[0];
    assert!((twin - (temperature + 0.25)).abs() < 1e-6, "{twin} after {temperature}");
}

#[test]
fn the_queue_forgets_the_oldest() {
    let _turn = turn();
    let device = device("cpu");
    let mut queue = FeatureQueue::new(4, 1, &device);
    let batch = |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [values.len(), 1]), &device);
    for ids in [[1, 2, 3], [4, 5, 6]] {
        let features = batch(&ids.map(|id| id as f32));
        queue.push(features.clone(), -features, &ids);
    }
    let [image, text] = queue.features();
    assert_eq!(values(image), [5.0, 6.0, 3.0, 4.0]);
    assert_eq!(values(text), [-5.0, -6.0, -3.0, -4.0]);
    assert_eq!(queue.ids(), [5, 6, 3, 4]);
    assert_eq!(queue.next(), 2);
}

#[test]
fn the_twin_has_more_to_say_from_epoch_to_epoch() {
    let config = ContrastConfig { alpha: 0.4, alpha_epochs: 2, ..ContrastConfig::default() };
    assert_eq!([0, 5, 10, 20, 99].map(|step| config.alpha_at(step, 10)), [0.0, 0.1, 0.2, 0.4, 0.4]);
}

/// A whole step: both losses are numbers, reach the image encoder, and fill the queue.
#[test]
fn a_step_learns_from_twin_and_queue() {
    let _turn = turn();
    let inner = device("cpu");
    let device = inner.clone().autodiff();
    let model = pretraining(&device).train();
    let config = ContrastConfig { queue: 6, ..ContrastConfig::default() };
    let mut contrast = Contrast::new(config, model.valid().to_matcher(), 16, TOKENS, &inner);
    let pixels = reference().tensor::<4>("pixel_values", &inner);
    let texts: Vec<Vec<u32>> = (0..4).map(|row| vec![TOKENS.cls, 10 + row, 20 + row, TOKENS.sep]).collect();
    let pairs = Pairs {
        context: Context::new(model.vision().forward(Tensor::from_inner(pixels.clone()))),
        shown: Shown::Pixels(pixels),
        texts: &texts,
        ids: &own_ids(4),
    };
    contrast.follow(&model);
    let mut draws = StdRng::seed_from_u64(3);
    let losses = contrast.losses(model.comparer(), &pairs, 0.4, &mut draws);
    let [itc, itm] = pollster::block_on(losses).unwrap();
    let grads = (itc.clone() + itm.clone()).backward();
    for loss in [itc, itm] {
        let loss = values(loss.inner())[0];
        assert!(loss > 0.0 && loss.is_finite(), "{loss}");
    }
    let mut largest = 0.0_f32;
    model.vision().visit(&mut Largest(&grads, &mut largest));
    assert!(largest > 0.0 && largest.is_finite(), "{largest}");
    assert_eq!(contrast.queue().ids(), [0, 1, 2, 3, -100, -100]);
}

#[test]
fn a_picture_alone_has_no_negatives() {
    let _turn = turn();
    let inner = device("cpu");
    let device = inner.clone().autodiff();
    let model = pretraining(&device).train();
    let config = ContrastConfig { queue: 0, ..ContrastConfig::default() };
    let mut contrast = Contrast::new(config, model.valid().to_matcher(), 16, TOKENS, &inner);
    let pixels = reference().tensor::<4>("pixel_values", &inner).narrow(0, 0, 2);
    let texts = [vec![TOKENS.cls, 10, TOKENS.sep], vec![TOKENS.cls, 11, TOKENS.sep]];
    let pairs = Pairs {
        context: Context::new(model.vision().forward(Tensor::from_inner(pixels.clone()))),
        shown: Shown::Pixels(pixels),
        texts: &texts,
        // Two captions of one picture.
        ids: &[5, 5],
    };
    let mut draws = StdRng::seed_from_u64(3);
    let losses = contrast.losses(model.comparer(), &pairs, 0.4, &mut draws);
    let error = pollster::block_on(losses).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("two different pictures"), "{error}");
}

/// So that the run ends with what is wrong, not with a word about negatives.
#[test]
fn states_that_are_no_numbers_are_a_loss_that_is_none() {
    let _turn = turn();
    let inner = device("cpu");
    let model = pretraining(&inner.clone().autodiff()).train();
    let config = ContrastConfig { queue: 0, ..ContrastConfig::default() };
    let mut contrast = Contrast::new(config, model.valid().to_matcher(), 16, TOKENS, &inner);
    let pixels = reference().tensor::<4>("pixel_values", &inner).narrow(0, 0, 2) * f32::NAN;
    let texts = [vec![TOKENS.cls, 10, TOKENS.sep], vec![TOKENS.cls, 11, TOKENS.sep]];
    let context = Context::new(model.vision().forward(Tensor::from_inner(pixels.clone())));
    let pairs = Pairs { context, shown: Shown::Pixels(pixels), texts: &texts, ids: &[0, 1] };
    let mut draws = StdRng::seed_from_u64(3);
    let losses = pollster::block_on(contrast.losses(model.comparer(), &pairs, 0.4, &mut draws)).unwrap();
    assert!(losses.into_iter().all(|loss| values(loss.inner())[0].is_nan()));
}

/// The largest gradient of a module's weights.
struct Largest<'a>(&'a burn::tensor::Gradients, &'a mut f32);
impl burn::module::ModuleVisitor for Largest<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let grad = param.val().grad(self.0).map(values).unwrap_or_default();
        *self.1 = grad.iter().fold(*self.1, |largest, value| largest.max(value.abs()));
    }
}

/// The losses of four pictures with `per_image` times the same text each, without twin and queue,
/// and the largest gradient of the text stack.
fn losses_of_repeated_texts(per_image: usize, with_keys: bool) -> ([f32; 2], f32) {
    let _turn = turn();
    let inner = device("cpu");
    // Without dropout: a tensor on an autodiff device learns, a model that is not told to train drops nothing.
    let model = pretraining(&inner.clone().autodiff());
    let config = ContrastConfig { queue: 0, ..ContrastConfig::default() };
    let mut contrast = Contrast::new(config, model.valid().to_matcher(), 16, TOKENS, &inner);
    let pixels = reference().tensor::<4>("pixel_values", &inner);
    let text = |row: u32| vec![TOKENS.cls, 10 + row, 20 + row, TOKENS.sep];
    let texts: Vec<Vec<u32>> = (0..4).flat_map(|row| std::iter::repeat_n(text(row), per_image)).collect();
    let context = Context::new(model.vision().forward(Tensor::from_inner(pixels.clone())));
    let context = if with_keys { model.comparer().text().with_keys(context) } else { context };
    let pairs = Pairs { context, shown: Shown::Pixels(pixels), texts: &texts, ids: &own_ids(4) };
    let mut draws = StdRng::seed_from_u64(3);
    let [itc, itm] = pollster::block_on(contrast.losses(model.comparer(), &pairs, 0.0, &mut draws)).unwrap();
    let grads = (itc.clone() + itm.clone()).backward();
    let mut largest = 0.0_f32;
    model.comparer().text().visit(&mut Largest(&grads, &mut largest));
    ([itc, itm].map(|loss| values(loss.inner())[0]), largest)
}

/// A text that stands there twice halves its chance in one direction.
#[test]
fn several_texts_of_a_picture_share_what_is_right() {
    let ([once, matched], _) = losses_of_repeated_texts(1, true);
    let ([twice, matched_twice], _) = losses_of_repeated_texts(2, true);
    assert!((twice - once - 2.0_f32.ln() / 2.0).abs() < LOSS, "{once} {twice}");
    assert!(matched > 0.0 && matched_twice > 0.0);
}

#[test]
fn keys_computed_once_are_those_every_call_computes() {
    let (losses, gradient) = losses_of_repeated_texts(2, false);
    let (with_keys, same_gradient) = losses_of_repeated_texts(2, true);
    assert!(losses.iter().zip(with_keys).all(|(loss, other)| (loss - other).abs() < LOSS), "{losses:?} {with_keys:?}");
    assert!((gradient - same_gradient).abs() < LOSS * gradient, "{gradient} {same_gradient}");
}
