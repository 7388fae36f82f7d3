//! What a check found.

use serde::Serialize;

/// All that is odd about a dataset; lists are in the order of the data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How much there is to learn from.
    pub splits: Vec<SplitCounts>,
    /// Pictures that cannot be decoded.
    pub broken: Vec<Broken>,
    /// Pictures that are described and not there, as written.
    pub missing: Vec<String>,
    /// Groups of files with the same bytes, within a split.
    pub duplicates: Vec<Vec<String>>,
    /// Groups of pictures that look the same, such as one in two sizes, within a split.
    pub near_duplicates: Vec<Vec<String>>,
    /// Pictures that stand in two splits, or look like one of another split.
    pub leaks: Vec<Leak>,
    /// Pictures without a text that has a word, as written.
    pub bare: Vec<String>,
    /// The pictures of texts without a word, one for each text.
    pub empty_texts: Vec<String>,
    /// Texts of which only the beginning is read.
    pub long_texts: Vec<LongText>,
    /// Texts that a picture has twice, but for punctuation and capitals.
    pub repeated_texts: Vec<RepeatedText>,
    /// Questions that nobody answered, where others are.
    pub unanswered: Vec<RepeatedText>,
    /// Captions of several pictures, the most frequent first: no error, but they teach little.
    pub shared_texts: Vec<SharedText>,
    /// What was odd about the files themselves.
    pub warnings: Vec<String>,
}

impl Findings {
    /// How many things there are to look at; captions of several pictures are not among them.
    pub fn count(&self) -> usize {
        let of_pictures = self.broken.len() + self.missing.len() + self.bare.len();
        let of_copies = self.duplicates.len() + self.near_duplicates.len() + self.leaks.len();
        let of_texts = self.empty_texts.len() + self.long_texts.len() + self.repeated_texts.len();
        of_pictures + of_copies + of_texts + self.unanswered.len() + self.warnings.len()
    }
}

/// What there is in a split; what is missing is not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SplitCounts {
    /// Its name.
    pub split: String,
    /// Pictures, each once.
    pub images: usize,
    /// Captions or questions.
    pub texts: usize,
}

/// A picture that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Where it lies.
    pub image: String,
    /// What is wrong with it.
    pub reason: String,
}

/// One picture in several splits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// Its copies.
    pub images: Vec<Placed>,
    /// Whether all have the same bytes.
    pub is_exact: bool,
}

/// A picture in a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// The split.
    pub split: String,
    /// Where the picture lies.
    pub image: String,
}

/// A text that is too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LongText {
    /// Its picture, as written.
    pub image: String,
    /// Words it has; 30 are read of a caption, 50 of a question.
    pub words: usize,
    /// The text.
    pub text: String,
}

/// A text of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepeatedText {
    /// Its picture, as written.
    pub image: String,
    /// The text.
    pub text: String,
}

/// A caption of several pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SharedText {
    /// The caption, cleaned.
    pub text: String,
    /// Pictures that have it.
    pub images: usize,
}
