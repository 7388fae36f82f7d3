//! The rules of STYLE.md and ARCHITECTURE.md that a program can check.

use std::fs;
use std::path::{Path, PathBuf};

/// What each module of the library may import from it, besides itself, `error` and `progress`.
const MAY_IMPORT: [(&str, &[&str]); 17] = [
    ("device", &[]),
    ("kernel", &[]),
    ("nn", &["kernel"]),
    ("vision", &["nn"]),
    ("text", &["nn", "kernel"]),
    ("model", &["vision", "text", "nn"]),
    ("loss", &["kernel"]),
    ("tokenizer", &["text"]),
    ("preprocess", &[]),
    ("checkpoint", &["model", "vision", "text"]),
    ("generate", &["model", "nn", "text"]),
    ("pipeline", &["model", "checkpoint", "generate", "tokenizer", "preprocess", "device", "text", "vision"]),
    ("data", &["preprocess"]),
    (
        "train",
        &[
            "model",
            "nn",
            "kernel",
            "vision",
            "generate",
            "loss",
            "checkpoint",
            "data",
            "tokenizer",
            "preprocess",
            "text",
        ],
    ),
    ("teach", &["pipeline", "train", "data", "model", "nn", "text"]),
    ("eval", &["pipeline", "data"]),
    ("capfilt", &["pipeline", "data", "generate", "preprocess"]),
];

#[test]
fn modules_import_only_what_the_table_allows() {
    for (module, allowed) in MAY_IMPORT {
        for (path, line) in lines(&root().join("core/src"), module) {
            let Some(start) = line.find("crate::") else { continue };
            if line.trim_start().starts_with("//") {
                continue;
            }
            let name: String =
                line[start + 7..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            let is_module = MAY_IMPORT.iter().any(|(known, _)| *known == name);
            let fine = !is_module || name == module || allowed.contains(&name.as_str());
            assert!(fine, "{}: {module} must not import {name}", path.display());
        }
    }
}

#[test]
fn core_does_not_print_or_look_at_its_target_or_clock() {
    const BANNED: [&str; 7] = ["println!", "eprintln!", "dbg!", "cfg(target", "Instant::now", "SystemTime", "std::net"];
    for (path, line) in lines(&root().join("core/src"), "") {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for word in BANNED {
            assert!(!line.contains(word), "{}: {word} in core", path.display());
        }
    }
}

#[test]
fn only_device_names_wgpu() {
    for (path, line) in lines(&root().join("core/src"), "") {
        let is_device = path.ends_with("device.rs");
        assert!(is_device || !line.contains("wgpu::"), "{}: names wgpu", path.display());
    }
}

#[test]
fn no_source_file_is_longer_than_four_hundred_lines() {
    for folder in ["core/src", "desktop/src", "web/src", "tests"] {
        for path in sources(&root().join(folder)) {
            let length = fs::read_to_string(&path).expect("source is text").lines().count();
            assert!(length <= 400, "{} has {length} lines", path.display());
        }
    }
}

#[test]
fn parts_of_the_program_know_only_those_below_them() {
    let unknown: [(&str, &[&str]); 4] =
        [("engine", &["library", "cli", "app"]), ("library", &["cli", "app"]), ("cli", &["app"]), ("app", &["cli"])];
    for (part, others) in unknown {
        for (path, line) in lines(&root().join("desktop/src"), part) {
            let other = others.iter().find(|other| line.contains(&format!("crate::{other}")));
            assert!(other.is_none(), "{}: {part} imports {other:?}", path.display());
        }
    }
}

/// Every line of the sources under `folder/module`, or of `folder/module.rs`.
fn lines(folder: &Path, module: &str) -> Vec<(PathBuf, String)> {
    let mut files = sources(&folder.join(module));
    let single = folder.join(format!("{module}.rs"));
    if single.is_file() {
        files.push(single);
    }
    assert!(!files.is_empty(), "no sources of {module}");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("source is text");
        text.lines().map(|line| (path.clone(), line.to_owned())).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(read).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("folder can be read").path()) {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
