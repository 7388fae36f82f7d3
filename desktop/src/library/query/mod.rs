//! What is searched for: texts and pictures that are compared, and a filter that is looked up.
//!
//! | written | meaning |
//! |---|---|
//! | `dog in a lake` | what is shown looks like this; plain words, wherever they stand, are one text |
//! | `+snow` `-snow` `+(red car)` | another text that counts for or against |
//! | `beach^2` `(red car)^0.5` | how much a text counts; 1 where nothing is said |
//! | `./x.jpg` `image:"~/a b.jpg"` | looks like this picture |
//! | `dog OR cat` | the better of the two counts |
//! | `"new york"` | these words, so, in the caption or the name |
//! | `date:2024-06..2024-08` `date:2024` `date:..2023-01-15` `date:last-week` | when it was taken |
//! | `folder:italy` `name:*.png` `camera:canon` `lens:50mm` | this in the text, `*` and `?` stand for anything |
//! | `rating:>=3` `size:>2mp` `size:<5mb` `type:video` `has:caption` | numbers and kinds |
//! | `NOT x` `-x` `x OR y` `(…)` | filters put together; side by side, both must hold |
//!
//! Every value may be quoted; in quotes `\"` is a quote and `\\` a backslash. `words:"…"` is a text whatever is in it.

mod complete;
mod error;
mod keys;
mod meaning;
mod parse;
mod period;
mod print;
mod simplify;
mod value;

use std::path::PathBuf;
use std::str::FromStr;

pub use complete::{Completion, complete};
pub use error::QueryError;
pub use period::{Period, Recent};

use super::photo::Kind;

/// What is searched for.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What photographs are compared with; without any, they are listed by date.
    pub terms: Vec<Term>,
    /// Which photographs may be found.
    pub filter: Filter,
}

/// Something that photographs are compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// A text or a picture.
    pub what: What,
    /// How much it counts: below zero, those that are like it come last.
    pub weight: f32,
}

/// What a term is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A text.
    Words(String),
    /// A picture, as it was written: `~` is not yet a folder.
    Image(PathBuf),
    /// Whichever of these is more like the photograph.
    Any(Vec<Vec<Term>>),
}

/// Which photographs may be found.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Filter {
    /// Every one.
    #[default]
    All,
    /// Those that all of these let through.
    And(Vec<Filter>),
    /// Those that one of these lets through.
    Or(Vec<Filter>),
    /// Those that this does not let through.
    Not(Box<Filter>),
    /// These words next to each other in the caption or the name.
    Exact(String),
    /// Taken in this time, both ends with it.
    Date {
        /// From when on.
        from: Option<Period>,
        /// Until when.
        to: Option<Period>,
    },
    /// Taken in a time that is reckoned from today.
    Recent(Recent),
    /// In a folder whose path has this in it, or, where it is a whole path, in that folder or below.
    Folder(String),
    /// A name with this in it.
    Name(String),
    /// A camera with this in its name.
    Camera(String),
    /// A lens with this in its name.
    Lens(String),
    /// So many stars; what has no rating is not found.
    Rating(Compare<u8>),
    /// Of this kind.
    Type(Kind),
    /// So many pixels.
    Pixels(Compare<u64>),
    /// A file of so many bytes.
    Bytes(Compare<u64>),
    /// Has a caption.
    HasCaption,
    /// Says where it was taken.
    HasPlace,
    /// Has stars, be it none of five.
    HasRating,
}

/// What a number is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare<T> {
    /// Smaller than this.
    Below(T),
    /// This or smaller.
    AtMost(T),
    /// This; of sizes, within a twentieth.
    Exactly(T),
    /// This or larger.
    AtLeast(T),
    /// Larger than this.
    Above(T),
    /// From the first to the second, both with it.
    Between(T, T),
}

impl<T> Compare<T> {
    /// The same comparison with other numbers.
    pub fn map<U>(self, mut to: impl FnMut(T) -> U) -> Compare<U> {
        match self {
            Self::Below(number) => Compare::Below(to(number)),
            Self::AtMost(number) => Compare::AtMost(to(number)),
            Self::Exactly(number) => Compare::Exactly(to(number)),
            Self::AtLeast(number) => Compare::AtLeast(to(number)),
            Self::Above(number) => Compare::Above(to(number)),
            Self::Between(from, until) => Compare::Between(to(from), to(until)),
        }
    }
}

/// A part of a query's filter, as a window shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Chip {
    /// The part as it is written.
    pub text: String,
    /// The query without it.
    pub without: Query,
}

impl Query {
    /// Finds all photographs.
    pub const ALL: Self = Self { terms: Vec::new(), filter: Filter::All };

    /// A text alone, whatever is in it.
    pub fn words(text: &str) -> Self {
        Self { terms: vec![Term { what: What::Words(text.to_owned()), weight: 1.0 }], filter: Filter::All }
    }

    /// Whether it finds all photographs in no order of likeness.
    pub fn is_all(&self) -> bool {
        self.terms.is_empty() && self.filter == Filter::All
    }

    /// The parts of the filter that all must hold, each with the query that is left when it is taken away.
    pub fn chips(&self) -> Vec<Chip> {
        let parts = match &self.filter {
            Filter::All => return Vec::new(),
            Filter::And(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let chip = |place: usize| {
            let mut rest = parts.to_vec();
            let part = rest.remove(place);
            let without = Self { terms: self.terms.clone(), filter: Filter::And(rest) }.simplified();
            Chip { text: part.to_string(), without }
        };
        (0..parts.len()).map(chip).collect()
    }

    /// The same query without what says nothing: empty parts, parts of one part, doubled negation.
    ///
    /// Reading what was printed of a query gives this.
    pub fn simplified(self) -> Self {
        simplify::query(self)
    }
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        parse::query(text)
    }
}
