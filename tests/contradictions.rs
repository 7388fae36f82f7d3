//! Files that contradict each other, or what a BLIP is: refused by name, before anything is built of them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageFormat};
use medley::Error;
use medley::checkpoint::{Checkpoint, Dtype, LoadOptions, Weights, inspect, load, save, vision_sizes};
use medley::model::Kind;
use medley::pipeline::{CaptionOptions, Inputs, Pipeline};
use medley::preprocess::{Alpha, Preprocessor, decode};
use medley::progress::silent;
use medley_tests::{device, fixture};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The tiny captioner and its words in a folder, with a changed `config.json`.
fn captioner(change: impl FnOnce(&mut Value)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["tiny_caption/model.safetensors", "tokenizer/vocab.txt"] {
        let source = fixture(file);
        fs::copy(&source, folder.path().join(source.file_name().unwrap())).unwrap();
    }
    let mut config = serde_json::from_slice(&fs::read(fixture("tiny_caption/config.json")).unwrap()).unwrap();
    change(&mut config);
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

fn open(path: &Path) -> Result<Checkpoint, Error> {
    load(path, &device("cpu"), &LoadOptions::default(), &mut silent)
}

/// What a configuration is refused for.
fn reason(path: &Path) -> String {
    match open(path) {
        Err(Error::Config { reason }) => reason,
        other => panic!("{:?} is not about the configuration", other.map(|checkpoint| checkpoint.config)),
    }
}

/// A safetensors file of these tensors and texts.
fn write(path: &Path, tensors: &[(String, Vec<usize>, Vec<u8>)], texts: Option<BTreeMap<String, String>>) {
    let views = tensors.iter().map(|(name, shape, data)| {
        (name.as_str(), TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap())
    });
    let texts = texts.map(|texts| texts.into_iter().collect());
    fs::write(path, safetensors::serialize(views, texts).unwrap()).unwrap();
}

/// As many layers as these would be built, and abort, before a tensor was compared.
#[test]
fn a_configuration_of_more_layers_than_the_file_has_is_refused_with_both_numbers() {
    for (part, layers) in [("vision_config", 1_000_000_000), ("text_config", 10_000_000), ("text_config", 3)] {
        let folder = captioner(|config| config[part]["num_hidden_layers"] = json!(layers));
        let reason = reason(folder.path());
        assert!(reason.contains(&format!("{layers} layers")) && reason.ends_with("of 2"), "{reason}");
    }
}

#[test]
fn a_stored_configuration_is_believed_no_more_than_one_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let options = LoadOptions { config: Some(fixture("tiny_vqa/config.json")), ..LoadOptions::default() };
    let checkpoint = load(&fixture("orig/vqa.pth"), &device("cpu"), &options, &mut silent).unwrap();
    let path = folder.path().join("own.safetensors");
    pollster::block_on(save(&checkpoint, &path, Dtype::F32)).unwrap();
    open(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let tensors: Vec<_> = SafeTensors::deserialize(&bytes)
        .unwrap()
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, view.shape().to_vec(), view.data().to_vec()))
        .collect();
    for (pointer, value, words) in [
        ("/answer_layers", json!(1_000_000_000), "writes answers 1000000000 layers"),
        ("/text/num_layers", json!(1_000_000_000), "text stack 1000000000 layers"),
        ("/vision/num_heads", json!(0), "0 heads"),
        ("/vision/hidden_size", json!(1_u64 << 62), "image tokens"),
    ] {
        let mut texts: BTreeMap<_, _> = Weights::open(&path).unwrap().metadata().clone().into_iter().collect();
        let mut config: Value = serde_json::from_str(&texts["medley.config"]).unwrap();
        *config.pointer_mut(pointer).unwrap() = value;
        texts.insert("medley.config".to_owned(), config.to_string());
        let changed = folder.path().join("changed.safetensors");
        write(&changed, &tensors, Some(texts));
        assert!(reason(&changed).contains(words), "{}", reason(&changed));
    }
}

#[test]
fn a_file_has_as_many_layers_as_it_numbers_whatever_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vit.safetensors");
    let shapes: [(&str, &[usize]); 5] = [
        ("cls_token", &[1, 1, 64]),
        ("pos_embed", &[1, 17, 64]),
        ("patch_embed.proj.weight", &[64, 3, 8, 8]),
        ("blocks.0.mlp.fc1.weight", &[128, 64]),
        ("blocks.999999999.norm1.weight", &[64]),
    ];
    let tensor = |(name, shape): (&str, &[usize])| {
        (name.to_owned(), shape.to_vec(), vec![0; 4 * shape.iter().product::<usize>()])
    };
    write(&path, &shapes.map(tensor), None);
    assert_eq!(vision_sizes(&Weights::open(&path).unwrap()).unwrap().num_layers, 2);
}

#[test]
fn sizes_that_no_model_has_are_refused() {
    for (part, key) in [
        ("vision_config", "image_size"),
        ("vision_config", "hidden_size"),
        ("vision_config", "intermediate_size"),
        ("text_config", "vocab_size"),
        ("text_config", "max_position_embeddings"),
    ] {
        for size in [0, 1_u64 << 62] {
            let folder = captioner(|config| config[part][key] = json!(size));
            let error = open(folder.path()).unwrap_err();
            assert!(matches!(error, Error::Config { .. }), "{part} {key} {size}: {error}");
        }
    }
}

#[test]
fn an_activation_other_than_gelu_is_refused() {
    for part in ["vision_config", "text_config"] {
        for activation in ["relu", "gelu_new"] {
            let folder = captioner(|config| config[part]["hidden_act"] = json!(activation));
            let reason = reason(folder.path());
            assert!(reason.contains(part) && reason.contains(activation), "{reason}");
        }
    }
}

#[test]
fn a_configuration_of_another_model_is_refused() {
    let folder = captioner(|config| config["model_type"] = json!("blip-2"));
    assert!(reason(folder.path()).contains("blip-2"), "{}", reason(folder.path()));
    let folder = captioner(|config| *config = json!({ "model_type": "bert", "hidden_size": 48 }));
    assert!(reason(folder.path()).contains("bert"), "{}", reason(folder.path()));
}

#[test]
fn a_configuration_of_another_head_is_refused() {
    let folder = captioner(|config| config["architectures"] = json!(["BlipForQuestionAnswering"]));
    let reason = reason(folder.path());
    assert!(reason.contains("BlipForQuestionAnswering is an answerer") && reason.contains("a captioner"), "{reason}");
}

/// There is no `config.json` of theirs, so one of the same sizes serves.
#[test]
fn the_authors_files_may_borrow_the_configuration_of_another_head() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("caption.pth");
    fs::copy(fixture("orig/caption.pth"), &path).unwrap();
    fs::copy(fixture("tiny_itm/config.json"), folder.path().join("config.json")).unwrap();
    assert_eq!(open(&path).unwrap().config.kind, Kind::Captioner);
}

#[test]
fn an_id_beyond_the_word_table_is_refused() {
    for key in ["bos_token_id", "sep_token_id", "pad_token_id"] {
        let folder = captioner(|config| config["text_config"][key] = json!(99_999));
        let reason = reason(folder.path());
        assert!(reason.contains(key) && reason.contains("99999"), "{reason}");
    }
}

/// What lies beside the published captioners.
fn published() -> Value {
    json!({
        "do_normalize": true,
        "do_pad": true,
        "do_rescale": true,
        "do_resize": true,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_processor_type": "BlipImageProcessor",
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "processor_class": "BlipProcessor",
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": { "height": 384, "width": 384 },
        "size_divisor": 32
    })
}

#[test]
fn the_preprocessing_of_published_models_is_the_authors() {
    let read = Inputs::read(Some(&published().to_string()), 384).unwrap();
    assert_eq!(read, Inputs::new(384));
}

#[test]
fn preprocessing_that_would_make_other_pixels_is_refused() {
    for (key, value) in [
        ("resample", json!(0)),
        ("do_resize", json!(false)),
        ("do_center_crop", json!(true)),
        ("do_rescale", json!(false)),
        ("rescale_factor", json!(1.0)),
    ] {
        let mut theirs = published();
        theirs[key] = value;
        match Inputs::read(Some(&theirs.to_string()), 384) {
            Err(Error::Config { reason }) => assert!(reason.contains(key), "{reason}"),
            other => panic!("{key}: {other:?}"),
        }
    }
}

#[test]
fn preprocessing_without_normalizing_leaves_levels_between_zero_and_one() {
    let mut theirs = published();
    theirs["do_normalize"] = json!(false);
    let Inputs { pixels: Preprocessor { mean, std, .. }, .. } = Inputs::read(Some(&theirs.to_string()), 384).unwrap();
    assert_eq!((mean, std), ([0.0; 3], [1.0; 3]));
}

#[test]
fn a_tokenizer_that_cannot_be_used_is_named() {
    for (file, text) in [("tokenizer.json", "{nope"), ("vocab.txt", "[PAD]\na\nb\n")] {
        let folder = captioner(|_| {});
        let path = folder.path().join(file);
        fs::write(&path, text).unwrap();
        match Pipeline::load(folder.path(), &device("cpu"), &LoadOptions::default(), &mut silent) {
            Err(Error::Tokenizer { reason }) => assert!(reason.starts_with(path.to_str().unwrap()), "{reason}"),
            other => panic!("{file}: {:?}", other.map(|pipeline| pipeline.tokens())),
        }
    }
}

#[test]
fn a_model_that_computes_no_numbers_is_named() {
    let folder = captioner(|_| {});
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let weight = file.tensor("vision_model.encoder.layers.0.self_attn.qkv.weight").unwrap();
    let at = weight.data().as_ptr() as usize - bytes.as_ptr() as usize;
    bytes[at..at + 4].copy_from_slice(&3e38_f32.to_le_bytes());
    fs::write(&path, bytes).unwrap();

    let pipeline = Pipeline::load(folder.path(), &device("cpu"), &LoadOptions::default(), &mut silent).unwrap();
    let mut picture = std::io::Cursor::new(Vec::new());
    DynamicImage::new_rgb8(8, 8).write_to(&mut picture, ImageFormat::Png).unwrap();
    let seen = pipeline.see(&[pipeline.pixels(&picture.into_inner()).unwrap()]);
    match pollster::block_on(pipeline.caption(&seen, &CaptionOptions::default(), &mut silent)) {
        Err(error @ Error::NotNumbers { .. }) => {
            let message = error.to_string();
            assert!(message.starts_with(folder.path().to_str().unwrap()), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn inspecting_compares_the_configuration_with_the_tensors() {
    let options = LoadOptions::default();
    let sound = inspect(captioner(|_| {}).path(), &options).unwrap();
    assert_eq!(sound.contradiction, None);
    let wider = captioner(|config| config["text_config"]["hidden_size"] = json!(96));
    let contradiction = inspect(wider.path(), &options).unwrap().contradiction.unwrap();
    assert!(contradiction.contains("128, 48") && contradiction.contains("128, 96"), "{contradiction}");
    let flatter = captioner(|config| config["vision_config"]["num_hidden_layers"] = json!(1));
    let contradiction = inspect(flatter.path(), &options).unwrap().contradiction.unwrap();
    assert!(contradiction.contains("layers.1."), "{contradiction}");
}

/// Two thousand million pixels in a row are refused as pixels, not as what memory a decoder may take.
#[test]
fn a_header_of_the_longest_row_is_refused_for_its_pixels() {
    let mut picture = std::io::Cursor::new(Vec::new());
    DynamicImage::new_rgb8(8, 2).write_to(&mut picture, ImageFormat::Png).unwrap();
    let mut bytes = picture.into_inner();
    bytes[16..20].copy_from_slice(&2_000_000_000_u32.to_be_bytes());
    match decode(&bytes, Alpha::Drop, 100_000_000) {
        Err(Error::TooManyPixels { width, height, .. }) => assert_eq!((width, height), (2_000_000_000, 2)),
        other => panic!("{:?}", other.map(|image| image.dimensions())),
    }
}
