//! What is wrong with a query, and where.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

pub(super) type Result<T> = std::result::Result<T, QueryError>;

/// Why a query was not understood.
///
/// Its text is one line; [`pointed`](Self::pointed) shows the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    text: String,
    place: Range<usize>,
    reason: String,
    advice: String,
}

impl QueryError {
    pub(super) fn new(text: &str, place: Range<usize>, reason: String, advice: String) -> Self {
        Self { text: text.to_owned(), place, reason, advice }
    }

    /// The bytes of the query that are meant.
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// What is wrong.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What would be right.
    pub fn advice(&self) -> &str {
        &self.advice
    }

    /// Three lines and one of advice: what is wrong, the query, and a mark under the place.
    pub fn pointed(&self) -> String {
        let before = self.text[..self.place.start].chars().count();
        let marked = self.text[self.place.clone()].chars().count().max(1);
        let shown = self.text.replace(char::is_control, " ");
        let mark = format!("{}{}", " ".repeat(before), "^".repeat(marked));
        format!("{}\n  {shown}\n  {mark}\n{}", self.reason, self.advice)
    }
}

impl Display for QueryError {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let place = self.text[..self.place.start].chars().count() + 1;
        write!(formatter, "{} at character {place} of the query: {}", self.reason, self.advice)
    }
}

impl std::error::Error for QueryError {}
