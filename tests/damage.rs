//! Bad checkpoints: each is refused with an error that names what is wrong.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use medley::Error;
use medley::checkpoint::{LoadOptions, load};
use medley::progress::silent;
use medley_tests::{device, fixture};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use tempfile::TempDir;

const WORDS: &str = "text_decoder.bert.embeddings.word_embeddings.weight";
const NORM: &str = "vision_model.post_layernorm.weight";

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn refusal(path: &Path) -> Error {
    refusal_with(path, &LoadOptions::default())
}

fn refusal_with(path: &Path, options: &LoadOptions) -> Error {
    match load(path, &device("cpu"), options, &mut silent) {
        Err(error) => error,
        Ok(_) => panic!("{} was loaded", path.display()),
    }
}

/// What a damaged file at `path` is refused for.
fn reason(path: &Path) -> String {
    match refusal(path) {
        Error::Checkpoint { path: named, reason } => {
            assert_eq!(named, path);
            reason
        }
        other => panic!("{other:?} is not about the file"),
    }
}

/// A file of this content alone in a folder.
fn file(name: &str, content: &[u8]) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}

/// The tiny captioner with changed tensors.
fn tampered(change: impl FnOnce(&mut Tensors)) -> TempDir {
    let bytes = fs::read(fixture("tiny_caption/model.safetensors")).unwrap();
    let mut tensors: Tensors = SafeTensors::deserialize(&bytes)
        .unwrap()
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    change(&mut tensors);
    let mut views = Vec::new();
    for (name, (dtype, shape, data)) in &tensors {
        views.push((name.clone(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
    }
    let bytes = safetensors::serialize(views, None).unwrap();
    let (folder, _) = file("model.safetensors", &bytes);
    fs::copy(fixture("tiny_caption/config.json"), folder.path().join("config.json")).unwrap();
    folder
}

/// The tiny captioner with a changed `config.json`.
fn reconfigured(change: impl FnOnce(&mut Value)) -> TempDir {
    let folder = tampered(|_| {});
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    fs::write(&path, config.to_string()).unwrap();
    folder
}

#[test]
fn a_missing_tensor_is_named() {
    let folder = tampered(|tensors| drop(tensors.remove(NORM)));
    match refusal(folder.path()) {
        Error::MissingWeights { missing } => assert_eq!(missing, ["visual_encoder.norm.weight"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_tensor_is_named() {
    let folder = tampered(|tensors| drop(tensors.insert("adapter.weight".into(), tensors[NORM].clone())));
    match refusal(folder.path()) {
        Error::UnknownWeights { unknown } => assert_eq!(unknown, ["adapter.weight"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_misshapen_tensor_is_named_with_both_shapes() {
    let folder = tampered(|tensors| tensors.get_mut(WORDS).unwrap().1 = vec![48, 128]);
    match refusal(folder.path()) {
        Error::MisshapenWeight { name, found, expected } => {
            assert_eq!((name.as_str(), found, expected), (WORDS, vec![48, 128], vec![128, 48]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_position_table_of_another_image_size_is_not_resized_unasked() {
    let folder = reconfigured(|config| config["vision_config"]["image_size"] = json!(48));
    assert!(matches!(refusal(folder.path()), Error::MisshapenWeight { .. }));
}

#[test]
fn a_tensor_that_is_not_finite_is_named() {
    for value in [f32::NAN, f32::INFINITY] {
        let folder = tampered(|tensors| tensors.get_mut(NORM).unwrap().2[8..12].copy_from_slice(&value.to_le_bytes()));
        match refusal(folder.path()) {
            Error::NotFinite { name } => assert_eq!(name, NORM),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_tensor_of_whole_numbers_is_no_weight() {
    let folder = tampered(|tensors| tensors.get_mut(NORM).unwrap().0 = Dtype::I32);
    assert!(reason(folder.path()).contains(NORM));
}

#[test]
fn copies_of_one_weight_must_be_equal() {
    let copy = "text_decoder.cls.predictions.decoder.weight";
    let equal = tampered(|tensors| drop(tensors.insert(copy.into(), tensors[WORDS].clone())));
    load(equal.path(), &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
    let different = tampered(|tensors| {
        let mut tensor = tensors[WORDS].clone();
        tensor.2[..4].copy_from_slice(&7.5_f32.to_le_bytes());
        tensors.insert(copy.into(), tensor);
    });
    match refusal(different.path()) {
        Error::Config { reason } => assert!(reason.contains(copy) && reason.contains(WORDS), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_cut_short_says_so() {
    let whole = fs::read(fixture("tiny_caption/model.safetensors")).unwrap();
    for (length, words) in [(whole.len() - 1, "cut short"), (whole.len() / 2, "cut short"), (600, "header claims")] {
        let (_folder, path) = file("model.safetensors", &whole[..length]);
        assert!(reason(&path).contains(words), "{length} bytes: {}", reason(&path));
    }
}

#[test]
fn a_header_that_lies_about_its_length_is_not_believed() {
    let whole = fs::read(fixture("tiny_caption/model.safetensors")).unwrap();
    for length in [u64::MAX, 99_000_000, whole.len() as u64] {
        let lying = [&length.to_le_bytes()[..], &whole[8..]].concat();
        let (_folder, path) = file("model.safetensors", &lying);
        assert!(reason(&path).contains(&length.to_string()), "{}", reason(&path));
    }
}

#[test]
fn a_header_that_is_no_table_of_tensors_is_an_error() {
    let overlapping = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#;
    for header in ["{not json", "{\"a\": 1}", "[]", overlapping] {
        let content = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
        let (_folder, path) = file("model.safetensors", &content);
        assert!(reason(&path).contains("header"), "{header}: {}", reason(&path));
    }
}

#[test]
fn files_of_a_few_bytes_are_errors() {
    for (name, content) in [("model.safetensors", &b""[..]), ("model.pth", b""), ("model.safetensors", b"abcd")] {
        let (_folder, path) = file(name, content);
        assert!(!reason(&path).is_empty());
    }
}

#[test]
fn a_path_to_nothing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.pth");
    assert!(matches!(refusal(&path), Error::Read { path: named, .. } if named == path));
}

#[test]
fn a_folder_without_weights_says_what_it_lacks() {
    let (folder, _) = file("config.json", b"{}");
    assert!(reason(folder.path()).contains("model.safetensors"));
}

#[test]
fn tensors_of_another_model_are_refused() {
    let folder = tampered(|tensors| {
        *tensors = BTreeMap::from([("lm_head.weight".to_owned(), tensors[NORM].clone())]);
    });
    assert!(reason(folder.path()).contains("BLIP"));
}

#[test]
fn a_pickle_of_garbage_is_an_error() {
    let garbage: Vec<u8> = (0..5000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let zip = [&b"PK\x03\x04"[..], &garbage].concat();
    let whole = fs::read(fixture("orig/caption.pth")).unwrap();
    for content in [&garbage[..], &zip, &whole[..whole.len() / 2], b"\x80\x02\xff\xff.", b"\x80\x02}q\x00."] {
        let (_folder, path) = file("model.pth", content);
        assert!(!reason(&path).is_empty());
    }
}

/// One stored file as a zip archive.
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let crc = !content.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    });
    let size = (content.len() as u32).to_le_bytes();
    let length = (name.len() as u16).to_le_bytes();
    let about = [&[0; 8][..], &crc.to_le_bytes(), &size, &size, &length, &[0; 2]].concat();
    let entry = [b"PK\x03\x04\x14\x00", &about[..], name.as_bytes(), content].concat();
    let listed = [b"PK\x01\x02\x14\x00\x14\x00", &about[..], &[0; 14], name.as_bytes()].concat();
    let ends = [(listed.len() as u32).to_le_bytes(), (entry.len() as u32).to_le_bytes()].concat();
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &ends, &[0; 2]].concat();
    [entry, listed, end].concat()
}

#[test]
fn a_pickle_that_calls_a_function_is_refused_by_its_name_and_does_not_run_it() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let call = format!("cposix\nsystem\n(Vtouch {}\ntR", trace.display());
    // What it calls is the whole, thrown away before an innocent dictionary, or one of its entries.
    for pickle in [format!("{call}."), format!("{call}0}}."), format!("}}(Vmodel\n}}Vextra\n{call}u.")] {
        let pickle = [b"\x80\x02", pickle.as_bytes()].concat();
        for content in [pickle.clone(), zip("archive/data.pkl", &pickle)] {
            let path = folder.path().join("model.pth");
            fs::write(&path, content).unwrap();
            assert!(reason(&path).contains("posix.system"), "{}", reason(&path));
            assert!(!trace.exists());
        }
    }
}

#[test]
fn a_name_in_a_pickle_is_seen_however_it_is_spelled() {
    let spelled: [(&[u8], &str); 5] = [
        (b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93.", "posix.system"),
        (b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x940h\x00h\x01\x93.", "posix.system"),
        (b"\x80\x02iposix\nsystem\n.", "posix.system"),
        (b"\x80\x04\x8c\x05posixN0\x8c\x06system\x93.", "puts together"),
        (b"\x80\x02ctorch\nload\n.", "torch.load"),
    ];
    for (pickle, words) in spelled {
        let (_folder, path) = file("model.pth", pickle);
        assert!(reason(&path).contains(words), "{}", reason(&path));
    }
}

#[test]
fn a_pickle_may_hold_the_settings_of_a_training_run() {
    let settings = b"\x80\x02}(X\x04\x00\x00\x00argscargparse\nNamespace\n)\x81}b\
        X\x04\x00\x00\x00losscnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R\x85Ru.";
    let (_folder, path) = file("model.pth", settings);
    assert_eq!(reason(&path), "it holds no tensors");
}

#[test]
fn a_file_that_is_no_checkpoint_is_called_what_it_is() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 896081425\n";
    let torch = fs::read(fixture("orig/caption.pth")).unwrap();
    let picture = fs::read(fixture("preprocess/noise.png")).unwrap();
    for (content, words) in [
        (&pointer[..], "Git LFS"),
        (b"<!DOCTYPE html>\n<html>404</html>", "web page"),
        (b"{\"model_type\": \"blip\"}", "text"),
        (&picture, "picture"),
        (&torch[..torch.len() - 30], "cut short"),
        (&torch[..torch.len() / 2], "cut short"),
        (b"\x80\x02}X\xff\x00", "cut short"),
        (&zip("archive/readme", b"hello"), "data.pkl"),
    ] {
        for name in ["model.pth", "model.safetensors"] {
            let (_folder, path) = file(name, content);
            let is_pickle = content[0] == 0x80 && name == "model.safetensors";
            assert!(is_pickle || reason(&path).contains(words), "{name}: {}", reason(&path));
        }
    }
}

#[test]
fn an_archive_of_torch_loads_whatever_it_is_called() {
    let (folder, path) = file("model.safetensors", &fs::read(fixture("orig/caption.pth")).unwrap());
    fs::copy(fixture("tiny_caption/config.json"), folder.path().join("config.json")).unwrap();
    load(&path, &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
}

#[test]
fn a_header_that_lies_about_a_tensor_names_it() {
    for entry in [
        r#"{"dtype":"F32","shape":[3],"data_offsets":[4,12]}"#,
        r#"{"dtype":"F32","shape":[2],"data_offsets":[8,16]}"#,
        r#"{"dtype":"F32","shape":[2],"data_offsets":[12,4]}"#,
        r#"{"dtype":"F99","shape":[2],"data_offsets":[4,12]}"#,
        r#"{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[4,12]}"#,
        r#"{"dtype":"F32","shape":[2305843009213693952],"data_offsets":[4,9223372036854775812]}"#,
    ] {
        let header = format!(r#"{{"first":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}},"second":{entry}}}"#);
        let content = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 12]].concat();
        let (_folder, path) = file("model.safetensors", &content);
        assert!(reason(&path).contains("second"), "{entry}: {}", reason(&path));
    }
}

#[test]
fn a_configuration_that_contradicts_the_tensors_is_refused() {
    let flatter = reconfigured(|config| config["vision_config"]["num_hidden_layers"] = json!(1));
    assert!(matches!(refusal(flatter.path()), Error::UnknownWeights { unknown } if unknown[0].contains("layers.1.")));
    let wider = reconfigured(|config| config["text_config"]["hidden_size"] = json!(96));
    assert!(matches!(refusal(wider.path()), Error::MisshapenWeight { .. }));
    let coarser = reconfigured(|config| config["vision_config"]["patch_size"] = json!(16));
    assert!(matches!(refusal(coarser.path()), Error::MisshapenWeight { .. }));
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() {
    for (part, key, value, words) in [
        ("text_config", "num_attention_heads", 5, "5 heads"),
        ("vision_config", "num_attention_heads", 0, "0 heads"),
        ("vision_config", "patch_size", 0, "patch"),
        ("vision_config", "patch_size", 64, "patch"),
    ] {
        let folder = reconfigured(|config| config[part][key] = json!(value));
        match refusal(folder.path()) {
            Error::Config { reason } => assert!(reason.contains(words), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    let folder = tampered(|_| {});
    fs::write(folder.path().join("config.json"), "{").unwrap();
    assert!(matches!(refusal(folder.path()), Error::Config { reason } if reason.contains("config.json")));
}

#[test]
fn shapes_that_do_not_tell_the_heads_ask_for_a_configuration() {
    match refusal(&fixture("orig/caption.pth")) {
        Error::Config { reason } => assert!(reason.contains("config.json"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_state_of_a_training_run_is_refused_unless_skipped() {
    let config = Some(fixture("tiny_itm/config.json"));
    let strict = LoadOptions { config, ..LoadOptions::default() };
    let path = fixture("orig/retrieval.pth");
    match refusal_with(&path, &strict) {
        Error::TrainingState { names } => {
            assert!(names.iter().any(|name| name == "image_queue"), "{names:?}");
            assert!(names.iter().any(|name| name.starts_with("text_encoder_m.")), "{names:?}");
        }
        other => panic!("{other:?}"),
    }
    let lenient = LoadOptions { skip_training_state: true, ..strict };
    load(&path, &device("cpu"), &lenient, &mut silent).unwrap();
}

#[test]
fn a_report_that_answers_break_stops_loading() {
    let mut stop = |_| std::ops::ControlFlow::Break(());
    let loaded = load(&fixture("tiny_caption"), &device("cpu"), &LoadOptions::default(), &mut stop);
    assert!(matches!(loaded, Err(Error::Cancelled)));
}
