//! The tokeniser of the Penn Treebank, as the published caption scores use it.
//!
//! Scores depend on it: a caption is compared word by word, so a different idea of a word is a different score.
//! The behaviour is that of Stanford's `PTBTokenizer` 3.4.1 with `-preserveLines -lowerCase`, followed by the
//! list of punctuation that coco-caption drops.

mod pattern;
mod rules;
mod words;

use std::sync::LazyLock;

use rules::{Emit, Rule};

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(rules::rules);

/// For every ASCII character the rules whose matches may begin with it.
static BY_FIRST: LazyLock<Vec<Vec<&'static Rule>>> = LazyLock::new(|| {
    let beginning = |first: u8| RULES.iter().filter(|rule| rule.pattern.may_begin(char::from(first))).collect();
    (0..128).map(beginning).collect()
});

/// All rules, for the characters beyond ASCII.
static BY_ANY: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| RULES.iter().collect());

/// The words of a text in lower case, punctuation dropped.
///
/// Reference quirk: brackets become `-lrb-` and `-rrb-` and stay, runs such as `!!` stay, and a token that
/// holds a space (a telephone number, `1 1/2`, a tag) holds a no-break space instead.
pub fn tokenize(text: &str) -> Vec<String> {
    let mut line: Vec<char> = text.chars().map(|found| if words::is_line_end(found) { ' ' } else { found }).collect();
    // Rules may look at the character behind a match: every line has an end.
    line.push('\n');
    let mut tokens = Vec::new();
    let mut start = 0;
    while start < line.len() {
        let (end, emit) = match plain_word(&line, start) {
            Some(end) => (end, Emit::Token),
            None => next_match(&line, start),
        };
        match emit {
            Emit::Nothing => {}
            Emit::As(token) => tokens.push(token.to_owned()),
            Emit::Token => tokens.push(written(&line[start..end])),
            Emit::Contraction => tokens.push(straight(&line[start..end])),
            Emit::Quotes => tokens.push(line[start..end].iter().map(typed).collect()),
            Emit::Tag => tokens.push(line[start..end].iter().collect::<String>().to_lowercase().replace(' ', "\u{a0}")),
            Emit::Word => tokens.push(written(&line[start..end]).replace('\u{ad}', "")),
        }
        start = end;
    }
    tokens.retain(|token| !token.is_empty() && !words::PUNCTUATION.contains(&token.as_str()));
    tokens
}

/// Where an unremarkable word between spaces ends: most words are, and need no rule.
fn plain_word(line: &[char], start: usize) -> Option<usize> {
    let length = line[start..].iter().position(|found| !found.is_ascii_alphabetic())?;
    let end = start + length;
    let special = || {
        let word: String = line[start..end].iter().collect();
        words::ASSIMILATIONS.iter().any(|(whole, _)| whole.eq_ignore_ascii_case(&word))
    };
    (length > 0 && matches!(line[end], ' ' | '\n') && !special()).then_some(end)
}

/// The winning rule's match at `start`; a character no rule knows is dropped.
fn next_match(line: &[char], start: usize) -> (usize, Emit) {
    let mut best = (start + 1, Emit::Nothing);
    let mut best_reach = start;
    let first = u32::from(line[start]) as usize;
    for rule in BY_FIRST.get(first).unwrap_or(&BY_ANY) {
        let (end, reach) = match &rule.followed_by {
            None => match rule.pattern.longest(line, start) {
                Some(end) => (end, end),
                None => continue,
            },
            Some(next) => {
                let ends = rule.pattern.ends(line, &[start]);
                let reached = ends.into_iter().filter_map(|end| next.longest(line, end).map(|reach| (reach, end)));
                match reached.max() {
                    Some((reach, end)) => (end, reach),
                    None => continue,
                }
            }
        };
        if reach > best_reach && end > start {
            (best, best_reach) = ((end, rule.emit), reach);
        }
    }
    best
}

/// A contraction with the apostrophe of a typewriter; a grave accent stays one.
fn straight(token: &[char]) -> String {
    written(token).replace("&apos;", "'").replace(['\u{92}', '’'], "'").replace(['\u{91}', '‘', '‛'], "`")
}

/// A quotation mark as a typewriter writes it; the low ones stay.
fn typed(quote: &char) -> String {
    match quote {
        '“' | '«' | '\u{93}' => "``".to_owned(),
        '”' | '»' | '\u{94}' => "''".to_owned(),
        '’' | '›' | '\u{92}' => "'".to_owned(),
        '‚' | '„' | '‟' => quote.to_string(),
        _ => "`".to_owned(),
    }
}

/// A token as the scores see it: lower case, brackets by name, no space inside.
fn written(token: &[char]) -> String {
    let token: String = token.iter().collect();
    token.to_lowercase().replace("&amp;", "&").replace(' ', "\u{a0}").replace('(', "-lrb-").replace(')', "-rrb-")
}
