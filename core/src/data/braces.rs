//! Patterns with braces, as a shell expands them: `{000000..000123}.tar`, `{train,val}-{0..9}.tar`.

/// Names a pattern may stand for at most.
const MAX_NAMES: usize = 1_000_000;

/// Every name a pattern stands for, in the order a shell gives them.
///
/// Ranges are of numbers, as wide as written and up or down by a step where a third number is given; lists may
/// hold patterns. Braces that are neither a range nor a list stand for themselves.
///
/// # Errors
/// A sentence where there are more than a million names.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let Some((start, end)) = first_group(pattern, 0) else { return Ok(vec![pattern.to_owned()]) };
    let (before, group, after) = (&pattern[..start], &pattern[start + 1..end], &pattern[end + 1..]);
    let mut middles = Vec::new();
    match range(group)? {
        Some(names) => middles = names,
        None => {
            for part in parts(group) {
                middles.extend(expand(part)?);
            }
        }
    }
    let afters = expand(after)?;
    if middles.len().saturating_mul(afters.len()) > MAX_NAMES {
        return Err(too_many());
    }
    let names = middles.iter().flat_map(|middle| afters.iter().map(move |after| format!("{before}{middle}{after}")));
    Ok(names.collect())
}

fn too_many() -> String {
    format!("stands for more than {MAX_NAMES} names")
}

/// Where the first braces that mean something open and close, from `from` on.
fn first_group(pattern: &str, from: usize) -> Option<(usize, usize)> {
    let start = from + pattern[from..].find('{')?;
    let mut depth = 0;
    for (place, letter) in pattern[start..].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let end = start + place;
            let group = &pattern[start + 1..end];
            let means = parts(group).len() > 1 || bounds(group).is_some();
            return if means { Some((start, end)) } else { first_group(pattern, start + 1) };
        }
    }
    first_group(pattern, start + 1)
}

/// What stands between the commas that are in no braces of their own.
fn parts(group: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (place, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[from..place]);
                from = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[from..]);
    parts
}

/// First, last and step of a range, and the digits of the wider end where one is padded.
fn bounds(group: &str) -> Option<(i64, i64, i64, usize)> {
    let mut ends = group.split("..");
    let (first, last, step) = (ends.next()?, ends.next()?, ends.next());
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| !text.starts_with('+'));
    let is_padded = |text: &str| {
        let digits = text.trim_start_matches('-');
        digits.len() > 1 && digits.starts_with('0')
    };
    let width = if is_padded(first) || is_padded(last) { first.len().max(last.len()) } else { 0 };
    let step = match step {
        Some(step) => number(step)?.unsigned_abs().max(1),
        None => 1,
    };
    let step = i64::try_from(step).ok()?;
    ends.next().is_none().then_some(())?;
    Some((number(first)?, number(last)?, step, width))
}

/// The numbers of a range, where the group is one.
fn range(group: &str) -> Result<Option<Vec<String>>, String> {
    let Some((first, last, step, width)) = bounds(group) else { return Ok(None) };
    let count = first.abs_diff(last) / step.unsigned_abs();
    if count >= MAX_NAMES as u64 {
        return Err(too_many());
    }
    let sign = if last < first { -1 } else { 1 };
    let number = |place: u64| format!("{:0width$}", first + sign * step * place as i64);
    Ok(Some((0..=count).map(number).collect()))
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::expand;

    fn names(pattern: &str) -> Vec<String> {
        expand(pattern).expect("few names")
    }

    /// What bash prints.
    #[test]
    fn patterns_expand_as_in_a_shell() {
        assert_eq!(names("s/{008..011}.tar"), ["s/008.tar", "s/009.tar", "s/010.tar", "s/011.tar"]);
        assert_eq!(names("{9..11}"), ["9", "10", "11"]);
        assert_eq!(names("{3..1}"), ["3", "2", "1"]);
        assert_eq!(names("{0..10..5}"), ["0", "5", "10"]);
        assert_eq!(names("{00..1}"), ["00", "01"]);
        assert_eq!(names("{-1..1}"), ["-1", "0", "1"]);
        assert_eq!(names("{a,b}-{0..1}"), ["a-0", "a-1", "b-0", "b-1"]);
        assert_eq!(names("{a{0..1},c}.tar"), ["a0.tar", "a1.tar", "c.tar"]);
        assert_eq!(names("x{,y}"), ["x", "xy"]);
    }

    #[test]
    fn other_braces_stand_for_themselves() {
        for pattern in ["plain", "{}", "{one}", "{a..b}", "{1..", "}{", "{1..2..3..4}"] {
            assert_eq!(names(pattern), [pattern]);
        }
        assert_eq!(names("{x}{0..1}"), ["{x}0", "{x}1"]);
        assert_eq!(names("{{0..1}}"), ["{0}", "{1}"]);
        assert_eq!(names("{open{0..1}"), ["{open0", "{open1"]);
    }

    #[test]
    fn more_than_a_million_names_are_refused() {
        for pattern in ["{0..1000000}", "{0..999}{0..999}{0..1}", "{-9223372036854775808..9223372036854775807}"] {
            assert!(expand(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_range_of_any_width_is_its_numbers() {
        let mut draws = StdRng::seed_from_u64(0);
        for _ in 0..200 {
            let (first, count) = (draws.random_range(0..100_000_u64), draws.random_range(0..300));
            let width = draws.random_range(1..9);
            let last = first + count;
            let expected: Vec<String> = (first..=last).map(|number| format!("a{number:0width$}.tar")).collect();
            // A shell pads to the wider end where one end is padded.
            let padded = format!("a{{{first:0width$}..{last:0width$}}}.tar");
            if format!("{first:0width$}").len() == format!("{last:0width$}").len() {
                assert_eq!(names(&padded), expected);
            }
        }
    }
}
