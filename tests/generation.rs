//! Captions and answers are the ones transformers 5 and, for the authors, 4.15 wrote.
//!
//! Tolerance of scores: they are means of log-probabilities, whose error is that of logits, and
//! [`LOGITS`] is the one that the parity suite derives for these. The smallest gap between two
//! choices in any case is 5e-4, so ids are equal or wrong.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use burn::tensor::Device;
use medley::checkpoint::{Checkpoint, LoadOptions, load};
use medley::generate::{
    BeamStop, BeamVariant, GenerateConfig, Generated, Strategy, generate, keep_top_k, keep_top_p, rank,
};
use medley::model::{Model, Writer};
use medley::progress::silent;
use medley::text::{Context, TokenIds};
use medley_tests::{Reference, device, fixture, largest_difference};
use serde_json::Value;

const LOGITS: f32 = 2e-4;

/// A fixture with its model and all contexts it writes from.
struct Case {
    reference: Reference,
    meta: Value,
    model: Model,
    tokens: TokenIds,
    device: Device,
}

impl Case {
    fn open(fixture_name: &str, device_name: &str) -> Self {
        let device = device(device_name);
        let Checkpoint { config, model, .. } =
            load(&fixture(fixture_name), &device, &LoadOptions::default(), &mut silent).unwrap();
        let meta = std::fs::read_to_string(fixture(fixture_name).join("meta.json")).unwrap();
        Self {
            reference: Reference::read(&format!("{fixture_name}/ref.safetensors")),
            meta: serde_json::from_str(&meta).unwrap(),
            model,
            tokens: config.tokens,
            device,
        }
    }

    fn writer(&self) -> Writer<'_> {
        match &self.model {
            Model::Captioner(model) => model.writer(),
            Model::Answerer(model) => model.responder().writer(),
            _ => panic!("no writer"),
        }
    }

    /// The images, for captions.
    fn images(&self) -> Context {
        let pixels = self.reference.tensor::<4>("pixel_values", &self.device);
        let vision = medley::with_model!(&self.model, model => model.vision());
        Context::new(vision.forward(pixels))
    }

    /// The questions, for answers: read without their padding, which answers then see.
    fn questions(&self, ids: &str) -> Context {
        let Model::Answerer(model) = &self.model else { panic!("not an answerer") };
        let hidden = self.reference.hidden("attention_mask", &self.device);
        let ids = self.reference.ids(ids, &self.device);
        Context::new(model.responder().question_states(ids, Some(hidden), &self.images()))
    }

    fn context(&self, name: &str) -> Context {
        match &self.model {
            Model::Answerer(_) if name.contains("enc") => self.questions("input_ids_enc"),
            Model::Answerer(_) => self.questions("input_ids"),
            _ => self.images(),
        }
    }

    fn prompt(&self, name: &str) -> Vec<u32> {
        let mut prompt = vec![self.tokens.decode];
        if name.contains("prompt") {
            let ids = &self.reference.rows("prompt_ids")[0];
            prompt.extend(&ids[1..ids.len() - 1]);
        }
        prompt
    }

    fn write(&self, context: &Context, prompt: &[u32], config: &GenerateConfig) -> Vec<Vec<Generated>> {
        let mut go_on = |_: usize, _: &[u32]| ControlFlow::Continue(());
        let writing = generate(self.writer(), context, prompt, self.tokens, config, &mut go_on);
        pollster::block_on(writing).unwrap()
    }

    /// Every case whose tensors begin so.
    fn names(&self, prefix: &str) -> Vec<String> {
        let tensors = self.meta["tensors"].as_object().unwrap();
        let name = |name: &String| Some(name.strip_prefix(prefix)?.strip_suffix(".ids")?.to_owned());
        tensors.keys().filter_map(name).filter(|name| !name.contains("alone") && !name.contains("ragged")).collect()
    }

    fn matches(&self, prefix: &str, name: &str, variant: BeamVariant) {
        let key = if prefix == "gen." { name.to_owned() } else { format!("{prefix}{name}") };
        let expected = self.reference.rows(&format!("{prefix}{name}.ids"));
        let (context, prompt) = (self.context(name), self.prompt(name));
        let [images, ..] = context.states.dims();
        let config = GenerateConfig {
            num_texts: expected.len() / images,
            ..arguments(&self.meta["generation"][key], prompt.len(), variant)
        };
        let found: Vec<Generated> = self.write(&context, &prompt, &config).into_iter().flatten().collect();
        let ids: Vec<&[u32]> = found.iter().map(|text| text.ids.as_slice()).collect();
        let expected: Vec<&[u32]> = expected.iter().map(|row| until_end(&row[prompt.len()..], self.tokens)).collect();
        assert_eq!(ids, expected, "{prefix}{name}");
        if matches!(config.strategy, Strategy::Beam { .. }) {
            let ending = if prefix == "gen." { "sequences_scores" } else { "scores" };
            let (_, expected) = self.reference.float(&format!("{prefix}{name}.{ending}"));
            let scores: Vec<f32> = found.iter().map(|text| text.score).collect();
            let worst = largest_difference(expected, &scores);
            assert!(worst <= LOGITS, "{prefix}{name}: scores differ by {worst:e}");
        }
    }
}

/// transformers' arguments in our words; what is absent is its default.
fn arguments(arguments: &Value, prompt: usize, variant: BeamVariant) -> GenerateConfig {
    let number = |name: &str| arguments[name].as_f64();
    let stop = match &arguments["early_stopping"] {
        Value::Bool(true) => BeamStop::Early,
        Value::String(_) => BeamStop::Never,
        _ => BeamStop::Likely,
    };
    let length_penalty = number("length_penalty").unwrap_or(1.0) as f32;
    GenerateConfig {
        strategy: match arguments["num_beams"].as_u64() {
            None => Strategy::Greedy,
            Some(beams) => Strategy::Beam { beams: beams as usize, variant, stop, length_penalty },
        },
        max_length: arguments["max_length"].as_u64().map_or(prompt + 20, |length| length as usize),
        min_length: arguments["min_length"].as_u64().unwrap_or(0) as usize,
        repetition_penalty: number("repetition_penalty").unwrap_or(1.0) as f32,
        no_repeat_ngram: 0,
        num_texts: 1,
    }
}

/// Padding differs between versions and means nothing.
fn until_end(row: &[u32], tokens: TokenIds) -> &[u32] {
    &row[..row.iter().position(|id| *id == tokens.sep).unwrap_or(row.len())]
}

fn every_case(fixture_name: &str, prefix: &str, variant: BeamVariant, at_least: usize) {
    let case = Case::open(fixture_name, "cpu");
    let names = case.names(prefix);
    assert!(names.len() >= at_least, "only {names:?}");
    for name in names {
        case.matches(prefix, &name, variant);
    }
}

#[test]
fn captions_are_those_of_hugging_face() {
    every_case("tiny_caption", "gen.", BeamVariant::HuggingFace, 14);
    every_case("tiny_wide_caption", "gen.", BeamVariant::HuggingFace, 14);
}

#[test]
fn captions_are_those_of_the_authors() {
    every_case("tiny_caption", "gen415.", BeamVariant::Authors, 3);
    every_case("tiny_wide_caption", "gen415.", BeamVariant::Authors, 3);
}

#[test]
fn answers_are_those_of_hugging_face_and_the_authors() {
    every_case("tiny_vqa", "gen.", BeamVariant::HuggingFace, 4);
    every_case("tiny_vqa", "gen415.", BeamVariant::Authors, 1);
}

#[test]
fn a_gpu_writes_the_same_captions() {
    let case = Case::open("tiny_caption", "gpu");
    case.matches("gen.", "greedy_prompt", BeamVariant::HuggingFace);
    case.matches("gen415.", "beam3_prompt_orig", BeamVariant::Authors);
}

#[test]
fn prompts_of_any_length_are_continued_as_hugging_face_does() {
    for fixture_name in ["tiny_caption", "tiny_wide_caption"] {
        let case = Case::open(fixture_name, "cpu");
        let images = case.images().states;
        let config = GenerateConfig { max_length: 16, ..greedy() };
        for (image, row) in case.reference.rows("ragged.prompt_ids").iter().enumerate() {
            let prompt = [&[case.tokens.decode], until_end(&row[1..], case.tokens)].concat();
            let context = Context::new(images.clone().narrow(0, image, 1));
            let found = case.write(&context, &prompt, &config);
            let expected = &case.reference.rows(&format!("gen.ragged_alone.{image}.ids"))[0];
            assert_eq!(found[0][0].ids, until_end(&expected[prompt.len()..], case.tokens), "{fixture_name} {image}");
        }
    }
}

#[test]
fn questions_alone_are_answered_as_hugging_face_does() {
    let case = Case::open("tiny_vqa", "cpu");
    let Model::Answerer(model) = &case.model else { panic!("not an answerer") };
    let images = case.images().states;
    let (_, mask) = case.reference.int("attention_mask");
    let ids = case.reference.ids("input_ids", &case.device);
    let [questions, token] = ids.dims();
    for question in 0..questions {
        let length = mask[question * token..][..token].iter().sum::<i64>() as usize;
        let ids = ids.clone().narrow(0, question, 1).narrow(1, 0, length);
        let image = Context::new(images.clone().narrow(0, question, 1));
        let context = Context::new(model.responder().question_states(ids, None, &image));
        let found = case.write(&context, &[case.tokens.decode], &greedy());
        let expected = &case.reference.rows(&format!("gen.greedy_alone.{question}.ids"))[0];
        assert_eq!(found[0][0].ids, until_end(&expected[1..], case.tokens), "question {question}");
    }
}

#[test]
fn answers_are_ranked_as_the_authors_rank_them() {
    let case = Case::open("tiny_vqa", "cpu");
    let hidden = Some(case.reference.hidden("attention_mask", &case.device));
    let question = Context { hidden, ..case.questions("input_ids_enc") };
    let answers: Vec<Vec<u32>> = case.reference.rows("rank.answer_ids");
    let answers: Vec<Vec<u32>> = answers.iter().map(|row| row[..=until_end(row, case.tokens).len()].to_vec()).collect();
    let ranked = pollster::block_on(rank(case.writer(), &question, &answers, 3, case.tokens)).unwrap();
    let candidates = case.reference.rows("rank.topk_ids");
    let (_, best) = case.reference.int("rank.best");
    let (_, probabilities) = case.reference.float("rank.topk_probs");
    let (_, scores) = case.reference.float("rank.log_probs_sum");
    for (question, ranked) in ranked.iter().enumerate() {
        assert_eq!(ranked[0].index as i64, best[question]);
        assert!(ranked.is_sorted_by(|a, b| a.score >= b.score));
        for (place, index) in candidates[question].iter().enumerate() {
            let found = ranked.iter().find(|answer| answer.index == *index as usize).expect("a candidate");
            let place = question * 3 + place;
            // Sums over at most five tokens, each as exact as a logit.
            assert!((found.score - scores[place]).abs() <= 5.0 * LOGITS, "{found:?}, expected {}", scores[place]);
            assert!((found.first_probability - probabilities[place]).abs() <= LOGITS);
        }
    }
}

#[test]
fn top_k_and_top_p_keep_the_words_transformers_keeps() {
    for fixture_name in ["tiny_caption", "tiny_wide_caption"] {
        let reference = Reference::read(&format!("{fixture_name}/ref.safetensors"));
        let (shape, logits) = reference.float("filter.logits");
        let kept = |filter: &dyn Fn(&mut [f32])| -> Vec<i64> {
            let mut logits = logits.to_vec();
            logits.chunks_exact_mut(shape[1]).for_each(filter);
            logits.iter().map(|logit| i64::from(logit.is_finite())).collect()
        };
        assert_eq!(kept(&|row| keep_top_k(row, 5)), reference.int("filter.top_k5_keep").1);
        assert_eq!(kept(&|row| keep_top_p(row, 0.9)), reference.int("filter.top_p0.9_keep").1);
    }
}

fn greedy() -> GenerateConfig {
    GenerateConfig { strategy: Strategy::Greedy, max_length: 21, min_length: 0, ..GenerateConfig::default() }
}
