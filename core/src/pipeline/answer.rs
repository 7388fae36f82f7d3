//! Questions about a picture to answers.

use std::ops::ControlFlow;

use super::{Caption, Pipeline, Seen};
use crate::error::{Error, Result};
use crate::generate::{GenerateConfig, RankedAnswer, generate, rank};
use crate::model::{Model, Responder};
use crate::preprocess::pre_question;
use crate::progress::{Progress, Report};
use crate::text::Context;

/// Words of a question that are read.
const MAX_WORDS: usize = 50;

/// How questions are answered.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerOptions {
    /// Strategy and lengths of written answers.
    pub generate: GenerateConfig,
    /// Answers to choose from; when empty the answer is written.
    pub choices: Vec<String>,
    /// Choices that are read whole: those whose first token is most probable.
    pub rank_k: usize,
    /// Begin questions with `[CLS]`, as Hugging Face's port does, instead of `[ENC]`.
    pub cls_first: bool,
}

impl Default for AnswerOptions {
    fn default() -> Self {
        Self { generate: GenerateConfig::answering(), choices: Vec::new(), rank_k: 128, cls_first: false }
    }
}

/// An answer, written or chosen.
pub type Answer = Caption;

impl Pipeline {
    /// Whether the model can answer questions.
    pub fn can_answer(&self) -> bool {
        self.responder().is_ok()
    }

    fn responder(&self) -> Result<Responder<'_>> {
        let responder = match &self.model {
            Model::Answerer(model) => Some(model.responder()),
            Model::Pretraining(model) => model.responder(),
            _ => None,
        };
        let needed = "an answerer such as blip-vqa-base, blip-vqa-capfilt-large or model_vqa.pth";
        responder.ok_or_else(|| self.no_head("answering", needed))
    }

    /// Answers a question about a picture, best answer first. Every new word of a written answer is
    /// reported as [`Progress::Text`]. The confidence in a chosen answer is the probability that it
    /// is the one among all that were read whole.
    ///
    /// # Errors
    /// [`Error::NoHead`], [`Error::EmptyText`], [`Error::TextTooLong`], [`Error::Option`],
    /// [`Error::Cancelled`].
    pub async fn answer(
        &self,
        seen: &Seen,
        question: &str,
        options: &AnswerOptions,
        report: &mut Report<'_>,
    ) -> Result<Vec<Answer>> {
        let responder = self.responder()?;
        self.check_length(question)?;
        let first = if options.cls_first { self.tokens.cls } else { self.tokens.encode };
        let question = self.read_texts(&[pre_question(question, MAX_WORDS)], first)?;
        let states = responder.question_states(question.ids, question.hidden, &seen.context());
        let context = Context::new(states);
        if options.choices.is_empty() {
            let mut on_token = |index: usize, ids: &[u32]| -> ControlFlow<()> {
                report(Progress::Text { index, text: self.tokenizer.decode(ids).unwrap_or_default() })
            };
            let prompt = [self.tokens.decode];
            let written =
                generate(responder.writer(), &context, &prompt, self.tokens, &options.generate, &mut on_token).await?;
            return written.into_iter().flatten().map(|text| self.finish(text)).collect();
        }
        let mut rows = Vec::with_capacity(options.choices.len());
        for choice in &options.choices {
            self.check_length(choice)?;
            let row = self.tokenizer.encode_between(self.tokens.decode, choice, usize::MAX)?;
            if row.len() <= 2 {
                return Err(Error::EmptyText);
            }
            rows.push(row);
        }
        let ranked = rank(responder.writer(), &context, &rows, options.rank_k, self.tokens).await?;
        let choices: Vec<RankedAnswer> = ranked.into_iter().flatten().collect();
        let best = choices.iter().map(|choice| choice.score).fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = choices.iter().map(|choice| (choice.score - best).exp()).sum();
        let answer = |choice: RankedAnswer| Answer {
            text: options.choices[choice.index].clone(),
            confidence: (choice.score - best).exp() / sum,
            log_probs: choice.log_probs,
        };
        Ok(choices.into_iter().map(answer).collect())
    }
}
