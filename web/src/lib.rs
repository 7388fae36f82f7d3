//! Medley for JavaScript: translates, and holds no model logic.
//!
//! A worker opens a device, hands over a `.safetensors` file and asks:
//!
//! ```js
//! const medley = await Medley.open("auto");
//! medley.load(file.size, (offset, length) => read(file, offset, length), () => true);
//! await medley.see(1, new Uint8Array(await picture.arrayBuffer()));
//! const [best] = await medley.caption(1, {}, text => { show(text); return true; });
//! ```

mod constructors;
mod elsewhere;
mod event_loop;
#[cfg(feature = "learn")]
mod learn;
mod options;
#[cfg(feature = "threads")]
mod threads;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use js_sys::{Float32Array, Function, Object, Reflect};
use medley::checkpoint::Weights;
use medley::pipeline::{Evidence, Seen, Standing, probability, standing};
use medley::{Caption, LoadOptions, OpenDevice, Pipeline, Progress};
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsError, JsValue};

use elsewhere::Elsewhere;
use event_loop::sharing;
use options::{Options, to_js};

/// What stands for the file in messages; a page has no paths.
const MODEL_NAME: &str = "model.safetensors";

/// Runs constructors, and writes panics to the page's console.
#[wasm_bindgen(start)]
pub fn start() {
    constructors::run();
    console_error_panic_hook::set_once();
}

/// A device and, once loaded, the model on it with the pictures it has seen.
///
/// The worker queues its calls: one at a time reaches the device. A task gives way between two
/// tokens, so that the worker hears a wish to cancel.
#[wasm_bindgen]
pub struct Medley {
    open: OpenDevice,
    // Shared, so that a call in flight keeps the model it began with.
    pipeline: RefCell<Option<Rc<Pipeline>>>,
    seen: RefCell<HashMap<u32, Seen>>,
    /// By which pictures are found, also those that were shelved.
    features: RefCell<HashMap<u32, Vec<f32>>>,
}

#[wasm_bindgen]
impl Medley {
    /// Opens `auto`, `cpu`, `gpu` or `software`; `auto` falls back to the CPU where there is no GPU.
    ///
    /// # Errors
    /// A name that is none of these, or no GPU where one is asked for.
    pub async fn open(device: &str) -> Result<Medley, JsError> {
        let open = medley::device::open(device.parse().map_err(failed)?).await.map_err(failed)?;
        Ok(Self { open, pipeline: RefCell::default(), seen: RefCell::default(), features: RefCell::default() })
    }

    /// The name a person would know the device by.
    #[wasm_bindgen(getter, js_name = deviceName)]
    pub fn device_name(&self) -> String {
        self.open.name.clone()
    }

    /// Whether it is a GPU.
    #[wasm_bindgen(getter, js_name = isGpu)]
    pub fn is_gpu(&self) -> bool {
        self.open.is_gpu
    }

    /// Loads a `.safetensors` file of this many bytes, one tensor at a time, through
    /// `read(offset, length)`; replaces the model before and forgets what that has seen.
    ///
    /// `files` holds the texts of files beside it by name, where its configuration and tokenizer
    /// are not inside: `config.json`, `tokenizer.json`, `vocab.txt`, `preprocessor_config.json`.
    /// `report(done, total)` hears of bytes and answers `false` to stop.
    ///
    /// # Errors
    /// A file that is damaged, lacks a tensor or has no tokenizer; the model before stays.
    pub fn load(&self, num_bytes: f64, read: Function, report: &Function, files: &JsValue) -> Result<(), JsError> {
        let mut weights =
            Weights::from_elsewhere(MODEL_NAME, Box::new(Elsewhere::new(num_bytes as u64, read))).map_err(failed)?;
        if let Some(files) = files.dyn_ref::<Object>() {
            for name in Object::keys(files).iter().filter_map(|name| name.as_string()) {
                let text = Reflect::get(files, &JsValue::from_str(&name)).ok().and_then(|text| text.as_string());
                let text = text.ok_or_else(|| JsError::new(&format!("{name} must be a text")))?;
                weights = weights.with_file(&name, text);
            }
        }
        let mut report = |progress| match progress {
            Progress::Loading { done, total } => {
                let said = report.call2(&JsValue::NULL, &JsValue::from(done as f64), &JsValue::from(total as f64));
                flow(&said)
            }
            _ => ControlFlow::Continue(()),
        };
        let options = LoadOptions::default();
        let pipeline = Pipeline::load_weights(&weights, &self.open.device, &options, &mut report).map_err(failed)?;
        self.seen.borrow_mut().clear();
        self.features.borrow_mut().clear();
        *self.pipeline.borrow_mut() = Some(Rc::new(pipeline));
        Ok(())
    }

    /// What the loaded model is and can do; `undefined` before.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(getter)]
    pub fn model(&self) -> Result<JsValue, JsError> {
        let Some(pipeline) = self.pipeline.borrow().clone() else { return Ok(JsValue::UNDEFINED) };
        to_js(&json!({
            "kind": pipeline.config().kind.name(),
            "parameters": pipeline.num_parameters(),
            "imageSizePx": pipeline.config().vision.image_size_px,
            "canCaption": pipeline.can_caption(),
            "canAnswer": pipeline.can_answer(),
            "canMatch": pipeline.can_match(),
            "prompt": pipeline.inputs().prompt.trim_end(),
        }))
    }

    /// Reads a picture in any format the library decodes, runs the image encoder and keeps what
    /// it made of it under this number.
    ///
    /// # Errors
    /// No model loaded, a picture that cannot be read, a lost device.
    pub async fn see(&self, id: u32, picture: Vec<u8>) -> Result<(), JsError> {
        let pipeline = self.pipeline()?;
        let pixels = pipeline.pixels(&picture).map_err(failed)?;
        drop(picture);
        let seen = pipeline.see(&[pixels]);
        sharing(seen.wait()).await.map_err(failed)?;
        if pipeline.can_match() {
            let feature = sharing(pipeline.features(&seen)).await.map_err(failed)?.concat();
            self.features.borrow_mut().insert(id, feature);
        }
        self.seen.borrow_mut().insert(id, seen);
        Ok(())
    }

    /// Frees what the image encoder made of a picture; [`similarities`](Self::similarities) still knows it.
    pub fn shelve(&self, id: u32) {
        self.seen.borrow_mut().remove(&id);
    }

    /// Frees all that was kept of a picture.
    pub fn forget(&self, id: u32) {
        self.shelve(id);
        self.features.borrow_mut().remove(&id);
    }

    /// Captions of a picture, the best first. `on_text` hears the text after every token and
    /// answers `false` to stop.
    ///
    /// # Errors
    /// A picture not seen, a model that does not write, options that make no sense, `cancelled`.
    pub async fn caption(&self, id: u32, options: &JsValue, on_text: &Function) -> Result<JsValue, JsError> {
        let (pipeline, seen) = (self.pipeline()?, self.seen(id)?);
        let options = Options::read(options)?.caption();
        let mut report = heard(on_text);
        let captions = sharing(pipeline.caption(&seen, &options, &mut report)).await.map_err(failed)?;
        texts(&captions.into_iter().flatten().collect::<Vec<_>>())
    }

    /// Answers to a question about a picture, the best first; as [`caption`](Self::caption).
    ///
    /// # Errors
    /// As [`caption`](Self::caption), and an empty question.
    pub async fn answer(
        &self,
        id: u32,
        question: String,
        options: &JsValue,
        on_text: &Function,
    ) -> Result<JsValue, JsError> {
        let (pipeline, seen) = (self.pipeline()?, self.seen(id)?);
        let options = Options::read(options)?.answer();
        let mut report = heard(on_text);
        let answers = sharing(pipeline.answer(&seen, &question, &options, &mut report)).await.map_err(failed)?;
        texts(&answers)
    }

    /// How well each text describes a picture: `{probability, similarity}`.
    ///
    /// # Errors
    /// A picture not seen, a model that does not match, an empty text.
    #[wasm_bindgen(js_name = match)]
    pub async fn match_texts(&self, id: u32, texts: Vec<String>) -> Result<JsValue, JsError> {
        let (pipeline, seen) = (self.pipeline()?, self.seen(id)?);
        let matches = sharing(pipeline.match_texts(&seen, &texts, false)).await.map_err(failed)?;
        let of = |found: &medley::Match| json!({ "probability": found.probability, "similarity": found.similarity });
        to_js(&matches.iter().map(of).collect::<Vec<_>>())
    }

    /// What the features alone say of a text that is searched for and each of these pictures, in their order; they may
    /// be shelved: `{similarity, probability, isAhead, score}`.
    ///
    /// Those that are ahead come first, and then the higher score.
    ///
    /// # Errors
    /// As [`match_texts`](Self::match_texts).
    pub async fn search(&self, text: String, ids: Vec<u32>) -> Result<JsValue, JsError> {
        let pipeline = self.pipeline()?;
        let mut silent = |_| ControlFlow::Continue(());
        let query = sharing(pipeline.text_features(std::slice::from_ref(&text), &mut silent)).await.map_err(failed)?;
        let (features, words) = (self.features.borrow(), Pipeline::count_words(&text));
        let found = |id: &u32| {
            let feature = features.get(id).ok_or_else(|| unseen(*id))?;
            let similarity = feature.iter().zip(&query[0]).map(|(a, b)| a * b).sum();
            Ok(weighed(&pipeline, Evidence { similarity, reading: None, words }))
        };
        to_js(&ids.iter().map(found).collect::<Result<Vec<_>, JsError>>()?)
    }

    /// What [`search`](Self::search) says of a picture once it is read together with the text, given their similarity.
    ///
    /// # Errors
    /// As [`match_texts`](Self::match_texts).
    pub async fn read(&self, id: u32, text: String, similarity: f32) -> Result<JsValue, JsError> {
        let (pipeline, seen) = (self.pipeline()?, self.seen(id)?);
        let words = Pipeline::count_words(&text);
        let readings = sharing(pipeline.readings(&seen, &[text], pipeline.hears_decoder())).await.map_err(failed)?;
        to_js(&weighed(&pipeline, Evidence { similarity, reading: Some(readings[0][0]), words }))
    }

    /// What the model looked at for each word of a text: `{words, side, maps}`, a map of
    /// `side * side` shares for each word.
    ///
    /// # Errors
    /// A picture not seen, a model that does not write, an empty text.
    pub async fn look(&self, id: u32, text: String) -> Result<JsValue, JsError> {
        let (pipeline, seen) = (self.pipeline()?, self.seen(id)?);
        let look = sharing(pipeline.look(&seen, &text)).await.map_err(failed)?;
        let object = to_js(&json!({ "words": look.words, "side": look.side }))?;
        let maps = Float32Array::from(look.maps.concat().as_slice());
        let set = Reflect::set(&object, &JsValue::from_str("maps"), &maps);
        set.map_err(|_| JsError::new("a result could not be handed over"))?;
        Ok(object)
    }
}

impl Medley {
    fn pipeline(&self) -> Result<Rc<Pipeline>, JsError> {
        self.pipeline.borrow().clone().ok_or_else(|| JsError::new("load a model first"))
    }

    fn seen(&self, id: u32) -> Result<Seen, JsError> {
        self.seen.borrow().get(&id).cloned().ok_or_else(|| unseen(id))
    }
}

/// What evidence of a search comes to.
fn weighed(pipeline: &Pipeline, evidence: Evidence) -> Value {
    let Standing { is_ahead, score } = standing(pipeline.calibration(), evidence);
    json!({
        "similarity": evidence.similarity,
        "probability": probability(pipeline.calibration(), evidence),
        "isAhead": is_ahead,
        "score": score,
    })
}

fn unseen(id: u32) -> JsError {
    JsError::new(&format!("picture {id} was not seen yet"))
}

/// A report that hands every text to JavaScript.
fn heard(on_text: &Function) -> impl FnMut(Progress) -> ControlFlow<()> + '_ {
    |progress| match progress {
        Progress::Text { text, .. } => flow(&on_text.call1(&JsValue::NULL, &JsValue::from_str(&text))),
        _ => ControlFlow::Continue(()),
    }
}

/// JavaScript stops a task by `false`, and by throwing.
fn flow(said: &Result<JsValue, JsValue>) -> ControlFlow<()> {
    match said {
        Ok(said) if said.as_bool() != Some(false) => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }
}

fn texts(texts: &[Caption]) -> Result<JsValue, JsError> {
    let of = |text: &Caption| json!({ "text": text.text, "confidence": text.confidence });
    to_js(&texts.iter().map(of).collect::<Vec<_>>())
}

/// An error with its causes, as JavaScript's `Error`.
fn failed(error: medley::Error) -> JsError {
    JsError::new(&error.with_causes())
}
