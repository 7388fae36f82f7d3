//! Every head against PyTorch's tensors, on the CPU and on a GPU.
//!
//! Tolerances: PyTorch's own 32-bit results differ from its 64-bit ones by up to 5e-6 in vision
//! states, 2e-5 in question states and 4e-5 in logits of these models. We allow about four times
//! that: enough for another order of summation, too little for a wrong epsilon (6e-5).
//! States before a norm are many times larger than after it and are allowed as much in proportion.

use burn::tensor::{Device, Int, Tensor, TensorData};
use medley::checkpoint::{Checkpoint, LoadOptions, load};
use medley::model::{BlipConfig, Kind, Model, adopt};
use medley::progress::silent;
use medley::text::{Context, Mode};
use medley::vision::resize_position;
use medley_tests::{Reference, device, fixture};

const VISION: f32 = 2e-5;
const QUESTION: f32 = 8e-5;
const LOGITS: f32 = 2e-4;

macro_rules! on_every_device {
    ($($name:ident: $check:ident($($argument:expr),*);)*) => {
        mod cpu {
            $(#[test] fn $name() { super::$check("cpu", $($argument),*); })*
        }
        mod gpu {
            $(#[test] fn $name() { super::$check("gpu", $($argument),*); })*
        }
    };
}

on_every_device! {
    captioner_computes_what_hugging_face_computes: captioner("tiny_caption", "tiny_caption");
    captioner_of_another_width_does_too: captioner("tiny_wide_caption", "tiny_wide_caption");
    captioner_loads_from_a_pickle_of_hugging_face: captioner("tiny_caption/pytorch_model.bin", "tiny_caption");
    captioner_loads_from_the_authors_pickle: captioner("orig/caption.pth", "tiny_caption");
    position_tables_resize_as_pytorch_resizes: positions("tiny_caption");
    matcher_computes_what_hugging_face_computes: matcher("tiny_itm", "tiny_itm");
    matcher_of_another_width_does_too: matcher("tiny_wide_itm", "tiny_wide_itm");
    matcher_loads_from_the_authors_pickle: matcher("orig/retrieval.pth", "tiny_itm");
    answerer_computes_what_hugging_face_computes: answerer("tiny_vqa", "tiny_vqa");
    answerer_loads_from_the_authors_pickle: answerer("orig/vqa.pth", "tiny_vqa");
    reasoner_computes_what_the_authors_compute: reasoner("tiny_nlvr/nlvr.pth");
    reasoner_loads_from_safetensors: reasoner("tiny_nlvr/nlvr.safetensors");
    dialog_model_on_a_matchers_weights_computes_what_pytorch_computes: dialog("tiny_itm", "tiny_itm", "tiny_dialog");
    dialog_model_of_two_widths_does_too:
        dialog("tiny_wide_dialog/dialog.safetensors", "tiny_wide_itm", "tiny_wide_dialog");
    pretraining_computes_what_the_authors_compute: pretraining();
}

/// Opens a fixture; the authors' files do not say how many heads a tiny model has.
fn open(path: &str, sizes: &str, device: &Device) -> Checkpoint {
    let config = fixture(sizes).join("config.json");
    let options =
        LoadOptions { skip_training_state: true, config: config.is_file().then_some(config), ..LoadOptions::default() };
    load(&fixture(path), device, &options, &mut silent).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn captioner(device_name: &str, path: &str, sizes: &str) {
    let device = device(device_name);
    let Model::Captioner(model) = open(path, sizes, &device).model else { panic!("not a captioner") };
    let reference = Reference::read(&format!("{sizes}/ref.safetensors"));
    let pixels = reference.tensor::<4>("pixel_values", &device);

    for (index, state) in model.vision().hidden_states(pixels.clone()).into_iter().enumerate() {
        let name = format!("vision.hidden_states.{index}");
        reference.assert_close(&name, state, VISION * reference.deviation(&name).max(1.0));
    }
    let image_embeds = model.vision().forward(pixels);
    reference.assert_close("vision.last_hidden_state", image_embeds.clone(), VISION);

    let context = Context::new(image_embeds);
    let ids = reference.ids("input_ids", &device);
    let hidden = reference.hidden("attention_mask", &device);
    let logits = model.writer().logits(ids.clone(), Some(hidden.clone()), &context);
    reference.assert_close("logits", logits, LOGITS);
    reference.assert_close("logits_nomask", model.writer().logits(ids.clone(), None, &context), LOGITS);
    let states = model.writer().text().hidden_states(Mode::Decode, ids, Some(hidden), Some(&context));
    for (index, state) in states.into_iter().enumerate() {
        reference.assert_close(&format!("text.hidden_states.{index}"), state, QUESTION);
    }
}

fn positions(device_name: &str, path: &str) {
    let device = device(device_name);
    let Model::Captioner(model) = open(path, path, &device).model else { panic!("not a captioner") };
    let reference = Reference::read(&format!("{path}/ref.safetensors"));
    let pixels = reference.tensor::<4>("interp.pixel_values", &device);
    reference.assert_close("interp.last_hidden_state", model.vision().forward(pixels), VISION);
    let table = model.vision().position();
    for side in 1..20 {
        let name = format!("interp.orig_pos_embed_{side}x{side}");
        if !reference.has(&name) {
            continue;
        }
        reference.assert_close(&name, resize_position(table.clone(), side, side), VISION);
    }
}

fn matcher(device_name: &str, path: &str, sizes: &str) {
    let device = device(device_name);
    let Model::Matcher(model) = open(path, sizes, &device).model else { panic!("not a matcher") };
    let reference = Reference::read(&format!("{sizes}/ref.safetensors"));
    let comparer = model.comparer();
    let image_embeds = model.vision().forward(reference.tensor::<4>("pixel_values", &device));
    reference.assert_close("vision.last_hidden_state", image_embeds.clone(), VISION);

    let context = Context::new(image_embeds.clone());
    let hidden = reference.hidden("attention_mask", &device);
    for (ids, logits) in [("input_ids", "itm.logits"), ("input_ids_enc", "itm_enc.logits")] {
        let ids = reference.ids(ids, &device);
        reference.assert_close(logits, comparer.itm_logits(ids, Some(hidden.clone()), &context), LOGITS);
    }
    let ids = reference.ids("input_ids", &device);
    reference.assert_close("itm_nomask.logits", comparer.itm_logits(ids.clone(), None, &context), LOGITS);
    let image_feature = comparer.image_feature(image_embeds.clone());
    let text_feature = comparer.text_feature(ids, Some(hidden.clone()));
    reference.assert_close("itc.image_feat", image_feature.clone(), VISION);
    reference.assert_close("itc.text_feat", text_feature.clone(), VISION);
    let similarity = image_feature.matmul(text_feature.transpose());
    reference.assert_close("itc.scores", similarity.clone(), VISION);

    // Every text with every image, as retrieval re-ranks: the image's keys are shared by all texts.
    let [images, ..] = image_embeds.dims();
    let ids = reference.ids("input_ids_enc", &device).repeat(&[images, 1]);
    let all = comparer.itm_logits(ids, Some(hidden.repeat(&[images, 1])), &context);
    let scores = all.narrow(1, 1, 1).reshape([images, images]);
    reference.assert_close("retrieval.itm_enc_logit1", scores.clone(), LOGITS);
    reference.assert_close("retrieval.score_i2t", scores + similarity, LOGITS);
}

fn answerer(device_name: &str, path: &str, sizes: &str) {
    let device = device(device_name);
    let Model::Answerer(model) = open(path, sizes, &device).model else { panic!("not an answerer") };
    let reference = Reference::read(&format!("{sizes}/ref.safetensors"));
    let image = Context::new(model.vision().forward(reference.tensor::<4>("pixel_values", &device)));
    let hidden = reference.hidden("attention_mask", &device);
    let cases = [
        ("input_ids", "question.last_hidden_state", "decoder.logits"),
        ("input_ids_enc", "question_enc.last_hidden_state", "decoder_enc.logits"),
    ];
    for (ids, states, logits) in cases {
        let question = model.responder().question_states(reference.ids(ids, &device), Some(hidden.clone()), &image);
        reference.assert_close(states, question.clone(), QUESTION);
        let question = Context { hidden: Some(hidden.clone()), ..Context::new(question) };
        let answers = reference.ids("answer_ids", &device);
        let answer_hidden = reference.hidden("answer_mask", &device);
        reference.assert_close(
            logits,
            model.responder().writer().logits(answers, Some(answer_hidden), &question),
            LOGITS,
        );
    }
}

fn reasoner(device_name: &str, path: &str) {
    let device = device(device_name);
    let sizes = "tiny_nlvr";
    let Model::Reasoner(model) = open(path, sizes, &device).model else { panic!("not a reasoner") };
    let reference = Reference::read(&format!("{sizes}/ref.safetensors"));
    let image_embeds = model.vision().forward(reference.tensor::<4>("pixel_values", &device));
    reference.assert_close("vision.last_hidden_state", image_embeds.clone(), VISION);
    let [images, ..] = image_embeds.dims();
    let [first, second] = [0, images / 2].map(|start| image_embeds.clone().narrow(0, start, images / 2));
    let ids = reference.ids("input_ids", &device);
    let hidden = Some(reference.hidden("attention_mask", &device));
    let pair = Context::pair(first.clone(), second.clone());
    reference.assert_close("logits", model.logits(ids.clone(), hidden.clone(), &pair), LOGITS);
    let swapped = Context::pair(second, first);
    reference.assert_close("logits_swapped", model.logits(ids, hidden, &swapped), LOGITS);
}

fn dialog(device_name: &str, path: &str, sizes: &str, reference: &str) {
    let device = device(device_name);
    let Checkpoint { model, config, .. } = open(path, sizes, &device);
    let (model, fresh) = adopt(&model, &BlipConfig { kind: Kind::Dialog, ..config }, &device);
    assert!(fresh.is_empty(), "{fresh:?}");
    let Model::Dialog(model) = model else { panic!("not a dialog model") };
    let reference = Reference::read(&format!("{reference}/ref.safetensors"));
    let image_embeds = model.vision().forward(reference.tensor::<4>("pixel_values", &device));
    reference.assert_close("vision.last_hidden_state", image_embeds.clone(), VISION);
    let captions = reference.ids("caption_ids", &device);
    let caption_hidden = Some(reference.hidden("caption_mask", &device));
    let states = model.text().forward(Mode::Text, captions.clone(), caption_hidden.clone(), None, None);
    reference.assert_close("caption.last_hidden_state", states, QUESTION);
    let context = model.context(image_embeds, captions, caption_hidden);
    let hidden = Some(reference.hidden("attention_mask", &device));
    let logits = model.itm_logits(reference.ids("input_ids", &device), hidden, &context);
    reference.assert_close("logits", logits, LOGITS);
}

fn pretraining(device_name: &str) {
    let device = device(device_name);
    let checkpoint = open("orig/pretrain.pth", "tiny_itm", &device);
    let Model::Pretraining(model) = checkpoint.model else { panic!("not a pre-training model") };
    let reference = Reference::read("orig/pretrain_ref.safetensors");
    let comparer = model.comparer();
    let image_embeds = model.vision().forward(reference.tensor::<4>("pixel_values", &device));
    reference.assert_close("features.image", image_embeds.clone(), VISION);
    let ids = reference.ids("input_ids", &device);
    let hidden = reference.hidden("attention_mask", &device);
    let some_hidden = || Some(hidden.clone());
    reference.assert_close("image_feat", comparer.image_feature(image_embeds.clone()), VISION);
    reference.assert_close("text_feat", comparer.text_feature(ids.clone(), some_hidden()), VISION);
    let text = comparer.text().forward(Mode::Text, ids.clone(), some_hidden(), None, None);
    reference.assert_close("features.text", text, QUESTION);

    let [batch, token] = ids.dims();
    let context = Context::new(image_embeds);
    let encode = with_first(ids, checkpoint.config.tokens.encode as i32);
    let grounded = comparer.text().forward(Mode::Grounded, encode.clone(), some_hidden(), Some(&context), None);
    reference.assert_close("features.multimodal", grounded, QUESTION);
    reference.assert_close("itm_pos.logits", comparer.itm_logits(encode.clone(), some_hidden(), &context), LOGITS);

    // Positive pairs, then each text with a wrong image, then each image with a wrong text.
    let negative = |name: &str| {
        let (_, rows) = reference.int(name);
        let rows: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
        Tensor::<1, Int>::from_data(TensorData::new(rows, [batch]), &device)
    };
    let (images, texts) = (negative("neg_image_idx"), negative("neg_text_idx"));
    let states = &context.states;
    let all = Context::new(Tensor::cat(vec![states.clone(), states.clone().select(0, images), states.clone()], 0));
    let hidden_of = |rows: Tensor<1, Int>| hidden.clone().int().select(0, rows).bool();
    let ids = Tensor::cat(vec![encode.clone(), encode.clone(), encode.select(0, texts.clone())], 0);
    let hidden = Tensor::cat(vec![hidden.clone(), hidden.clone(), hidden_of(texts)], 0);
    assert_eq!(ids.dims(), [3 * batch, token]);
    reference.assert_close("itm.all_logits", comparer.itm_logits(ids, Some(hidden), &all), LOGITS);
}

/// The same ids with another first token.
fn with_first(ids: Tensor<2, Int>, first: i32) -> Tensor<2, Int> {
    let [batch, token] = ids.dims();
    let start = Tensor::<2, Int>::full([batch, 1], first, &ids.device());
    Tensor::cat(vec![start, ids.narrow(1, 1, token - 1)], 1)
}
