//! What could be typed next.

use std::ops::Range;

use super::keys::Key;

/// Something that may be put where the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The bytes of the text it takes the place of.
    pub replace: Range<usize>,
    /// What is put there.
    pub with: String,
    /// Values that are right, for a key; nothing for a value.
    pub examples: &'static str,
}

/// The keys and values that begin as the word does that the cursor, a place in bytes, stands behind.
///
/// Between words nothing is proposed, and neither is what is there already.
pub fn complete(text: &str, cursor: usize) -> Vec<Completion> {
    let cursor = (0..=cursor.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
    let before = &text[..cursor];
    if before.replace("\\\"", "").matches('"').count() % 2 == 1 {
        return Vec::new();
    }
    let is_end = |letter: char| letter.is_whitespace() || "()\"".contains(letter);
    let start = before.rfind(is_end).map_or(0, |end| end + before[end..].chars().next().map_or(0, char::len_utf8));
    let start = start + before[start..].find(|letter| !matches!(letter, '+' | '-')).unwrap_or(cursor - start);
    let word = &before[start..];
    // The rest of the word behind the cursor makes way too.
    let rest = text[cursor..].find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len() - cursor);
    if let Some((key, value)) = word.split_once(':') {
        let Some(key) = Key::named(key) else { return Vec::new() };
        let begin = start + key.name().len() + 1;
        let begins_so = |known: &&str| begins(known, value) && !known.eq_ignore_ascii_case(value);
        let completion =
            |value: &str| Completion { replace: begin..cursor + rest, with: value.to_owned(), examples: "" };
        return key.values().into_iter().filter(begins_so).map(completion).collect();
    }
    if word.is_empty() || text[cursor + rest..].starts_with(':') {
        return Vec::new();
    }
    let completion = |key: Key| Completion {
        replace: start..cursor + rest,
        with: format!("{}:", key.name()),
        examples: key.examples(),
    };
    Key::ALL.into_iter().filter(|key| begins(key.name(), word)).map(completion).collect()
}

fn begins(known: &str, typed: &str) -> bool {
    known.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed))
}
