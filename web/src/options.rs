//! What JavaScript asks for, as the library's options.

use js_sys::JSON;
use medley::generate::{GenerateConfig, Strategy};
use medley::{AnswerOptions, CaptionOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsError, JsValue};

/// How a text is written; what is left out is as the task has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    strategy: Option<StrategyName>,
    beams: Option<usize>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    temperature: Option<f32>,
    seed: Option<u64>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    repetition_penalty: Option<f32>,
    no_repeat_ngram: Option<usize>,
    count: Option<usize>,
    prompt: Option<String>,
    similarity_weight: Option<f32>,
    choices: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StrategyName {
    Beam,
    Greedy,
    Sample,
}

impl Options {
    /// Reads a JavaScript object; `undefined` and `null` are one without properties.
    ///
    /// # Errors
    /// A property nobody knows, or of the wrong type.
    pub fn read(object: &JsValue) -> Result<Self, JsError> {
        if object.is_undefined() || object.is_null() {
            return Ok(Self::default());
        }
        from_js(object)
    }

    /// As options for captions.
    pub fn caption(self) -> CaptionOptions {
        let default = CaptionOptions::default();
        CaptionOptions {
            generate: self.generate(default.generate),
            similarity_weight: self.similarity_weight.unwrap_or(default.similarity_weight),
            prompt: self.prompt,
        }
    }

    /// As options for answers.
    pub fn answer(self) -> AnswerOptions {
        AnswerOptions {
            generate: self.generate(GenerateConfig::answering()),
            choices: self.choices,
            ..AnswerOptions::default()
        }
    }

    fn generate(&self, default: GenerateConfig) -> GenerateConfig {
        let num_texts = self.count.unwrap_or(default.num_texts);
        let strategy = match self.strategy {
            Some(StrategyName::Greedy) => Strategy::Greedy,
            Some(StrategyName::Sample) => Strategy::Sample {
                top_p: self.top_p.unwrap_or(0.9),
                top_k: self.top_k.unwrap_or(0),
                temperature: self.temperature.unwrap_or(1.0),
                seed: self.seed.unwrap_or(0),
            },
            _ => Strategy::beam(self.beams.unwrap_or(3).max(num_texts)),
        };
        GenerateConfig {
            strategy,
            min_length: self.min_length.unwrap_or(default.min_length),
            max_length: self.max_length.unwrap_or(default.max_length),
            repetition_penalty: self.repetition_penalty.unwrap_or(default.repetition_penalty),
            no_repeat_ngram: self.no_repeat_ngram.unwrap_or(default.no_repeat_ngram),
            num_texts,
        }
    }
}

/// A value as JavaScript has it.
///
/// # Errors
/// None in practice: what is given is always JSON.
pub fn to_js(value: &impl Serialize) -> Result<JsValue, JsError> {
    let json = serde_json::to_string(value).map_err(|error| JsError::new(&error.to_string()))?;
    JSON::parse(&json).map_err(|_| JsError::new("a result could not be handed over"))
}

fn from_js<T: DeserializeOwned>(object: &JsValue) -> Result<T, JsError> {
    let json = JSON::stringify(object).map_err(|_| JsError::new("options must be a plain object"))?;
    serde_json::from_str(&String::from(json)).map_err(|error| JsError::new(&error.to_string()))
}
