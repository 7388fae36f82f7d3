//! Lists the files of the page, where it was built, for the program to carry.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What the program carries already.
const MODEL: &str = "models/medley-tiny.safetensors";

fn main() -> io::Result<()> {
    let desktop = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package lies"));
    let page = desktop.join("../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", page.display());
    println!("cargo::rerun-if-changed={}", desktop.join("../assets/medley-tiny.safetensors").display());

    let mut list = String::from("&[\n");
    for path in files(&page)? {
        let name = path.strip_prefix(&page).expect("lies in it").to_string_lossy().replace('\\', "/");
        let is_carried =
            name == MODEL && fs::read(&path)? == fs::read(desktop.join("../assets/medley-tiny.safetensors"))?;
        if is_carried {
            writeln!(list, "    ({name:?}, crate::builtin::BYTES),").expect("a string takes all");
        } else {
            let path = path.canonicalize()?;
            writeln!(list, "    ({name:?}, include_bytes!({path:?})),").expect("a string takes all");
        }
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write"));
    fs::write(out.join("page.rs"), list)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(found) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.file_name().is_some_and(|name| name != ".keep") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
