//! Learning in a page: captions that a visitor wrote, taught to the model that is loaded.

use std::io::Write;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use js_sys::{Function, Uint8Array};
use medley::Progress;
use medley::checkpoint::{Dtype, save_to};
use medley::data::{CaptionExample, Picture};
use medley::teach::{TeachOptions, teach};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use super::event_loop::sharing;
use super::{Medley, failed, flow};

/// Bytes of a model that are handed over at once.
const PIECE_BYTES: usize = 4 << 20;

#[wasm_bindgen]
impl Medley {
    /// Teaches the model to write a caption for each of these pictures, which it has in any format the library
    /// decodes; a model that also reads texts reads them as before.
    ///
    /// `report(done, total, loss)` hears of every step and answers `false` to stop: the model then stays as it was.
    /// It ends before `total` where the captions are known before.
    ///
    /// # Errors
    /// No model loaded or one that does not write, as many captions as pictures are wanted and not there, a picture
    /// that cannot be read, a lost device, `cancelled`.
    pub async fn teach(
        &self,
        pictures: Vec<Uint8Array>,
        captions: Vec<String>,
        report: &Function,
    ) -> Result<(), JsError> {
        let pipeline = self.pipeline()?;
        if pictures.len() != captions.len() {
            return Err(JsError::new("there must be a caption for each picture"));
        }
        let lesson = |(index, (picture, caption)): (usize, (Uint8Array, String))| {
            let name = format!("picture {}", index + 1);
            let image = Picture::Memory { name: name.clone(), bytes: Arc::from(picture.to_vec()) };
            CaptionExample { image, captions: vec![caption], id: name }
        };
        let lessons: Vec<CaptionExample> = pictures.into_iter().zip(captions).enumerate().map(lesson).collect();
        let mut heard = |progress| match progress {
            Progress::Step { step, total, loss, .. } => {
                let [step, total, loss] = [step as f64, total as f64, f64::from(loss)].map(JsValue::from);
                flow(&report.call3(&JsValue::NULL, &step, &total, &loss))
            }
            _ => ControlFlow::Continue(()),
        };
        let options = TeachOptions::default();
        let taught = sharing(teach(&pipeline, &lessons, &options, &mut heard)).await.map_err(failed)?;
        // What was seen stays: the image encoder is as it was.
        *self.pipeline.borrow_mut() = Some(Rc::new(taught));
        Ok(())
    }

    /// Writes the model as one `.safetensors` file in 16 bits, handing its bytes to `write` from first to last.
    ///
    /// # Errors
    /// No model loaded, a lost device, what `write` throws.
    pub async fn save(&self, write: Function) -> Result<(), JsError> {
        let checkpoint = self.pipeline()?.to_checkpoint().map_err(failed)?;
        let mut out = std::io::BufWriter::with_capacity(PIECE_BYTES, Pieces(write));
        sharing(save_to(&checkpoint, &mut out, Dtype::F16)).await.map_err(failed)?;
        out.flush().map_err(|error| JsError::new(&error.to_string()))
    }
}

/// Hands bytes to JavaScript.
struct Pieces(Function);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.0.call1(&JsValue::NULL, &Uint8Array::from(bytes));
        written.map(|_| bytes.len()).map_err(|_| std::io::Error::other("the page could not take the model"))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
