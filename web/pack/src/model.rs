//! The built-in model, and a list by which the page checks its pieces as they arrive.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};

/// A broken connection costs at most this much again.
const PIECE_BYTES: usize = 4 << 20;

/// Copies the model into `folder`, a `.json` of its name beside it.
pub fn add(model: &Path, folder: &Path) -> Result<()> {
    let bytes = fs::read(model).with_context(|| format!("could not read {}", model.display()))?;
    let name = model.file_stem().expect("a file has a name").to_string_lossy().into_owned();
    let pieces: Vec<String> = bytes.chunks(PIECE_BYTES).map(hash).collect();
    let about = json!({
        "name": name,
        "file": format!("{name}.safetensors"),
        "bytes": bytes.len(),
        "sha256": hash(&bytes),
        "pieceBytes": PIECE_BYTES,
        "pieces": pieces,
        "licence": "research and demonstration",
        "can": abilities(&bytes)?,
    });
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("{name}.safetensors")), &bytes)?;
    fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(&about)?)?;
    Ok(())
}

/// What a model can do, from the kind its configuration names.
fn abilities(bytes: &[u8]) -> Result<Vec<&'static str>> {
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length) as usize).context("no header")?;
    let header: serde_json::Value = serde_json::from_slice(bytes.get(8..8 + length).context("no header")?)?;
    let config = header["__metadata__"]["medley.config"].as_str().context("no configuration")?;
    let config: serde_json::Value = serde_json::from_str(config)?;
    let answers = !config["answer_layers"].is_null();
    Ok(match config["kind"].as_str() {
        Some("captioner") => vec!["caption"],
        Some("matcher") => vec!["match"],
        Some("answerer") => vec!["answer"],
        Some("pretraining") if answers => vec!["caption", "answer", "match"],
        Some("pretraining") => vec!["caption", "match"],
        _ => Vec::new(),
    })
}

pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
