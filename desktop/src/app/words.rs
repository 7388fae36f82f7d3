//! The window's words: every sentence it shows stands in a Fluent file, none in the code.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// English, which every other language falls back to.
const ENGLISH: &str = include_str!("locale/en.ftl");

static BUNDLE: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| {
    let mut bundle = FluentBundle::new_concurrent(vec!["en".parse::<LanguageIdentifier>().unwrap_or_default()]);
    // Marks around what is filled in are invisible in a browser; here they would need a glyph.
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(|value, _| match value {
        FluentValue::Number(number) => Some(grouped(number.value)),
        _ => None,
    }));
    // What can be read of a file with a mistake is still shown; a test finds the mistake.
    let resource = match FluentResource::try_new(ENGLISH.to_owned()) {
        Ok(resource) | Err((resource, _)) => resource,
    };
    bundle.add_resource_overriding(resource);
    bundle
});

/// The sentence of this name.
pub fn say(name: &str) -> String {
    say_with(name, &[])
}

/// The sentence of this name, with what it has places for.
pub fn say_with(name: &str, values: &[(&str, FluentValue<'_>)]) -> String {
    let Some(pattern) = BUNDLE.get_message(name).and_then(|message| message.value()) else {
        return name.to_owned();
    };
    let mut arguments = FluentArgs::new();
    for (place, value) in values {
        arguments.set(*place, value.clone());
    }
    BUNDLE.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
}

/// Whether there is a sentence of this name.
pub fn is_known(name: &str) -> bool {
    BUNDLE.has_message(name)
}

/// A day such as 20240630 in words; 0 is a day that nobody knows.
pub fn day(day: u32) -> String {
    let (year, month, number) = (day / 10_000, day / 100 % 100, day % 100);
    let date = i16::try_from(year)
        .ok()
        .zip(i8::try_from(month).ok().zip(i8::try_from(number).ok()))
        .and_then(|(year, (month, number))| jiff::civil::Date::new(year, month, number).ok());
    let Some(date) = date.filter(|_| day != 0) else { return say("day-unknown") };
    let weekday = say(&format!("weekday-{}", date.weekday().to_monday_one_offset()));
    let month = say(&format!("month-{month}"));
    say_with(
        "day",
        &[
            ("weekday", weekday.into()),
            ("day", number.to_string().into()),
            ("month", month.into()),
            ("year", year.to_string().into()),
        ],
    )
}

/// A time such as `2024-06-30T17:05:09` in words, as far as it can be read.
pub fn moment(taken: &str) -> String {
    let digits: String = taken.chars().take(10).filter(char::is_ascii_digit).collect();
    let time = taken.get(11..16).unwrap_or_default();
    match digits.parse() {
        Ok(number) if digits.len() == 8 => format!("{} {time}", day(number)).trim_end().to_owned(),
        _ => taken.to_owned(),
    }
}

/// Bytes as people count them.
pub fn bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let size = bytes as f64;
    let (name, value) = match bytes {
        0..1_000 => ("bytes", size),
        1_000..1_000_000 => ("kilobytes", size / 1e3),
        1_000_000..1_000_000_000 => ("megabytes", size / 1e6),
        _ => ("gigabytes", size / 1e9),
    };
    let shown = if value < 10.0 && bytes >= 1_000 { format!("{value:.1}") } else { format!("{value:.0}") };
    say_with(name, &[("size", shown.into())])
}

/// A time that is left, in the unit that fits.
pub fn left(seconds: f64) -> String {
    let (name, value) = match seconds {
        ..60.0 => ("left-seconds", seconds),
        ..3600.0 => ("left-minutes", seconds / 60.0),
        _ => ("left-hours", seconds / 3600.0),
    };
    say_with(name, &[("time", value.ceil().into())])
}

/// An error with its causes, in one line.
pub fn reason(error: &anyhow::Error) -> String {
    format!("{error:#}").replace('\n', " ")
}

/// A probability in percent, without digits that mean nothing.
pub fn percent(probability: f32) -> String {
    say_with("percent", &[("value", f64::from((probability * 100.0).round()).into())])
}

/// A number with its thousands set apart.
fn grouped(number: f64) -> String {
    let shown = if number.fract() == 0.0 { format!("{:.0}", number.abs()) } else { return number.to_string() };
    let mut text = String::new();
    for (place, digit) in shown.chars().enumerate() {
        if place > 0 && (shown.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(1_204.0), "1,204");
        assert_eq!(grouped(12.0), "12");
        assert_eq!(grouped(-1_000_000.0), "-1,000,000");
    }

    #[test]
    fn days_are_words() {
        assert_eq!(day(20_240_630), "Sunday, 30 June 2024");
        assert_eq!(day(0), say("day-unknown"));
        assert_eq!(moment("2024-06-30T17:05:09"), "Sunday, 30 June 2024 17:05");
    }

    #[test]
    fn the_english_file_has_no_mistake() {
        assert!(FluentResource::try_new(ENGLISH.to_owned()).is_ok());
    }
}
