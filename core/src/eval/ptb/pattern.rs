//! Patterns over characters that know every place where they may end.

/// A set of texts, small enough to be read in one line.
pub(super) enum Pattern {
    /// One character that passes.
    One(fn(char) -> bool),
    /// One character of these.
    Set(&'static str),
    /// One character that is not among these.
    Outside(&'static str),
    /// These characters; capitals match small letters where the flag says so.
    Text(&'static str, Case),
    /// One of these words, in capitals or not.
    Word(&'static [&'static str]),
    /// One after the other.
    Chain(Vec<Pattern>),
    /// Any one of these.
    Either(Vec<Pattern>),
    /// The same, from so many to so many times.
    Repeat(Box<Pattern>, usize, usize),
}

/// Whether capitals matter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    Ignored,
}

/// `pattern` once or not at all.
pub(super) fn maybe(pattern: Pattern) -> Pattern {
    times(pattern, 0, 1)
}

/// `pattern` any number of times, none included.
pub(super) fn any(pattern: Pattern) -> Pattern {
    times(pattern, 0, usize::MAX)
}

/// `pattern` at least once.
pub(super) fn some(pattern: Pattern) -> Pattern {
    times(pattern, 1, usize::MAX)
}

/// `pattern` from `least` to `most` times.
pub(super) fn times(pattern: Pattern, least: usize, most: usize) -> Pattern {
    Pattern::Repeat(Box::new(pattern), least, most)
}

/// These characters exactly.
pub(super) fn exact(text: &'static str) -> Pattern {
    Pattern::Text(text, Case::Exact)
}

/// These characters, in capitals or not.
pub(super) fn text(text: &'static str) -> Pattern {
    Pattern::Text(text, Case::Ignored)
}

/// Builds a [`Pattern::Chain`] without a `vec!` at every step.
macro_rules! chain {
    ($($part:expr),+ $(,)?) => { $crate::eval::ptb::pattern::Pattern::Chain(vec![$($part),+]) };
}

/// Builds a [`Pattern::Either`] without a `vec!` at every step.
macro_rules! either {
    ($($part:expr),+ $(,)?) => { $crate::eval::ptb::pattern::Pattern::Either(vec![$($part),+]) };
}

pub(super) use {chain, either};

impl Pattern {
    /// The farthest place where a match that begins at `start` may end.
    pub(super) fn longest(&self, line: &[char], start: usize) -> Option<usize> {
        self.ends(line, &[start]).last().copied()
    }

    /// Whether a match may begin with this character.
    pub(super) fn may_begin(&self, first: char) -> bool {
        match self {
            Self::One(passes) => passes(first),
            Self::Set(set) => set.contains(first),
            Self::Outside(set) => !set.contains(first),
            Self::Text(text, _) => begins(text, first),
            Self::Word(words) => words.iter().any(|word| begins(word, first)),
            Self::Chain(parts) => {
                let needed =
                    parts.iter().position(|part| !part.may_be_empty()).map_or(parts.len(), |needed| needed + 1);
                parts[..needed].iter().any(|part| part.may_begin(first))
            }
            Self::Either(parts) => parts.iter().any(|part| part.may_begin(first)),
            Self::Repeat(part, ..) => part.may_begin(first),
        }
    }

    fn may_be_empty(&self) -> bool {
        match self {
            Self::Repeat(part, least, _) => *least == 0 || part.may_be_empty(),
            Self::Chain(parts) => parts.iter().all(Self::may_be_empty),
            Self::Either(parts) => parts.iter().any(Self::may_be_empty),
            _ => false,
        }
    }

    /// Every place where a match that begins at one of `starts` may end, in ascending order.
    pub(super) fn ends(&self, line: &[char], starts: &[usize]) -> Vec<usize> {
        match self {
            Self::One(passes) => step(line, starts, passes),
            Self::Set(set) => step(line, starts, |found| set.contains(found)),
            Self::Outside(set) => step(line, starts, |found| !set.contains(found)),
            Self::Text(text, case) => starts.iter().filter_map(|&start| text_end(line, start, text, *case)).collect(),
            Self::Word(words) => {
                let from =
                    |&start: &usize| words.iter().filter_map(move |word| text_end(line, start, word, Case::Ignored));
                sorted(starts.iter().flat_map(from).collect())
            }
            Self::Chain(parts) => {
                parts.iter().fold(
                    starts.to_vec(),
                    |starts, part| {
                        if starts.is_empty() { starts } else { part.ends(line, &starts) }
                    },
                )
            }
            Self::Either(parts) => sorted(parts.iter().flat_map(|part| part.ends(line, starts)).collect()),
            Self::Repeat(part, least, most) => repeat(part, *least, *most, line, starts),
        }
    }
}

fn begins(text: &str, first: char) -> bool {
    text.chars().next().is_some_and(|expected| expected.eq_ignore_ascii_case(&first))
}

fn step(line: &[char], starts: &[usize], passes: impl Fn(char) -> bool) -> Vec<usize> {
    starts.iter().filter(|&&start| line.get(start).is_some_and(|&found| passes(found))).map(|start| start + 1).collect()
}

fn text_end(line: &[char], start: usize, text: &str, case: Case) -> Option<usize> {
    let mut end = start;
    for expected in text.chars() {
        let found = *line.get(end)?;
        let equal = found == expected || (case == Case::Ignored && found.eq_ignore_ascii_case(&expected));
        if !equal {
            return None;
        }
        end += 1;
    }
    Some(end)
}

fn repeat(part: &Pattern, least: usize, most: usize, line: &[char], starts: &[usize]) -> Vec<usize> {
    let mut reached = if least == 0 { starts.to_vec() } else { Vec::new() };
    let mut front = starts.to_vec();
    let mut round = 0;
    while round < most && !front.is_empty() {
        round += 1;
        front = part.ends(line, &front);
        if round < least {
            continue;
        }
        // What was reached before has nothing new behind it.
        front.retain(|end| reached.binary_search(end).is_err());
        let ahead = front.first() > reached.last();
        reached.extend(&front);
        if !ahead {
            reached.sort_unstable();
        }
    }
    reached
}

fn sorted(mut ends: Vec<usize>) -> Vec<usize> {
    ends.sort_unstable();
    ends.dedup();
    ends
}
