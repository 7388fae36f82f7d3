//! Checkpoints in and out: what is saved is what was loaded, in every kind and layout.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Tensor, TensorData};
use medley::Error;
use medley::checkpoint::{
    Checkpoint, Dtype, LoadOptions, ReadAt, TokenizerText, Weights, inspect, load, load_vision, load_weights, save,
};
use medley::model::{Kind, Model};
use medley::nn::replace_weights;
use medley::pipeline::{Inputs, Pipeline};
use medley::progress::silent;
use medley_tests::{Reference, device, fixture, largest_difference, values};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::json;
use tempfile::TempDir;

/// What the parity suite allows image tokens; see there.
const VISION: f32 = 2e-5;

/// A file of every kind in the authors' names, and the fixture whose `config.json` fits it.
const KINDS: [(&str, &str, Kind); 6] = [
    ("orig/caption.pth", "tiny_caption", Kind::Captioner),
    ("orig/retrieval.pth", "tiny_itm", Kind::Matcher),
    ("orig/vqa.pth", "tiny_vqa", Kind::Answerer),
    ("tiny_nlvr/nlvr.pth", "tiny_nlvr", Kind::Reasoner),
    ("tiny_wide_dialog/dialog.safetensors", "tiny_wide_itm", Kind::Dialog),
    ("orig/pretrain.pth", "tiny_itm", Kind::Pretraining),
];

fn options(sizes: &str) -> LoadOptions {
    let config = Some(fixture(sizes).join("config.json"));
    LoadOptions { skip_training_state: true, config, ..LoadOptions::default() }
}

fn open(path: &Path, options: &LoadOptions) -> Checkpoint {
    load(path, &device("cpu"), options, &mut silent).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(checkpoint: &Checkpoint, folder: &TempDir, name: &str, dtype: Dtype) -> PathBuf {
    let path = folder.path().join(name);
    pollster::block_on(save(checkpoint, &path, dtype)).unwrap();
    path
}

/// Every tensor of a file that holds weights of a model, once.
fn weights(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let weights = Weights::open(path).unwrap();
    let is_weight = |name: &&String| {
        let state = ["_m.", "queue", "position_ids"].iter().any(|part| name.contains(part));
        let copy = name.starts_with("text_decoder.cls.predictions.decoder.");
        !state && !copy
    };
    weights.tensors().keys().filter(is_weight).map(|name| (name.clone(), weights.read(name).unwrap())).collect()
}

#[test]
fn a_saved_model_of_any_kind_holds_the_loaded_tensors_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (source, sizes, kind) in KINDS {
        let checkpoint = open(&fixture(source), &options(sizes));
        assert_eq!(checkpoint.config.kind, kind);
        let saved = weights(&write(&checkpoint, &folder, "first.safetensors", Dtype::F32));
        let mut original = weights(&fixture(source));
        // Encoder and decoder share these; the second copy is not saved.
        let shared = |name: &str| name.starts_with("text_decoder.bert.") && !name.contains(".attention.");
        original.retain(|name, _| kind != Kind::Pretraining || !shared(name));
        for (name, values) in &original {
            assert_eq!(Some(values), saved.get(name), "{source}: {name}");
        }
        assert_eq!(saved.len(), original.len(), "{source}");
    }
}

#[test]
fn saving_what_was_saved_gives_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    for (source, sizes, _) in KINDS {
        let first = write(&open(&fixture(source), &options(sizes)), &folder, "first.safetensors", Dtype::F32);
        // Nothing but the file itself is needed any more.
        let again = open(&first, &LoadOptions::default());
        let second = write(&again, &folder, "second.safetensors", Dtype::F32);
        assert_eq!(weights(&first), weights(&second), "{source}");
        assert_eq!(Weights::open(&first).unwrap().metadata(), Weights::open(&second).unwrap().metadata());
    }
}

/// Half a unit in the last of eleven binary digits, or of the smallest number.
#[test]
fn half_precision_rounds_to_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = open(&fixture("tiny_caption"), &LoadOptions::default());
    let whole = write(&checkpoint, &folder, "whole.safetensors", Dtype::F32);
    let half = write(&checkpoint, &folder, "half.safetensors", Dtype::F16);
    let [whole_bytes, half_bytes] = [&whole, &half].map(|path| fs::metadata(path).unwrap().len());
    assert!(half_bytes < whole_bytes * 3 / 5, "{half_bytes} of {whole_bytes} bytes");
    let (whole, half) = (weights(&whole), weights(&half));
    for (name, values) in &whole {
        for (exact, rounded) in values.iter().zip(&half[name]) {
            let most = (exact.abs() * 2.0_f32.powi(-11)).max(2.0_f32.powi(-25));
            assert!((exact - rounded).abs() <= most, "{name}: {exact} became {rounded}");
        }
    }
}

#[test]
fn a_weight_beyond_sixteen_bits_is_named_and_no_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = open(&fixture("tiny_caption"), &LoadOptions::default());
    let model = medley::with_model!(checkpoint.model, module => {
        Model::from(replace_weights(module, &mut |path, shape, device| {
            let size = shape.iter().product();
            (path == "vision.norm.gamma").then(|| Tensor::from_data(TensorData::new(vec![7e4_f32; size], [size]), device))
        }))
    });
    let checkpoint = Checkpoint { model, ..checkpoint };
    let path = folder.path().join("half.safetensors");
    match pollster::block_on(save(&checkpoint, &path, Dtype::F16)) {
        Err(Error::TooLargeForHalf { name }) => assert_eq!(name, "visual_encoder.norm.weight"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    pollster::block_on(save(&checkpoint, &path, Dtype::F32)).unwrap();
}

#[test]
fn a_saved_file_carries_configuration_tokenizer_and_preprocessing() {
    let folder = tempfile::tempdir().unwrap();
    let given = LoadOptions { tokenizer: Some(fixture("tokenizer/vocab.txt")), ..LoadOptions::default() };
    let checkpoint = open(&fixture("tiny_caption"), &given);
    assert!(matches!(checkpoint.tokenizer, Some(TokenizerText::Vocab(_))));
    let mut pipeline = Pipeline::new(checkpoint, &device("cpu")).unwrap();
    pipeline.set_prompt("two dogs ");
    let path = write(&pipeline.to_checkpoint().unwrap(), &folder, "model.safetensors", Dtype::F32);

    let again = Pipeline::load(&path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
    assert_eq!(again.config(), pipeline.config());
    assert_eq!(again.tokens(), pipeline.tokens());
    assert_eq!(again.tokenizer().encode("a red ball").unwrap(), pipeline.tokenizer().encode("a red ball").unwrap());
    assert_eq!(again.inputs(), &Inputs { prompt: "two dogs ".to_owned(), ..pipeline.inputs().clone() });
}

#[test]
fn a_checkpoint_without_a_tokenizer_is_no_pipeline() {
    let loaded = Pipeline::load(&fixture("tiny_caption"), &device("cpu"), &LoadOptions::default(), &mut silent);
    assert!(matches!(loaded, Err(Error::Tokenizer { reason }) if reason.contains("tokenizer.json")));
}

#[test]
fn a_vocabulary_larger_than_the_word_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let vocab = folder.path().join("vocab.txt");
    let words = fs::read_to_string(fixture("tokenizer/vocab.txt")).unwrap();
    fs::write(&vocab, format!("{}\nextra\n", words.trim_end())).unwrap();
    let given = LoadOptions { tokenizer: Some(vocab), ..LoadOptions::default() };
    let loaded = Pipeline::load(&fixture("tiny_caption"), &device("cpu"), &given, &mut silent);
    assert!(matches!(loaded, Err(Error::Tokenizer { reason }) if reason.contains("129")));
}

#[test]
fn saving_where_there_is_no_folder_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = open(&fixture("tiny_caption"), &LoadOptions::default());
    let path = folder.path().join("absent/model.safetensors");
    match pollster::block_on(save(&checkpoint, &path, Dtype::F32)) {
        Err(Error::Write { path: named, .. }) => assert_eq!(named, path),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn saving_over_a_file_replaces_it_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = open(&fixture("tiny_caption"), &LoadOptions::default());
    fs::write(folder.path().join("model.safetensors"), "old").unwrap();
    let path = write(&checkpoint, &folder, "model.safetensors", Dtype::F32);
    open(&path, &LoadOptions::default());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The tiny captioner in two files with an index.
fn sharded() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(fixture("tiny_caption/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let mut map = HashMap::new();
    for (shard, tensors) in tensors.chunks(tensors.len() / 2 + 1).enumerate() {
        let shard = format!("model-{}-of-2.safetensors", shard + 1);
        let views: Vec<(String, TensorView<'_>)> = tensors.to_vec();
        fs::write(folder.path().join(&shard), safetensors::serialize(views, None).unwrap()).unwrap();
        map.extend(tensors.iter().map(|(name, _)| (name.clone(), shard.clone())));
    }
    index(&folder, &map);
    fs::copy(fixture("tiny_caption/config.json"), folder.path().join("config.json")).unwrap();
    folder
}

fn index(folder: &TempDir, map: &HashMap<String, String>) {
    let text = json!({ "metadata": {}, "weight_map": map }).to_string();
    fs::write(folder.path().join("model.safetensors.index.json"), text).unwrap();
}

#[test]
fn shards_load_as_one_file_does() {
    let (saved, parts) = (tempfile::tempdir().unwrap(), sharded());
    let one = open(&fixture("tiny_caption"), &LoadOptions::default());
    let many = open(parts.path(), &LoadOptions::default());
    assert_eq!(one.config, many.config);
    let [one, many] = [(one, "one"), (many, "many")].map(|(model, name)| write(&model, &saved, name, Dtype::F32));
    assert_eq!(weights(&one), weights(&many));
}

#[test]
fn a_missing_shard_is_named() {
    let parts = sharded();
    let shard = parts.path().join("model-2-of-2.safetensors");
    fs::remove_file(&shard).unwrap();
    let loaded = load(parts.path(), &device("cpu"), &LoadOptions::default(), &mut silent);
    assert!(matches!(loaded, Err(Error::Read { path, .. }) if path == shard));
}

#[test]
fn an_index_that_points_out_of_its_folder_is_refused() {
    for shard in ["../model.safetensors", "/etc/passwd", ".."] {
        let parts = sharded();
        index(&parts, &HashMap::from([("a".to_owned(), shard.to_owned())]));
        let loaded = load(parts.path(), &device("cpu"), &LoadOptions::default(), &mut silent);
        assert!(matches!(loaded, Err(Error::Checkpoint { reason, .. }) if reason.contains(shard)), "{shard}");
    }
}

#[test]
fn an_index_that_promises_more_than_its_shards_hold_is_refused() {
    let parts = sharded();
    index(&parts, &HashMap::from([("ghost".to_owned(), "model-1-of-2.safetensors".to_owned())]));
    let loaded = load(parts.path(), &device("cpu"), &LoadOptions::default(), &mut silent);
    assert!(matches!(loaded, Err(Error::Checkpoint { reason, .. }) if reason.contains("ghost")));
}

#[test]
fn inspecting_tells_kind_layout_and_size() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = inspect(&fixture("tiny_caption"), &LoadOptions::default()).unwrap();
    let stored = weights(&fixture("tiny_caption/model.safetensors"));
    assert_eq!(theirs.kind, Kind::Captioner);
    assert_eq!(theirs.layout, "Hugging Face");
    assert_eq!(theirs.num_parameters, stored.values().map(Vec::len).sum::<usize>());
    assert_eq!(theirs.num_bytes, 4 * theirs.num_parameters as u64);
    assert_eq!(theirs.tensors.len(), stored.len());
    assert!(!theirs.has_tokenizer && theirs.training_state.is_empty());

    for (source, sizes, kind) in KINDS {
        let authors = inspect(&fixture(source), &options(sizes)).unwrap();
        assert_eq!((authors.kind, authors.layout), (kind, "authors"), "{source}");
        assert_eq!(!authors.training_state.is_empty(), matches!(kind, Kind::Matcher | Kind::Pretraining));
        let checkpoint = open(&fixture(source), &options(sizes));
        let ours = inspect(&write(&checkpoint, &folder, "ours", Dtype::F16), &LoadOptions::default()).unwrap();
        assert_eq!((ours.kind, ours.layout), (kind, "Medley"));
        assert_eq!(ours.config, checkpoint.config);
        assert_eq!(ours.num_parameters, authors.num_parameters, "{source}");
    }
}

#[test]
fn position_tables_are_resized_on_request() {
    let asked = |side| LoadOptions { image_size_px: Some(side), ..LoadOptions::default() };
    let reference = Reference::read("tiny_caption/ref.safetensors");
    for (side, patches) in [(24, 3), (48, 6), (56, 7), (59, 7)] {
        let checkpoint = open(&fixture("tiny_caption"), &asked(side));
        assert_eq!(checkpoint.config.vision.image_size_px, patches * 8);
        let Model::Captioner(model) = checkpoint.model else { panic!("not a captioner") };
        let name = format!("interp.orig_pos_embed_{patches}x{patches}");
        reference.assert_close(&name, model.vision().position(), VISION);
    }
    for side in [7, 100_000] {
        let refused = load(&fixture("tiny_caption"), &device("cpu"), &asked(side), &mut silent);
        assert!(matches!(refused, Err(Error::Option { option: "image size", .. })), "{side} px");
    }
}

/// The image encoder of the tiny captioner as timm would save it, with other tensors beside it.
fn timm(folder: &TempDir, others: &[&str]) -> PathBuf {
    let weights = Weights::open(&fixture("orig/caption.pth")).unwrap();
    let mut tensors = Vec::new();
    for (name, info) in weights.tensors() {
        if let Some(name) = name.strip_prefix("visual_encoder.") {
            tensors.push((
                name.to_owned(),
                info.shape.clone(),
                weights.read(&format!("visual_encoder.{name}")).unwrap(),
            ));
        }
    }
    tensors.extend(others.iter().map(|name| ((*name).to_owned(), vec![1], vec![0.0])));
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let tensors: Vec<_> = tensors.into_iter().map(|(name, shape, values)| (name, shape, bytes(&values))).collect();
    let mut views = Vec::new();
    for (name, shape, data) in &tensors {
        views.push((name.as_str(), TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap()));
    }
    let path = folder.path().join("vit.safetensors");
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

#[test]
fn an_image_encoder_loads_from_the_names_of_timm() {
    let (folder, device) = (tempfile::tempdir().unwrap(), device("cpu"));
    let Checkpoint { config, model: Model::Captioner(model), .. } =
        open(&fixture("tiny_caption"), &options("tiny_caption"))
    else {
        panic!("not a captioner")
    };
    let weights = Weights::open(&timm(&folder, &[])).unwrap();
    let vision = load_vision(&weights, &config, config.vision.init(&device)).unwrap();
    let pixels = Reference::read("tiny_caption/ref.safetensors").tensor::<4>("pixel_values", &device);
    let [expected, found] = [model.vision().forward(pixels.clone()), vision.forward(pixels)].map(values);
    assert_eq!(largest_difference(&expected, &found), 0.0);
}

#[test]
fn a_classifier_on_an_image_encoder_is_left_out_and_all_else_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = open(&fixture("tiny_caption"), &options("tiny_caption")).config;
    let weights = Weights::open(&timm(&folder, &["head.weight"])).unwrap();
    load_vision(&weights, &config, config.vision.init(&device("cpu"))).unwrap();
    let weights = Weights::open(&timm(&folder, &["head.weight", "fc_norm.weight"])).unwrap();
    match load_vision(&weights, &config, config.vision.init(&device("cpu"))) {
        Err(Error::UnknownWeights { unknown }) => assert_eq!(unknown, ["fc_norm.weight"]),
        other => panic!("{other:?}"),
    }
}

/// A file that only this test can reach, and the longest stretch that was read of it.
#[derive(Debug)]
struct Reachable {
    bytes: Vec<u8>,
    longest: Arc<AtomicUsize>,
}

impl ReadAt for Reachable {
    fn num_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        self.longest.fetch_max(length, Ordering::Relaxed);
        let stretch = self.bytes.get(offset as usize..offset as usize + length);
        stretch.map(<[u8]>::to_vec).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    }
}

#[test]
fn a_file_that_lies_elsewhere_is_read_tensor_by_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&open(&fixture("tiny_caption"), &LoadOptions::default()), &folder, "own.safetensors", Dtype::F32);
    let bytes = fs::read(&path).unwrap();
    let longest = Arc::new(AtomicUsize::new(0));
    let file = Reachable { bytes: bytes.clone(), longest: Arc::clone(&longest) };
    let found = Weights::from_elsewhere("own.safetensors", Box::new(file)).unwrap();
    let loaded = load_weights(&found, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
    assert_eq!(weights(&write(&loaded, &folder, "again.safetensors", Dtype::F32)), weights(&path));
    assert!(
        longest.load(Ordering::Relaxed) < bytes.len() / 2,
        "{} of {} at once",
        longest.load(Ordering::Relaxed),
        bytes.len()
    );

    let short = Reachable { bytes: bytes[..bytes.len() - 100].to_vec(), longest: Arc::default() };
    assert!(matches!(Weights::from_elsewhere("short.safetensors", Box::new(short)), Err(Error::Checkpoint { .. })));
}

#[test]
fn texts_given_beside_weights_stand_for_files_of_their_folder() {
    let source = fixture("tiny_caption");
    let mut weights =
        Weights::from_memory("model.safetensors", fs::read(source.join("model.safetensors")).unwrap().into()).unwrap();
    for name in ["config.json", "preprocessor_config.json", "vocab.txt", "tokenizer.json"] {
        if let Ok(text) = fs::read_to_string(source.join(name)) {
            weights = weights.with_file(name, text);
        }
    }
    let found = load_weights(&weights, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
    let expected = open(&source, &LoadOptions::default());
    assert_eq!((found.config, found.tokenizer), (expected.config, expected.tokenizer));
}
