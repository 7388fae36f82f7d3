//! Reading a query, by recursive descent.
//!
//! ```text
//! any    = all { "OR" all }
//! all    = signed { ["AND"] signed }
//! signed = { "NOT" | "-" | "+" } atom [ "^" number ]
//! atom   = "(" any ")" | '"' text '"' | key ":" value | path | word
//! ```

use std::ops::Range;

use super::error::{QueryError, Result};
use super::keys::Key;
use super::meaning::{self, Node, Part, Syntax};
use super::value;
use super::{Filter, Query, What};

/// Parentheses within parentheses.
const MAX_DEPTH: usize = 50;
/// The largest weight.
const MAX_WEIGHT: f32 = 1000.0;

pub(super) fn query(text: &str) -> Result<Query> {
    let mut parser = Parser { text, at: 0 };
    parser.skip_spaces();
    if parser.is_at_end() {
        return Ok(Query::ALL);
    }
    let node = parser.any(0)?;
    if !parser.is_at_end() {
        return parser.error(parser.at..parser.at + 1, "this ) closes nothing", "take it away, or open with (");
    }
    let Part { terms, filter } = meaning::part(text, node)?;
    Ok(Query { terms, filter }.simplified())
}

/// Whether this text is read as itself where words may stand: without signs, keys, quotes and words with a meaning.
pub(super) fn is_plain(text: &str) -> bool {
    let mut parser = Parser { text, at: 0 };
    let Ok(node) = parser.all(0) else { return false };
    let Syntax::All(nodes) = node.what else { return false };
    let words: Option<Vec<String>> = nodes.into_iter().map(|node| node.plain()).collect();
    // A sign alone is a word only where nothing stands behind it.
    let has_no_sign = |words: &Vec<String>| !words.iter().any(|word| word.starts_with(['+', '-']));
    // With a weight behind it, a word that ends so would be a key.
    let ends_as_key = text.ends_with(':');
    parser.is_at_end() && !ends_as_key && words.filter(has_no_sign).is_some_and(|words| words.join(" ") == text)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self, depth: usize) -> Result<Node> {
        let start = self.at;
        let mut nodes = vec![self.all(depth)?];
        while self.is_word("OR") {
            self.at += 2;
            nodes.push(self.all(depth)?);
        }
        let what = if nodes.len() == 1 { return Ok(nodes.remove(0)) } else { Syntax::Any(nodes) };
        Ok(Node { place: start..self.at, what })
    }

    fn all(&mut self, depth: usize) -> Result<Node> {
        self.skip_spaces();
        let start = self.at;
        let mut nodes = Vec::new();
        loop {
            self.skip_spaces();
            if self.is_at_end() || self.peek() == Some(')') || self.is_word("OR") {
                break;
            }
            if self.is_word("AND") {
                let place = self.at..self.at + 3;
                self.at += 3;
                self.skip_spaces();
                let is_last = self.is_at_end() || self.peek() == Some(')') || self.is_word("OR") || self.is_word("AND");
                if is_last || nodes.is_empty() {
                    let advice = "AND stands between two things, and may be left out: dog rating:5";
                    return self.error(place, "something is missing beside this AND", advice);
                }
            }
            nodes.push(self.signed(depth)?);
        }
        if nodes.is_empty() {
            let width = if self.is_word("OR") { 2 } else { usize::from(self.peek().is_some()) };
            let advice = "OR stands between two things: dog OR cat; parentheses around something: (red car)";
            return self.error(self.at..self.at + width, "something is missing here", advice);
        }
        Ok(Node { place: start..self.at, what: Syntax::All(nodes) })
    }

    fn signed(&mut self, depth: usize) -> Result<Node> {
        let start = self.at;
        let (mut is_negative, mut is_grouped) = (false, false);
        loop {
            if self.is_word("NOT") {
                self.at += 3;
                self.skip_spaces();
                if self.is_at_end() || self.peek() == Some(')') || self.is_word("OR") {
                    return self.error(start..self.at, "NOT has nothing after it", "write what must not be: NOT snow");
                }
                is_negative = !is_negative;
            } else if self.is_sign() {
                is_negative ^= self.peek() == Some('-');
                self.at += 1;
            } else {
                break;
            }
            is_grouped = true;
        }
        let mut node = self.atom(depth)?;
        if let Some(weight) = self.weight()? {
            node = Node { place: node.place.start..self.at, what: Syntax::Weighted(Box::new(node), weight) };
        }
        let place = start..self.at;
        Ok(match (is_negative, is_grouped) {
            (true, _) => Node { place, what: Syntax::Not(Box::new(node)) },
            (false, true) => Node { place, what: Syntax::Group(Box::new(node)) },
            (false, false) => node,
        })
    }

    fn atom(&mut self, depth: usize) -> Result<Node> {
        let start = self.at;
        let what = match self.peek() {
            Some('(') => {
                if depth == MAX_DEPTH {
                    return self.error(start..start + 1, "these are too many parentheses in each other", "use fewer");
                }
                self.at += 1;
                let node = self.any(depth + 1)?;
                if self.peek() != Some(')') {
                    return self.error(start..start + 1, "this ( is not closed", "close it with )");
                }
                self.at += 1;
                Syntax::Group(Box::new(node))
            }
            Some('"') => {
                let text = self.quoted()?;
                if text.trim().is_empty() {
                    let advice = "write the words to be found in captions and names: \"new york\"";
                    return self.error(start..self.at, "there is nothing between these quotes", advice);
                }
                self.end_of_value(start)?;
                Syntax::Filter(Filter::Exact(text))
            }
            _ => return self.word(),
        };
        Ok(Node { place: start..self.at, what })
    }

    /// A word, a path, or a key with its value.
    fn word(&mut self) -> Result<Node> {
        let start = self.at;
        let run = self.run();
        let key = run.split_once(':').filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_alphabetic()));
        if let Some((name, rest)) = key {
            if let Some(key) = Key::named(name) {
                self.at = start + name.len() + 1;
                return self.keyed(key, start);
            }
            let has_value = !rest.is_empty() || self.peek() == Some('"');
            if let Some(advice) = Key::meant(name).filter(|_| has_value && !rest.starts_with("//")) {
                let advice = format!("{advice} (words:\"{name}:…\" is a text)");
                return self.error(start..start + name.len() + 1, &format!("there is no filter {name}:"), &advice);
            }
        }
        let (word, weight) = split_weight(run);
        let what = match is_path(word) {
            true => Syntax::Term(What::Image(word.into())),
            false if weight.is_some() => Syntax::Term(What::Words(word.to_owned())),
            false => Syntax::Plain(word.to_owned()),
        };
        // The weight is read where all weights are.
        self.at = start + word.len();
        Ok(Node { place: start..self.at, what })
    }

    /// What follows a key and its colon.
    fn keyed(&mut self, key: Key, start: usize) -> Result<Node> {
        let value_start = self.at;
        let is_term = matches!(key, Key::Words | Key::Image);
        let value = if self.peek() == Some('"') {
            let value = self.quoted()?;
            self.end_of_value(value_start)?;
            value
        } else {
            let run = self.run();
            if matches!(self.peek(), Some('"' | '(')) && !run.is_empty() {
                return self.whole_value(value_start..self.at + 1);
            }
            let value = if is_term { split_weight(run).0 } else { run };
            self.at = value_start + value.len();
            value.to_owned()
        };
        let place = if value_start == self.at { start..self.at } else { value_start..self.at };
        if value.trim().is_empty() {
            let advice = format!("write {}", key.examples());
            return self.error(place, &format!("{}: has no value", key.name()), &advice);
        }
        let what = match key {
            Key::Words => Syntax::Term(What::Words(value)),
            Key::Image => Syntax::Term(What::Image(value.into())),
            _ => match value::filter(key, &value) {
                Ok(filter) => Syntax::Filter(filter),
                Err(reason) => return self.error(place, &reason, &format!("write {}", key.examples())),
            },
        };
        Ok(Node { place: start..self.at, what })
    }

    /// A text in quotes, without them.
    fn quoted(&mut self) -> Result<String> {
        let start = self.at;
        let mut text = String::new();
        let mut letters = self.text[start + 1..].char_indices();
        while let Some((place, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at = start + 1 + place + 1;
                    return Ok(text);
                }
                '\\' => match letters.clone().next() {
                    Some((_, escaped @ ('"' | '\\'))) => {
                        letters.next();
                        text.push(escaped);
                    }
                    _ => text.push('\\'),
                },
                letter => text.push(letter),
            }
        }
        self.error(start..self.text.len(), "this quote does not end", "end it with \"")
    }

    /// Makes sure that nothing sticks to a quoted value but a weight.
    fn end_of_value(&self, start: usize) -> Result<()> {
        match self.peek() {
            None | Some(')' | '^') => Ok(()),
            Some(letter) if letter.is_whitespace() => Ok(()),
            Some(letter) => self.whole_value(start..self.at + letter.len_utf8()),
        }
    }

    fn whole_value<T>(&self, place: Range<usize>) -> Result<T> {
        self.error(place, "this value is quoted in part", "put quotes around the whole value, and a space after it")
    }

    /// The weight of what stands before it.
    fn weight(&mut self) -> Result<Option<f32>> {
        if self.peek() != Some('^') {
            return Ok(None);
        }
        let start = self.at;
        self.at += 1;
        let run = self.run();
        let weight = if is_number(run) { run.parse().ok() } else { None };
        match weight {
            Some(weight) if weight > 0.0 && weight <= MAX_WEIGHT => Ok(Some(weight)),
            _ => {
                let advice = "a weight is a number above 0 and at most 1000: beach^2 or snow^0.5";
                self.error(start..self.at, "this is no weight", advice)
            }
        }
    }

    fn error<T>(&self, place: Range<usize>, reason: &str, advice: &str) -> Result<T> {
        Err(QueryError::new(self.text, place, reason.to_owned(), advice.to_owned()))
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// What there is up to a space, a parenthesis or a quote.
    fn rest_of_run(&self) -> &'a str {
        let rest = &self.text[self.at..];
        rest.split(|letter: char| letter.is_whitespace() || "()\"".contains(letter)).next().unwrap_or_default()
    }

    fn run(&mut self) -> &'a str {
        let run = self.rest_of_run();
        self.at += run.len();
        run
    }

    fn is_word(&self, word: &str) -> bool {
        self.rest_of_run() == word
    }

    /// Whether a plus or minus stands before something, and not alone.
    fn is_sign(&self) -> bool {
        let mut letters = self.text[self.at..].chars();
        matches!(letters.next(), Some('+' | '-'))
            && letters.next().is_some_and(|next| !next.is_whitespace() && next != ')')
    }
}

/// A word and the `^2` behind it, which stays unread.
fn split_weight(run: &str) -> (&str, Option<&str>) {
    match run.rsplit_once('^') {
        Some((word, weight)) if !word.is_empty() && is_number(weight) => (word, Some(weight)),
        _ => (run, None),
    }
}

/// Digits, with one point at most.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.parse::<f32>().is_ok()
}

/// Whether a word can only be a file.
fn is_path(word: &str) -> bool {
    let starts = ["./", "../", "~/", "/", ".\\", "..\\", "~\\"];
    let is_drive = |bytes: &[u8]| bytes.len() > 3 && bytes[0].is_ascii_alphabetic() && bytes[1..3] == *b":\\";
    starts.iter().any(|start| word.len() > start.len() && word.starts_with(start)) || is_drive(word.as_bytes())
}
