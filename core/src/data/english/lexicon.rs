//! Which words are things, colours, numbers and doings; things and doings are learned from the captions themselves.

use std::collections::{HashMap, HashSet};

/// Colours, as people call them in captions and answers.
const COLORS: [&str; 15] = [
    "red", "blue", "green", "yellow", "white", "black", "brown", "orange", "pink", "purple", "gray", "grey", "tan",
    "blond", "golden",
];

/// Numbers in words; answers have them in digits.
const COUNTS: [(&str, &str); 10] = [
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
];

/// What may follow a thing; `,` stands for any end of a phrase.
const FUNCTION_WORDS: [&str; 41] = [
    "is", "are", "in", "on", "at", "with", "and", "of", "to", "through", "by", "near", "from", "over", "into", "for",
    "the", "a", "an", "while", "who", "that", "has", "as", "up", "down", "along", "off", "under", "behind", "across",
    "around", "onto", "his", "her", "their", "its", "next", "beside", "during", ",",
];

const DETERMINERS: [&str; 7] = ["a", "an", "the", "his", "her", "their", "its"];

/// Stand where things stand, and are none.
const NO_THINGS: [&str; 33] = [
    "other",
    "another",
    "front",
    "back",
    "each",
    "it",
    "them",
    "him",
    "group",
    "couple",
    "pair",
    "side",
    "top",
    "middle",
    "air",
    "out",
    "lot",
    "very",
    "someone",
    "something",
    "background",
    "distance",
    "picture",
    "camera",
    "edge",
    "body",
    "bunch",
    "line",
    "end",
    "way",
    "kind",
    "type",
    "few",
];

/// End as doings do, and are none, or none that a picture shows.
const NO_ACTIONS: [&str; 21] = [
    "wearing",
    "something",
    "clothing",
    "during",
    "evening",
    "morning",
    "building",
    "string",
    "ring",
    "king",
    "swing",
    "being",
    "looking",
    "having",
    "going",
    "using",
    "trying",
    "making",
    "taking",
    "getting",
    "following",
];

/// Plurals without an s.
const PLURALS: [&str; 4] = ["people", "men", "women", "children"];

/// Things to ask for by name, at most.
const THINGS: usize = 200;

/// The name of a colour, spelled in one way.
pub(super) fn color(word: &str) -> Option<&str> {
    COLORS.contains(&word).then_some(if word == "grey" { "gray" } else { word })
}

/// The digits of a number above one.
pub(super) fn several(word: &str) -> Option<&'static str> {
    COUNTS.iter().skip(1).find(|(name, _)| *name == word).map(|(_, digits)| *digits)
}

/// The word of a number in words or digits.
pub(super) fn count_word(answer: &str) -> Option<&'static str> {
    COUNTS.iter().find(|(name, digits)| *name == answer || *digits == answer).map(|(name, _)| *name)
}

/// Whether a word ends a phrase about a thing.
pub(super) fn is_function(word: &str) -> bool {
    FUNCTION_WORDS.contains(&word)
}

/// Whether a word begins a phrase about a thing.
pub(super) fn is_determiner(word: &str) -> bool {
    DETERMINERS.contains(&word)
}

/// Whether a word is one of several things, by its form.
pub(super) fn looks_plural(word: &str) -> bool {
    PLURALS.contains(&word) || (word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us"))
}

/// A thing with its article, if it is one: `a bus`, `an apple`, `horses`.
pub(super) fn with_article(thing: &str) -> String {
    if looks_plural(thing) || is_determiner(thing.split(' ').next().unwrap_or_default()) {
        return thing.to_owned();
    }
    let article = if thing.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {thing}")
}

/// The words of a text in lower case; what parts phrases becomes `,`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.to_lowercase().split_whitespace() {
        let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        if !bare.is_empty() {
            words.push(bare.to_owned());
        }
        if word.ends_with([',', '.', ';', ':', '?', '!']) {
            words.push(",".to_owned());
        }
    }
    while words.last().is_some_and(|word| word == ",") {
        words.pop();
    }
    words
}

/// What the captions of a dataset name.
pub(super) struct Lexicon {
    nouns: HashSet<String>,
    /// Things, the most frequent first.
    pub things: Vec<String>,
    /// Doings (`running`), the most frequent first.
    pub actions: Vec<String>,
}

impl Lexicon {
    /// Learns from the words of all captions: a thing stands between a determiner, a colour or a number and the end of
    /// its phrase, more often than by chance.
    pub fn learn<'a>(captions: impl Iterator<Item = &'a [String]>) -> Self {
        let (mut total, mut seen, mut placed) = (0, HashMap::new(), HashMap::new());
        for caption in captions {
            total += 1;
            for (place, word) in caption.iter().enumerate() {
                *seen.entry(word.clone()).or_insert(0) += 1;
                let Some(before) = place.checked_sub(1).map(|before| caption[before].as_str()) else { continue };
                let opens = is_determiner(before) || color(before).is_some() || several(before).is_some();
                if opens && caption.get(place + 1).is_none_or(|after| is_function(after)) {
                    *placed.entry(word.clone()).or_insert(0) += 1;
                }
            }
        }
        let least = (total / 2500).max(2);
        let is_named = |word: &str| {
            word.len() > 2
                && !word.ends_with("ing")
                && color(word).is_none()
                && count_word(word).is_none()
                && !is_function(word)
                && !NO_THINGS.contains(&word)
        };
        let is_thing = |word: &str, count: usize| count >= least && count * 4 > seen[word] && is_named(word);
        let nouns: HashSet<String> =
            placed.iter().filter(|(word, count)| is_thing(word, **count)).map(|(word, _)| word.clone()).collect();
        let things = most_frequent(placed.iter().filter(|(word, _)| nouns.contains(*word)));
        let is_action = |word: &str| {
            word.ends_with("ing") && word.len() > 5 && !NO_ACTIONS.contains(&word) && !nouns.contains(word)
        };
        let often = seen.iter().filter(|(word, count)| **count >= 2 * least && is_action(word));
        let actions = most_frequent(often);
        Self { things: things.into_iter().take(THINGS).collect(), actions, nouns }
    }

    /// Whether a word is a thing.
    pub fn is_noun(&self, word: &str) -> bool {
        self.nouns.contains(word)
    }

    /// Whether a word is a doing.
    pub fn is_action(&self, word: &str) -> bool {
        self.actions.iter().any(|action| action == word)
    }

    /// Whether a word is several things.
    pub fn is_plural(&self, word: &str) -> bool {
        PLURALS.contains(&word) || (self.is_noun(word) && looks_plural(word))
    }
}

/// Words by how often they were seen, then by the alphabet.
fn most_frequent<'a>(counted: impl Iterator<Item = (&'a String, &'a usize)>) -> Vec<String> {
    let mut words: Vec<_> = counted.collect();
    words.sort_by(|(left, times), (right, other)| other.cmp(times).then(left.cmp(right)));
    words.into_iter().map(|(word, _)| word.clone()).collect()
}
