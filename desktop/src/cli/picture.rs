//! A picture file into pixels.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use medley::{Error, Pipeline};

use super::plain;
use crate::library::decode::whole_bytes;

/// The limit of `--max-pixels` where none is given: 100 megapixels.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Reads and decodes a picture; the error begins with its path.
pub fn read(pipeline: &Pipeline, path: &Path) -> Result<Vec<f32>> {
    let pixels = || -> Result<Vec<f32>> {
        let preprocessor = &pipeline.inputs().pixels;
        let picture = whole_bytes(path, &bytes(path)?, preprocessor.alpha, preprocessor.max_pixels).map_err(advised)?;
        Ok(preprocessor.pixels_of(&picture))
    };
    pixels().with_context(|| path.display().to_string())
}

/// The bytes of a file that has an end: a device may have none, and a pipe waits for whoever writes.
fn bytes(path: &Path) -> Result<Vec<u8>> {
    let about = std::fs::metadata(path).map_err(|error| anyhow!(plain(&error)))?;
    if about.is_dir() {
        bail!("is a folder, a picture was expected");
    }
    if !about.is_file() {
        bail!("is no ordinary file, a picture was expected");
    }
    std::fs::read(path).map_err(|error| anyhow!(plain(&error)))
}

fn advised(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(Error::TooManyPixels { .. }) => anyhow!("{error}; raise it with --max-pixels"),
        _ => error,
    }
}
