//! Questions about pictures, with answers.
//!
//! | form | recognised by |
//! |---|---|
//! | VQA v2 | `{"questions": [{"image_id", "question", "question_id"}]}`, answers in a file of their own |
//! | BLIP's lists | `[{"image", "question", "answer"}]`, an answer being a text or a list; `"dataset": "vg"` for Visual Genome's |
//! | COCO-QA | `[{"image_id", "question", "answer"}]` |

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::listing::read_text;
use super::order::hold_out_by;
use super::pictures::Shelves;
use super::{Id, Picture, broken, warning};
use crate::error::Result;

/// A question about a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionExample {
    /// Where it lies; it existed when the dataset was read.
    pub image: Picture,
    /// As people asked it.
    pub question: String,
    /// What people answered, one each; empty where the dataset keeps that to itself.
    pub answers: Vec<String>,
    /// How much it counts in training: 1, or 0.2 for Visual Genome's, which one person answered (`vqa_dataset.py`).
    pub weight: f32,
    /// The question's name within the dataset.
    pub id: String,
    /// The dataset's word for the kind of answer, such as `yes/no`.
    pub answer_type: Option<String>,
    /// The dataset's word for the kind of question, such as `how many`.
    pub question_type: Option<String>,
}

/// The questions of a dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuestionSet {
    /// In the order of the file.
    pub examples: Vec<QuestionExample>,
    /// What was left out and why, one sentence each.
    pub warnings: Vec<String>,
}

/// A question as the files describe it, before its picture is found.
pub(super) struct Described {
    pub question: String,
    pub answers: Vec<String>,
    weight: f32,
    id: String,
    answer_type: Option<String>,
    question_type: Option<String>,
}

impl Described {
    fn about(self, image: Picture) -> QuestionExample {
        let Self { question, answers, weight, id, answer_type, question_type } = self;
        QuestionExample { image, question, answers, weight, id, answer_type, question_type }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "give VQA v2's questions, or a list of image, question and answer")]
enum File {
    Vqa { questions: Vec<Question> },
    List(Vec<Question>),
}

#[derive(Deserialize)]
struct Question {
    image: Option<String>,
    image_id: Option<Id>,
    question: String,
    question_id: Option<Id>,
    #[serde(default)]
    answer: Answers,
    /// COCO-QA's word for the kind of question.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Which dataset a question of BLIP's mixed lists is from: `vqa` or `vg`.
    dataset: Option<String>,
}

/// What BLIP's lists call Visual Genome.
const VISUAL_GENOME: &str = "vg";
const VISUAL_GENOME_WEIGHT: f32 = 0.2;

#[derive(Default, Deserialize)]
#[serde(untagged, expecting = "an answer must be a text or a list of texts")]
enum Answers {
    One(String),
    Many(Vec<String>),
    #[default]
    None,
}

#[derive(Deserialize)]
struct Annotations {
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Annotation {
    question_id: Id,
    answers: Vec<Answer>,
    answer_type: Option<String>,
    question_type: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    answer: String,
}

/// Reads questions, with their answers from `annotations` where VQA v2 keeps them apart.
///
/// Pictures are looked for in the folder `images`, without it beside `data`: by the file's name,
/// or by COCO's number in the name of a file there.
///
/// # Errors
/// [`Error::Read`](crate::Error::Read) where a file cannot be read; [`Error::Data`](crate::Error::Data)
/// where it is in none of the forms, is empty, or no picture is found.
pub fn read_questions(data: &Path, annotations: Option<&Path>, images: Option<&Path>) -> Result<QuestionSet> {
    let (questions, shelves) = list_questions(data, annotations, images)?;
    let (mut set, mut missing, mut unanswered) = (QuestionSet::default(), Vec::new(), Vec::new());
    for (image, question) in questions {
        match image {
            Ok(image) => {
                if annotations.is_some() && question.answers.is_empty() {
                    unanswered.push(question.id.clone());
                }
                set.examples.push(question.about(image));
            }
            Err(name) => missing.push(name),
        }
    }
    if set.examples.is_empty() {
        return Err(broken(data, shelves.explain_missing(&missing)));
    }
    set.warnings.extend(warning("images missing, their questions left out", &missing));
    set.warnings.extend(warning("questions that the annotations do not answer", &unanswered));
    Ok(set)
}

/// A question beside its picture, or beside the name of one that is missing.
type Listed = (Result<Picture, String>, Described);

/// Every question, and where pictures were looked for.
pub(super) fn list_questions(
    data: &Path,
    annotations: Option<&Path>,
    images: Option<&Path>,
) -> Result<(Vec<Listed>, Shelves)> {
    let invalid = |path: &Path, error: serde_json::Error| broken(path, format!("not the JSON it should be: {error}"));
    let file: File = serde_json::from_str(&read_text(data)?).map_err(|error| invalid(data, error))?;
    let (File::Vqa { questions } | File::List(questions)) = file;
    if questions.is_empty() {
        return Err(broken(data, "no question in it".to_owned()));
    }
    let mut answered = HashMap::new();
    if let Some(path) = annotations {
        let file: Annotations = serde_json::from_str(&read_text(path)?).map_err(|error| invalid(path, error))?;
        answered.extend(file.annotations.into_iter().map(|annotation| (annotation.question_id.0.clone(), annotation)));
    }
    let mut shelves = Shelves::new(data, images)?;
    let is_by_number = questions.iter().any(|question| question.image.is_none());
    let numbered = if is_by_number { shelves.numbered() } else { HashMap::new() };

    let mut listed = Vec::with_capacity(questions.len());
    for (place, question) in questions.into_iter().enumerate() {
        let id = question.question_id.map_or_else(|| place.to_string(), |Id(id)| id);
        let image = match (question.image, question.image_id) {
            (Some(image), _) => shelves.find(&image).ok_or(image),
            (None, Some(Id(number))) => {
                let found = number.parse().ok().and_then(|number: u64| numbered.get(&number).cloned());
                found.ok_or(number)
            }
            (None, None) => return Err(broken(data, format!("question {id} has no \"image\" or \"image_id\""))),
        };
        let (mut answers, mut answer_type, mut question_type) = (question.answer.into_vec(), None, question.kind);
        if let Some(annotation) = answered.remove(&id) {
            answers = annotation.answers.into_iter().map(|answer| answer.answer).collect();
            (answer_type, question_type) = (annotation.answer_type, annotation.question_type);
        }
        let weight = if question.dataset.as_deref() == Some(VISUAL_GENOME) { VISUAL_GENOME_WEIGHT } else { 1.0 };
        let question = question.question;
        listed.push((image, Described { question, answers, weight, id, answer_type, question_type }));
    }
    Ok((listed, shelves))
}

/// Whether a file holds questions rather than captions: told by its first entry.
pub fn holds_questions(data: &Path) -> bool {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(rename = "question")]
        _question: IgnoredAny,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum File {
        Vqa {
            #[serde(rename = "questions")]
            _questions: IgnoredAny,
        },
        List(Vec<Asked>),
    }
    let text = if data.is_file() { read_text(data).unwrap_or_default() } else { String::new() };
    match serde_json::from_str(&text) {
        Ok(File::Vqa { .. }) => true,
        Ok(File::List(asked)) => !asked.is_empty(),
        Err(_) => false,
    }
}

/// Parts a set in two, the second of the questions about roughly `fraction` of the pictures.
///
/// Which ones depends on the pictures' names and the seed alone. Unless `fraction` is 0, each side has questions
/// about a picture at least where there are two or more.
pub fn hold_out_questions(set: QuestionSet, fraction: f64, seed: u64) -> (QuestionSet, QuestionSet) {
    let (kept, held) = hold_out_by(set.examples, |example| example.image.name(), fraction, seed);
    (QuestionSet { examples: kept, warnings: set.warnings }, QuestionSet { examples: held, warnings: Vec::new() })
}

impl QuestionSet {
    /// Adds the questions of another set, but for those about pictures of `held`.
    pub fn extend_beside(&mut self, more: Self, held: &Self) {
        let held: HashSet<String> = held.examples.iter().map(|example| example.image.name()).collect();
        self.examples.extend(more.examples.into_iter().filter(|example| !held.contains(&example.image.name())));
        self.warnings.extend(more.warnings);
    }
}

impl Answers {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(answer) => vec![answer],
            Self::Many(answers) => answers,
            Self::None => Vec::new(),
        }
    }
}
