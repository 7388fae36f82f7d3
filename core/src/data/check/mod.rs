//! Reading a dataset once, to say what is odd about it before hours are spent on it.

mod findings;
mod look;

pub use findings::{Broken, Findings, Leak, LongText, Placed, RepeatedText, SharedText, SplitCounts};

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rayon::prelude::*;

use super::listing::Listing;
use super::questions::list_questions;
use super::{Picture, pictures};
use crate::error::{Error, Result};
use crate::preprocess::{Preprocessor, decode, pre_caption, pre_question};
use crate::progress::{Progress, Report};
use look::{Look, alike};

/// Words of a caption that are read (`pre_caption` in the authors' datasets).
const CAPTION_WORDS: usize = 30;
/// Words of a question that are read.
const QUESTION_WORDS: usize = 50;
/// Pictures between two reports.
const PICTURES: usize = 64;

/// Descriptions that are to be checked together: those of one dataset, or of several that must not meet.
#[derive(Default)]
pub struct Check {
    entries: Vec<Entry>,
    splits: Vec<String>,
    warnings: Vec<String>,
}

/// A picture as one of the datasets describes it.
struct Entry {
    split: usize,
    name: String,
    picture: Option<Picture>,
    texts: Vec<Text>,
    /// Whether it stands for a question that nobody answered.
    is_unanswered: bool,
}

/// A caption or a question.
struct Text {
    text: String,
    /// As it is read.
    cleaned: String,
    max_words: usize,
}

impl Check {
    /// Adds a captioned dataset, whose splits are called as in the file, or `name` where it has none.
    ///
    /// # Errors
    /// As [`Listing::read`], and a folder `images` that is none.
    pub fn add_captions(&mut self, name: &str, data: &Path, images: Option<&Path>) -> Result<()> {
        let listing = Listing::read(data)?;
        let mut shelves = listing.shelves(images)?;
        let pictures = pictures::find_all(&listing.records, &mut shelves);
        for (record, picture) in listing.records.into_iter().zip(pictures) {
            let split = record.split.as_deref().map_or(name, super::listing::canonical);
            let split = self.split(split);
            let text = |text: String| Text { cleaned: pre_caption(&text, usize::MAX), text, max_words: CAPTION_WORDS };
            let texts = record.captions.into_iter().map(text).collect();
            self.entries.push(Entry { split, name: record.image, picture, texts, is_unanswered: false });
        }
        self.warnings.extend(listing.warnings);
        Ok(())
    }

    /// Adds questions, with their answers from `annotations` where they are kept apart, as a split of this name.
    ///
    /// # Errors
    /// As [`read_questions`](super::read_questions), but for pictures that are missing.
    pub fn add_questions(
        &mut self,
        name: &str,
        data: &Path,
        annotations: Option<&Path>,
        images: Option<&Path>,
    ) -> Result<()> {
        let split = self.split(name);
        let (questions, _) = list_questions(data, annotations, images)?;
        // Without an answer anywhere it is a test set.
        let is_answered = questions.iter().any(|(_, question)| !question.answers.is_empty());
        for (picture, question) in questions {
            let cleaned = pre_question(&question.question, usize::MAX).trim().to_owned();
            let texts = vec![Text { text: question.question, cleaned, max_words: QUESTION_WORDS }];
            let is_unanswered = is_answered && question.answers.is_empty();
            let (name, picture) = match picture {
                Ok(picture) => (picture.name(), Some(picture)),
                Err(name) => (name, None),
            };
            self.entries.push(Entry { split, name, picture, texts, is_unanswered });
        }
        Ok(())
    }

    fn split(&mut self, name: &str) -> usize {
        self.splits.iter().position(|known| known == name).unwrap_or_else(|| {
            self.splits.push(name.to_owned());
            self.splits.len() - 1
        })
    }

    /// Reads and decodes every picture, several at a time, and looks at every text.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn run(self, report: &mut Report<'_>) -> Result<Findings> {
        let mut pictures: Vec<Picture> = Vec::new();
        let mut places: HashMap<Picture, usize> = HashMap::new();
        let mut splits_of: Vec<HashSet<usize>> = Vec::new();
        for entry in &self.entries {
            let Some(picture) = &entry.picture else { continue };
            let place = *places.entry(picture.clone()).or_insert_with(|| {
                pictures.push(picture.clone());
                splits_of.push(HashSet::new());
                pictures.len() - 1
            });
            splits_of[place].insert(entry.split);
        }
        let (mut looks, mut broken) = (Vec::with_capacity(pictures.len()), Vec::new());
        for some in pictures.chunks(PICTURES) {
            let examined: Vec<Result<Look>> = some.par_iter().map(examine).collect();
            for (picture, look) in some.iter().zip(examined) {
                if let Err(error) = &look {
                    broken.push(Broken { image: picture.to_string(), reason: reason(error) });
                }
                looks.push(look.ok());
            }
            let progress = Progress::Items { stage: "checking", done: looks.len(), total: pictures.len() };
            if report(progress).is_break() && looks.len() < pictures.len() {
                return Err(Error::Cancelled);
            }
        }
        let mut findings = self.look_at_texts(&places);
        findings.broken = broken;
        self.compare(&mut findings, &pictures, &looks, &splits_of);
        Ok(findings)
    }

    /// Counts, and what is odd about texts.
    fn look_at_texts(&self, places: &HashMap<Picture, usize>) -> Findings {
        let mut findings = Findings { warnings: self.warnings.clone(), ..Findings::default() };
        let count = |name: &String| SplitCounts { split: name.clone(), images: 0, texts: 0 };
        findings.splits = self.splits.iter().map(count).collect();
        let (mut counted, mut seen) = (HashSet::new(), HashSet::new());
        let mut shared: HashMap<&str, Vec<usize>> = HashMap::new();
        for entry in &self.entries {
            let place = entry.picture.as_ref().map(|picture| places[picture]);
            let Some(place) = place else {
                findings.missing.push(entry.name.clone());
                continue;
            };
            let (image, counts) = (&entry.name, &mut findings.splits[entry.split]);
            counts.images += usize::from(counted.insert((entry.split, place)));
            counts.texts += entry.texts.len();
            if entry.texts.iter().all(|text| text.cleaned.is_empty()) {
                findings.bare.push(image.clone());
            }
            if entry.is_unanswered {
                let question = entry.texts.first().map_or("", |text| &text.text);
                findings.unanswered.push(RepeatedText { image: image.clone(), text: question.to_owned() });
            }
            for text in &entry.texts {
                let words = text.cleaned.split_whitespace().count();
                if words == 0 {
                    findings.empty_texts.push(image.clone());
                } else if words > text.max_words {
                    findings.long_texts.push(LongText { image: image.clone(), words, text: text.text.clone() });
                }
                if words > 0 && !seen.insert((entry.split, place, text.cleaned.as_str())) {
                    findings.repeated_texts.push(RepeatedText { image: image.clone(), text: text.text.clone() });
                }
                let images = shared.entry(&text.cleaned).or_default();
                if words > 0 && text.max_words == CAPTION_WORDS && images.last() != Some(&place) {
                    images.push(place);
                }
            }
        }
        let shared = shared.into_iter().filter(|(_, images)| images.len() > 1);
        findings.shared_texts =
            shared.map(|(text, images)| SharedText { text: text.to_owned(), images: images.len() }).collect();
        findings.shared_texts.sort_by(|a, b| b.images.cmp(&a.images).then(a.text.cmp(&b.text)));
        findings
    }

    /// Pictures that are there more than once, within a split and across.
    fn compare(
        &self,
        findings: &mut Findings,
        pictures: &[Picture],
        looks: &[Option<Look>],
        splits_of: &[HashSet<usize>],
    ) {
        for group in alike(looks) {
            let splits: HashSet<usize> = group.iter().flat_map(|place| splits_of[*place].iter().copied()).collect();
            let mut contents = group.iter().map(|place| looks[*place].map(|look| look.content));
            let first = contents.next();
            let is_exact = contents.all(|content| Some(content) == first);
            let names = || group.iter().map(|place| pictures[*place].to_string()).collect::<Vec<_>>();
            match (splits.len() > 1, group.len() > 1) {
                (true, _) => {
                    let placed = group.iter().flat_map(|place| {
                        let mut splits: Vec<usize> = splits_of[*place].iter().copied().collect();
                        splits.sort_unstable();
                        let image = pictures[*place].to_string();
                        splits.into_iter().map(move |split| (self.splits[split].clone(), image.clone()))
                    });
                    let images = placed.map(|(split, image)| Placed { split, image }).collect();
                    findings.leaks.push(Leak { images, is_exact });
                }
                (false, true) if is_exact => findings.duplicates.push(names()),
                (false, true) => findings.near_duplicates.push(names()),
                (false, false) => {}
            }
        }
    }
}

/// Reads and decodes a picture.
fn examine(picture: &Picture) -> Result<Look> {
    let Preprocessor { alpha, max_pixels, .. } = Preprocessor::default();
    let bytes = picture.read()?;
    Ok(Look::new(&bytes, &decode(&bytes, alpha, max_pixels)?))
}

/// What is wrong with a picture, in a line and without its name.
fn reason(error: &Error) -> String {
    match error {
        Error::Read { source, .. } => source.to_string(),
        Error::BrokenImage { source } => format!("{error}: {source}"),
        other => other.to_string(),
    }
}
