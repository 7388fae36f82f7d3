//! A file in the page's storage, read piece by piece.

use std::io;

use js_sys::{Function, Uint8Array};
use medley::checkpoint::ReadAt;
use wasm_bindgen::{JsCast, JsValue};

/// A file that a function of the worker reads: `(offset, length) => Uint8Array`.
#[derive(Debug)]
pub struct Elsewhere {
    num_bytes: u64,
    read: Function,
}

impl Elsewhere {
    pub fn new(num_bytes: u64, read: Function) -> Self {
        Self { num_bytes, read }
    }
}

impl ReadAt for Elsewhere {
    fn num_bytes(&self) -> u64 {
        self.num_bytes
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        if offset.checked_add(length as u64).is_none_or(|end| end > self.num_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Whole numbers up to 2^53 are exact in JavaScript.
        let bytes = self
            .read
            .call2(&JsValue::NULL, &JsValue::from_f64(offset as f64), &JsValue::from_f64(length as f64))
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
        let bytes: Uint8Array = bytes.dyn_into().map_err(|_| io::Error::other("what was read is no Uint8Array"))?;
        if bytes.length() as usize != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes.to_vec())
    }
}
