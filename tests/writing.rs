//! What must hold of any writer: caches, batches, seeds, limits and exhaustive search.
//!
//! Tolerance: two ways to compute the same logits differ by another order of summation, which
//! moves these models' logits by up to 4e-5; the parity suite allows the same [`LOGITS`].

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Int, Tensor, TensorData};
use medley::Error;
use medley::checkpoint::{LoadOptions, load};
use medley::generate::{BeamStop, BeamVariant, GenerateConfig, Generated, Strategy, generate};
use medley::model::{BlipConfig, Captioner, Kind, Model, Writer};
use medley::progress::silent;
use medley::text::{Context, TextConfig, TokenIds};
use medley::vision::VisionConfig;
use medley_tests::{Reference, device, fixture, largest_difference, values};

const LOGITS: f32 = 2e-4;

/// A captioner looking at three images.
struct Scene {
    reference: Reference,
    model: Captioner,
    tokens: TokenIds,
    images: Context,
}

impl Scene {
    fn new(name: &str, device_name: &str) -> Self {
        let device = device(device_name);
        let checkpoint = load(&fixture(name), &device, &LoadOptions::default(), &mut silent).unwrap();
        let Model::Captioner(model) = checkpoint.model else { panic!("not a captioner") };
        let reference = Reference::read(&format!("{name}/ref.safetensors"));
        let images = Context::new(model.vision().forward(reference.tensor::<4>("pixel_values", &device)));
        Self { reference, model, tokens: checkpoint.config.tokens, images }
    }

    /// The image alone.
    fn image(&self, image: usize) -> Context {
        Context::new(self.images.states.clone().narrow(0, image, 1))
    }

    fn write(&self, images: &Context, config: &GenerateConfig) -> Vec<Vec<Generated>> {
        write(self.model.writer(), images, &[self.tokens.decode], self.tokens, config).unwrap()
    }
}

fn write(
    writer: Writer<'_>,
    context: &Context,
    prompt: &[u32],
    tokens: TokenIds,
    config: &GenerateConfig,
) -> medley::Result<Vec<Vec<Generated>>> {
    let mut go_on = |_: usize, _: &[u32]| ControlFlow::Continue(());
    pollster::block_on(generate(writer, context, prompt, tokens, config, &mut go_on))
}

fn greedy() -> GenerateConfig {
    GenerateConfig { strategy: Strategy::Greedy, max_length: 21, min_length: 0, ..GenerateConfig::default() }
}

fn cached_logits_are_uncached_logits(device_name: &str) {
    let scene = Scene::new("tiny_caption", device_name);
    let (context, ids) = (scene.images.clone(), scene.reference.ids("input_ids", &scene.images.states.device()));
    let [batch, token] = ids.dims();
    let all = scene.model.writer().logits(ids.clone(), None, &context);
    let [.., vocab] = all.dims();
    let mut cache = scene.model.writer().new_cache();
    // Three tokens at once, as a prompt is read, then one by one.
    for (start, count) in std::iter::once((0, 3)).chain((3..token).map(|start| (start, 1))) {
        let next = scene.model.writer().next_logits(ids.clone().narrow(1, start, count), &context, &mut cache);
        let expected = all.clone().narrow(1, start + count - 1, 1).reshape([batch, vocab]);
        let worst = largest_difference(&values(expected), &values(next));
        assert!(worst <= LOGITS, "token {start}: {worst:e}");
    }
}

#[test]
fn a_cache_changes_nothing_on_the_cpu() {
    cached_logits_are_uncached_logits("cpu");
}

#[test]
fn a_cache_changes_nothing_on_a_gpu() {
    cached_logits_are_uncached_logits("gpu");
}

#[test]
fn a_batch_writes_what_its_images_write_alone() {
    let scene = Scene::new("tiny_wide_caption", "cpu");
    let beam = |variant| Strategy::Beam { beams: 3, variant, stop: BeamStop::Likely, length_penalty: 1.0 };
    let strategies =
        [Strategy::Greedy, beam(BeamVariant::Authors), beam(BeamVariant::HuggingFace), Strategy::nucleus(5)];
    for strategy in strategies {
        let config = GenerateConfig { strategy, ..greedy() };
        let together = scene.write(&scene.images, &config);
        for (image, together) in together.iter().enumerate() {
            let alone = &scene.write(&scene.image(image), &config)[0];
            assert_eq!(together[0].ids, alone[0].ids, "{strategy:?}, image {image}");
            assert!(largest_difference(&together[0].log_probs, &alone[0].log_probs) <= LOGITS);
        }
    }
}

#[test]
fn a_seed_decides_what_is_drawn() {
    let scene = Scene::new("tiny_caption", "cpu");
    let draw = |seed| {
        let config = GenerateConfig { strategy: Strategy::nucleus(seed), num_texts: 2, ..greedy() };
        scene.write(&scene.images, &config)
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert!(draw(1).iter().any(|texts| texts[0].ids != texts[1].ids), "texts of one image are drawn separately");
}

/// Makes fresh weights, which are nearly zero, decide something.
struct Louder;

impl ModuleMapper for Louder {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor * 6.0)
    }
}

#[test]
fn beam_search_with_enough_beams_finds_what_exhaustive_search_finds() {
    let device = device("cpu");
    let tokens = TokenIds { pad: 0, cls: 1, sep: 2, decode: 3, encode: 4 };
    let text = TextConfig::new().with_vocab_size(5).with_hidden_size(16).with_num_layers(2).with_num_heads(2);
    let text = text.with_feed_forward_size(32).with_max_positions(8);
    let config = BlipConfig::new(Kind::Captioner, VisionConfig::new(8, 4, 16, 1, 2, 32), text).with_tokens(tokens);
    let model = Captioner::init(&config, &device).map(&mut Louder);
    let context = Context::new(Tensor::ones([1, 5, 16], &device));

    let (prompt, new_tokens) = (vec![tokens.decode], 3);
    for variant in [BeamVariant::Authors, BeamVariant::HuggingFace] {
        let mut all = Vec::new();
        let whole = |text: &[u32], sum: f32| match variant {
            BeamVariant::Authors => sum / (text.len() - usize::from(text.ends_with(&[tokens.sep]))) as f32,
            BeamVariant::HuggingFace => sum / (text.len() - prompt.len()) as f32,
        };
        let mut open = vec![(prompt.clone(), 0.0)];
        while let Some((text, sum)) = open.pop() {
            for (id, log_prob) in next_log_probs(&model, &context, &text).into_iter().enumerate() {
                let text = [text.as_slice(), &[id as u32]].concat();
                if id as u32 == tokens.sep || text.len() == prompt.len() + new_tokens {
                    all.push((whole(&text, sum + log_prob), text));
                } else {
                    open.push((text, sum + log_prob));
                }
            }
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        assert_eq!(all.len(), 1 + 4 + 16 + 64);

        let strategy = Strategy::Beam { beams: 80, variant, stop: BeamStop::Never, length_penalty: 1.0 };
        let config = GenerateConfig { strategy, max_length: 4, num_texts: 20, ..greedy() };
        let found = &write(model.writer(), &context, &prompt, tokens, &config).unwrap()[0];
        for (found, (score, text)) in found.iter().zip(&all) {
            assert_eq!(found.ids, text[1..].strip_suffix(&[tokens.sep]).unwrap_or(&text[1..]), "{variant:?}");
            assert!((found.score - score).abs() < LOGITS, "{found:?}, expected {score}");
        }
    }
}

fn next_log_probs(model: &Captioner, context: &Context, text: &[u32]) -> Vec<f32> {
    let ids: Vec<i32> = text.iter().map(|id| *id as i32).collect();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, text.len()]), &context.states.device());
    let logits = model.writer().logits(ids, None, context).narrow(1, text.len() - 1, 1);
    values(burn::tensor::activation::log_softmax(logits, 2))
}

#[test]
fn no_run_of_tokens_is_written_twice_when_that_is_asked() {
    let scene = Scene::new("tiny_wide_caption", "cpu");
    let repeats = |config: &GenerateConfig| {
        let texts = scene.write(&scene.images, config);
        texts.iter().any(|texts| {
            let mut seen = BTreeSet::new();
            !texts[0].ids.windows(2).all(|pair| seen.insert(pair.to_vec()))
        })
    };
    for strategy in [Strategy::Greedy, Strategy::beam(3)] {
        let config = GenerateConfig { strategy, min_length: 21, ..greedy() };
        assert!(repeats(&config), "{strategy:?} repeats itself unless told not to");
        assert!(!repeats(&GenerateConfig { no_repeat_ngram: 2, ..config }));
    }
}

#[test]
fn texts_are_as_long_as_asked_and_no_longer() {
    let scene = Scene::new("tiny_caption", "cpu");
    for strategy in [Strategy::Greedy, Strategy::beam(3), Strategy::nucleus(3)] {
        let config = GenerateConfig { strategy, min_length: 12, max_length: 14, ..greedy() };
        for texts in scene.write(&scene.images, &config) {
            let length = 1 + texts[0].ids.len();
            assert!((12..=14).contains(&length), "{strategy:?}: {length} tokens");
        }
    }
}

#[test]
fn options_that_make_no_sense_are_errors() {
    let scene = Scene::new("tiny_caption", "cpu");
    let sample = |top_p, temperature| Strategy::Sample { top_p, top_k: 0, temperature, seed: 0 };
    let with = |strategy| GenerateConfig { strategy, ..greedy() };
    let wrong = [
        ("beams", with(Strategy::beam(0))),
        ("temperature", with(sample(0.9, 0.0))),
        ("temperature", with(sample(0.9, f32::NAN))),
        ("top-p", with(sample(0.0, 1.0))),
        ("top-p", with(sample(1.1, 1.0))),
        ("texts for each image", GenerateConfig { num_texts: 0, ..greedy() }),
        ("texts for each image", GenerateConfig { num_texts: 4, ..with(Strategy::beam(3)) }),
        ("repetition penalty", GenerateConfig { repetition_penalty: 0.0, ..greedy() }),
        ("max length", GenerateConfig { max_length: 1, ..greedy() }),
    ];
    for (name, config) in wrong {
        match write(scene.model.writer(), &scene.images, &[scene.tokens.decode], scene.tokens, &config) {
            Err(Error::Option { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    let config = GenerateConfig { max_length: 100, ..greedy() };
    let too_long = write(scene.model.writer(), &scene.images, &[scene.tokens.decode; 33], scene.tokens, &config);
    assert!(matches!(too_long, Err(Error::TextTooLong { tokens: 33, max: 32 })), "{too_long:?}");
    assert!(write(scene.model.writer(), &scene.images, &[], scene.tokens, &greedy()).is_err(), "a prompt of nothing");
}

#[test]
fn answering_break_stops_writing() {
    let scene = Scene::new("tiny_caption", "cpu");
    for strategy in [Strategy::Greedy, Strategy::beam(3)] {
        let mut stop =
            |_: usize, ids: &[u32]| if ids.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let config = GenerateConfig { strategy, ..greedy() };
        let (prompt, tokens) = ([scene.tokens.decode], scene.tokens);
        let writing = generate(scene.model.writer(), &scene.images, &prompt, tokens, &config, &mut stop);
        assert!(matches!(pollster::block_on(writing), Err(Error::Cancelled)), "{strategy:?}");
    }
}

#[test]
fn more_beams_or_texts_than_memory_holds_are_refused() {
    let scene = Scene::new("tiny_caption", "cpu");
    let beams = GenerateConfig { strategy: Strategy::beam(3_000_000), ..GenerateConfig::default() };
    let texts = GenerateConfig { strategy: Strategy::Greedy, num_texts: 3_000_000, ..GenerateConfig::default() };
    for config in [beams, texts] {
        let refused = write(scene.model.writer(), &scene.image(0), &[scene.tokens.decode], scene.tokens, &config);
        assert!(matches!(refused, Err(Error::Option { .. })), "{config:?}");
    }
}
