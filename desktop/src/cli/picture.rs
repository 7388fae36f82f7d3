//! A picture file into pixels.

use std::path::Path;

use anyhow::{Context, Result};
use medley::{Error, Pipeline};

/// The limit of `--max-pixels` where none is given: 100 megapixels.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Reads and decodes a picture; the error begins with its path.
pub fn read(pipeline: &Pipeline, path: &Path) -> Result<Vec<f32>> {
    let about = std::fs::metadata(path).map_err(|error| plain(&error)).with_context(|| path.display().to_string())?;
    if about.is_dir() {
        anyhow::bail!("{}: is a folder, a picture was expected", path.display());
    }
    let bytes = std::fs::read(path).map_err(|error| plain(&error)).with_context(|| path.display().to_string())?;
    pipeline.pixels(&bytes).map_err(advised).with_context(|| path.display().to_string())
}

/// What the system said, without its number.
fn plain(error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!(match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read".to_owned(),
        _ => error.to_string(),
    })
}

fn advised(error: Error) -> anyhow::Error {
    match error {
        Error::TooManyPixels { .. } => anyhow::anyhow!("{error}; raise it with --max-pixels"),
        other => other.into(),
    }
}
