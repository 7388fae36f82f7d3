//! Captions that answered questions tell.

use super::lexicon::{color, count_word, is_determiner, looks_plural, with_article, words};

/// The caption of a picture that a question about it and its answer make together, such as `a red bus` of `What color
/// is the bus?` and `red`; nothing where they make none: an answer that is yes or no, a question about reasons.
pub fn tell(question: &str, answer: &str) -> Option<String> {
    let question = words(question);
    let question: Vec<&str> = question.iter().map(String::as_str).filter(|word| *word != ",").collect();
    let answer = words(answer).join(" ");
    if answer.is_empty() || ["yes", "no", "none", "0", "unknown"].contains(&answer.as_str()) {
        return None;
    }
    match *question.as_slice() {
        ["what", "is" | "are", "the", "color", "of", ref thing @ ..]
        | ["what", "color", "is" | "are" | "was" | "were", ref thing @ ..] => colored(thing, &answer),
        ["how", "many", ref things @ ..] => counted(things, &answer),
        ["where", "is" | "are" | "was" | "were" | "did" | "does" | "do", ref rest @ ..] => placed(rest, &answer),
        ["what", verb @ ("is" | "are" | "was" | "were"), ref rest @ ..] => named(verb, rest, &answer),
        ["what", "kind" | "type" | "sort", "of", thing, ..] => Some(with_article(&last_word(&answer, thing))),
        ["what", thing, "is" | "are", "this" | "that" | "these" | "shown", ..] => {
            Some(with_article(&last_word(&answer, thing)))
        }
        ["what", verb, ref rest @ ..]
            if !rest.is_empty() && verb.ends_with('s') && verb.len() > 3 && verb != "does" =>
        {
            Some(format!("{} {verb} {}", with_article(&answer), rest.join(" ")))
        }
        _ => None,
    }
}

/// `["the", "bus"]` and `red`: `a red bus`.
fn colored(thing: &[&str], answer: &str) -> Option<String> {
    let thing = match *thing {
        [first, ref rest @ ..] if is_determiner(first) => rest,
        ref thing => thing,
    };
    let is_color = answer.split(' ').all(|word| word == "and" || color(word).is_some());
    let noun = thing.last().filter(|_| is_color && thing.len() <= 3)?;
    let phrase = format!("{answer} {}", thing.join(" "));
    Some(if looks_plural(noun) { phrase } else { with_article(&phrase) })
}

/// `["dogs", "are", "there"]` and `2`: `two dogs`.
fn counted(things: &[&str], answer: &str) -> Option<String> {
    let count = count_word(answer)?;
    let things = match *things {
        [ref things @ .., "are" | "is", "there"] => things,
        [ref things @ .., "are", "in" | "on", "the" | "this", "picture" | "image" | "photo"]
        | [ref things @ .., "can" | "do", "you", "see"] => things,
        ref things => things,
    };
    // Asked after several, one was there.
    let is_told = things.first().is_some_and(|first| count != "one" || !looks_plural(first));
    is_told.then(|| format!("{count} {}", things.join(" ")))
}

/// `["the", "cat", "sitting"]` and `sink`: `the cat sitting in a sink`.
fn placed(rest: &[&str], answer: &str) -> Option<String> {
    let [first, .., _] = *rest else { return None };
    if ["you", "this", "he", "she", "they", "it"].contains(&first) {
        return None;
    }
    let begins = ["in", "on", "at", "near", "under", "behind", "outside", "inside", "by", "next"];
    let is_phrase = begins.contains(&answer.split(' ').next()?);
    let place = if is_phrase { answer.to_owned() } else { format!("in {}", with_article(answer)) };
    Some(format!("{} {place}", rest.join(" ")))
}

/// `["the", "man", "riding", "on", "a", "beach"]` and `horse`: `the man riding a horse on a beach`;
/// `["sitting", "on", "a", "bench"]` and `cat`: `a cat is sitting on a bench`.
fn named(verb: &str, rest: &[&str], answer: &str) -> Option<String> {
    let first = *rest.first()?;
    if ["this", "that", "these", "it"].contains(&first) {
        return (rest.len() == 1).then(|| with_article(answer));
    }
    if !is_determiner(first) {
        let is_doing = first.ends_with("ing") || first.ends_with("ed") || ["in", "on", "at"].contains(&first);
        return is_doing.then(|| format!("{} {verb} {}", with_article(answer), rest.join(" ")));
    }
    let doing = rest.iter().position(|word| word.ends_with("ing")).filter(|place| *place > 1)?;
    if rest[doing] == "doing" {
        return Some(format!("{} {verb} {answer}", rest[..doing].join(" ")));
    }
    let (before, after) = rest.split_at(doing + 1);
    let told = format!("{} {} {}", before.join(" "), with_article(answer), after.join(" "));
    Some(told.trim_end().to_owned())
}

/// `bus` for `bus`, `city` and `bus`: `city bus`, without saying a word twice.
fn last_word(answer: &str, thing: &str) -> String {
    let general = ["animal", "animals", "sport", "food", "vehicle", "room", "thing", "object", "fruit"];
    if general.contains(&thing) || answer.split(' ').any(|word| word == thing) {
        return answer.to_owned();
    }
    format!("{answer} {thing}")
}
