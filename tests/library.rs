//! The library: what lies in folders is found, read once, and known until it is really gone.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use medley::{DeviceChoice, LoadOptions};
use medley_desktop::engine::{Engine, ModelChoice};
use medley_desktop::library::Library;
use medley_desktop::library::index::{IndexEvent, IndexOptions, IndexSummary, index};
use medley_desktop::library::photo::{CaptionSource, Photo};
use tempfile::TempDir;

/// The built-in model on the CPU, for all tests of this suite.
static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::open(ModelChoice::default(), DeviceChoice::Cpu, &mut |_| ()).unwrap());

/// A library and a folder of photographs beside it.
struct World {
    folder: TempDir,
    library: Library,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("photos")).unwrap();
        let library = Library::open(&folder.path().join("library")).unwrap();
        Self { folder, library }
    }

    /// With so many different photographs.
    fn with(count: u32) -> Self {
        let world = Self::new();
        (0..count).for_each(|seed| world.put(&format!("{seed}.jpg"), &jpeg(seed)));
        world
    }

    fn photos(&self) -> PathBuf {
        self.folder.path().join("photos")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.photos().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }

    fn index(&self) -> IndexSummary {
        self.index_with(&IndexOptions::default()).0
    }

    /// What was done, and what was said about it.
    fn index_with(&self, options: &IndexOptions) -> (IndexSummary, Vec<IndexEvent>) {
        let mut said = Vec::new();
        let mut report = |event: IndexEvent| {
            if !matches!(event, IndexEvent::Progress { .. } | IndexEvent::Found { .. }) {
                said.push(event);
            }
            ControlFlow::Continue(())
        };
        let summary = index(&self.library, &ENGINE, &[self.photos()], options, &mut report).unwrap();
        (summary, said)
    }

    fn photo(&self, name: &str) -> Photo {
        self.library.catalog().photo_at(&self.at(name)).unwrap().unwrap_or_else(|| panic!("{name} is not known"))
    }

    fn vectors(&self) -> usize {
        self.library.vectors(ENGINE.about()).unwrap().len()
    }

    fn reason(&self, name: &str) -> String {
        let problems = self.library.catalog().problems().unwrap();
        let found = problems.into_iter().find(|(path, _)| *path == self.at(name));
        found.unwrap_or_else(|| panic!("{name} is no problem")).1
    }
}

fn picture(seed: u32) -> RgbImage {
    RgbImage::from_fn(96, 64, |x, y| {
        let wave = |turn: u32| ((x * (seed % 7 + 1) + y * (seed % 5 + 2) + turn * 85 + seed * 37) % 256) as u8;
        if (x / 16 + y / 16 + seed).is_multiple_of(3) {
            Rgb([wave(0), 255 - wave(1), wave(2)])
        } else {
            Rgb([wave(2), wave(0), 40])
        }
    })
}

fn encoded(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(picture).unwrap();
    bytes
}

fn jpeg(seed: u32) -> Vec<u8> {
    encoded(&picture(seed))
}

fn warnings(said: &[IndexEvent]) -> Vec<&str> {
    let warning = |event: &'_ IndexEvent| matches!(event, IndexEvent::Warning(_));
    said.iter()
        .filter(|event| warning(event))
        .map(|event| match event {
            IndexEvent::Warning(line) => line.as_str(),
            _ => "",
        })
        .collect()
}

#[test]
fn a_second_run_reads_nothing() {
    let world = World::with(5);
    let first = world.index();
    assert_eq!((first.found, first.added, first.embedded, first.failed), (5, 5, 5, 0));
    assert_eq!(world.vectors(), 5);
    let second = world.index();
    assert_eq!((second.unchanged, second.added, second.changed, second.embedded), (5, 0, 0, 0));
    let counts = world.library.catalog().counts().unwrap();
    assert_eq!((counts.photos, counts.contents, counts.problems, counts.missing), (5, 5, 0, 0));
}

#[test]
fn a_vector_is_what_the_model_says_of_the_photograph() {
    use medley_desktop::engine::{Request, Urgency};
    use medley_desktop::library::decode;
    let world = World::with(2);
    world.index();
    for name in ["0.jpg", "1.jpg"] {
        let photo = world.photo(name);
        let pixels = decode::pixels(&photo.path, photo.kind, &ENGINE.about().preprocessor).unwrap();
        let asked = ENGINE.ask(Urgency::Interactive, Request::PictureFeatures(vec![pixels]));
        let feature = asked.features().unwrap().remove(0);
        let kept = world.library.vectors(ENGINE.about()).unwrap().vector(photo.content).unwrap().unwrap();
        let cosine: f32 = feature.iter().zip(&kept).map(|(one, other)| one * other).sum();
        assert!(cosine > 0.999, "{name}: {cosine}");
    }
}

#[test]
fn moved_renamed_and_doubled_files_are_not_embedded_again() {
    let world = World::with(4);
    world.index();
    let before = world.photo("0.jpg");
    world.library.catalog().set_caption(before.content, "a first one", CaptionSource::Person).unwrap();
    fs::create_dir(world.at("deeper")).unwrap();
    fs::rename(world.at("0.jpg"), world.at("deeper/0.jpg")).unwrap();
    fs::rename(world.at("1.jpg"), world.at("other.jpg")).unwrap();
    fs::copy(world.at("2.jpg"), world.at("copy.jpg")).unwrap();
    let summary = world.index();
    assert_eq!((summary.moved, summary.added, summary.missing, summary.embedded), (2, 1, 0, 0));
    let after = world.photo("deeper/0.jpg");
    assert_eq!((after.id, after.content), (before.id, before.content), "it is the same photograph");
    assert_eq!(after.caption.as_deref(), Some("a first one"));
    assert_eq!(world.photo("copy.jpg").content, world.photo("2.jpg").content);
    assert_eq!(world.vectors(), 4);
    assert_eq!(world.library.catalog().photo_at(&world.at("0.jpg")).unwrap(), None);
}

#[test]
fn files_of_the_same_bytes_in_one_run_are_embedded_once() {
    let world = World::new();
    (0..20).for_each(|copy| world.put(&format!("{copy}.jpg"), &jpeg(copy % 2)));
    let summary = world.index();
    assert_eq!((summary.added, summary.embedded), (20, 2));
    assert_eq!(world.library.catalog().duplicates().unwrap().len(), 2);
}

#[test]
fn a_changed_file_is_read_again() {
    let world = World::with(3);
    world.index();
    let before = world.photo("1.jpg").content;
    world.put("1.jpg", &jpeg(77));
    let summary = world.index();
    assert_eq!((summary.changed, summary.embedded, summary.unchanged), (1, 1, 2));
    assert_ne!(world.photo("1.jpg").content, before);
    assert_eq!(world.vectors(), 3, "the vector of what was there before is gone");
}

#[test]
fn a_caption_goes_with_an_edit_and_not_with_another_picture() {
    let world = World::with(2);
    world.index();
    for name in ["0.jpg", "1.jpg"] {
        world.library.catalog().set_caption(world.photo(name).content, "mine", CaptionSource::Person).unwrap();
    }
    let mut edited = picture(0);
    edited.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|level| level.saturating_add(6)));
    world.put("0.jpg", &encoded(&edited));
    world.put("1.jpg", &encoded(&RgbImage::from_fn(96, 64, |x, _| Rgb([if x < 40 { 250 } else { 3 }; 3]))));
    assert_eq!(world.index().changed, 2);
    assert_eq!(world.photo("0.jpg").caption.as_deref(), Some("mine"));
    assert_eq!(world.photo("1.jpg").caption, None);
}

#[test]
fn a_few_files_that_are_gone_are_missing_until_they_are_back() {
    let world = World::with(12);
    world.index();
    fs::remove_file(world.at("3.jpg")).unwrap();
    let summary = world.index();
    assert_eq!((summary.missing, summary.kept), (1, 0));
    let gone = world.photo("3.jpg");
    assert!(world.library.catalog().missing_since(gone.id).unwrap().is_some());
    assert_eq!(world.library.catalog().counts().unwrap().missing, 1);
    world.put("3.jpg", &jpeg(3));
    let summary = world.index();
    assert_eq!((summary.missing, summary.embedded), (0, 0));
    assert_eq!(world.photo("3.jpg").id, gone.id);
    assert_eq!(world.library.catalog().counts().unwrap().missing, 0);
}

#[test]
fn many_files_that_are_gone_are_kept_until_someone_says_so() {
    let world = World::with(30);
    world.index();
    (0..12).for_each(|seed| fs::remove_file(world.at(&format!("{seed}.jpg"))).unwrap());
    let (summary, said) = world.index_with(&IndexOptions::default());
    assert_eq!((summary.missing, summary.kept), (0, 12));
    let lines = warnings(&said);
    assert!(
        lines.len() == 1 && lines[0].contains("12 of the 30") && lines[0].contains("--forget-missing"),
        "{lines:?}"
    );
    assert_eq!(world.library.catalog().counts().unwrap().photos, 30);
    let (summary, said) = world.index_with(&IndexOptions { forget_missing: true, ..IndexOptions::default() });
    assert_eq!((summary.missing, warnings(&said).len()), (12, 0));
    assert_eq!(world.library.catalog().counts().unwrap().photos, 18);
}

#[test]
fn many_files_that_were_moved_are_not_gone() {
    let world = World::with(30);
    world.index();
    fs::create_dir(world.at("2024")).unwrap();
    (0..20).for_each(|seed| {
        fs::rename(world.at(&format!("{seed}.jpg")), world.at(&format!("2024/{seed}.jpg"))).unwrap();
    });
    let (summary, said) = world.index_with(&IndexOptions::default());
    assert_eq!((summary.moved, summary.kept, summary.missing, summary.embedded), (20, 0, 0, 0));
    assert!(warnings(&said).is_empty(), "{said:?}");
}

#[test]
fn a_folder_that_is_unplugged_is_kept() {
    let world = World::with(3);
    world.index();
    fs::rename(world.photos(), world.folder.path().join("elsewhere")).unwrap();
    let (summary, said) = world.index_with(&IndexOptions::default());
    assert_eq!((summary.missing, summary.kept), (0, 3));
    assert!(warnings(&said)[0].contains("is not there; its 3 photographs are kept"), "{said:?}");
    fs::rename(world.folder.path().join("elsewhere"), world.photos()).unwrap();
    assert_eq!(world.index().unchanged, 3);
}

#[test]
fn broken_empty_and_foreign_files_are_named_and_read_once() {
    let world = World::with(2);
    world.put("empty.jpg", b"");
    world.put("text.png", b"this is no picture");
    world.put("cut.jpg", &jpeg(9)[..700]);
    world.put("phone.heic", b"\0\0\0\x18ftypheic");
    world.put("film.mp4", b"no film either");
    world.put("notes.doc", b"not looked at");
    let (summary, said) = world.index_with(&IndexOptions::default());
    assert_eq!((summary.found, summary.added, summary.failed, summary.embedded), (7, 2, 5, 2), "{said:?}");
    assert_eq!(world.reason("empty.jpg"), "the file is empty");
    assert!(world.reason("phone.heic").contains("heif"), "{}", world.reason("phone.heic"));
    for name in ["text.png", "cut.jpg", "film.mp4"] {
        assert!(!world.reason(name).is_empty());
    }
    fs::rename(world.at("film.mp4"), world.at("film.old")).unwrap();
    let again = world.index();
    assert_eq!((again.failed, again.embedded, again.unchanged), (0, 0, 6), "nothing is tried twice");
    world.put("cut.jpg", &jpeg(9));
    assert_eq!(world.index().embedded, 1);
    assert_eq!(world.library.catalog().counts().unwrap().problems, 3);
}

#[test]
fn a_picture_above_the_limit_is_read_when_the_limit_is_raised() {
    let world = World::with(1);
    let (summary, _) = world.index_with(&IndexOptions { max_pixels: 1000, ..IndexOptions::default() });
    assert_eq!((summary.failed, summary.embedded), (1, 0));
    assert!(world.reason("0.jpg").contains("1000"), "{}", world.reason("0.jpg"));
    assert_eq!(world.index().embedded, 1);
    assert_eq!(world.library.catalog().counts().unwrap().problems, 0);
}

#[test]
fn a_folder_of_many_empty_files_is_soon_done() {
    let world = World::new();
    (0..3000).for_each(|nth| world.put(&format!("{nth}.jpg"), b""));
    let summary = world.index();
    assert_eq!((summary.failed, summary.embedded), (3000, 0));
    assert!(summary.seconds < 10.0, "{} s", summary.seconds);
    assert_eq!(world.index().unchanged, 3000);
}

#[test]
fn a_run_that_is_stopped_keeps_what_is_done_and_goes_on_later() {
    let world = World::with(40);
    let options = IndexOptions { batch: 4, ..IndexOptions::default() };
    let mut stop = |event: IndexEvent| match event {
        IndexEvent::Progress { done, .. } if done >= 8 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let first = index(&world.library, &ENGINE, &[world.photos()], &options, &mut stop).unwrap();
    assert!(first.is_stopped && (8..40).contains(&first.embedded), "{first:?}");
    let second = world.index();
    assert_eq!(first.embedded + second.embedded, 40);
    assert_eq!((second.unchanged, world.vectors()), (first.embedded, 40));
}

#[test]
fn captions_have_a_history_and_can_be_taken_back() {
    let world = World::with(1);
    world.index();
    let (catalog, content) = (world.library.catalog(), world.photo("0.jpg").content);
    let shown = || world.photo("0.jpg").caption;
    catalog.set_caption(content, "a dog", CaptionSource::Model).unwrap();
    catalog.set_caption(content, "my dog", CaptionSource::Person).unwrap();
    catalog.set_caption(content, "my dog", CaptionSource::Person).unwrap();
    assert_eq!(shown().as_deref(), Some("my dog"));
    catalog.set_caption(content, "", CaptionSource::Person).unwrap();
    assert_eq!(shown(), None);
    let texts: Vec<String> = catalog.captions(content).unwrap().into_iter().map(|past| past.text).collect();
    assert_eq!(texts, ["", "my dog", "a dog"], "saying the same twice is nothing new");
    catalog.undo_caption(content).unwrap();
    catalog.undo_caption(content).unwrap();
    assert_eq!(shown().as_deref(), Some("a dog"));
    assert_eq!(world.photo("0.jpg").caption_source, Some(CaptionSource::Model));
    catalog.undo_caption(content).unwrap();
    catalog.undo_caption(content).unwrap();
    assert_eq!((shown(), catalog.captions(content).unwrap().len()), (None, 0));
}

#[test]
fn near_duplicates_are_found_and_different_pictures_are_not() {
    let world = World::with(6);
    let mut lighter = picture(2);
    lighter.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|level| level.saturating_add(4)));
    world.put("lighter.png", &{
        let mut bytes = Vec::new();
        lighter.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        bytes
    });
    world.index();
    let mut expected = vec![world.photo("2.jpg").id, world.photo("lighter.png").id];
    expected.sort();
    assert_eq!(world.library.catalog().near_duplicates(4).unwrap(), [expected]);
    assert!(world.library.catalog().duplicates().unwrap().is_empty());
}

#[test]
fn what_is_forgotten_is_gone_and_the_file_stays() {
    let world = World::with(3);
    world.index();
    assert_eq!(world.library.forget(&world.at("1.jpg")).unwrap(), 1);
    assert_eq!((world.vectors(), world.library.catalog().counts().unwrap().photos), (2, 2));
    assert!(world.at("1.jpg").is_file());
    assert_eq!(world.library.forget(Path::new("/nowhere")).unwrap(), 0);
    assert_eq!(world.library.forget(&world.photos()).unwrap(), 2);
    assert!(world.library.catalog().roots().unwrap().is_empty());
}

#[test]
fn another_model_adds_vectors_and_takes_none_away() {
    let world = World::with(3);
    world.index();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let options = LoadOptions { tokenizer: Some(fixtures.join("tokenizer/tokenizer.json")), ..LoadOptions::default() };
    let model = ModelChoice { path: Some(fixtures.join("tiny_itm")), options };
    let other = Engine::open(model, DeviceChoice::Cpu, &mut |_| ()).unwrap();
    let mut report = |_| ControlFlow::Continue(());
    let summary = index(&world.library, &other, &[world.photos()], &IndexOptions::default(), &mut report).unwrap();
    assert_eq!((summary.unchanged, summary.embedded), (3, 3));
    assert_eq!((world.vectors(), world.library.vectors(other.about()).unwrap().len()), (3, 3));
    assert_eq!(world.index().embedded, 0);
    assert_eq!(world.library.columns().unwrap().len(), 2);
}
