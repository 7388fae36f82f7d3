//! Beam search in the two variants that published BLIP numbers rest on.

use super::logits::{log_softmax, restrict, top_k};
use super::steps::Steps;
use super::{BeamStop, BeamVariant, GenerateConfig, Generated, OnToken, Strategy};
use crate::error::{Error, Result};
use crate::model::Writer;
use crate::text::{Context, TokenIds};

/// Far below any score: beams that do not exist yet, and texts that may not win.
const OUT: f32 = -1e9;

/// A beginning of a text, or a whole one.
#[derive(Clone, Debug)]
struct Hypothesis {
    /// Sum of the log-probabilities, penalties included.
    sum: f32,
    /// What texts are ranked by, once whole.
    score: f32,
    /// Prompt and new tokens; the end too, once whole.
    ids: Vec<u32>,
    /// Log-probabilities of the new tokens, penalties not included.
    log_probs: Vec<f32>,
    /// The row of the last step this continues.
    parent: usize,
    /// In the pool of finished texts: a real one, not a placeholder.
    is_real: bool,
}

/// The beams of one image.
struct Search<'a> {
    config: &'a GenerateConfig,
    beams: usize,
    variant: BeamVariant,
    stop: BeamStop,
    length_penalty: f32,
    prompt: usize,
    sep: u32,
    running: Vec<Hypothesis>,
    finished: Vec<Hypothesis>,
    /// Whether a running beam can still beat a finished text (Hugging Face's bookkeeping).
    improvable: bool,
    is_done: bool,
}

pub(super) async fn search(
    writer: Writer<'_>,
    context: &Context,
    prompt: &[u32],
    tokens: TokenIds,
    config: &GenerateConfig,
    on_token: &mut OnToken<'_>,
) -> Result<Vec<Vec<Generated>>> {
    let [batch, ..] = context.states.dims();
    let mut searches: Vec<Search<'_>> = (0..batch).map(|_| Search::new(prompt, tokens.sep, config)).collect();
    let beams = searches.first().map_or(0, |search| search.beams);
    if beams == 0 {
        return Ok(Vec::new());
    }

    let (mut steps, first) = Steps::start(writer, context, prompt).await?;
    // The prompt was read once for each image: all its beams continue that row.
    let mut scores: Vec<Vec<f32>> = first.into_iter().flat_map(|row| vec![row; beams]).collect();
    let mut rows_per_image = 1;
    loop {
        let mut parents = Vec::with_capacity(batch * beams);
        let mut next = Vec::with_capacity(batch * beams);
        for (image, (search, scores)) in searches.iter_mut().zip(scores.chunks_exact(beams)).enumerate() {
            if !search.is_done {
                search.advance(scores);
                let best = &search.running[0].ids;
                if !search.is_done && on_token(image, &best[prompt.len()..]).is_break() {
                    return Err(Error::Cancelled);
                }
            }
            for beam in &search.running {
                parents.push(image * rows_per_image + beam.parent.min(rows_per_image - 1));
                next.push(beam.ids.last().copied().unwrap_or(tokens.pad));
            }
        }
        if searches.iter().all(|search| search.is_done) {
            break;
        }
        scores = steps.step(&parents, &next).await?;
        rows_per_image = beams;
    }
    Ok(searches.into_iter().map(|search| search.finish(prompt.len(), config.num_texts)).collect())
}

impl<'a> Search<'a> {
    fn new(prompt: &[u32], sep: u32, config: &'a GenerateConfig) -> Self {
        let Strategy::Beam { beams, variant, stop, length_penalty } = config.strategy else {
            unreachable!("only the beam strategy searches");
        };
        let beam = |index: usize| Hypothesis {
            sum: if index == 0 { 0.0 } else { OUT },
            score: OUT,
            ids: prompt.to_vec(),
            log_probs: Vec::new(),
            parent: 0,
            is_real: false,
        };
        Self {
            config,
            beams,
            variant,
            stop,
            length_penalty,
            prompt: prompt.len(),
            sep,
            running: (0..beams).map(beam).collect(),
            finished: match variant {
                BeamVariant::Authors => Vec::new(),
                BeamVariant::HuggingFace => vec![Hypothesis { sum: OUT, ..beam(0) }; beams],
            },
            improvable: true,
            is_done: false,
        }
    }

    /// One more token for every beam.
    fn advance(&mut self, scores: &[Vec<f32>]) {
        let candidates = self.candidates(scores);
        match self.variant {
            BeamVariant::Authors => self.advance_authors(candidates),
            BeamVariant::HuggingFace => self.advance_hugging_face(candidates),
        }
    }

    /// The best `2 * beams` continuations of all beams, best first.
    fn candidates(&self, scores: &[Vec<f32>]) -> Vec<Hypothesis> {
        let plain: Vec<Vec<f32>> = scores.iter().map(|row| log_softmax(row)).collect();
        let vocab = plain[0].len();
        let mut sums = Vec::with_capacity(plain.len() * vocab);
        for (beam, log_probs) in self.running.iter().zip(&plain) {
            // Reference quirk: penalties act on log-probabilities, which are not normalised again.
            let mut log_probs = log_probs.clone();
            restrict(&mut log_probs, &beam.ids, self.sep, self.config);
            sums.extend(log_probs.iter().map(|log_prob| log_prob + beam.sum));
        }
        let continuation = |index: usize| {
            let (parent, id) = (index / vocab, index % vocab);
            let beam = &self.running[parent];
            let mut ids = beam.ids.clone();
            ids.push(id as u32);
            let mut log_probs = beam.log_probs.clone();
            log_probs.push(plain[parent][id]);
            Hypothesis { sum: sums[index], score: OUT, ids, log_probs, parent, is_real: false }
        };
        top_k(&sums, 2 * self.beams).into_iter().map(continuation).collect()
    }

    /// transformers 4.15: `BeamSearchScorer.process` and `BeamHypotheses`.
    fn advance_authors(&mut self, candidates: Vec<Hypothesis>) {
        let length = self.running[0].ids.len();
        let best_sum = candidates[0].sum;
        let mut running = Vec::with_capacity(self.beams);
        for (rank, candidate) in candidates.into_iter().enumerate() {
            if candidate.ids.last() == Some(&self.sep) {
                if rank < self.beams {
                    // The end's probability counts, its length does not.
                    self.keep_finished(candidate, length);
                }
            } else if running.len() < self.beams {
                running.push(candidate);
            }
        }
        if self.finished.len() == self.beams {
            let worst = self.finished.iter().map(|text| text.score).fold(f32::INFINITY, f32::min);
            let hope = best_sum / (length as f32).powf(self.length_penalty);
            self.is_done = self.stop == BeamStop::Early || worst >= hope;
        }
        // Too few words to go on with: the beams that are left stand in for the missing ones.
        while let (true, Some(last)) = (running.len() < self.beams, running.last()) {
            running.push(Hypothesis { sum: OUT, ..last.clone() });
        }
        if running.is_empty() {
            self.is_done = true;
            return;
        }
        self.running = running;
        let length = length + 1;
        if !self.is_done && length >= self.config.max_length {
            self.is_done = true;
            for beam in self.running.clone() {
                self.keep_finished(beam, length);
            }
        }
    }

    /// Adds a text to the pool of the best `beams`.
    fn keep_finished(&mut self, mut text: Hypothesis, length: usize) {
        text.score = text.sum / (length as f32).powf(self.length_penalty);
        text.is_real = true;
        if self.finished.len() < self.beams {
            self.finished.push(text);
            return;
        }
        let worst = self.finished.iter_mut().min_by(|a, b| a.score.total_cmp(&b.score));
        if let Some(worst) = worst.filter(|worst| text.score > worst.score) {
            *worst = text;
        }
    }

    /// transformers 5: `GenerationMixin._beam_search`.
    fn advance_hugging_face(&mut self, candidates: Vec<Hypothesis>) {
        let length = self.running[0].ids.len();
        let ends = |candidate: &Hypothesis| {
            candidate.ids.last() == Some(&self.sep) || candidate.ids.len() >= self.config.max_length
        };
        let hits: Vec<bool> = candidates.iter().map(ends).collect();

        let mut running: Vec<Hypothesis> = candidates.clone();
        for (beam, hit) in running.iter_mut().zip(&hits) {
            beam.sum += if *hit { OUT } else { 0.0 };
        }
        running.sort_by(|a, b| b.sum.total_cmp(&a.sum));
        running.truncate(self.beams);

        let is_full = self.finished.iter().all(|text| text.is_real) && self.stop == BeamStop::Early;
        let new_length = (length + 1 - self.prompt) as f32;
        for (rank, (mut text, hit)) in candidates.into_iter().zip(&hits).enumerate() {
            let may_finish = *hit && rank < self.beams;
            text.score = text.sum / new_length.powf(self.length_penalty);
            for barred in [is_full, !self.improvable, !may_finish] {
                text.score += if barred { OUT } else { 0.0 };
            }
            text.is_real = may_finish;
            self.finished.push(text);
        }
        self.finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.finished.truncate(self.beams);
        self.running = running;

        let length = length + 1;
        let hoped_length = if self.stop == BeamStop::Never && self.length_penalty > 0.0 {
            self.config.max_length - self.prompt
        } else {
            length - self.prompt
        };
        let hope = self.running[0].sum / (hoped_length as f32).powf(self.length_penalty);
        let least = self.finished.iter().map(|text| text.score).fold(f32::INFINITY, f32::min);
        let can_improve = self.finished.iter().any(|text| hope > if text.is_real { least } else { OUT });
        self.improvable &= can_improve;
        let is_full = self.finished.iter().all(|text| text.is_real) && self.stop == BeamStop::Early;
        self.is_done = !self.improvable || is_full || hits.iter().all(|hit| *hit);
    }

    fn finish(mut self, prompt: usize, num_texts: usize) -> Vec<Generated> {
        self.finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        let sep = self.sep;
        let finish = |text: Hypothesis| {
            let mut ids = text.ids[prompt.min(text.ids.len())..].to_vec();
            let is_finished = ids.last() == Some(&sep);
            ids.truncate(ids.len() - usize::from(is_finished));
            Generated { ids, is_finished, log_probs: text.log_probs, score: text.score }
        };
        self.finished.into_iter().take(num_texts).map(finish).collect()
    }
}
