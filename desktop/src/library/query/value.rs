//! Reading what stands behind a key and its colon.

use super::keys::Key;
use super::period::{Period, Recent};
use super::{Compare, Filter};
use crate::library::photo::Kind;

/// Why a value is none of its key.
type Result<T> = std::result::Result<T, String>;

/// Units of a size: what it counts, and how many of them.
const UNITS: [(&str, Unit, u64); 6] = [
    ("mp", Unit::Pixels, 1_000_000),
    ("gb", Unit::Bytes, 1_000_000_000),
    ("mb", Unit::Bytes, 1_000_000),
    ("kb", Unit::Bytes, 1_000),
    ("b", Unit::Bytes, 1),
    ("px", Unit::Pixels, 1),
];

/// More than any file has of anything.
const MAX_SIZE: u64 = 1_000_000_000_000_000;

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Pixels,
    Bytes,
}

pub(super) fn filter(key: Key, value: &str) -> Result<Filter> {
    let text = || value.to_owned();
    match key {
        Key::Folder => Ok(Filter::Folder(text())),
        Key::Name => Ok(Filter::Name(text())),
        Key::Camera => Ok(Filter::Camera(text())),
        Key::Lens => Ok(Filter::Lens(text())),
        Key::Date => date(value),
        Key::Rating => ordered(compare(value, stars)?).map(Filter::Rating),
        Key::Size => size(value),
        Key::Type => match value.to_ascii_lowercase().as_str() {
            "photo" | "photos" | "picture" | "image" => Ok(Filter::Type(Kind::Photo)),
            "video" | "videos" | "film" | "movie" => Ok(Filter::Type(Kind::Video)),
            _ => Err(format!("{value} is no type")),
        },
        Key::Has => match value.to_ascii_lowercase().as_str() {
            "caption" | "captions" => Ok(Filter::HasCaption),
            "place" | "gps" | "location" => Ok(Filter::HasPlace),
            "rating" | "stars" => Ok(Filter::HasRating),
            _ => Err(format!("photographs cannot be told by whether they have {value}")),
        },
        // These two are no filters.
        Key::Words | Key::Image => Err(format!("{value} filters nothing")),
    }
}

fn date(value: &str) -> Result<Filter> {
    if let Some(recent) = Recent::ALL.into_iter().find(|recent| recent.name().eq_ignore_ascii_case(value)) {
        return Ok(Filter::Recent(recent));
    }
    let read = |text: &str| Period::read(text).ok_or_else(|| format!("{text} is no date"));
    let (from, to) = match compare(value, read)? {
        Compare::Exactly(period) => (Some(period), Some(period)),
        Compare::AtLeast(from) => (Some(from), None),
        Compare::AtMost(to) => (None, Some(to)),
        Compare::Above(before) => (Some(before.next().ok_or("nothing is after that")?), None),
        Compare::Below(after) => (None, Some(after.previous().ok_or("nothing is before that")?)),
        Compare::Between(from, to) if from.first() >= to.end() => return Err(format!("{to} is before {from}")),
        Compare::Between(from, to) => (Some(from), Some(to)),
    };
    Ok(Filter::Date { from, to })
}

fn stars(text: &str) -> Result<u8> {
    let stars = text.parse().ok().filter(|stars| *stars <= 5);
    stars.ok_or_else(|| format!("{text} is no number of stars, 0 to 5"))
}

fn size(value: &str) -> Result<Filter> {
    // In 2..5mp the unit stands once for both.
    let last = split_unit(value).map(|(_, unit)| unit);
    let read = |text: &str| match split_unit(text).or_else(|| Some((text, last?))) {
        Some((digits, (_, unit, scale))) => Ok((amount(digits, scale)?, unit)),
        None => Err(format!("{text} has no unit: mp for megapixels, kb, mb or gb for the file")),
    };
    let compare = compare(value, read)?;
    let unit = match compare {
        Compare::Between((_, one), (_, other)) if one != other => {
            return Err("pixels and bytes cannot be compared".to_owned());
        }
        Compare::Between((_, unit), _) | Compare::Below((_, unit)) | Compare::AtMost((_, unit)) => unit,
        Compare::Exactly((_, unit)) | Compare::AtLeast((_, unit)) | Compare::Above((_, unit)) => unit,
    };
    let compare = ordered(compare.map(|(amount, _)| amount))?;
    Ok(match unit {
        Unit::Pixels => Filter::Pixels(compare),
        Unit::Bytes => Filter::Bytes(compare),
    })
}

fn split_unit(text: &str) -> Option<(&str, (&'static str, Unit, u64))> {
    let lower = text.to_ascii_lowercase();
    let unit = UNITS.into_iter().find(|(name, ..)| lower.ends_with(name))?;
    Some((&text[..text.len() - unit.0.len()], unit))
}

/// A decimal number of units, exactly.
fn amount(digits: &str, scale: u64) -> Result<u64> {
    let wrong = || format!("{digits} is no number");
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_fine = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 15 || part.len() > 9 || !is_fine(whole) || !is_fine(part) {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<9}").parse().map_err(|_| wrong())?;
    let total = u128::from(whole) * u128::from(scale) + u128::from(part) * u128::from(scale) / 1_000_000_000;
    u64::try_from(total).ok().filter(|total| *total <= MAX_SIZE).ok_or_else(|| format!("{digits} is too much"))
}

/// The same, if the first of two is not above the second.
fn ordered<T: PartialOrd>(compare: Compare<T>) -> Result<Compare<T>> {
    match &compare {
        Compare::Between(from, to) if from > to => Err("the range ends before it begins".to_owned()),
        _ => Ok(compare),
    }
}

/// `3`, `>=3`, `<3`, `3..5`, `3..` or `..5`.
fn compare<T: Copy>(value: &str, read: impl Fn(&str) -> Result<T>) -> Result<Compare<T>> {
    if let Some((from, to)) = value.split_once("..") {
        return match (from, to) {
            ("", "") => Err("a range has a beginning or an end".to_owned()),
            ("", to) => Ok(Compare::AtMost(read(to)?)),
            (from, "") => Ok(Compare::AtLeast(read(from)?)),
            (from, to) => Ok(Compare::Between(read(from)?, read(to)?)),
        };
    }
    type Sign<T> = (&'static str, fn(T) -> Compare<T>);
    let signs: [Sign<T>; 7] = [
        (">=", Compare::AtLeast),
        ("<=", Compare::AtMost),
        ("≥", Compare::AtLeast),
        ("≤", Compare::AtMost),
        (">", Compare::Above),
        ("<", Compare::Below),
        ("=", Compare::Exactly),
    ];
    match signs.into_iter().find_map(|(sign, compare)| Some((value.strip_prefix(sign)?, compare))) {
        Some((rest, compare)) => Ok(compare(read(rest)?)),
        None => Ok(Compare::Exactly(read(value)?)),
    }
}
