//! Where training starts: recipes, an ImageNet ViT, a BERT.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use medley::Error;
use medley::checkpoint::{Weights, load_text, read_tokenizer, text_sizes, vision_sizes};
use medley::model::{BlipConfig, Kind, Model};
use medley::nn::each_weight;
use medley::text::{Sharing, TextConfig};
use medley::tokenizer::Tokenizer;
use medley::train::{Schedule, TrainConfig, learning_rate};
use medley::vision::VisionConfig;
use medley::with_model;
use medley_tests::{device, fixture};
use safetensors::tensor::TensorView;

/// Words of the little BERT: two fewer than a BLIP over it.
const WORDS: usize = 126;

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A BERT of the tiny captioner's text stack, with what only BERT has.
fn bert() -> Tensors {
    let file = Weights::open(&fixture("orig/caption.pth")).unwrap();
    let mut tensors = Tensors::new();
    for (name, info) in file.tensors() {
        let Some(rest) = name.strip_prefix("text_decoder.") else { continue };
        if rest.contains("crossattention") || rest.contains("position_ids") {
            continue;
        }
        let (mut shape, mut values) = (info.shape.clone(), file.read(name).unwrap());
        if shape[0] == WORDS + 2 {
            shape[0] = WORDS;
            values.truncate(shape.iter().product());
        }
        tensors.insert(rest.to_owned(), (shape, values));
    }
    for (name, shape) in [
        ("bert.embeddings.token_type_embeddings.weight", vec![2, 48]),
        ("bert.pooler.dense.weight", vec![48, 48]),
        ("cls.seq_relationship.weight", vec![2, 48]),
    ] {
        tensors.insert(name.to_owned(), (shape.clone(), vec![0.5; shape.iter().product()]));
    }
    tensors
}

/// The folder of a BERT: its weights, its sizes, its words.
fn folder(tensors: &Tensors) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("model.safetensors"), tensors);
    let config = r#"{"num_attention_heads": 4, "layer_norm_eps": 1e-12, "model_type": "bert"}"#;
    fs::write(folder.path().join("config.json"), config).unwrap();
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let words = special.map(str::to_owned).into_iter().chain((5..WORDS).map(|word| format!("word{word}")));
    fs::write(folder.path().join("vocab.txt"), words.collect::<Vec<_>>().join("\n")).unwrap();
    folder
}

fn write(path: &Path, tensors: &Tensors) {
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let data: Vec<_> = tensors.iter().map(|(name, (shape, values))| (name, shape.clone(), bytes(values))).collect();
    let view = |shape: &[usize], data| TensorView::new(safetensors::Dtype::F32, shape.to_vec(), data).unwrap();
    let views = data.iter().map(|(name, shape, data)| (name.as_str(), view(shape, data)));
    fs::write(path, safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()).unwrap();
}

fn fresh(kind: Kind, text: TextConfig) -> Model {
    let device = device("cpu");
    device.seed(3);
    Model::init(&BlipConfig::new(kind, VisionConfig::new(32, 8, 48, 2, 3, 192), text).with_embed_size(16), &device)
}

/// Whether a weight is one that BERT has no part in.
fn is_fresh(path: &str) -> bool {
    path.contains("cross.") || path.starts_with("vision.") || path.starts_with("heads.")
}

fn weights(model: &Model) -> BTreeMap<String, Vec<f32>> {
    let mut found = BTreeMap::new();
    let mut note = |path: &str, _: &[usize], weight| {
        found.insert(path.to_owned(), medley_tests::values(weight));
    };
    with_model!(model, module => each_weight(module, &mut note));
    found
}

fn open(folder: &tempfile::TempDir) -> Weights {
    Weights::open(folder.path()).unwrap()
}

#[test]
fn sizes_and_words_of_a_bert_are_read_from_its_folder() {
    let folder = folder(&bert());
    let text = text_sizes(&open(&folder)).unwrap();
    assert_eq!((text.vocab_size, text.hidden_size, text.num_layers), (WORDS, 48, 2));
    assert_eq!((text.num_heads, text.feed_forward_size, text.max_positions), (4, 160, 32));
    let Some(medley::checkpoint::TokenizerText::Vocab(words)) =
        read_tokenizer(&open(&folder), &Default::default()).unwrap()
    else {
        panic!("there is a vocab.txt")
    };
    let tokenizer = Tokenizer::from_vocab(&words).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.ids().decode), (WORDS + 2, WORDS as u32));

    fs::remove_file(folder.path().join("config.json")).unwrap();
    assert!(matches!(text_sizes(&open(&folder)), Err(Error::Config { reason }) if reason.contains("config.json")));
}

#[test]
fn both_self_attentions_begin_as_those_of_bert_and_cross_attention_as_it_was_made() {
    let folder = folder(&bert());
    let text = text_sizes(&open(&folder)).unwrap().with_vocab_size(WORDS + 2);
    for sharing in [Sharing::AllButSelf, Sharing::None] {
        let before = fresh(Kind::Pretraining, text.clone().with_sharing(Some(sharing)));
        let made = weights(&before);
        let begun = weights(&load_text(&open(&folder), before).unwrap());
        let source = bert();
        let writes = if sharing == Sharing::None { "decoder" } else { "text" };
        for role in ["text.layers.1.bidirectional".to_owned(), format!("{writes}.layers.1.causal")] {
            let bias = &source["bert.encoder.layer.1.attention.self.query.bias"].1;
            assert_eq!(&begun[&format!("{role}.attention.query.bias")], bias, "{role}");
        }
        let head = &source["cls.predictions.transform.dense.bias"].1;
        assert_eq!(&begun["lm_head.transform.bias"], head);
        for (path, made) in &made {
            assert_eq!(made == &begun[path], is_fresh(path), "{path}");
        }
        // The rows of [DEC] and [ENC] are as they were made.
        let (table, words) = (&begun["text.embedding.word"], &source["bert.embeddings.word_embeddings.weight"].1);
        assert_eq!(&table[..WORDS * 48], &words[..]);
        assert_eq!(table[WORDS * 48..], made["text.embedding.word"][WORDS * 48..]);
    }
}

#[test]
fn names_of_norms_from_before_2019_and_names_without_a_prefix_are_known() {
    let (folder, old) = (folder(&bert()), folder(&bert()));
    let renamed = bert().into_iter().map(|(name, tensor)| {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        (name.strip_prefix("bert.").map_or(name.clone(), str::to_owned), tensor)
    });
    write(&old.path().join("model.safetensors"), &renamed.collect());
    let text = text_sizes(&open(&old)).unwrap().with_vocab_size(WORDS + 2);
    for kind in [Kind::Captioner, Kind::Matcher, Kind::Answerer] {
        let [one, other] = [&folder, &old].map(|folder| {
            let model = load_text(&open(folder), fresh(kind, text.clone()));
            let weights = weights(&model.unwrap_or_else(|error| panic!("{kind:?}: {error}")));
            // The rows of [DEC] and [ENC] are drawn, the rest comes from the file.
            let known = weights.into_iter().filter(|(path, _)| !is_fresh(path));
            known.map(|(path, mut values)| {
                values.truncate(if path.ends_with("embedding.word") { WORDS * 48 } else { usize::MAX });
                (path, values)
            })
        });
        assert!(one.eq(other), "{kind:?}");
    }
}

#[test]
fn a_bert_that_lacks_something_is_refused_by_name() {
    let mut tensors = bert();
    tensors.remove("bert.encoder.layer.0.output.dense.bias");
    let folder = folder(&tensors);
    let text = text_sizes(&open(&folder)).unwrap().with_vocab_size(WORDS + 2);
    match load_text(&open(&folder), fresh(Kind::Captioner, text)) {
        Err(Error::MissingWeights { missing }) => assert_eq!(missing, ["encoder.layer.0.output.dense.bias"]),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn sizes_of_any_vit_are_read_off_its_shapes() {
    let blocks = (0..7).map(|block| (format!("blocks.{block}.mlp.fc1.weight"), vec![256, 128]));
    let around: [(&str, &[usize]); 3] =
        [("patch_embed.proj.weight", &[128, 3, 4, 4]), ("cls_token", &[1, 1, 128]), ("pos_embed", &[1, 26, 128])];
    let shapes = around.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).chain(blocks);
    let tensors = shapes.map(|(name, shape)| (name, (shape.clone(), vec![0.0; shape.iter().product()])));
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("vit.safetensors");
    write(&path, &tensors.collect());
    assert_eq!(vision_sizes(&Weights::open(&path).unwrap()).unwrap(), VisionConfig::new(20, 4, 128, 7, 2, 256));
}

/// `pretrain.yaml`: from 1e-6 up in 3,000 steps, then nine tenths an epoch down to 1e-6.
#[test]
fn the_paper_pre_trains_with_a_rise_and_a_tenth_less_every_epoch() {
    let config = TrainConfig { epochs: 60, ..TrainConfig::paper_pretrain() };
    let total = 60 * 5000;
    let rate = |step| learning_rate(&config, step, total);
    assert_eq!(rate(0), 1e-6);
    assert!((rate(1500) - (1e-6 + 3e-4) / 2.0).abs() < 1e-12);
    for (step, expected) in [(3000, 3e-4), (4999, 3e-4), (5000, 2.7e-4), (9999, 2.7e-4), (10_000, 2.43e-4)] {
        assert!((rate(step) - expected).abs() < 1e-12, "{step}: {}", rate(step));
    }
    assert!((rate(total - 1) - 1e-6).abs() < 1e-15);
}

/// `cosine_lr_schedule`: `0.5 * (1 + cos(pi * epoch / epochs))`, the same within an epoch.
#[test]
fn the_paper_fine_tunes_with_a_cosine_an_epoch() {
    let config = TrainConfig::paper_caption();
    let rates: Vec<f64> = (0..50).map(|step| learning_rate(&config, step, 50)).collect();
    for (epoch, rates) in rates.chunks(10).enumerate() {
        let expected = 1e-5 * 0.5 * (1.0 + (std::f64::consts::PI * epoch as f64 / 5.0).cos());
        assert!(rates.iter().all(|rate| (rate - expected).abs() < 1e-18), "{epoch}: {rates:?}");
    }
}

/// BLIP §4.1 and the authors' `configs`.
#[test]
fn recipes_have_the_numbers_of_the_paper() {
    let recipes = [
        (TrainConfig::paper_caption(), 1e-5, 256, 5),
        (TrainConfig::paper_caption_large(), 2e-6, 256, 5),
        (TrainConfig::paper_retrieval(), 1e-5, 256, 6),
        (TrainConfig::paper_retrieval_large(), 5e-6, 256, 6),
        (TrainConfig::paper_vqa(), 2e-5, 256, 10),
        (TrainConfig::paper_nlvr(), 3e-5, 256, 15),
        (TrainConfig::paper_dialog(), 2e-5, 240, 20),
        (TrainConfig::paper_pretrain(), 3e-4, 2880, 20),
        (TrainConfig::paper_pretrain_large(), 2e-4, 2400, 20),
    ];
    for (config, rate, batch, epochs) in recipes {
        config.check().unwrap();
        assert_eq!((config.learning_rate, config.batch_size, config.epochs), (rate, batch, epochs));
        assert_eq!((config.weight_decay, config.label_smoothing), (0.05, 0.1));
        let by_epoch = if batch > 256 { Schedule::Decay } else { Schedule::CosineByEpoch };
        assert_eq!(config.schedule, by_epoch);
    }
    TrainConfig::mine().check().unwrap();
    assert_eq!(TrainConfig::paper_retrieval().contrast.queue, 57_600);
}

#[test]
fn a_run_of_a_few_steps_reaches_its_rate() {
    let config = TrainConfig { warmup_steps: 100, learning_rate: 1.0, first_rate: 0.0, ..TrainConfig::default() };
    let rates: Vec<f64> = (0..9).map(|step| learning_rate(&config, step, 9)).collect();
    let highest = rates.iter().copied().fold(0.0, f64::max);
    assert!((highest - 1.0).abs() < 1e-12, "{rates:?}");
    assert!(rates[2] >= rates[1] && rates[8] < rates[3], "{rates:?}");
}
