//! Queries as they are written, each in one way.

use std::fmt::{self, Display, Formatter, Write};

use super::keys::Key;
use super::parse::is_plain;
use super::{Compare, Filter, Query, Term, What};
use crate::library::photo::Kind;

impl Display for Query {
    /// Reading this again gives the query as [`simplified`](Query::simplified), if its paths are UTF-8.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write_terms(&self.terms, formatter)?;
        if self.filter == Filter::All {
            return Ok(());
        }
        if !self.terms.is_empty() {
            formatter.write_char(' ')?;
        }
        self.filter.fmt(formatter)
    }
}

/// Terms side by side; the first plain one needs no plus.
fn write_terms(terms: &[Term], formatter: &mut Formatter<'_>) -> fmt::Result {
    let mut has_text = false;
    for (place, term) in terms.iter().enumerate() {
        if place > 0 {
            formatter.write_char(' ')?;
        }
        let is_first_text = !has_text && term.weight == 1.0;
        has_text |= write_term(term, is_first_text, formatter)?;
    }
    Ok(())
}

/// Writes a term and answers whether it stands there as plain words.
fn write_term(term: &Term, may_be_plain: bool, formatter: &mut Formatter<'_>) -> Result<bool, fmt::Error> {
    let Term { what, weight } = term;
    let is_weighted = weight.abs() != 1.0;
    if *weight < 0.0 {
        formatter.write_char('-')?;
    }
    let mut is_text = false;
    match what {
        What::Words(text) if is_plain(text) => {
            let is_one_word = !text.contains(' ');
            is_text = may_be_plain;
            if *weight == 1.0 && !may_be_plain {
                formatter.write_char('+')?;
            }
            match is_text || is_one_word {
                true => formatter.write_str(text)?,
                false => write!(formatter, "({text})")?,
            }
        }
        What::Words(text) => write_quoted(Some(Key::Words), text, formatter)?,
        What::Image(path) => write_quoted(Some(Key::Image), &path.to_string_lossy(), formatter)?,
        What::Any(alternatives) => {
            formatter.write_char('(')?;
            for (place, alternative) in alternatives.iter().enumerate() {
                formatter.write_str(if place > 0 { " OR " } else { "" })?;
                write_terms(alternative, formatter)?;
            }
            formatter.write_char(')')?;
        }
    }
    if is_weighted {
        write!(formatter, "^{}", weight.abs())?;
    }
    Ok(is_text)
}

impl Display for Filter {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::And(parts) => write_joined(parts, " ", formatter),
            Self::Or(parts) => {
                formatter.write_char('(')?;
                write_joined(parts, " OR ", formatter)?;
                formatter.write_char(')')
            }
            Self::Not(part) => match part.as_ref() {
                Self::And(_) => write!(formatter, "-({part})"),
                part => write!(formatter, "-{part}"),
            },
            Self::Exact(text) => write_quoted(None, text, formatter),
            Self::Date { from, to } => {
                let write = |formatter: &mut Formatter<'_>, period: Option<super::Period>| {
                    period.map_or(Ok(()), |period| period.fmt(formatter))
                };
                formatter.write_str("date:")?;
                write(formatter, *from)?;
                if from == to {
                    return Ok(());
                }
                formatter.write_str("..")?;
                write(formatter, *to)
            }
            Self::Recent(recent) => write!(formatter, "date:{}", recent.name()),
            Self::Folder(text) => write_value(Key::Folder, text, formatter),
            Self::Name(text) => write_value(Key::Name, text, formatter),
            Self::Camera(text) => write_value(Key::Camera, text, formatter),
            Self::Lens(text) => write_value(Key::Lens, text, formatter),
            Self::Rating(compare) => write!(formatter, "rating:{compare}"),
            Self::Type(Kind::Photo) => formatter.write_str("type:photo"),
            Self::Type(Kind::Video) => formatter.write_str("type:video"),
            Self::Pixels(compare) => write!(formatter, "size:{}", compare.map(|pixels| decimal(pixels, &[("mp", 6)]))),
            Self::Bytes(compare) => {
                let units = [("gb", 9), ("mb", 6), ("kb", 3), ("b", 0)];
                write!(formatter, "size:{}", compare.map(|bytes| decimal(bytes, &units)))
            }
            Self::HasCaption => formatter.write_str("has:caption"),
            Self::HasPlace => formatter.write_str("has:place"),
            Self::HasRating => formatter.write_str("has:rating"),
        }
    }
}

fn write_joined(parts: &[Filter], between: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
    for (place, part) in parts.iter().enumerate() {
        formatter.write_str(if place > 0 { between } else { "" })?;
        part.fmt(formatter)?;
    }
    Ok(())
}

impl<T: Display> Display for Compare<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(number) => write!(formatter, "<{number}"),
            Self::AtMost(number) => write!(formatter, "<={number}"),
            Self::Exactly(number) => write!(formatter, "{number}"),
            Self::AtLeast(number) => write!(formatter, ">={number}"),
            Self::Above(number) => write!(formatter, ">{number}"),
            Self::Between(from, to) => write!(formatter, "{from}..{to}"),
        }
    }
}

/// A whole number in the first unit it reaches, exactly; units are powers of ten.
fn decimal(number: u64, units: &[(&str, u32)]) -> String {
    let reached = units.iter().find(|(_, power)| number >= 10_u64.pow(*power)).or(units.last());
    let (unit, power) = reached.copied().unwrap_or(("", 0));
    let scale = 10_u64.pow(power);
    let part = format!("{:0width$}", number % scale, width = power as usize);
    match part.trim_end_matches('0') {
        "" => format!("{}{unit}", number / scale),
        part => format!("{}.{part}{unit}", number / scale),
    }
}

/// A key and a value, in quotes where it would end early without.
fn write_value(key: Key, value: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
    match value.contains(|letter: char| letter.is_whitespace() || "()\"".contains(letter)) {
        true => write_quoted(Some(key), value, formatter),
        false => write!(formatter, "{}:{value}", key.name()),
    }
}

fn write_quoted(key: Option<Key>, value: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
    if let Some(key) = key {
        write!(formatter, "{}:", key.name())?;
    }
    formatter.write_char('"')?;
    for letter in value.chars() {
        if matches!(letter, '"' | '\\') {
            formatter.write_char('\\')?;
        }
        formatter.write_char(letter)?;
    }
    formatter.write_char('"')
}
