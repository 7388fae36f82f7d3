//! Answering by scoring a list of answers (`blip_vqa.py`, `rank_answer`).

use burn::tensor::{Int, Tensor, TensorData};

use super::logits::{log_softmax, top_k};
use crate::error::{Error, Result};
use crate::model::Writer;
use crate::readback::read;
use crate::text::{Context, TokenIds};

/// Reference quirk: answers are scored with the label smoothing of training.
const LABEL_SMOOTHING: f32 = 0.1;

/// An answer of the list with what it was judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedAnswer {
    /// Its place in the list.
    pub index: usize,
    /// Probability of its first token among all words.
    pub first_probability: f32,
    /// Log-likelihood of the whole answer, with label smoothing.
    pub score: f32,
    /// Log-probability of every token, the end included, as the model gave them.
    pub log_probs: Vec<f32>,
}

/// Scores a list of answers for each question: the `k` whose first token is most probable are
/// read whole. Returns them for each question, the best first.
///
/// `answers` are token rows that begin with `[DEC]` and end with `[SEP]`; `question` holds the
/// states of the questions with their padding hidden.
///
/// # Errors
/// [`Error::EmptyText`] for an empty list or answer, and [`Error::Device`].
pub async fn rank(
    writer: Writer<'_>,
    question: &Context,
    answers: &[Vec<u32>],
    k: usize,
    tokens: TokenIds,
) -> Result<Vec<Vec<RankedAnswer>>> {
    if answers.is_empty() || answers.iter().any(|answer| answer.len() < 2) {
        return Err(Error::EmptyText);
    }
    let device = question.states.device();
    let [batch, ..] = question.states.dims();
    let start = Tensor::<2, Int>::full([batch, 1], tokens.decode as i32, &device);
    let first = writer.logits(start, None, question); // [batch, 1, vocab]
    let [.., vocab] = first.dims();
    let first: Vec<f32> = read(first).await?;

    let k = k.clamp(1, answers.len());
    let mut chosen = Vec::with_capacity(batch);
    for scores in first.chunks_exact(vocab) {
        let log_probs = log_softmax(scores);
        let probabilities: Vec<f32> = answers.iter().map(|answer| log_probs[answer[1] as usize].exp()).collect();
        chosen
            .push(top_k(&probabilities, k).into_iter().map(|index| (index, probabilities[index])).collect::<Vec<_>>());
    }

    let token = answers.iter().map(Vec::len).max().unwrap_or(0);
    let (mut ids, mut hidden) = (Vec::new(), Vec::new());
    for (index, _) in chosen.iter().flatten() {
        let answer = &answers[*index];
        ids.extend(answer.iter().map(|id| *id as i32));
        ids.extend(std::iter::repeat_n(tokens.pad as i32, token - answer.len()));
        hidden.extend((0..token).map(|position| position >= answer.len()));
    }
    let shape = [batch * k, token];
    let logits = writer.logits(
        Tensor::from_data(TensorData::new(ids, shape), &device),
        Some(Tensor::from_data(TensorData::new(hidden, shape), &device)),
        question,
    );
    let logits: Vec<f32> = read(logits).await?;

    let mut rows = logits.chunks_exact(token * vocab);
    let mut ranked = Vec::with_capacity(batch);
    for candidates in chosen {
        let mut scored: Vec<RankedAnswer> = candidates
            .into_iter()
            .zip(rows.by_ref())
            .map(|((index, first_probability), row)| {
                let (score, log_probs) = log_likelihood(row, vocab, &answers[index]);
                RankedAnswer { index, first_probability, score, log_probs }
            })
            .collect();
        scored.sort_by(|a, b| b.score.total_cmp(&a.score));
        ranked.push(scored);
    }
    Ok(ranked)
}

/// The smoothed log-likelihood of `answer` under the logits of its row, `[token, vocab]`, and the
/// log-probabilities of its tokens.
fn log_likelihood(row: &[f32], vocab: usize, answer: &[u32]) -> (f32, Vec<f32>) {
    let word = |(logits, id): (&[f32], &u32)| {
        let log_probs = log_softmax(logits);
        let (log_prob, mean) = (log_probs[*id as usize], log_probs.iter().sum::<f32>() / vocab as f32);
        ((1.0 - LABEL_SMOOTHING) * log_prob + LABEL_SMOOTHING * mean, log_prob)
    };
    let (smoothed, log_probs): (Vec<f32>, Vec<f32>) = row.chunks_exact(vocab).zip(&answer[1..]).map(word).unzip();
    (smoothed.iter().sum(), log_probs)
}
