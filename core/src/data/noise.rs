//! Captions of the web, made: a known share of pictures has those of another picture.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::listing::read_text;
use super::order::epoch_order;
use super::pictures::Shelves;
use super::{CaptionSet, Picture, broken, warning};
use crate::error::{Error, Result};
use crate::preprocess::pre_caption;

/// An entry of a list of pictures and captions that knows which of them are wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoisyPair {
    /// The picture, as a path.
    pub image: String,
    /// A caption of it, or of another.
    pub caption: String,
    /// Whether the caption is another picture's, and not this one's as well.
    pub swapped: bool,
}

/// A caption that is right or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoisyCaption {
    /// What it stands beside.
    pub image: Picture,
    /// The text.
    pub caption: String,
    /// Whether it is another picture's.
    pub swapped: bool,
}

/// Gives a `share` of the pictures, drawn by `seed`, all captions of another of them: in a circle, so that every
/// caption stays in the set once. A picture gets no captions of one that shares a caption with it, where there are others.
///
/// # Errors
/// [`Error::Option`] for a share that is none, [`Error::TooFewExamples`] for a picture alone.
pub fn exchange(set: &CaptionSet, share: f64, seed: u64) -> Result<Vec<NoisyPair>> {
    if !(0.0..=1.0).contains(&share) {
        return Err(Error::Option { option: "share", reason: "must be at least 0 and at most 1".into() });
    }
    let total = set.examples.len();
    let wanted = (total as f64 * share).round() as usize;
    if wanted > 0 && total < 2 {
        return Err(Error::TooFewExamples { found: total, least: 2 });
    }
    // One alone has nobody to exchange with.
    let circle: Vec<usize> =
        epoch_order(total, seed, 0).into_iter().take(if wanted == 1 { 2 } else { wanted }).collect();
    let mut source: Vec<usize> = (0..total).collect();
    for (place, &image) in circle.iter().enumerate() {
        source[image] = circle[(place + 1) % circle.len()];
    }
    let cleaned = |caption: &String| pre_caption(caption, usize::MAX);
    let own: Vec<HashSet<String>> =
        set.examples.iter().map(|example| example.captions.iter().map(cleaned).collect()).collect();
    part_alike(&own, &circle, &mut source);
    let pairs = set.examples.iter().zip(&own).zip(&source).flat_map(|((example, own), &source)| {
        set.examples[source].captions.iter().map(|caption| NoisyPair {
            image: example.image.to_string(),
            caption: caption.clone(),
            swapped: !own.contains(&cleaned(caption)),
        })
    });
    Ok(pairs.collect())
}

/// Exchanges once more where two pictures have a caption in common: it would be right for both.
fn part_alike(own: &[HashSet<String>], circle: &[usize], source: &mut [usize]) {
    let is_wrong = |image: usize, source: usize| image != source && own[image].is_disjoint(&own[source]);
    for &image in circle.iter().filter(|_| circle.len() > 1) {
        let fits = |other: &usize| is_wrong(image, source[*other]) && is_wrong(*other, source[image]);
        // Where nobody fits, it keeps what it has got, and what is right of that is not called swapped.
        if !is_wrong(image, source[image])
            && let Some(other) = circle.iter().copied().find(fits)
        {
            source.swap(image, other);
        }
    }
}

/// Reads what [`exchange`] gave, as it was written in JSON; pictures that are missing are left out with a warning.
///
/// # Errors
/// [`Error::Read`]; [`Error::Data`] for a list that does not say which captions are swapped, or without a picture that
/// is there.
pub fn read_noise(data: &Path, images: Option<&Path>) -> Result<(Vec<NoisyCaption>, Vec<String>)> {
    let pairs: Vec<NoisyPair> = serde_json::from_str(&read_text(data)?).map_err(|error| {
        broken(data, format!("no list of image, caption and swapped, as `medley data noise` writes it: {error}"))
    })?;
    if pairs.is_empty() {
        return Err(broken(data, "no caption in it".to_owned()));
    }
    let mut shelves = Shelves::new(data, images)?;
    let (mut found, mut missing, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for NoisyPair { image, caption, swapped } in pairs {
        match shelves.find(&image) {
            // What is nothing but punctuation says nothing, right or wrong.
            Some(_) if pre_caption(&caption, usize::MAX).is_empty() => empty.push(image),
            Some(image) => found.push(NoisyCaption { image, caption, swapped }),
            None => missing.push(image),
        }
    }
    if found.is_empty() {
        return Err(broken(data, shelves.explain_missing(&missing)));
    }
    let warnings =
        [("images missing, their captions left out", &missing), ("captions without a word, left out", &empty)];
    Ok((found, warnings.into_iter().filter_map(|(what, names)| warning(what, names)).collect()))
}
