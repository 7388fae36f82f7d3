//! Dialogs about pictures: VisDial 1.0.
//!
//! | file | form |
//! |---|---|
//! | dialogs | `{"data": {"questions": […], "answers": […], "dialogs": [{"image_id", "caption", "dialog": […]}]}}`, each round a `{"question", "answer", "answer_options", "gt_index"}` of places in the two lists |
//! | dense annotations | `[{"image_id", "round_id", "gt_relevance": […]}]`, rounds counted from one |

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::listing::read_text;
use super::order::hold_out_by;
use super::pictures::Shelves;
use super::{Id, Picture, broken, warning};
use crate::error::Result;
use crate::preprocess::pre_caption;

/// A round of a dialog; texts are places in the lists of [`DialogSet`].
#[derive(Clone, Debug, PartialEq)]
pub struct DialogRound {
    /// What was asked.
    pub question: usize,
    /// What was answered; absent where the dataset keeps that to itself.
    pub answer: Option<usize>,
    /// Answers to rank; empty in rounds that are history alone.
    pub options: Vec<u32>,
    /// The place of the answer among the options; absent where the dataset keeps that to itself.
    pub right: Option<usize>,
    /// How fitting people found every option, where they were asked; 0 to 1.
    pub relevance: Option<Vec<f32>>,
}

/// A dialog about a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct DialogExample {
    /// Where it lies; it existed when the dataset was read.
    pub image: Picture,
    /// The picture's name within the dataset: COCO's number.
    pub id: String,
    /// What the dialog begins with.
    pub caption: String,
    /// Questions and answers in turn.
    pub rounds: Vec<DialogRound>,
}

/// The dialogs of a dataset, and the texts they are made of: a hundred options a round would not fit in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DialogSet {
    /// Every question, once.
    pub questions: Vec<String>,
    /// Every answer and option, once.
    pub answers: Vec<String>,
    /// In the order of the file.
    pub examples: Vec<DialogExample>,
    /// What was left out and why, one sentence each.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    questions: Vec<String>,
    answers: Vec<String>,
    dialogs: Vec<Talk>,
}

#[derive(Deserialize)]
struct Talk {
    image_id: Id,
    #[serde(default)]
    caption: String,
    dialog: Vec<Round>,
}

#[derive(Deserialize)]
struct Round {
    question: usize,
    answer: Option<usize>,
    answer_options: Option<Vec<u32>>,
    gt_index: Option<usize>,
}

#[derive(Deserialize)]
struct Dense {
    image_id: Id,
    round_id: usize,
    #[serde(alias = "gt_relevance")]
    relevance: Vec<f32>,
}

/// Reads dialogs, with how fitting people found the options from `dense` where that is given.
///
/// Pictures are looked for in the folder `images` and in the folders right below it, without it beside `data`: by
/// COCO's number in the name of a file there, or by the file's name where `image_id` is no number.
///
/// # Errors
/// [`Error::Read`](crate::Error::Read) where a file cannot be read; [`Error::Data`](crate::Error::Data), in one line,
/// where it is not of this form, is empty, names texts or options that it does not hold, has no round with options,
/// or where no picture is found.
pub fn read_dialogs(data: &Path, dense: Option<&Path>, images: Option<&Path>) -> Result<DialogSet> {
    let invalid = |path: &Path, error: serde_json::Error| broken(path, format!("not the JSON it should be: {error}"));
    let file: File = serde_json::from_str(&read_text(data)?).map_err(|error| invalid(data, error))?;
    let Data { questions, answers, dialogs } = file.data;
    if dialogs.is_empty() {
        return Err(broken(data, "no dialog in it".to_owned()));
    }
    let mut shelves = Shelves::new(data, images)?;
    let numbered = shelves.numbered();
    let mut picture = |id: &str| match id.parse::<u64>() {
        Ok(number) => numbered.get(&number).cloned(),
        Err(_) => shelves.find(id),
    };
    let is_empty: Vec<bool> = questions.iter().map(|text| pre_caption(text, usize::MAX).is_empty()).collect();
    let (mut missing, mut wordless, mut examples) = (Vec::new(), Vec::new(), Vec::with_capacity(dialogs.len()));
    for Talk { image_id: Id(id), caption, dialog } in dialogs {
        let rounds: Vec<DialogRound> = dialog.into_iter().map(Round::into_round).collect();
        for (number, round) in (1..).zip(&rounds) {
            let reason = |reason| broken(data, format!("dialog about image {id}, round {number}: {reason}"));
            round.check(questions.len(), answers.len()).map_err(reason)?;
        }
        match picture(&id) {
            _ if rounds.iter().any(|round| is_empty[round.question]) => wordless.push(id),
            Some(image) => examples.push(DialogExample { image, id, caption, rounds }),
            None => missing.push(id),
        }
    }
    if examples.is_empty() && missing.is_empty() {
        return Err(broken(data, "every dialog in it has an empty question".to_owned()));
    }
    if examples.is_empty() {
        return Err(broken(data, shelves.explain_missing(&missing)));
    }
    if examples.iter().flat_map(|example| &example.rounds).all(|round| round.options.is_empty()) {
        return Err(broken(data, "no round in it has answer_options to choose from".to_owned()));
    }
    let mut set = DialogSet { questions, answers, examples, warnings: Vec::new() };
    set.warnings.extend(warning("dialogs with an empty question, left out", &wordless));
    set.warnings.extend(warning("images missing, the dialogs about them left out", &missing));
    if let Some(path) = dense {
        let dense: Vec<Dense> = serde_json::from_str(&read_text(path)?).map_err(|error| invalid(path, error))?;
        set.add_relevance(path, dense)?;
    }
    Ok(set)
}

/// Parts a set in two, the second of about `fraction` of the pictures.
///
/// Which ones depends on the pictures' names and the seed alone. Unless `fraction` is 0, each side has a picture at
/// least where there are two or more.
pub fn hold_out_dialogs(set: DialogSet, fraction: f64, seed: u64) -> (DialogSet, DialogSet) {
    let DialogSet { questions, answers, examples, warnings } = set;
    let (kept, held) = hold_out_by(examples, |example| example.id.clone(), fraction, seed);
    let second =
        DialogSet { questions: questions.clone(), answers: answers.clone(), examples: held, warnings: Vec::new() };
    (DialogSet { questions, answers, examples: kept, warnings }, second)
}

impl DialogSet {
    fn add_relevance(&mut self, path: &Path, dense: Vec<Dense>) -> Result<()> {
        let places: HashMap<String, usize> =
            self.examples.iter().enumerate().map(|(place, example)| (example.id.clone(), place)).collect();
        let mut strangers = Vec::new();
        for Dense { image_id: Id(id), round_id, relevance } in dense {
            let rounds = places.get(&id).map(|place| &mut self.examples[*place].rounds);
            let Some(round) = rounds.and_then(|rounds| rounds.get_mut(round_id.wrapping_sub(1))) else {
                strangers.push(format!("{id} round {round_id}"));
                continue;
            };
            let (found, options) = (relevance.len(), round.options.len());
            if found != options {
                let reason = format!("image {id}, round {round_id}: {found} relevances for {options} options");
                return Err(broken(path, reason));
            }
            round.relevance = Some(relevance);
        }
        self.warnings.extend(warning("dense annotations of rounds that are not in the dialogs", &strangers));
        Ok(())
    }
}

impl Round {
    fn into_round(self) -> DialogRound {
        let Self { question, answer, answer_options, gt_index } = self;
        DialogRound { question, answer, options: answer_options.unwrap_or_default(), right: gt_index, relevance: None }
    }
}

impl DialogRound {
    /// Whether every place is one, or a sentence about the first that is not.
    fn check(&self, questions: usize, answers: usize) -> Result<(), String> {
        if self.question >= questions {
            return Err(format!("question {} of {questions}", self.question));
        }
        let named = self.answer.into_iter().chain(self.options.iter().map(|option| *option as usize));
        if let Some(answer) = named.into_iter().find(|answer| *answer >= answers) {
            return Err(format!("answer {answer} of {answers}"));
        }
        match self.right {
            Some(right) if right >= self.options.len() => {
                Err(format!("gt_index {right} of {} answer_options, counted from 0", self.options.len()))
            }
            _ => Ok(()),
        }
    }
}
