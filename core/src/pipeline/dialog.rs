//! Answers in a dialog about a picture, ranked.

use super::Pipeline;
use crate::error::{Error, Result};
use crate::model::{Dialog, Model};
use crate::preprocess::pre_caption;
use crate::progress::{Progress, Report};
use crate::text::Context;
use crate::tokenizer::{dialog_rows, dialog_turn, pad};

/// Words of a caption that are read; of what is said, as many as the model has positions for.
const MAX_WORDS: usize = 30;

/// Candidates in one pass.
const BATCH: usize = 20;

/// What was asked in a dialog, and what may be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogQuestion {
    /// Questions and answers from before, the oldest first.
    pub history: Vec<(String, String)>,
    /// What is to be answered.
    pub question: String,
    /// Answers to rank.
    pub candidates: Vec<String>,
}

impl Pipeline {
    /// Whether the model can rank answers in dialogs.
    pub fn can_converse(&self) -> bool {
        self.dialog().is_ok()
    }

    fn dialog(&self) -> Result<&Dialog> {
        match &self.model {
            Model::Dialog(model) => Ok(model),
            _ => Err(self.no_head("visual dialog", "a dialog model, which `medley train dialog` makes of any other")),
        }
    }

    /// How well each candidate answers its question, for several questions about one picture: `itm_logit[match]`,
    /// the higher the better.
    ///
    /// Where a dialog is longer than the model has positions, its oldest turns are not read; a candidate is not cut
    /// unless it alone is longer. The caption may be empty.
    ///
    /// # Errors
    /// [`Error::NoHead`], [`Error::EmptyText`] for a question without a word, [`Error::Option`] where there is
    /// nothing to rank, [`Error::Cancelled`].
    pub async fn rank_answers(
        &self,
        pixels: &[f32],
        caption: &str,
        questions: &[DialogQuestion],
        report: &mut Report<'_>,
    ) -> Result<Vec<Vec<f32>>> {
        let model = self.dialog()?;
        let rows: Vec<Vec<Vec<u32>>> =
            questions.iter().map(|question| self.dialog_rows(question)).collect::<Result<_>>()?;
        let caption = pre_caption(caption, MAX_WORDS);
        let caption = self.tokenizer.encode_between(self.tokens.cls, &caption, self.config.text.max_positions)?;
        let caption = pad(&[caption], self.tokens.pad, &self.device);
        let image_embeds = model.vision().forward(self.stack(&[pixels.to_vec()]));
        let context: Context = model.context(image_embeds, caption.ids, caption.hidden);
        let total = rows.iter().map(Vec::len).sum();
        let (mut scores, mut done) = (Vec::with_capacity(rows.len()), 0);
        for rows in rows {
            let mut of_question = Vec::with_capacity(rows.len());
            for rows in rows.chunks(BATCH) {
                let ids = pad(rows, self.tokens.pad, &self.device);
                let logits = model.itm_logits(ids.ids, ids.hidden, &context);
                of_question.extend(self.read(logits.narrow(1, 1, 1)).await?);
                done += rows.len();
                if report(Progress::Items { stage: "ranking answers", done, total }).is_break() {
                    return Err(Error::Cancelled);
                }
            }
            scores.push(of_question);
        }
        Ok(scores)
    }

    /// A row for each candidate.
    fn dialog_rows(&self, question: &DialogQuestion) -> Result<Vec<Vec<u32>>> {
        let DialogQuestion { history, question, candidates } = question;
        let max = self.config.text.max_positions;
        let encode = |text: &str| self.tokenizer.encode(&pre_caption(text, usize::MAX));
        let asked = encode(question)?;
        if asked.is_empty() {
            return Err(Error::EmptyText);
        }
        if candidates.is_empty() {
            return Err(Error::Option { option: "candidates", reason: "must be at least one answer".into() });
        }
        let mut turns = Vec::with_capacity(history.len() + 1);
        for (question, answer) in history {
            turns.push(dialog_turn(&encode(question)?, Some(&encode(answer)?), self.tokens));
        }
        turns.push(dialog_turn(&asked, None, self.tokens));
        let candidates: Vec<Vec<u32>> = candidates.iter().map(|candidate| encode(candidate)).collect::<Result<_>>()?;
        let candidates: Vec<&[u32]> = candidates.iter().map(Vec::as_slice).collect();
        Ok(dialog_rows(&turns, &candidates, self.tokens, max))
    }
}
