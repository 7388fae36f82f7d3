//! `medley ask`.

use std::fs;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use medley::generate::GenerateConfig;
use medley::pipeline::{Answer, DialogQuestion, Seen};
use medley::preprocess::pre_question;
use medley::{AnswerOptions, Pipeline};
use serde_json::json;

use super::caption::path_text;
use super::generate::GenerateArguments;
use super::model::ReadArguments;
use super::{ALL_GOOD, SOME_FAILED, interrupt, milliseconds, picture, plain};

pub const EXAMPLES: &str = "\
Examples:
  medley ask photo.jpg 'how many dogs are there?' --model blip-vqa-base
  medley ask photo.jpg 'is it raining?' --choose yes --choose no --model model_vqa.pth
  medley ask photo.jpg                                  # a conversation: a question a line, Ctrl-D ends it
  medley ask photo.jpg --json < questions.txt
  medley ask photo.jpg --model dialog/best.safetensors --choose-from answers.txt --caption 'two dogs in the snow'";

/// What to ask.
#[derive(Args)]
pub struct Arguments {
    /// The picture
    image: PathBuf,
    /// The question; without one, questions are read from standard input, a line each, and the picture is looked at once
    question: Option<String>,
    /// Choose among these answers instead of writing one; may be repeated. Each is printed with the probability that it is the one
    #[arg(long, value_name = "ANSWER")]
    choose: Vec<String>,
    /// The same from a file, an answer a line
    #[arg(long, value_name = "FILE")]
    choose_from: Option<PathBuf>,
    /// What is known of the picture, for a dialog model, which reads it beside picture and conversation
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    caption: String,
    /// Begin the question with [CLS] as Hugging Face's port does, instead of [ENC]
    #[arg(long)]
    cls_first: bool,
    #[command(flatten)]
    generate: GenerateArguments,
    #[command(flatten)]
    read: ReadArguments,
}

/// Answers the question, or one after the other; where there are several answers each shows how sure the model is of it.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let options = AnswerOptions {
        generate: arguments.generate.config(GenerateConfig::answering())?,
        choices: choices(&arguments)?,
        cls_first: arguments.cls_first,
        ..AnswerOptions::default()
    };
    if let Some(question) = &arguments.question
        && pre_question(question, usize::MAX).is_empty()
    {
        bail!("the question {question:?} has no word in it");
    }
    // A conversation has nothing to lose: Ctrl-C ends it at once.
    if arguments.question.is_some() {
        interrupt::listen();
    }
    let pipeline = arguments.read.open().await?;
    let pixels = picture::read(&pipeline, &arguments.image)?;
    let mut conversation = Conversation::new(&arguments, options, &pipeline, pixels)?;
    match &arguments.question {
        Some(question) => {
            conversation.ask(question).await?;
            Ok(ALL_GOOD)
        }
        None => conversation.go_on().await,
    }
}

/// The answers to choose from.
fn choices(arguments: &Arguments) -> Result<Vec<String>> {
    let mut choices = arguments.choose.clone();
    if let Some(file) = &arguments.choose_from {
        let text = fs::read_to_string(file).map_err(|error| anyhow!("{}: {}", file.display(), plain(&error)))?;
        choices.extend(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
        if choices.is_empty() {
            bail!("{}: no answer to choose, one a line was expected", file.display());
        }
    }
    match choices.iter().find(|answer| answer.trim().is_empty()) {
        Some(empty) => bail!("the answer {empty:?} of --choose has no word in it"),
        None => Ok(choices),
    }
}

/// A picture, and what was said about it.
struct Conversation<'a> {
    arguments: &'a Arguments,
    options: AnswerOptions,
    pipeline: &'a Pipeline,
    pixels: Vec<f32>,
    /// None where a dialog model looks at picture and caption together.
    seen: Option<Seen>,
    said: Vec<(String, String)>,
}

impl<'a> Conversation<'a> {
    fn new(arguments: &'a Arguments, options: AnswerOptions, pipeline: &'a Pipeline, pixels: Vec<f32>) -> Result<Self> {
        let converses = pipeline.can_converse();
        if converses && options.choices.is_empty() {
            bail!("a dialog model chooses among answers: name them with --choose or --choose-from");
        }
        let seen = (!converses).then(|| pipeline.see(std::slice::from_ref(&pixels)));
        Ok(Self { arguments, options, pipeline, pixels, seen, said: Vec::new() })
    }

    /// Answers every line of standard input.
    async fn go_on(&mut self) -> Result<u8> {
        let (mut input, mut code) = (std::io::stdin().lock(), ALL_GOOD);
        let prompts = input.is_terminal();
        loop {
            if prompts {
                eprint!("? ");
                let _ = std::io::stderr().flush();
            }
            let mut line = String::new();
            if input.read_line(&mut line).map_err(|error| anyhow!("standard input: {}", plain(&error)))? == 0 {
                if prompts {
                    eprintln!();
                }
                return Ok(code);
            }
            let question = line.trim();
            if pre_question(question, usize::MAX).is_empty() {
                continue;
            }
            if let Err(error) = self.ask(question).await {
                code = SOME_FAILED;
                eprintln!("medley: {question}: {}", super::one_line(&error));
            }
        }
    }

    /// Answers a question and prints what it is answered.
    async fn ask(&mut self, question: &str) -> Result<()> {
        let start = Instant::now();
        let answers = match &self.seen {
            Some(seen) => self.pipeline.answer(seen, question, &self.options, &mut |_| interrupt::flow()).await?,
            None => self.chosen(question).await?,
        };
        let seconds = milliseconds(start.elapsed().as_secs_f64());
        if let Some(best) = answers.first() {
            self.said.push((question.to_owned(), best.text.clone()));
        }
        let is_alone = answers.len() == 1;
        for answer in answers {
            if self.arguments.read.json {
                super::print(&json!({
                    "path": path_text(&self.arguments.image),
                    "question": question,
                    "answer": answer.text,
                    "confidence": answer.confidence,
                    "log_probs": answer.log_probs,
                    "seconds": seconds,
                }));
            } else if is_alone {
                super::print(&answer.text);
            } else {
                super::print(&format_args!("{:.1}%\t{}", 100.0 * answer.confidence, answer.text));
            }
        }
        Ok(())
    }

    /// The answers of a dialog model, which reads what was said before, the best first.
    async fn chosen(&self, question: &str) -> Result<Vec<Answer>> {
        let candidates = self.options.choices.clone();
        let asked = DialogQuestion { history: self.said.clone(), question: question.to_owned(), candidates };
        let caption = &self.arguments.caption;
        let scores = self.pipeline.rank_answers(&self.pixels, caption, &[asked], &mut |_| interrupt::flow()).await?;
        let scores = scores.into_iter().flatten();
        let mut scored: Vec<(f32, &String)> = scores.zip(&self.options.choices).collect();
        scored.sort_by(|one, other| other.0.total_cmp(&one.0));
        let best = scored.first().map_or(0.0, |(score, _)| *score);
        let sum: f32 = scored.iter().map(|(score, _)| (score - best).exp()).sum();
        let answer = |(score, text): (f32, &String)| Answer {
            text: text.clone(),
            confidence: (score - best).exp() / sum,
            log_probs: Vec::new(),
        };
        Ok(scored.into_iter().map(answer).collect())
    }
}
