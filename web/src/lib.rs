//! Medley for JavaScript: translates, and holds no model logic.
//!
//! A page opens a device, hands over a `.safetensors` file and asks:
//!
//! ```js
//! const medley = await Medley.open("auto");
//! medley.load(new Uint8Array(await (await fetch("model.safetensors")).arrayBuffer()));
//! const caption = await medley.caption(new Uint8Array(await picture.arrayBuffer()));
//! ```

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use js_sys::Uint8Array;
use medley::checkpoint::Weights;
use medley::progress::silent;
use medley::{CaptionOptions, LoadOptions, OpenDevice, Pipeline};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// What stands for the file in messages; a page has no paths.
const MODEL_NAME: &str = "model.safetensors";

/// Writes panics to the page's console.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// A device and, once loaded, the model on it.
///
/// JavaScript queues its calls: one at a time reaches the device.
#[wasm_bindgen]
pub struct Medley {
    open: OpenDevice,
    // Shared, so that a call in flight keeps the model it began with.
    pipeline: RefCell<Option<Rc<Pipeline>>>,
}

#[wasm_bindgen]
impl Medley {
    /// Opens `auto`, `cpu` or `gpu`; `auto` falls back to the CPU where there is no GPU.
    ///
    /// # Errors
    /// A name that is none of these, or no GPU where one is asked for.
    pub async fn open(device: &str) -> Result<Medley, JsError> {
        let open = medley::device::open(device.parse().map_err(to_js)?).await.map_err(to_js)?;
        Ok(Self { open, pipeline: RefCell::new(None) })
    }

    /// The name a person would know the device by.
    #[wasm_bindgen(getter)]
    pub fn device_name(&self) -> String {
        self.open.name.clone()
    }

    /// Loads a `.safetensors` file with its configuration and tokenizer inside; replaces the model before.
    ///
    /// # Errors
    /// A file that is damaged, lacks a tensor or has no tokenizer; the model before stays.
    pub fn load(&self, file: &Uint8Array) -> Result<(), JsError> {
        let weights = Weights::from_memory(MODEL_NAME, to_shared(file)).map_err(to_js)?;
        let options = LoadOptions::default();
        let pipeline = Pipeline::load_weights(&weights, &self.open.device, &options, &mut silent).map_err(to_js)?;
        *self.pipeline.borrow_mut() = Some(Rc::new(pipeline));
        Ok(())
    }

    /// The best caption of a picture in any format the library decodes.
    ///
    /// # Errors
    /// No model loaded, a model that does not write, a picture that cannot be read.
    pub async fn caption(&self, picture: Vec<u8>) -> Result<String, JsError> {
        let pipeline = self.pipeline()?;
        let pixels = pipeline.pixels(&picture).map_err(to_js)?;
        let captions = pipeline.caption(&[pixels], &CaptionOptions::default(), &mut silent).await.map_err(to_js)?;
        let best = captions.into_iter().flatten().next();
        best.map(|caption| caption.text).ok_or_else(|| JsError::new("the model wrote nothing"))
    }
}

impl Medley {
    fn pipeline(&self) -> Result<Rc<Pipeline>, JsError> {
        self.pipeline.borrow().clone().ok_or_else(|| JsError::new("load a model first"))
    }
}

/// Copies bytes out of JavaScript once: a model is too large to lie in memory twice.
fn to_shared(bytes: &Uint8Array) -> Arc<[u8]> {
    let mut shared: Arc<[u8]> = std::iter::repeat_n(0, bytes.length() as usize).collect();
    bytes.copy_to(Arc::get_mut(&mut shared).expect("nobody else holds it yet"));
    shared
}

/// An error with its causes, as JavaScript's `Error`.
fn to_js(error: medley::Error) -> JsError {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        message += &format!(": {inner}");
        cause = inner.source();
    }
    JsError::new(&message)
}
