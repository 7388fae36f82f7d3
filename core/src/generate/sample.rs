//! One word after another: the best, or one drawn at random.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::logits::{keep_top_k, keep_top_p, log_softmax, log_sum_exp, restrict};
use super::steps::Steps;
use super::{GenerateConfig, Generated, OnToken, Strategy};
use crate::error::{Error, Result};
use crate::model::Writer;
use crate::text::{Context, TokenIds};

/// A text on its way.
struct Row {
    /// Prompt and new tokens.
    ids: Vec<u32>,
    log_probs: Vec<f32>,
    is_finished: bool,
    draws: StdRng,
}

pub(super) async fn sample(
    writer: Writer<'_>,
    context: &Context,
    prompt: &[u32],
    tokens: TokenIds,
    config: &GenerateConfig,
    on_token: &mut OnToken<'_>,
) -> Result<Vec<Vec<Generated>>> {
    let [batch, ..] = context.states.dims();
    let texts = config.num_texts;
    let seed = match config.strategy {
        Strategy::Sample { seed, .. } => seed,
        _ => 0,
    };
    // Each text draws from its own stream, so that a batch writes what its images alone would.
    let mut rows: Vec<Row> = (0..batch * texts)
        .map(|row| Row {
            ids: prompt.to_vec(),
            log_probs: Vec::new(),
            is_finished: false,
            draws: StdRng::seed_from_u64(seed.wrapping_add((row % texts) as u64)),
        })
        .collect();

    let (mut steps, scores) = Steps::start(writer, context, prompt).await?;
    let mut parents: Vec<usize> = (0..batch * texts).map(|row| row / texts).collect();
    let mut scores: Vec<Vec<f32>> = parents.iter().map(|image| scores[*image].clone()).collect();
    loop {
        let mut next = Vec::with_capacity(rows.len());
        for (index, (row, scores)) in rows.iter_mut().zip(&scores).enumerate() {
            if row.is_finished {
                next.push(tokens.pad);
                continue;
            }
            let id = row.choose(scores, tokens.sep, config);
            row.log_probs.push(scores[id as usize] - log_sum_exp(scores));
            next.push(id);
            if id == tokens.sep {
                row.is_finished = true;
                continue;
            }
            row.ids.push(id);
            if on_token(index / texts, &row.ids[prompt.len()..]).is_break() {
                return Err(Error::Cancelled);
            }
        }
        let open = |row: &Row| !row.is_finished && row.ids.len() < config.max_length;
        if !rows.iter().any(open) {
            break;
        }
        scores = steps.step(&parents, &next).await?;
        parents = (0..rows.len()).collect();
    }

    let mut rows = rows.into_iter();
    let finish = |row: Row| Generated {
        ids: row.ids[prompt.len()..].to_vec(),
        is_finished: row.is_finished,
        score: row.log_probs.iter().sum(),
        log_probs: row.log_probs,
    };
    Ok((0..batch).map(|_| rows.by_ref().take(texts).map(finish).collect()).collect())
}

impl Row {
    fn choose(&mut self, scores: &[f32], sep: u32, config: &GenerateConfig) -> u32 {
        let mut scores = scores.to_vec();
        restrict(&mut scores, &self.ids, sep, config);
        let Strategy::Sample { top_p, top_k, temperature, .. } = config.strategy else {
            let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
            return best.map_or(sep, |(id, _)| id as u32);
        };
        for score in &mut scores {
            *score /= temperature;
        }
        keep_top_k(&mut scores, top_k);
        keep_top_p(&mut scores, top_p);
        let mut left = self.draws.random::<f64>();
        let probabilities = log_softmax(&scores);
        let mut last = sep;
        for (id, log) in probabilities.iter().enumerate().filter(|(_, log)| log.is_finite()) {
            last = id as u32;
            left -= f64::from(*log).exp();
            if left < 0.0 {
                break;
            }
        }
        last
    }
}
