//! Questions that captions answer.

use std::collections::HashSet;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::lexicon::{Lexicon, color, is_determiner, is_function, looks_plural, several, with_article, words};
use crate::data::CaptionSet;

/// Who can do something.
const DOERS: [&str; 34] = [
    "man",
    "men",
    "woman",
    "women",
    "boy",
    "boys",
    "girl",
    "girls",
    "child",
    "children",
    "kid",
    "kids",
    "baby",
    "toddler",
    "person",
    "people",
    "player",
    "players",
    "guy",
    "lady",
    "biker",
    "skateboarder",
    "snowboarder",
    "surfer",
    "skier",
    "dog",
    "dogs",
    "cat",
    "cats",
    "horse",
    "horses",
    "bird",
    "birds",
    "elephant",
];

/// Doings with a thing.
const HANDLING: [&str; 12] = [
    "holding", "riding", "catching", "throwing", "carrying", "wearing", "chasing", "kicking", "hitting", "eating",
    "pulling", "pushing",
];

const ANIMALS: [&str; 14] = [
    "dog", "cat", "horse", "bird", "cow", "sheep", "elephant", "giraffe", "zebra", "bear", "duck", "goat", "camel",
    "monkey",
];

/// What captions say, and the sport it is.
const SPORTS: [(&str, &str); 18] = [
    ("soccer", "soccer"),
    ("football", "football"),
    ("basketball", "basketball"),
    ("baseball", "baseball"),
    ("tennis", "tennis"),
    ("hockey", "hockey"),
    ("volleyball", "volleyball"),
    ("surfing", "surfing"),
    ("surfer", "surfing"),
    ("surfboard", "surfing"),
    ("skateboarding", "skateboarding"),
    ("skateboarder", "skateboarding"),
    ("skateboard", "skateboarding"),
    ("snowboarding", "snowboarding"),
    ("snowboarder", "snowboarding"),
    ("skiing", "skiing"),
    ("skier", "skiing"),
    ("frisbee", "frisbee"),
];

/// Words for what may be the same thing: where one is named, another is not missing.
const ALIKE: [&[&str]; 8] = [
    &[
        "man",
        "men",
        "guy",
        "person",
        "people",
        "player",
        "players",
        "lady",
        "woman",
        "women",
        "girl",
        "girls",
        "boy",
        "boys",
        "child",
        "children",
        "kid",
        "kids",
        "baby",
        "toddler",
        "crowd",
        "skateboarder",
        "surfer",
        "biker",
        "skier",
        "snowboarder",
        "rider",
    ],
    &["dog", "dogs", "puppy", "animal", "animals"],
    &["grass", "field", "lawn", "yard", "park", "ground"],
    &["water", "ocean", "lake", "pool", "river", "sea", "wave", "waves", "surf", "beach", "shore", "sand"],
    &["street", "road", "sidewalk", "path", "city"],
    &["bike", "bicycle", "motorcycle", "bikes"],
    &["rock", "rocks", "cliff", "mountain", "mountains", "hill"],
    &["shirt", "jacket", "coat", "top", "dress", "uniform", "hat", "helmet", "cap", "hair", "head", "face", "hand"],
];

/// A question about a picture, with what each caption that answers it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeQuestion {
    /// The picture, as a path.
    pub image: String,
    /// The question.
    pub question: String,
    /// One answer for each caption that has one.
    pub answer: Vec<String>,
    /// The kind: `color`, `number`, `action`, `object`, `location`, `animal`, `sport` or `yes/no`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Questions about every picture that its captions answer, at most `most` each, drawn by `seed`, no kind before its turn.
///
/// Yes and no come about as often: what is not there is a thing or doing that other captions name often, these never.
pub fn ask(set: &CaptionSet, most: usize, seed: u64) -> Vec<MadeQuestion> {
    let captions: Vec<Vec<Vec<String>>> =
        set.examples.iter().map(|example| example.captions.iter().map(|caption| words(caption)).collect()).collect();
    let lexicon = Lexicon::learn(captions.iter().flatten().map(Vec::as_slice));
    let made = set.examples.iter().zip(&captions).enumerate().flat_map(|(place, (example, captions))| {
        let mut sheet = Sheet::new(&lexicon, StdRng::seed_from_u64(seed ^ (place as u64) << 20));
        for caption in captions {
            sheet.read(&caption.iter().map(String::as_str).collect::<Vec<_>>());
        }
        sheet.doubt(captions);
        let image = example.image.to_string();
        sheet.draw(most).into_iter().map(move |Question { kind, text, answers }| MadeQuestion {
            image: image.clone(),
            question: text,
            answer: answers,
            kind: kind.to_owned(),
        })
    });
    made.collect()
}

struct Question {
    kind: &'static str,
    text: String,
    answers: Vec<String>,
}

/// What is asked of one picture.
struct Sheet<'a> {
    lexicon: &'a Lexicon,
    draws: StdRng,
    questions: Vec<Question>,
}

impl<'a> Sheet<'a> {
    fn new(lexicon: &'a Lexicon, draws: StdRng) -> Self {
        Self { lexicon, draws, questions: Vec::new() }
    }

    fn add(&mut self, kind: &'static str, text: String, answer: &str) {
        match self.questions.iter_mut().find(|question| question.text == text) {
            Some(question) => question.answers.push(answer.to_owned()),
            None => self.questions.push(Question { kind, text, answers: vec![answer.to_owned()] }),
        }
    }

    /// As [`add`](Self::add), worded in one of several ways; another caption's wording of it is kept.
    fn add_worded(&mut self, kind: &'static str, ways: &[String], answer: &str) {
        let known = ways.iter().find(|way| self.questions.iter().any(|question| question.text == **way));
        let text = known.or_else(|| ways.choose(&mut self.draws)).expect("at least one wording").clone();
        self.add(kind, text, answer);
    }

    /// Asks what one caption answers.
    fn read(&mut self, caption: &[&str]) {
        for (place, word) in caption.iter().enumerate() {
            let after = |by: usize| caption.get(place + by).copied().unwrap_or(",");
            self.ask_color(caption, place);
            if several(word).is_some() {
                let thing = [after(1), after(2)].into_iter().find(|thing| self.lexicon.is_plural(thing));
                if let Some(thing) = thing {
                    let ways = ["are there", "are in the picture", "can you see"]
                        .map(|end| format!("how many {thing} {end}?"));
                    self.add_worded("number", &ways, several(word).unwrap_or_default());
                }
            }
            if let Some((_, sport)) = SPORTS.iter().find(|(said, _)| said == word) {
                let ways = ["what sport is this?", "what sport is being played?", "what sport is shown?"];
                self.add_worded("sport", &ways.map(str::to_owned), sport);
            }
            if let Some(doer) = caption[..place].iter().find(|word| DOERS.contains(word)) {
                self.ask_doing(caption, place, doer);
            }
        }
    }

    fn ask_color(&mut self, caption: &[&str], place: usize) {
        let after = |by: usize| caption.get(place + by).copied().unwrap_or(",");
        let (Some(own), thing) = (color(caption[place]), after(1)) else { return };
        // Of `a red fire truck` it is the truck that is red.
        if !self.lexicon.is_noun(thing) || self.lexicon.is_noun(after(2)) {
            return;
        }
        let beside = match *caption.get(place.wrapping_sub(2)..place).unwrap_or_default() {
            [other, "and"] => color(other),
            _ => None,
        };
        let answer = beside.map_or_else(|| own.to_owned(), |other| format!("{other} and {own}"));
        let is = be(thing);
        self.add_worded(
            "color",
            &[format!("what color {is} the {thing}?"), format!("what is the color of the {thing}?")],
            &answer,
        );
        if beside.is_none() {
            let wrong = ["red", "blue", "green", "yellow", "white", "black", "brown", "orange", "pink"];
            let is_wrong = self.draws.random_bool(0.5);
            let wrong: Vec<&str> = wrong.into_iter().filter(|other| !caption.contains(other)).collect();
            if let Some(other) = wrong.choose(&mut self.draws).filter(|_| is_wrong) {
                self.add("yes/no", format!("{is} the {thing} {other}?"), "no");
            } else {
                self.add("yes/no", format!("{is} the {thing} {own}?"), "yes");
            }
        }
    }

    /// Asks what `doer` does with the word at `place`, and where.
    fn ask_doing(&mut self, caption: &[&str], place: usize, doer: &str) {
        let (word, is) = (caption[place], be(doer));
        if self.lexicon.is_action(word) {
            let ways = [format!("what {is} the {doer} doing?"), format!("what {is} the {doer} doing in this picture?")];
            self.add_worded("action", &ways, word);
            self.add("yes/no", format!("{is} the {doer} {word}?"), "yes");
        }
        let thing = || caption[place + 1..].iter().take(4).take_while(|word| !["with", "and", ","].contains(word));
        if HANDLING.contains(&word) {
            let ends = |word: &str| (is_function(word) && !is_determiner(word)) || self.lexicon.is_action(word);
            let things: Vec<&&str> = thing().take_while(|word| !ends(word)).collect();
            if let Some(thing) = things.last().filter(|word| self.lexicon.is_noun(word)) {
                self.add("object", format!("what {is} the {doer} {word}?"), thing);
            }
        }
        if ["in", "on", "at", "through", "over", "across"].contains(&word) {
            let found: Vec<&&str> = thing().collect();
            if let [.., last] = found.as_slice()
                && found.len() <= 3
                && self.lexicon.things.iter().any(|thing| thing == **last)
                && !self.lexicon.is_plural(last)
                && !found.iter().any(|word| color(word).is_some())
            {
                self.add("location", format!("where {is} the {doer}?"), last);
            }
        }
    }

    /// Asks after what all captions together show or do not: things, animals, doings.
    fn doubt(&mut self, captions: &[Vec<String>]) {
        let said: HashSet<&str> = captions.iter().flatten().map(String::as_str).collect();
        let stems: HashSet<&str> = said.iter().map(|word| stem(word)).collect();
        let mut seen = ANIMALS.iter().filter(|animal| stems.contains(**animal));
        if let (Some(animal), None) = (seen.next(), seen.next()) {
            let ways = [
                "what animal is this?",
                "what kind of animal is this?",
                "what animal is in the picture?",
                "what type of animal is shown?",
            ];
            self.add_worded("animal", &ways.map(str::to_owned), animal);
        }
        let lexicon = self.lexicon;
        let (there, rest): (Vec<&String>, Vec<&String>) =
            lexicon.things.iter().partition(|thing| said.contains(thing.as_str()));
        let missing: Vec<&String> = rest.into_iter().filter(|thing| !is_near(thing, &said, &stems)).collect();
        for (things, answer) in [(&there, "yes"), (&missing, "no")] {
            for thing in things.choose_multiple(&mut self.draws.clone(), 2) {
                let ways = if looks_plural(thing) {
                    [format!("are there {thing}?"), format!("are there any {thing} in the picture?")]
                } else {
                    let one = with_article(thing);
                    [format!("is there {one}?"), format!("is there {one} in the picture?")]
                };
                self.add_worded("yes/no", &ways, answer);
            }
        }
        let undone: Vec<&String> =
            lexicon.actions.iter().take(60).filter(|action| !is_near(action, &said, &stems)).collect();
        let doer = captions.iter().flatten().find(|word| DOERS.contains(&word.as_str()));
        if let (Some(doer), Some(action)) = (doer, undone.choose(&mut self.draws)) {
            self.add("yes/no", format!("{} the {doer} {action}?", be(doer)), "no");
        }
    }

    /// At most `most` questions: one of every kind in turn, yes and no as often as each other.
    fn draw(mut self, most: usize) -> Vec<Question> {
        self.questions.shuffle(&mut self.draws);
        let mut kinds: Vec<(&str, Vec<Question>)> = Vec::new();
        for question in self.questions {
            // Yes and no take turns like two kinds.
            let kind = match question.kind {
                "yes/no" if question.answers[0] == "yes" => "yes",
                kind => kind,
            };
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, questions)) => questions.push(question),
                None => kinds.push((kind, vec![question])),
            }
        }
        kinds.shuffle(&mut self.draws);
        let mut drawn = Vec::new();
        while drawn.len() < most && kinds.iter().any(|(_, questions)| !questions.is_empty()) {
            for (_, questions) in &mut kinds {
                drawn.extend(questions.pop().filter(|_| drawn.len() < most));
            }
        }
        drawn
    }
}

/// `is` or `are`.
fn be(thing: &str) -> &'static str {
    if looks_plural(thing) { "are" } else { "is" }
}

/// A word without what makes it several.
fn stem(word: &str) -> &str {
    match word {
        "women" => "woman",
        "men" => "man",
        "children" => "child",
        _ => word.strip_suffix('s').unwrap_or(word),
    }
}

/// Whether captions that say these words may show the thing or doing although they do not name it.
fn is_near(word: &str, said: &HashSet<&str>, stems: &HashSet<&str>) -> bool {
    let own = stem(word);
    // `biking` where something is said of a bike.
    let root = own.strip_suffix("ing").unwrap_or(own);
    stems.iter().any(|stem| *stem == own || (root.len() > 2 && stem.starts_with(root)))
        || ALIKE.iter().any(|alike| alike.contains(&word) && alike.iter().any(|other| said.contains(other)))
}
