//! Captions that are exchanged so that a filter can be scored: how many, whose, and that it is known.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use medley::Error;
use medley::data::{CaptionExample, CaptionSet, NoisyPair, exchange, read_noise};

fn set(captions: impl Iterator<Item = Vec<String>>) -> CaptionSet {
    let example = |(index, captions): (usize, Vec<String>)| CaptionExample {
        image: PathBuf::from(format!("{index}.jpg")).into(),
        captions,
        id: index.to_string(),
    };
    CaptionSet { examples: captions.enumerate().map(example).collect(), warnings: Vec::new() }
}

/// Pictures with one to three captions each, all different.
fn plain(total: usize) -> CaptionSet {
    set((0..total).map(|index| (0..1 + index % 3).map(|caption| format!("{index} {caption}")).collect()))
}

fn by_picture(pairs: &[NoisyPair]) -> BTreeMap<&str, Vec<&NoisyPair>> {
    let mut pictures: BTreeMap<&str, Vec<&NoisyPair>> = BTreeMap::new();
    pairs.iter().for_each(|pair| pictures.entry(&pair.image).or_default().push(pair));
    pictures
}

#[test]
fn as_many_pictures_as_asked_have_the_captions_of_another() {
    for (total, share, swapped) in [(20, 0.5, 10), (20, 0.0, 0), (20, 1.0, 20), (7, 0.3, 2), (9, 0.1, 2), (2, 0.5, 2)] {
        for seed in 0..10 {
            let set = plain(total);
            let pairs = exchange(&set, share, seed).unwrap();
            let pictures = by_picture(&pairs);
            let mut count = 0;
            for example in &set.examples {
                let pairs = &pictures[example.image.to_string().as_str()];
                let captions: Vec<&str> = pairs.iter().map(|pair| pair.caption.as_str()).collect();
                let is_own = captions == example.captions;
                assert!(pairs.iter().all(|pair| pair.swapped != is_own), "{captions:?}");
                count += usize::from(!is_own);
            }
            assert_eq!(count, swapped, "{share} of {total}");
            let every = |captions: Vec<&str>| captions.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
            let before = set.examples.iter().flat_map(|example| example.captions.iter().map(String::as_str));
            assert_eq!(every(before.collect()), every(pairs.iter().map(|pair| pair.caption.as_str()).collect()));
        }
    }
}

#[test]
fn the_seed_decides_who_exchanges() {
    let set = plain(30);
    assert_eq!(exchange(&set, 0.5, 3).unwrap(), exchange(&set, 0.5, 3).unwrap());
    assert_ne!(exchange(&set, 0.5, 3).unwrap(), exchange(&set, 0.5, 4).unwrap());
}

/// Two pictures of one scene may be described alike: then neither is given the other's captions.
#[test]
fn a_caption_that_is_right_for_both_is_never_called_swapped() {
    for seed in 0..50 {
        // Every other picture has the caption of its neighbour.
        let pictures = set((0..12).map(|index| vec![format!("A scene, {}.", index / 2), format!("number {index}")]));
        for pair in exchange(&pictures, 1.0, seed).unwrap() {
            let index: usize = pair.image.trim_end_matches(".jpg").parse().unwrap();
            assert!(pair.swapped);
            assert_ne!(pair.caption, format!("A scene, {}.", index / 2), "seed {seed}");
        }
    }
    let same = set((0..4).map(|_| vec!["A dog!".to_owned()]));
    assert!(exchange(&same, 1.0, 0).unwrap().iter().all(|pair| !pair.swapped));
}

#[test]
fn shares_that_are_none_and_pictures_alone_are_refused() {
    for share in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(exchange(&plain(4), share, 0), Err(Error::Option { option: "share", .. })));
    }
    assert!(matches!(exchange(&plain(1), 1.0, 0), Err(Error::TooFewExamples { found: 1, least: 2 })));
}

#[test]
fn what_is_written_is_read_and_other_lists_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    write("0.jpg", "");
    let pairs = exchange(&plain(2), 1.0, 0).unwrap();
    let (captions, warnings) = read_noise(&write("n.json", &serde_json::to_string(&pairs).unwrap()), None).unwrap();
    assert_eq!(captions.len(), 2);
    assert!(captions.iter().all(|caption| caption.swapped && caption.image.name() == "0.jpg"));
    assert_eq!(warnings, ["images missing, their captions left out: 1 (1.jpg)"]);

    let plain = write("p.json", r#"[{"image": "0.jpg", "caption": "a dog"}]"#);
    let error = read_noise(&plain, None).unwrap_err().to_string();
    assert!(error.contains("medley data noise"), "{error}");
    assert!(read_noise(&write("e.json", "[]"), None).unwrap_err().to_string().contains("no caption"));
}
