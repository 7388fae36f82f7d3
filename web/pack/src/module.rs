//! The compiled module and the JavaScript that loads it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use wasm_bindgen_cli_support::Bindgen;

/// What the page imports: `medley_web.js`.
const NAME: &str = "medley_web";

/// The oldest that was tried and is right; 108 breaks a module that exports its table.
const OPTIMIZER_SINCE: u32 = 132;

/// What the compiler makes use of.
const FEATURES: [&str; 8] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
    "--enable-threads",
];

/// What `module.js` has before it is told that there are threads, or that a model can be taught, and after.
pub const THREADS: [&str; 2] = ["const HAS_THREADS = false;", "const HAS_THREADS = true;"];
pub const LEARNING: [&str; 2] = ["const HAS_LEARNING = false;", "const HAS_LEARNING = true;"];

/// Writes the module, its JavaScript and their types into `out`; smaller where `wasm-opt` is there.
pub fn translate(wasm: &Path, out: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    // Names of functions are two thirds of the module and of use to nobody who runs it.
    bindgen.input_path(wasm).out_name(NAME).typescript(true).remove_name_section(true);
    bindgen.omit_default_module_path(false).web(true)?;
    fs::create_dir_all(out).with_context(|| format!("could not make {}", out.display()))?;
    bindgen.generate(out).with_context(|| format!("could not translate {}", wasm.display()))?;
    optimize(&out.join(format!("{NAME}_bg.wasm")))
}

/// Tells the page in `out` that a further module lies beside the first.
pub fn announce(out: &Path, [before, after]: [&str; 2]) -> Result<()> {
    let path = out.join("module.js");
    let source = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    ensure!(source.contains(before), "module.js has no {before:?}");
    fs::write(&path, source.replace(before, after)).with_context(|| format!("could not write {}", path.display()))
}

fn optimize(wasm: &Path) -> Result<()> {
    let Ok(version) = Command::new("wasm-opt").arg("--version").output() else { return Ok(()) };
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let number = version.split_whitespace().find_map(|word| word.parse::<u32>().ok());
    if number.is_none_or(|number| number < OPTIMIZER_SINCE) {
        eprintln!("wasm-opt is left out: {} is too old", version.trim());
        return Ok(());
    }
    // For speed: what is saved in size is lost again in transfer.
    let status = Command::new("wasm-opt").args(["-O3"]).args(FEATURES).arg(wasm).arg("-o").arg(wasm).status();
    let status = status.context("could not run wasm-opt")?;
    ensure!(status.success(), "wasm-opt failed");
    Ok(())
}
