//! HEIC and AVIF by libheif's programs: `fixtures/heif` holds what `heif-enc` made of `plain.png`, once turned by a
//! property of the file (ISO 23008-12, 6.5.10) and, as telephones do, by its Exif block too.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use image::RgbImage;
use image::imageops::rotate90;
use medley_desktop::library::decode::{MAX_PIXELS, picture, reduced};
use medley_desktop::library::metadata::Metadata;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../tests/fixtures/heif", name].iter().collect()
}

fn decoded(name: &str) -> RgbImage {
    picture(&fixture(name), MAX_PIXELS).unwrap()
}

/// The mean difference of two levels.
fn difference(one: &RgbImage, other: &RgbImage) -> f64 {
    assert_eq!(one.dimensions(), other.dimensions());
    let levels = one.as_raw().iter().zip(other.as_raw());
    levels.map(|(one, other)| f64::from(one.abs_diff(*other))).sum::<f64>() / one.as_raw().len() as f64
}

/// `medley` where `path` is all that the shell would look through.
fn medley(path: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_medley")).env("PATH", path).args(arguments).output().unwrap()
}

#[test]
fn pictures_stand_upright_once() {
    let plain = decoded("plain.png");
    for name in ["plain.heic", "plain.avif"] {
        let difference = difference(&decoded(name), &plain);
        assert!(difference < 3.0, "{name}: {difference}");
    }
    let turned = difference(&decoded("turned.heic"), &rotate90(&plain));
    assert!(turned < 3.0, "{turned}");
    assert_eq!(reduced(&fixture("turned.heic"), 8).unwrap().dimensions(), (11, 16));
}

#[test]
fn what_the_camera_wrote_is_read() {
    for name in ["plain.heic", "turned.heic"] {
        let metadata = Metadata::of_bytes(&fs::read(fixture(name)).unwrap());
        assert_eq!(metadata.taken.as_deref(), Some("2024-06-30T17:05:09"), "{name}");
        assert_eq!(metadata.camera.as_deref(), Some("Telephone Eleven"), "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let folder = TempDir::new().unwrap();
    for name in ["plain.heic", "plain.avif"] {
        let whole = fs::read(fixture(name)).unwrap();
        for end in [12, 200, whole.len() / 2, whole.len() - 100] {
            let path = folder.path().join(name);
            fs::write(&path, &whole[..end]).unwrap();
            let error = format!("{:#}", picture(&path, MAX_PIXELS).unwrap_err());
            assert!(error.contains("heif-") || error.contains("no picture"), "{name} cut at {end}: {error}");
        }
    }
}

#[test]
fn without_a_program_it_is_said_which_and_the_file_is_tried_again() {
    let heic = fixture("plain.heic");
    let output = medley("", &["caption", heic.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("plain.heic: HEIC pictures are read by heif-dec"), "{said}");

    let folder = TempDir::new().unwrap();
    let (library, photos) = (folder.path().join("library"), folder.path().join("photos"));
    fs::create_dir(&photos).unwrap();
    fs::copy(&heic, photos.join("cat.heic")).unwrap();
    let index = ["index", photos.to_str().unwrap(), "--library", library.to_str().unwrap(), "--device", "cpu"];
    let output = medley("", &index);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("install libheif"), "{said}");
    let search = ["search", "cat", "--library", library.to_str().unwrap(), "--device", "cpu", "--paths"];
    assert!(medley("", &search).stdout.is_empty());

    let path = std::env::var("PATH").unwrap();
    assert_eq!(medley(&path, &index).status.code(), Some(0));
    assert!(String::from_utf8(medley("", &search).stdout).unwrap().contains("cat.heic"));
}
