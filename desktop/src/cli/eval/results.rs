//! Files of results in the forms that official tools read.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A number where the dataset's name for something is one.
pub fn id_value(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| json!(id), |id| json!(id))
}

/// Writes one JSON list.
pub fn write_list(path: &Path, results: &[Value]) -> Result<()> {
    std::fs::write(path, serde_json::to_vec(results)?).with_context(|| format!("could not write {}", path.display()))
}
