//! Assembles the page: `medley-web-pack OUT MODULE.wasm [threads=MODULE.wasm] [learn=MODULE.wasm]`.
//!
//! JavaScript for the module, and for those with threads and for learning where there are such, the page's files, the
//! built-in model with a list of its pieces, sample pictures, and a service worker that knows them all.

mod model;
mod module;
mod offline;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The repository's pictures that the page offers to those who brought none.
const SAMPLES: [&str; 3] = ["astronaut.jpg", "chelsea.jpg", "coffee.jpg"];

const USAGE: &str = "usage: medley-web-pack OUT MODULE.wasm [threads=MODULE.wasm] [learn=MODULE.wasm]";

/// Keeps the folder's place, so that the program's build can watch it.
const KEEP: &str = ".keep";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, wasm, further @ ..] = arguments.as_slice() else { bail!(USAGE) };
    let (out, wasm) = (Path::new(out), Path::new(wasm));
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let assets = web.join("../assets");

    clear(out).with_context(|| format!("could not clear {}", out.display()))?;
    copy_folder(&web.join("page"), out)?;
    module::translate(wasm, out)?;
    for module in further {
        let (folder, wasm) = module.split_once('=').context(USAGE)?;
        let announced = match folder {
            "threads" => module::THREADS,
            "learn" => module::LEARNING,
            _ => bail!(USAGE),
        };
        module::translate(Path::new(wasm), &out.join(folder))?;
        module::announce(out, announced)?;
    }
    for sample in SAMPLES {
        copy(&assets.join(sample), &out.join("samples").join(sample))?;
    }
    // All modules: a visit fetches one, and the others later if at all.
    let (plain, packed) = sizes(out)?;
    model::add(&assets.join("medley-tiny.safetensors"), &out.join("models"))?;
    offline::stamp(out)?;
    println!(
        "{}: {:.1} MB without the model, {:.1} MB compressed",
        out.display(),
        plain as f64 / 1e6,
        packed as f64 / 1e6
    );
    Ok(())
}

/// An empty folder, but for what keeps its place in the repository.
fn clear(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if path.file_name().is_some_and(|name| name != KEEP) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Copies a folder and what is in it.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for path in files(from)? {
        copy(&path, &to.join(path.strip_prefix(from).expect("lies in it")))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().expect("a file lies in a folder");
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    fs::copy(from, to).with_context(|| format!("could not copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Every file in a folder, deep, in the order of names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.file_name().is_some_and(|name| name != KEEP) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes of all files in a folder, as they are and as a server sends them.
fn sizes(folder: &Path) -> Result<(u64, u64)> {
    let (mut plain, mut packed) = (0, 0);
    for path in files(folder)? {
        let bytes = fs::read(&path)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        std::io::Write::write_all(&mut encoder, &bytes)?;
        plain += bytes.len() as u64;
        packed += encoder.finish()?.len() as u64;
    }
    Ok((plain, packed))
}
