//! The service worker's version and list of files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// What the service worker's source has before it is stamped.
const VERSION: &str = "const VERSION = \"dev\";";
const FILES: &str = "const FILES = [];";

/// Writes into `sw.js` which files make up the page, and a version that changes with any of them.
///
/// The models are left out: the page keeps them itself, and only the one that is used. So are the
/// modules with threads and for learning: the service worker keeps them once a page has asked for them.
pub fn stamp(out: &Path) -> Result<()> {
    let worker = out.join("sw.js");
    let source = fs::read_to_string(&worker).with_context(|| format!("could not read {}", worker.display()))?;
    let (mut names, mut version) = (Vec::new(), Sha256::new());
    for path in super::files(out)? {
        let name = path.strip_prefix(out).expect("lies in it").to_string_lossy().replace('\\', "/");
        version.update(name.as_bytes());
        version.update(fs::read(&path)?);
        let is_kept_later = name.starts_with("threads/") || name.starts_with("learn/");
        if !name.ends_with(".safetensors") && !name.ends_with(".d.ts") && name != "sw.js" && !is_kept_later {
            names.push(name);
        }
    }
    let version: String = version.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    ensure!(source.contains(VERSION) && source.contains(FILES), "sw.js has no place for its version and files");
    let source = source
        .replace(VERSION, &format!("const VERSION = \"{version}\";"))
        .replace(FILES, &format!("const FILES = {};", serde_json::to_string(&names)?));
    fs::write(&worker, source).with_context(|| format!("could not write {}", worker.display()))
}
