//! What is found in folders, and what is read in and beside a photograph.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use exif::experimental::Writer;
use exif::{Context, Field, In, Rational, Tag, Value};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use medley::DeviceChoice;
use medley_desktop::engine::{Engine, ModelChoice};
use medley_desktop::library::Library;
use medley_desktop::library::index::{IndexOptions, IndexSummary, index};
use medley_desktop::library::photo::{CaptionSource, Kind, Photo};
use medley_desktop::library::scan::scan;
use medley_desktop::library::video::Tools;
use medley_desktop::library::watch::watch;
use tempfile::TempDir;

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::open(ModelChoice::default(), DeviceChoice::Cpu, &mut |_| ()).unwrap());

fn picture(seed: u32) -> RgbImage {
    RgbImage::from_fn(60, 40, |x, y| Rgb([(x * 4) as u8, (y * 6) as u8, (seed * 29 + x * y) as u8]))
}

fn jpeg(seed: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture(seed)).unwrap();
    bytes
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Names that a scan finds, below the folder.
fn found(folder: &Path) -> Vec<PathBuf> {
    let scanned = scan(folder, &[folder.to_owned()], Path::new("/none"), &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(scanned.unread.is_empty(), "{:?}", scanned.unread);
    scanned.files.into_iter().map(|file| file.path.strip_prefix(folder).unwrap().to_owned()).collect()
}

fn indexed(folder: &Path) -> (Library, IndexSummary) {
    let library = Library::open(&folder.join(".library")).unwrap();
    let summary = again(&library, folder);
    (library, summary)
}

fn again(library: &Library, folder: &Path) -> IndexSummary {
    let mut report = |_| ControlFlow::Continue(());
    index(library, &ENGINE, &[folder.to_owned()], &IndexOptions::default(), &mut report).unwrap()
}

fn photo(library: &Library, path: &Path) -> Photo {
    library.catalog().photo_at(path).unwrap().unwrap()
}

#[test]
fn junk_hidden_and_ignored_files_are_not_found() {
    let folder = TempDir::new().unwrap();
    let names = [
        "a.jpg",
        "b.PNG",
        "deep/er/c.tiff",
        "skipped/d.jpg",
        "not-this.jpg",
        ".hidden/e.jpg",
        ".f.jpg",
        "node_modules/g.png",
        "@eaDir/h.jpg",
        ".thumbnails/i.jpg",
        "$RECYCLE.BIN/j.jpg",
        ".Trash-1000/k.jpg",
        "text.txt",
        "deep/l.mov",
    ];
    names.iter().for_each(|name| put(&folder.path().join(name), b"x"));
    fs::write(folder.path().join(".gitignore"), "skipped/\nnot-*.jpg\n").unwrap();
    assert_eq!(found(folder.path()), ["a.jpg", "b.PNG", "deep/er/c.tiff", "deep/l.mov"].map(PathBuf::from));
}

#[test]
fn a_raw_file_beside_its_jpeg_is_the_same_photograph() {
    let folder = TempDir::new().unwrap();
    for name in ["a.jpg", "a.NEF", "b.dng", "c.cr3", "c.JPG", "d.cr3"] {
        put(&folder.path().join(name), b"x");
    }
    assert_eq!(found(folder.path()), ["a.jpg", "b.dng", "c.JPG", "d.cr3"].map(PathBuf::from));
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_never_in_circles() {
    use std::os::unix::fs::symlink;
    let (folder, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    put(&folder.path().join("a/one.jpg"), b"x");
    put(&outside.path().join("two.jpg"), b"x");
    symlink(folder.path(), folder.path().join("a/circle")).unwrap();
    symlink(folder.path().join("a"), folder.path().join("same")).unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    symlink(outside.path(), folder.path().join("out again")).unwrap();
    symlink(outside.path(), outside.path().join("back")).unwrap();
    symlink("/nowhere/at/all.jpg", folder.path().join("dangling.jpg")).unwrap();
    let names = found(folder.path());
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(names[0], Path::new("a/one.jpg"));
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_are_kept_to_the_byte() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"caf\xe9 \xff.jpg"));
    fs::write(&path, jpeg(1)).unwrap();
    let (library, summary) = indexed(folder.path());
    assert_eq!((summary.added, summary.failed), (1, 0));
    assert_eq!(photo(&library, &path).path, path);
    assert_eq!(again(&library, folder.path()).unchanged, 1);
}

#[test]
fn folders_in_folders_are_one() {
    let folder = TempDir::new().unwrap();
    put(&folder.path().join("inner/a.jpg"), &jpeg(1));
    put(&folder.path().join("b.jpg"), &jpeg(2));
    let library = Library::open(&folder.path().join(".library")).unwrap();
    assert_eq!(again(&library, &folder.path().join("inner")).added, 1);
    let summary = again(&library, folder.path());
    assert_eq!((summary.added, summary.unchanged), (1, 1));
    assert_eq!(library.catalog().roots().unwrap(), [folder.path()]);
    again(&library, &folder.path().join("inner"));
    assert_eq!(library.catalog().roots().unwrap(), [folder.path()]);
    assert_eq!(library.catalog().counts().unwrap().photos, 2);
}

/// A JPEG with what a camera writes.
fn from_a_camera(orientation: u16) -> Vec<u8> {
    let text = |text: &str| Value::Ascii(vec![text.as_bytes().to_vec()]);
    let degrees = |parts: [u32; 3]| Value::Rational(parts.map(|num| Rational { num, denom: 1 }).to_vec());
    let fields = [
        (Tag::Make, text("Canon")),
        (Tag::Model, text("Canon EOS 5D")),
        (Tag::Orientation, Value::Short(vec![orientation])),
        (Tag::DateTimeOriginal, text("2024:06:30 17:05:09")),
        (Tag::DateTime, text("2025:01:01 00:00:00")),
        (Tag::LensModel, text("EF 50mm f/1.8")),
        (Tag::GPSLatitudeRef, text("S")),
        (Tag::GPSLatitude, degrees([33, 30, 0])),
        (Tag::GPSLongitudeRef, text("E")),
        (Tag::GPSLongitude, degrees([151, 12, 36])),
        (Tag(Context::Tiff, 0x4746), Value::Short(vec![3])),
    ];
    let fields = fields.map(|(tag, value)| Field { tag, ifd_num: In::PRIMARY, value });
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut exif = Cursor::new(b"Exif\0\0".to_vec());
    let mut block = Cursor::new(Vec::new());
    writer.write(&mut block, true).unwrap();
    exif.get_mut().extend(block.into_inner());
    let exif = exif.into_inner();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let plain = jpeg(1);
    [&plain[..2], &[0xFF, 0xE1], &length, &exif, &plain[2..]].concat()
}

#[test]
fn what_the_camera_wrote_is_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jpg");
    fs::write(&path, from_a_camera(6)).unwrap();
    let (library, _) = indexed(folder.path());
    let photo = photo(&library, &path);
    assert_eq!(photo.taken, "2024-06-30T17:05:09");
    assert_eq!(photo.camera.as_deref(), Some("Canon EOS 5D"));
    assert_eq!(photo.lens.as_deref(), Some("EF 50mm f/1.8"));
    assert_eq!(photo.rating, Some(3));
    let (latitude, longitude) = photo.place.unwrap();
    assert!((latitude + 33.5).abs() < 1e-9 && (longitude - 151.21).abs() < 1e-9, "{latitude} {longitude}");
    assert_eq!((photo.width, photo.height), (40, 60), "it stands upright");
    let thumbnail = library.thumbnails().load(library.catalog(), &photo).unwrap();
    assert_eq!(thumbnail.dimensions(), (40, 60));
    assert!(library.thumbnails().path(&library.catalog().hash(photo.content).unwrap().unwrap()).is_file());
}

#[test]
fn jpeg_xl_is_read_and_a_damaged_file_is_named() {
    let folder = TempDir::new().unwrap();
    let whole = fs::read(format!("{}/../tests/fixtures/jxl/turned.jxl", env!("CARGO_MANIFEST_DIR"))).unwrap();
    put(&folder.path().join("a.jxl"), &whole);
    put(&folder.path().join("cut.jxl"), &whole[..600]);
    let (library, summary) = indexed(folder.path());
    assert_eq!((summary.added, summary.failed), (1, 1));
    let photo = photo(&library, &folder.path().join("a.jxl"));
    assert_eq!((photo.width, photo.height, photo.camera.as_deref()), (43, 64, Some("Canon")));
    assert_eq!(photo.taken, "2021-05-06T07:08:09");
    let thumbnail = library.thumbnails().load(library.catalog(), &photo).unwrap();
    assert_eq!(thumbnail.dimensions(), (43, 64));
    let problems = library.catalog().problems().unwrap();
    assert!(problems[0].0.ends_with("cut.jxl") && problems[0].1.contains("ends before"), "{problems:?}");
}

#[test]
fn files_beside_a_photograph_describe_it_and_are_read_when_they_change() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (seed, name) in ["a.jpg", "b.jpg", "c.jpg"].into_iter().enumerate() {
        fs::write(path(name), jpeg(seed as u32)).unwrap();
    }
    fs::write(path("a.txt"), "\n  a dog runs \nsecond line\n").unwrap();
    let xmp = r#"<x:xmpmeta><rdf:Description xmp:Rating="4" exif:DateTimeOriginal="2001-02-03T04:05:06">
        <dc:description><rdf:Alt><rdf:li>by hand</rdf:li></rdf:Alt></dc:description></rdf:Description></x:xmpmeta>"#;
    fs::write(path("b.jpg.xmp"), xmp).unwrap();
    let (library, _) = indexed(folder.path());
    let caption = |name: &str| photo(&library, &path(name)).caption;
    assert_eq!(caption("a.jpg").as_deref(), Some("a dog runs"));
    assert_eq!(photo(&library, &path("a.jpg")).caption_source, Some(CaptionSource::Person));
    let b = photo(&library, &path("b.jpg"));
    assert_eq!((b.rating, b.taken.as_str(), b.caption.as_deref()), (Some(4), "2001-02-03T04:05:06", Some("by hand")));
    assert_eq!(caption("c.jpg"), None);
    let content = photo(&library, &path("a.jpg")).content;
    library.catalog().set_caption(content, "changed here", CaptionSource::Person).unwrap();
    fs::write(path("c.xmp"), r#"<a xmp:Rating="2"/>"#).unwrap();
    let summary = again(&library, folder.path());
    assert_eq!((summary.changed, summary.embedded, summary.unchanged), (1, 0, 2));
    assert_eq!(photo(&library, &path("c.jpg")).rating, Some(2));
    fs::write(path("a.jpg"), [jpeg(0), b"\0".to_vec()].concat()).unwrap();
    fs::write(path("a.jpg"), jpeg(0)).unwrap();
    again(&library, folder.path());
    assert_eq!(caption("a.jpg").as_deref(), Some("changed here"), "an old file does not undo what a person did since");
}

#[test]
fn a_raw_file_shows_the_picture_that_the_camera_put_into_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.dng");
    let picture = jpeg(5);
    let entry = |tag: u16, value: usize| {
        [&tag.to_le_bytes()[..], &4_u16.to_le_bytes(), &1_u32.to_le_bytes(), &(value as u32).to_le_bytes()].concat()
    };
    let mut bytes = b"II*\0\x08\0\0\0\x03\0".to_vec();
    // Turned by a quarter, as the camera was held.
    bytes.extend([&0x112_u16.to_le_bytes()[..], &3_u16.to_le_bytes(), &1_u32.to_le_bytes(), &[6, 0, 0, 0]].concat());
    bytes.extend(entry(0x201, 50));
    bytes.extend(entry(0x202, picture.len()));
    bytes.extend([0; 4]);
    bytes.extend(&picture);
    fs::write(&path, bytes).unwrap();
    let (library, summary) = indexed(folder.path());
    assert_eq!((summary.embedded, summary.failed), (1, 0), "{:?}", library.catalog().problems());
    let photo = photo(&library, &path);
    assert_eq!((photo.width, photo.height), (40, 60));
}

#[test]
#[ignore = "needs ffmpeg"]
fn a_film_is_found_by_its_frames() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("film.mp4");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=duration=4:size=320x240:rate=10"])
        .args(["-metadata", "creation_time=2020-05-06T07:08:09Z"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let film = Tools::find().unwrap().film(&path, 8).unwrap();
    assert_eq!((film.frames.len(), film.width, film.height), (8, 320, 240));
    assert!(film.frames.windows(2).all(|pair| pair[0] != pair[1]), "frames are of different moments");
    let (library, summary) = indexed(folder.path());
    assert_eq!((summary.embedded, summary.failed), (1, 0), "{:?}", library.catalog().problems());
    let photo = photo(&library, &path);
    assert_eq!((photo.kind, photo.width, photo.height), (Kind::Video, 320, 240));
    assert!(photo.taken.starts_with("2020-05-0"), "{}", photo.taken);
    assert_eq!(again(&library, folder.path()).unchanged, 1);
}

#[test]
fn changes_in_a_folder_are_heard_of() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("inner")).unwrap();
    let library = Library::open(&folder.path().join(".library")).unwrap();
    library.catalog().add_root(folder.path()).unwrap();
    let (sender, heard) = std::sync::mpsc::channel();
    let watching = watch(&library, move |folders| sender.send(folders).unwrap()).unwrap();
    library.catalog().set_setting("own", "files are no news").unwrap();
    for nth in 0..5 {
        put(&folder.path().join(format!("inner/{nth}.jpg")), b"x");
    }
    let folders = heard.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert_eq!(folders, [folder.path().join("inner")]);
    assert!(heard.recv_timeout(std::time::Duration::from_secs(3)).is_err(), "it is told once");
    drop(watching);
}
