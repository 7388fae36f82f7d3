//! candle's captioner behind plain exported functions: `engines/candle.js` calls them.

use std::cell::RefCell;

use candle_core::{D, DType, Device, Module, Result, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::blip::{BlipForConditionalGeneration, Config, VisionConfig};
use candle_transformers::models::blip_text;

struct Captioner {
    model: BlipForConditionalGeneration,
    states: Option<Tensor>,
}

thread_local! {
    static CAPTIONER: RefCell<Option<Captioner>> = const { RefCell::new(None) };
}

/// Room for `len` bytes, which `load` or `see` takes over.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(len: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; len].into_boxed_slice()).cast()
}

/// Takes back the bytes that `reserve` gave.
///
/// # Safety
/// `reserve(len)` gave `bytes`, and nobody took it yet.
unsafe fn taken(bytes: *mut u8, len: usize) -> Vec<u8> {
    // SAFETY: as promised.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(bytes, len)) }.into_vec()
}

/// Builds the model from a checkpoint of so many layers each.
///
/// # Safety
/// `reserve(len)` gave `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn load(bytes: *mut u8, len: usize, layers: usize) {
    // SAFETY: as promised.
    let bytes = unsafe { taken(bytes, len) };
    let model = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu)
        .and_then(|weights| BlipForConditionalGeneration::new(&config(layers), weights))
        .expect("a checkpoint of these sizes");
    CAPTIONER.set(Some(Captioner { model, states: None }));
}

/// Runs the image encoder over pixels and writes the first `first` of its numbers over them.
///
/// # Safety
/// `reserve(len)` gave `pixels`, which stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn see(pixels: *mut f32, len: usize, first: usize) {
    // SAFETY: as promised.
    let pixels = unsafe { std::slice::from_raw_parts_mut(pixels, len / size_of::<f32>()) };
    with(|captioner| {
        let tensor = Tensor::from_slice(pixels, (1, 3, 384, 384), &Device::Cpu)?;
        let states = captioner.model.vision_model().forward(&tensor)?;
        pixels[..first].copy_from_slice(&states.flatten_all()?.narrow(0, 0, first)?.to_vec1()?);
        captioner.states = Some(states);
        Ok(())
    })
}

/// Begins a caption anew.
#[unsafe(no_mangle)]
pub extern "C" fn begin() {
    with(|captioner| {
        captioner.model.reset_kv_cache();
        Ok(())
    })
}

/// The likeliest id but `barred` after these, which follow the ones before.
///
/// # Safety
/// `reserve(4 * count)` gave `ids`, which stay the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn next(ids: *const u32, count: usize, barred: usize) -> u32 {
    // SAFETY: as promised.
    let ids = unsafe { std::slice::from_raw_parts(ids, count) };
    with(|captioner| {
        let states = captioner.states.as_ref().expect("a picture was seen");
        let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
        let logits = captioner.model.text_decoder().forward(&ids, states)?.squeeze(0)?;
        let mut last: Vec<f32> = logits.get(logits.dim(0)? - 1)?.to_vec1()?;
        last[barred] = f32::NEG_INFINITY;
        Tensor::new(last, &Device::Cpu)?.argmax(D::Minus1)?.to_scalar()
    })
}

fn with<T>(work: impl FnOnce(&mut Captioner) -> Result<T>) -> T {
    CAPTIONER
        .with_borrow_mut(|captioner| work(captioner.as_mut().expect("a model was loaded")))
        .expect("candle computes")
}

/// ViT-B/16 at 384 px and BERT-base.
fn config(layers: usize) -> Config {
    Config {
        text_config: blip_text::Config {
            vocab_size: 30524,
            hidden_size: 768,
            encoder_hidden_size: 768,
            intermediate_size: 3072,
            projection_dim: 768,
            num_hidden_layers: layers,
            num_attention_heads: 12,
            max_position_embeddings: 512,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-12,
            is_decoder: true,
        },
        vision_config: VisionConfig {
            hidden_size: 768,
            intermediate_size: 3072,
            projection_dim: 512,
            num_hidden_layers: layers,
            num_attention_heads: 12,
            image_size: 384,
            patch_size: 16,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-5,
        },
        projection_dim: 512,
        image_text_hidden_size: 256,
    }
}
