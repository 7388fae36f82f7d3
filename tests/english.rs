//! Questions that captions answer, and captions that answered questions tell.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use medley::data::{CaptionExample, CaptionSet, MadeQuestion, ask, tell};

fn set(captions: &[&[&str]]) -> CaptionSet {
    let example = |(index, captions): (usize, &&[&str])| CaptionExample {
        image: PathBuf::from(format!("{index}.jpg")).into(),
        captions: captions.iter().map(|caption| (*caption).to_owned()).collect(),
        id: index.to_string(),
    };
    CaptionSet { examples: captions.iter().enumerate().map(example).collect(), warnings: Vec::new() }
}

/// Pictures enough for the words of their captions to be learned.
fn album() -> CaptionSet {
    let pictures: Vec<&[&str]> = [
        &["A brown dog runs on the grass.", "a dog is running in a field ."][..],
        &["Two dogs are running on the beach", "dogs with a red ball"],
        &["a man in a red shirt is riding a bike", "A man is riding his bike on the street"],
        &["a woman is holding a black and white cat", "The woman is sitting on a bench with a cat"],
        &["three men are playing soccer in a field", "men with a white ball are running"],
    ]
    .repeat(3);
    set(&pictures)
}

/// What is asked of a picture of the album, by the question.
fn asked(most: usize, seed: u64, picture: usize) -> BTreeMap<String, MadeQuestion> {
    let image = format!("{picture}.jpg");
    let questions = ask(&album(), most, seed).into_iter().filter(|question| question.image == image);
    questions.map(|question| (question.question.clone(), question)).collect()
}

/// Answers to a question over several draws of the same picture; wordings and doubts differ from one to the next.
fn answers(picture: usize, ways: &[&str]) -> Vec<Vec<String>> {
    let draws = (0..20).map(|seed| asked(100, seed, picture));
    draws
        .flat_map(|asked| {
            ways.iter().filter_map(|way| asked.get(*way).map(|made| made.answer.clone())).collect::<Vec<_>>()
        })
        .collect()
}

#[track_caller]
fn always(picture: usize, ways: &[&str], answer: &[&str]) {
    let found = answers(picture, ways);
    assert!(found.len() >= 20, "asked in {} of 20 draws", found.len());
    assert!(found.iter().all(|found| found == answer), "{found:?}");
}

#[test]
fn colors_numbers_doings_things_places_and_kinds_are_asked_for() {
    always(0, &["what color is the dog?", "what is the color of the dog?"], &["brown"]);
    always(3, &["what color is the cat?", "what is the color of the cat?"], &["black and white"]);
    always(4, &["how many men are there?", "how many men are in the picture?", "how many men can you see?"], &["3"]);
    always(2, &["what is the man doing?", "what is the man doing in this picture?"], &["riding", "riding"]);
    always(2, &["what is the man riding?"], &["bike", "bike"]);
    always(3, &["where is the woman?"], &["bench"]);
    always(0, &["where is the dog?"], &["grass", "field"]);
    always(4, &["what sport is this?", "what sport is being played?", "what sport is shown?"], &["soccer"]);
    let kinds = [
        "what animal is this?",
        "what kind of animal is this?",
        "what animal is in the picture?",
        "what type of animal is shown?",
    ];
    always(1, &kinds, &["dog"]);
}

#[test]
fn what_a_caption_names_is_there_and_what_none_names_is_not() {
    let (mut yes, mut no) = (0, 0);
    for made in (0..20).flat_map(|seed| ask(&album(), 100, seed)) {
        let picture: usize = made.image.trim_end_matches(".jpg").parse().unwrap();
        let captions = album().examples[picture].captions.join(" ").to_lowercase();
        let words: Vec<&str> = made.question.trim_end_matches('?').split(' ').collect();
        let named = |word: &str| captions.split_whitespace().any(|said| said.trim_end_matches('.') == word);
        let thing = match words[..] {
            ["is", "there", _, thing, ..] | ["are", "there", "any", thing, ..] | ["are", "there", thing, ..] => thing,
            ["is" | "are", "the", _, said] => said,
            _ => continue,
        };
        match made.answer[0].as_str() {
            "yes" => assert!(named(thing), "{made:?}"),
            answer => assert!(answer == "no" && !named(thing), "{made:?}"),
        }
        if made.answer[0] == "yes" { yes += 1 } else { no += 1 }
    }
    assert!(yes > 100 && no > 100, "{yes} yes, {no} no");
}

#[test]
fn people_under_another_name_are_not_denied() {
    for made in (0..20).flat_map(|seed| ask(&album(), 100, seed)) {
        let picture: usize = made.image.trim_end_matches(".jpg").parse().unwrap();
        let has_people = picture % 5 >= 2;
        let asks_people = ["man", "men", "woman"].iter().any(|word| {
            made.question.contains(&format!("there {word}"))
                || made.question.contains(&format!("a {word}"))
                || made.question.contains(&format!("any {word}"))
        });
        assert!(!(has_people && asks_people && made.answer[0] == "no"), "{made:?}");
    }
}

#[test]
fn a_picture_has_no_more_questions_than_asked_and_kinds_take_turns() {
    for most in [1, 3, 5] {
        let made = ask(&album(), most, 7);
        for picture in 0..album().examples.len() {
            let own: Vec<&MadeQuestion> = made.iter().filter(|made| made.image == format!("{picture}.jpg")).collect();
            assert!(own.len() <= most, "{own:?}");
            let mut kinds: Vec<&str> = own.iter().map(|made| made.kind.as_str()).collect();
            kinds.sort_unstable();
            // Yes and no are two kinds in turn.
            assert!(kinds.windows(3).all(|three| three[0] != three[2]), "{kinds:?}");
        }
    }
}

#[test]
fn the_same_seed_asks_the_same_and_another_asks_others() {
    assert_eq!(ask(&album(), 4, 3), ask(&album(), 4, 3));
    assert_ne!(ask(&album(), 4, 3), ask(&album(), 4, 4));
}

#[test]
fn captions_in_other_words_ask_nothing() {
    assert_eq!(ask(&set(&[&["un chien brun"], &["12345"], &["?!"]]), 8, 0), []);
    assert_eq!(ask(&CaptionSet::default(), 8, 0), []);
}

#[test]
fn answered_questions_tell_captions() {
    for (question, answer, caption) in [
        ("What color is the bus?", "red", "a red bus"),
        ("what is the color of the horses ?", "brown", "brown horses"),
        ("what is the color of the cat?", "black and white", "a black and white cat"),
        ("How many dogs are there?", "2", "two dogs"),
        ("how many boats anchored by ropes close to shore", "eight", "eight boats anchored by ropes close to shore"),
        ("what is the man riding on a beach?", "horse", "the man riding a horse on a beach"),
        ("what is sitting on a bench?", "cat", "a cat is sitting on a bench"),
        ("what are grazing in the field?", "cows", "cows are grazing in the field"),
        ("what flies over the water?", "kite", "a kite flies over the water"),
        ("where is the cat sleeping?", "sink", "the cat sleeping in a sink"),
        ("where is the cat?", "on a chair", "the cat on a chair"),
        ("What is the man doing?", "surfing", "the man is surfing"),
        ("What is this?", "elephant", "an elephant"),
        ("What animal is this?", "zebra", "a zebra"),
        ("What kind of bus is it?", "double decker", "a double decker bus"),
    ] {
        assert_eq!(tell(question, answer).as_deref(), Some(caption), "{question} {answer}");
    }
}

#[test]
fn what_tells_nothing_of_a_picture_is_no_caption() {
    for (question, answer) in [
        ("Is the bus red?", "yes"),
        ("Is there a dog?", "no"),
        ("What color is the bus?", "yes"),
        ("What color is the bus?", "old"),
        ("How many cows are there?", "0"),
        ("how many cows are there?", "1"),
        ("How many cows are there?", "lots"),
        ("Why is he running?", "late"),
        ("Where is this?", "zoo"),
        ("what is the name of the street?", "main"),
        ("What does the sign say?", "stop"),
        ("", "red"),
        ("what", ""),
    ] {
        assert_eq!(tell(question, answer), None, "{question} {answer}");
    }
}
