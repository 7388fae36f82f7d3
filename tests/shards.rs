//! WebDataset: what is written is read, whoever wrote it, and what is said about damaged shards.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use medley::Error;
use medley::data::{CaptionSet, Listing, Picture, ShardWriter, read_captions};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Map;
use tempfile::TempDir;

/// Bytes that begin like a picture; they are not decoded here.
const JPEG: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3];
const PNG: &[u8] = &[0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, 9];

/// Writes a tar with these files.
fn tar(path: &Path, files: &[(&str, &[u8])]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.finish().unwrap();
}

fn read(data: &Path) -> CaptionSet {
    read_captions(data, None, None).unwrap()
}

fn reason(data: &Path) -> String {
    match read_captions(data, None, None) {
        Err(Error::Data { reason, .. }) => reason,
        other => panic!("{other:?} is no complaint about the data"),
    }
}

/// Ids with their captions.
fn contents(set: &CaptionSet) -> Vec<(&str, Vec<&str>)> {
    set.examples
        .iter()
        .map(|example| (example.id.as_str(), example.captions.iter().map(String::as_str).collect()))
        .collect()
}

#[test]
fn what_is_written_is_read() {
    const LETTERS: [char; 10] = ['a', 'B', ' ', '"', '\\', '\n', '\t', 'é', '雪', '.'];
    for seed in 0..30 {
        let mut draws = StdRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let mut word = |from: usize| -> String {
            (0..draws.random_range(from..40)).map(|_| LETTERS[draws.random_range(0..LETTERS.len())]).collect()
        };
        let captions: Vec<Vec<String>> =
            (0..17).map(|sample| (0..1 + sample % 4).map(|_| format!("x{}", word(0))).collect()).collect();
        let pictures: Vec<Vec<u8>> = (0..17)
            .map(|sample| {
                let noise: Vec<u8> = (0..draws.random_range(0..2000)).map(|_| draws.random()).collect();
                [if sample % 2 == 0 { JPEG } else { PNG }, &noise].concat()
            })
            .collect();
        let per_shard = draws.random_range(1..20);
        let mut shards = ShardWriter::create(folder.path(), per_shard).unwrap();
        for (picture, captions) in pictures.iter().zip(&captions) {
            shards.add(picture, captions, Map::new()).unwrap();
        }
        assert_eq!(shards.finish().unwrap(), (17, 17_usize.div_ceil(per_shard)));

        let set = read(folder.path());
        assert!(set.warnings.is_empty(), "{:?}", set.warnings);
        assert_eq!(set.examples.iter().map(|example| example.captions.clone()).collect::<Vec<_>>(), captions);
        let bytes: Vec<Vec<u8>> = set.examples.iter().map(|example| example.image.read().unwrap()).collect();
        assert_eq!(bytes, pictures);
    }
}

#[test]
fn the_same_samples_make_the_same_bytes_and_no_half_shard_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let mut shards = ShardWriter::create(&folder.path().join(name), 2).unwrap();
        for caption in ["one", "two", "three"] {
            shards.add(JPEG, &[caption.to_owned()], Map::new()).unwrap();
        }
        assert!(matches!(shards.add(b"no picture", &[], Map::new()), Err(Error::UnknownImage)));
        shards.finish().unwrap();
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder.path().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["000000.tar", "000001.tar"]);
        files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    assert!(write("a") == write("b"));
}

#[test]
fn shards_of_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let shard = folder.path().join("s.tar");
    let long = format!("{}/e.jpg", "deep".repeat(40));
    let files: [(&str, &[u8]); 15] = [
        ("./a/0001.jpg", JPEG),
        ("./a/0001.txt", b"one\n\n two \n"),
        ("./a/0001.cls", b"7"),
        ("b.txt", b"a text before its picture"),
        ("b.JPEG", JPEG),
        ("c.json", br#"{"text": "of json", "width": 3, "caption": null}"#),
        ("c.png", PNG),
        ("d.seg.png", PNG),
        ("d.webp", JPEG),
        ("d.txt", b"from the text"),
        ("d.json", br#"{"caption": ["from json", "again"], "split": "val"}"#),
        ("._d.jpg", b"what a Mac leaves behind"),
        (&long, JPEG),
        (&long.replace(".jpg", ".txt"), b"a long name"),
        ("f.jpg", JPEG),
    ];
    tar(&shard, &files);
    let set = read(&shard);
    let long = long.replace(".jpg", "");
    let expected = [
        ("a/0001", vec!["one", "two"]),
        ("b", vec!["a text before its picture"]),
        ("c", vec!["of json"]),
        ("d", vec!["from json", "again"]),
        (&long, vec!["a long name"]),
    ];
    assert_eq!(contents(&set), expected);
    assert_eq!(set.examples[2].image.read().unwrap(), PNG);
    assert_eq!(set.examples[0].image.path(), shard.join("a/0001.jpg"));
    assert_eq!(set.warnings, [format!("images without a caption, left out: 1 ({}/f.jpg)", shard.display())]);
}

/// Three shards of two samples each.
fn three(folder: &TempDir) {
    for shard in 0..3 {
        let sample = |place: usize| [format!("{shard}{place}.jpg"), format!("{shard}{place}.txt")];
        let [first, second] = [sample(0), sample(1)];
        let files: [(&str, &[u8]); 4] =
            [(&first[0], JPEG), (&first[1], b"one"), (&second[0], PNG), (&second[1], b"two")];
        tar(&folder.path().join(format!("{shard:06}.tar")), &files);
    }
}

#[test]
fn shards_are_named_by_pattern_by_list_or_by_folder() {
    let folder = tempfile::tempdir().unwrap();
    three(&folder);
    let all = read(folder.path());
    assert_eq!(
        all.examples.iter().map(|example| example.id.as_str()).collect::<Vec<_>>(),
        ["00", "01", "10", "11", "20", "21"]
    );
    let named = |name: &str| read(&folder.path().join(name)).examples;
    assert_eq!(named("{000000..000002}.tar"), all.examples);
    assert_eq!(named("00000{2,0}.tar").len(), 4);
    let both = format!("{0}/000001.tar::{0}/000002.tar", folder.path().display());
    assert_eq!(read(Path::new(&both)).examples, all.examples[2..]);
    fs::write(folder.path().join("list.txt"), "000000.tar\n{000001..000002}.tar\n").unwrap();
    assert_eq!(named("list.txt"), all.examples);
}

#[test]
fn a_pattern_without_a_shard_says_what_it_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    three(&folder);
    let reason = reason(&folder.path().join("{000007..000009}.tar"));
    assert!(reason.starts_with("matches no shard") && reason.contains("000007.tar"), "{reason}");
    let some = read(&folder.path().join("{000002..000004}.tar"));
    assert_eq!(some.examples.len(), 2);
    assert!(some.warnings[0].starts_with("shards missing and left out: 2 ("), "{:?}", some.warnings);
    assert!(matches!(read_captions(&folder.path().join("nothing.tar"), None, None), Err(Error::Read { .. })));
}

#[test]
fn splits_are_folders_or_the_beginnings_of_names() {
    for names in [["train/0.tar", "val/0.tar"], ["train-0.tar", "valid_0.tar"]] {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            tar(&folder.path().join(name), &[("a.jpg", JPEG), ("a.txt", b"one")]);
        }
        let listing = Listing::read(folder.path()).unwrap();
        assert_eq!(listing.splits(), ["train", "val"]);
        let val = listing.captions(None, Some("val")).unwrap();
        assert_eq!(val.examples.len(), 1);
        assert_eq!(val.examples[0].id, format!("{}/a.jpg", names[1]), "the same key in two shards");
        let error = listing.captions(None, Some("tset")).unwrap_err().to_string();
        assert!(error.contains("no split called tset; it has train, val"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    tar(&folder.path().join("test.tar"), &[("a.jpg", JPEG), ("a.txt", b"one")]);
    assert!(Listing::read(folder.path()).unwrap().splits().is_empty());
}

#[test]
fn a_text_without_a_picture_is_left_out_and_nothing_else_refused() {
    let folder = tempfile::tempdir().unwrap();
    tar(&folder.path().join("a.tar"), &[("a.jpg", JPEG), ("a.txt", b"one"), ("b.txt", b"two")]);
    let set = read(folder.path());
    assert_eq!(contents(&set), [("a", vec!["one"])]);
    assert_eq!(set.warnings, ["samples without a picture, left out: 1 (a.tar/b)"]);
    tar(&folder.path().join("a.tar"), &[("b.txt", b"two")]);
    assert!(reason(folder.path()).starts_with("no sample of its shards has a picture"));
    tar(&folder.path().join("a.tar"), &[]);
    assert_eq!(reason(folder.path()), "no image in it");
}

/// Wherever a shard is cut, what lies before the cut is read, and the other shards are.
#[test]
fn a_shard_cut_short_is_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    three(&folder);
    let path = folder.path().join("000001.tar");
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(97) {
        fs::write(&path, &whole[..length]).unwrap();
        let set = read(folder.path());
        let of_cut = set.examples.iter().filter(|example| example.id.starts_with('1')).count();
        // A sample is a header and a block for each of its two files.
        assert_eq!(set.examples.len(), 4 + of_cut);
        assert!(of_cut >= (length / 2048).min(2) && of_cut <= length.div_ceil(2048), "{of_cut} at {length}");
        let ends_within_a_file = length < 4 * 1024 && length % 1024 != 0;
        let is_named = set.warnings.iter().any(|warning| warning.contains("damaged") && warning.contains("000001.tar"));
        // What is cut behind a file's last byte is whole.
        let lacks_padding_only = length % 1024 > 512 + 4;
        assert!(is_named || !ends_within_a_file || lacks_padding_only, "{length}: {:?}", set.warnings);
        set.examples.iter().for_each(|example| assert!(!example.image.read().unwrap().is_empty()));
    }
    let mut scratched = whole.clone();
    scratched[2048 + 100] ^= 0xFF;
    fs::write(&path, scratched).unwrap();
    let set = read(folder.path());
    assert_eq!(set.examples.len(), 5);
    assert!(set.warnings[0].contains("000001.tar is damaged"), "{:?}", set.warnings);
}

#[test]
fn a_list_may_name_pictures_in_shards() {
    let folder = tempfile::tempdir().unwrap();
    three(&folder);
    let [there, not] = ["000001.tar/11.jpg", "000001.tar/77.jpg"];
    let list = format!(r#"[{{"image": "{there}", "caption": "a dog"}}, {{"image": "{not}", "caption": "a cat"}}]"#);
    fs::write(folder.path().join("pairs.json"), list).unwrap();
    let set = read(&folder.path().join("pairs.json"));
    assert_eq!(set.examples.len(), 1);
    assert_eq!(set.examples[0].image.read().unwrap(), PNG);
    assert_eq!(set.warnings, [format!("images missing and left out: 1 ({not})")]);
}

#[test]
fn a_picture_that_went_away_is_named_with_its_shard() {
    let folder = tempfile::tempdir().unwrap();
    three(&folder);
    let set = read(folder.path());
    let path = folder.path().join("000002.tar");
    fs::write(&path, b"short").unwrap();
    let error = set.examples[4].image.read().unwrap_err();
    assert!(matches!(error, Error::Read { path: named, .. } if named == path.join("20.jpg")));
}

#[test]
fn the_picture_of_a_url_is_called_by_its_hash_or_its_last_part() {
    let list = r#"[{"url": "http://a.org/x/dog.jpg?size=2", "caption": "a dog"},
        {"url": "http://a.org/cat", "caption": ["a cat", "the cat"]},
        {"url": "http://a.org/1.jpg", "caption": "one"}, {"url": "http://b.org/1.jpg", "caption": "another"},
        {"url": "http://a.org/gone.jpg", "caption": "gone"}]"#;
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("cache");
    fs::create_dir(&images).unwrap();
    fs::write(folder.path().join("urls.json"), list).unwrap();
    // printf %s http://b.org/1.jpg | sha256sum
    let hashed = "7daeb06a8f187b90f80b795aaefc93b6c2d8169b4be5bf232281e6790bd93ed8.webp";
    for name in ["dog.jpg", "cat.png", "1.jpg", hashed] {
        fs::write(images.join(name), JPEG).unwrap();
    }
    let set = read_captions(&folder.path().join("urls.json"), Some(&images), None).unwrap();
    let found: Vec<(String, &str)> =
        set.examples.iter().map(|example| (example.image.name(), example.captions[0].as_str())).collect();
    let expected = [("dog.jpg", "a dog"), ("cat.png", "a cat"), (hashed, "another")];
    assert_eq!(found, expected.map(|(name, caption)| (name.to_owned(), caption)));
    assert_eq!(set.warnings, ["images missing and left out: 2 (http://a.org/1.jpg, http://a.org/gone.jpg)"]);
    assert_eq!(set.examples[0].image, Picture::File(images.join("dog.jpg")));
}
