//! A model of one kind from the weights of another: what is taken over, and what is not there.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Int, Tensor};
use medley::checkpoint::{Checkpoint, Dtype, LoadOptions, inspect, load, save};
use medley::model::{BlipConfig, Kind, Model, Pretraining, Responder, adopt, overlay, with_match_threshold};
use medley::nn::each_weight;
use medley::progress::silent;
use medley::text::{Context, Sharing};
use medley::vision::VisionConfig;
use medley::{Error, with_model};
use medley_tests::{Reference, device, fixture, largest_difference, turn, values};

fn open(path: &str, sizes: &str) -> (Model, BlipConfig) {
    let config = Some(fixture(sizes).join("config.json"));
    let options = LoadOptions { skip_training_state: true, config, ..LoadOptions::default() };
    let checkpoint = load(&fixture(path), &device("cpu"), &options, &mut silent).unwrap();
    (checkpoint.model, checkpoint.config)
}

/// The model of another kind, and the parts it had to make.
fn become_kind(kind: Kind, (model, config): &(Model, BlipConfig)) -> (Model, Vec<String>) {
    adopt(model, &BlipConfig { kind, ..config.clone() }, &device("cpu"))
}

fn pretraining() -> (Model, BlipConfig) {
    open("orig/pretrain.pth", "tiny_itm")
}

fn ids() -> Tensor<2, Int> {
    Tensor::from_data([[126, 7, 11, 30], [126, 9, 3, 12]], &device("cpu"))
}

fn image(model: &Model) -> Context {
    let pixels = Reference::read("orig/pretrain_ref.safetensors").tensor::<4>("pixel_values", &device("cpu"));
    Context::new(model.vision().forward(pixels.narrow(0, 0, 2)))
}

#[test]
fn a_pre_training_model_becomes_a_captioner_that_writes_the_same() {
    let source = pretraining();
    let (captioner, fresh) = become_kind(Kind::Captioner, &source);
    assert!(fresh.is_empty(), "{fresh:?}");
    let (Model::Pretraining(before), Model::Captioner(after)) = (&source.0, &captioner) else { panic!("other kinds") };
    let before = values(before.writer().logits(ids(), None, &image(&source.0)));
    assert_eq!(before, values(after.writer().logits(ids(), None, &image(&captioner))));
}

#[test]
fn what_a_captioner_learned_goes_back_into_the_model_it_was_a_part_of() {
    let _turn = turn();
    let (model, config) = pretraining();
    let learned = Model::init(&BlipConfig { kind: Kind::Captioner, ..config }, &device("cpu"));
    let (whole, taken) = overlay(model, &learned, 1.0).unwrap();
    let (Model::Captioner(learned), Model::Pretraining(whole)) = (&learned, &whole) else { panic!("other kinds") };
    assert!(taken > 10, "{taken}");
    let image = image(&Model::from(whole.clone()));
    let written = values(learned.writer().logits(ids(), None, &image));
    assert_eq!(written, values(whole.writer().logits(ids(), None, &image)));
}

#[test]
fn half_of_the_way_two_models_are_their_mean() {
    let _turn = turn();
    let (model, config) = pretraining();
    let other = Model::init(&config, &device("cpu"));
    let weights = |model: &Model| {
        let mut found = BTreeMap::new();
        let mut note = |path: &str, _: &[usize], weight| {
            found.insert(path.to_owned(), values(weight));
        };
        with_model!(model, module => each_weight(module, &mut note));
        found
    };
    let (one, two) = (weights(&model), weights(&other));
    let (soup, taken) = overlay(model, &other, 0.5).unwrap();
    assert_eq!((taken, one.len()), (two.len(), two.len()));
    for (path, mixed) in weights(&soup) {
        let means = one[&path].iter().zip(&two[&path]).map(|(one, two)| (one + two) / 2.0);
        assert!(mixed.iter().zip(means).all(|(mixed, mean)| (mixed - mean).abs() < 1e-6), "{path}");
    }
}

/// The wide captioner's images are 60 wide and not 48; its text states are as wide as here.
#[test]
fn a_part_of_other_shapes_does_not_go_into_the_whole() {
    let (model, _) = pretraining();
    let (wide, _) = open("tiny_wide_caption", "tiny_wide_caption");
    match overlay(model, &wide, 1.0) {
        Err(Error::MisshapenWeight { name, found, expected }) => {
            assert!(!name.is_empty() && found != expected, "{name}: {found:?} and {expected:?}");
        }
        other => panic!("{:?}", other.map(|(_, taken)| taken)),
    }
}

#[test]
fn what_counts_as_a_match_can_be_moved() {
    let model = pretraining().0;
    let probability = |model: &Model| {
        let Model::Pretraining(model) = model else { panic!("another kind") };
        let logits = values(model.comparer().itm_logits(ids(), None, &image(&Model::from(model.clone()))));
        1.0 / (1.0 + (logits[0] - logits[1]).exp())
    };
    let before = probability(&model);
    let moved = with_match_threshold(model, f64::from(before)).unwrap();
    assert!((probability(&moved) - 0.5).abs() < 1e-5, "{before} became {}", probability(&moved));
    let captioner = become_kind(Kind::Captioner, &pretraining()).0;
    assert!(with_match_threshold(captioner, 0.3).is_none());
}

#[test]
fn a_pre_training_model_becomes_a_matcher_that_judges_the_same() {
    let source = pretraining();
    let (matcher, fresh) = become_kind(Kind::Matcher, &source);
    assert!(fresh.is_empty(), "{fresh:?}");
    let (Model::Pretraining(before), Model::Matcher(after)) = (&source.0, &matcher) else { panic!("other kinds") };
    let before = values(before.comparer().itm_logits(ids(), None, &image(&source.0)));
    assert_eq!(before, values(after.comparer().itm_logits(ids(), None, &image(&matcher))));
}

#[test]
fn both_halves_of_an_answerer_begin_as_the_one_stack_there_was() {
    let source = pretraining();
    let (answerer, fresh) = become_kind(Kind::Answerer, &source);
    assert!(fresh.is_empty(), "{fresh:?}");
    let (Model::Pretraining(before), Model::Answerer(after)) = (&source.0, &answerer) else { panic!("other kinds") };
    // The tiny image encoder is as wide as the text: its tokens can stand for a question's states.
    let written = values(after.responder().writer().logits(ids(), None, &image(&answerer)));
    assert_eq!(values(before.writer().logits(ids(), None, &image(&source.0))), written);
}

#[test]
fn a_captioner_that_learns_to_compare_lacks_the_heads_alone() {
    let source = open("tiny_caption", "tiny_caption");
    let (matcher, fresh) = become_kind(Kind::Matcher, &source);
    assert!(!fresh.is_empty() && fresh.iter().all(|path| path.starts_with("heads.")), "{fresh:?}");
    let Model::Matcher(matcher) = matcher else { panic!("not a matcher") };
    assert!(
        values(matcher.comparer().itm_logits(ids(), None, &image(&source.0))).iter().all(|logit| logit.is_finite())
    );
}

/// Until it has learned, the same picture twice is read as the picture alone.
#[test]
fn a_pair_is_read_as_one_picture_was() {
    let source = pretraining();
    let (reasoner, fresh) = become_kind(Kind::Reasoner, &source);
    assert!(!fresh.iter().any(|path| path.contains("attention") || path.contains("vision")), "{fresh:?}");
    let (Model::Pretraining(before), Model::Reasoner(after)) = (&source.0, &reasoner) else { panic!("other kinds") };
    let image = image(&source.0).states;
    let alone = medley::text::Mode::Grounded;
    let context = Context::new(image.clone());
    let one = values(before.comparer().text().forward(alone, ids(), None, Some(&context), None));
    let two = values(after.text().forward(alone, ids(), None, Some(&Context::pair(image.clone(), image)), None));
    assert!(largest_difference(&one, &two) < 1e-5);
}

/// Whether a caption matches and whether an answer goes on are asked of the same head.
#[test]
fn a_dialog_model_begins_with_a_matchers_head() {
    let source = pretraining();
    let (dialog, fresh) = become_kind(Kind::Dialog, &source);
    assert!(fresh.is_empty(), "{fresh:?}");
    let (Model::Pretraining(before), Model::Dialog(after)) = (&source.0, &dialog) else { panic!("other kinds") };
    let image = image(&source.0);
    let judged = values(before.comparer().itm_logits(ids(), None, &image));
    assert_eq!(judged, values(after.itm_logits(ids(), None, &image)), "without a caption they are the same model");
    let (_, fresh) = become_kind(Kind::Dialog, &open("tiny_caption", "tiny_caption"));
    assert!(!fresh.is_empty() && fresh.iter().all(|path| path.starts_with("itm_head.")), "{fresh:?}");
    let (_, fresh) = become_kind(Kind::Dialog, &open("tiny_wide_itm", "tiny_wide_itm"));
    assert!(!fresh.is_empty() && fresh.iter().all(|path| path.starts_with("caption_projection.")), "{fresh:?}");
}

fn answered(responder: Responder<'_>, image: &Context) -> Vec<f32> {
    let states = responder.question_states(ids(), None, image);
    values(responder.writer().logits(ids(), None, &Context::new(states)))
}

/// Fine-tuning on questions alone parts what reads them from what reads captions.
#[test]
fn what_an_answerer_learned_goes_back_with_what_reads_questions() {
    let _turn = turn();
    let (before, config) = pretraining();
    device("cpu").seed(7);
    let apart = BlipConfig { kind: Kind::Answerer, answer_layers: Some(1), ..config.clone() };
    let learned = Model::init(&apart, &device("cpu"));
    let config = config.with_answering_of(&apart);
    assert_eq!((config.question_layers, config.answer_layers), (Some(config.text.num_layers), Some(1)));
    let (model, fresh) = adopt(&before, &config, &device("cpu"));
    assert!(fresh.is_empty(), "{fresh:?}");
    let (model, _) = overlay(model, &learned, 1.0).unwrap();
    let seen = image(&before);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.safetensors");
    let whole = Checkpoint { model, config, tokenizer: None, preprocessor: None, calibration: None };
    pollster::block_on(save(&whole, &path, Dtype::F32)).unwrap();
    let again = load(&path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
    assert_eq!(again.config, whole.config);
    let (Model::Pretraining(before), Model::Answerer(learned)) = (&before, &learned) else { panic!("other kinds") };
    let read = |model: &Pretraining| values(model.comparer().itm_logits(ids(), None, &seen));
    for model in [whole.model, again.model] {
        let Model::Pretraining(whole) = &model else { panic!("another kind") };
        assert_eq!(answered(whole.responder().unwrap(), &seen), answered(learned.responder(), &seen));
        assert_eq!(read(whole), read(before));
        // And out again.
        let Model::Answerer(alone) = adopt(&model, &apart, &device("cpu")).0 else { panic!("another kind") };
        assert_eq!(answered(alone.responder(), &seen), answered(learned.responder(), &seen));
    }
}

/// Also where another stack writes captions.
#[test]
fn a_model_that_is_made_anew_answers_as_before() {
    for kind in SHARINGS {
        let config = BlipConfig { answer_layers: Some(1), ..sharing(kind) };
        device("cpu").seed(5);
        let before = Model::init(&config, &device("cpu"));
        let (after, _) = adopt(&before, &config, &device("cpu"));
        let seen = image(&before);
        let (Model::Pretraining(before), Model::Pretraining(after)) = (&before, &after) else { panic!("other kinds") };
        let answered = |model: &Pretraining| answered(model.responder().unwrap(), &seen);
        assert_eq!(answered(before), answered(after), "{kind:?}");
    }
}

fn sharing(sharing: Sharing) -> BlipConfig {
    let (_, config) = pretraining();
    BlipConfig { text: config.text.with_sharing(Some(sharing)), ..config }
}

const SHARINGS: [Sharing; 4] = [Sharing::All, Sharing::AllButCross, Sharing::AllButSelf, Sharing::None];

/// BLIP, Table 3, in millions.
#[test]
fn sharing_less_costs_as_many_weights_as_in_the_paper() {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += param.lazy_shape().num_elements();
        }
    }
    for (sharing, millions) in SHARINGS.into_iter().zip([224, 252, 252, 361]) {
        let base = BlipConfig::bert(Kind::Pretraining, VisionConfig::base(224));
        let config = BlipConfig { text: base.text.clone().with_sharing(Some(sharing)), ..base };
        let Model::Pretraining(model) = Model::init(&config, &device("cpu")) else { panic!("other kind") };
        let mut count = Count(0);
        model.visit(&mut count);
        assert_eq!(count.0 / 1_000_000, millions, "{sharing:?}: {}", count.0);
    }
}

/// A model that shares less begins as the one that shared more, and computes the same.
#[test]
fn what_is_no_longer_shared_begins_alike() {
    let source = pretraining();
    let Model::Pretraining(before) = &source.0 else { panic!("other kind") };
    let written = values(before.writer().logits(ids(), None, &image(&source.0)));
    let read = values(before.comparer().itm_logits(ids(), None, &image(&source.0)));
    for kind in [Sharing::AllButSelf, Sharing::None] {
        let (model, fresh) = adopt(&source.0, &sharing(kind), &device("cpu"));
        assert!(fresh.is_empty(), "{kind:?}: {fresh:?}");
        let Model::Pretraining(after) = &model else { panic!("other kind") };
        assert_eq!(written, values(after.writer().logits(ids(), None, &image(&model))), "{kind:?}");
        assert_eq!(read, values(after.comparer().itm_logits(ids(), None, &image(&model))), "{kind:?}");
    }
    let (alike, _) = adopt(&source.0, &sharing(Sharing::All), &device("cpu"));
    let (apart, fresh) = adopt(&alike, &sharing(Sharing::AllButCross), &device("cpu"));
    assert!(fresh.is_empty(), "{fresh:?}");
    let (Model::Pretraining(before), Model::Pretraining(after)) = (&alike, &apart) else { panic!("other kinds") };
    let before = values(before.writer().logits(ids(), None, &image(&alike)));
    assert_eq!(before, values(after.writer().logits(ids(), None, &image(&apart))));
}

/// The weights of a model that was made, not begun from another: reading and writing differ.
fn made(kind: Sharing) -> Checkpoint {
    let device = device("cpu");
    device.seed(5);
    let config = sharing(kind);
    Checkpoint { model: Model::init(&config, &device), config, tokenizer: None, preprocessor: None, calibration: None }
}

#[test]
fn a_model_of_any_sharing_is_read_as_it_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    for kind in SHARINGS {
        let before = made(kind);
        let path = folder.path().join("model.safetensors");
        pollster::block_on(save(&before, &path, Dtype::F32)).unwrap();
        let after = load(&path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
        assert_eq!(after.config, before.config);
        let (Model::Pretraining(one), Model::Pretraining(other)) = (&before.model, &after.model) else {
            panic!("other kinds")
        };
        let logits = |model: &Pretraining, image| values(model.writer().logits(ids(), None, &image));
        assert_eq!(logits(one, image(&before.model)), logits(other, image(&after.model)), "{kind:?}");
        let counted = inspect(&path, &LoadOptions::default()).unwrap().num_parameters;
        assert_eq!(counted, one.num_params(), "{kind:?}");
    }
}

/// Also where the model reads with other weights than it writes with.
#[test]
fn a_captioner_writes_with_what_a_model_of_any_sharing_wrote_with() {
    for kind in SHARINGS {
        let source = made(kind);
        let config = BlipConfig { kind: Kind::Captioner, ..source.config.clone() };
        let (captioner, fresh) = adopt(&source.model, &config, &device("cpu"));
        assert!(fresh.is_empty(), "{kind:?}: {fresh:?}");
        let (Model::Pretraining(before), Model::Captioner(after)) = (&source.model, &captioner) else {
            panic!("other kinds")
        };
        let before = values(before.writer().logits(ids(), None, &image(&source.model)));
        assert_eq!(before, values(after.writer().logits(ids(), None, &image(&captioner))), "{kind:?}");
        let Model::Pretraining(before) = &source.model else { panic!("other kind") };
        let config = BlipConfig { kind: Kind::Matcher, ..source.config.clone() };
        let (matcher, _) = adopt(&source.model, &config, &device("cpu"));
        let Model::Matcher(after) = &matcher else { panic!("other kind") };
        let read = values(before.comparer().itm_logits(ids(), None, &image(&source.model)));
        assert_eq!(read, values(after.comparer().itm_logits(ids(), None, &image(&matcher))), "{kind:?}");
    }
}
