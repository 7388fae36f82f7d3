//! Exact search: every vector that may be found is compared with the query.
//!
//! Products are added up in 32 bits, as fast as memory is read; those that could be among the best, within the error
//! of that, are computed again in 64 bits. So the list is the one that 64 bits alone would give.

use std::cmp::Ordering;

use pulp::Arch;

use super::super::photo::ContentId;
use super::super::store::{Among, Scored, norm};
use super::rows::Rows;
use super::share::share;

/// Rows that a thread takes at a time.
const TASK: usize = 1024;
/// Rows below which a second thread costs more than it brings.
const FEW: usize = 8 * TASK;
/// Numbers added up side by side.
const LANES: usize = 32;
/// The same in 64 bits.
const WIDE_LANES: usize = 16;

/// What is looked for.
struct Query<'a> {
    /// As it was given.
    given: &'a [f32],
    /// Its length.
    norm: f64,
    /// Of unit length, times [`UNSCALED`].
    unit: Vec<f32>,
    /// What a sum in 32 bits may be off by.
    error: f32,
}

/// Which rows are compared.
enum Which {
    All(usize),
    These(Vec<u32>),
}

/// The `top` rows most like the query, on so many threads; `None` for a query without direction.
pub fn search(rows: &Rows, query: &[f32], top: usize, among: Among<'_>, threads: usize) -> Option<Vec<Scored>> {
    let query = Query::new(query)?;
    let which = match among {
        Among::All => Which::All(rows.bytes().len() / rows.width),
        Among::Only(contents) => Which::These(rows_of(rows, contents)),
    };
    let count = match &which {
        Which::All(count) => *count,
        Which::These(rows) => rows.len(),
    };
    if top == 0 || count == 0 {
        return Some(Vec::new());
    }
    let threads = if count < FEW { 1 } else { threads };
    let tasks = count.div_ceil(TASK);
    let found = share(
        tasks,
        threads,
        || Best::new(top, query.error),
        |best: &mut Best, task| {
            let range = task * TASK..((task + 1) * TASK).min(count);
            let mut scores = [0.0; TASK];
            let scores = &mut scores[..range.len()];
            match &which {
                Which::All(_) => {
                    let bytes = &rows.bytes()[range.start * rows.width..range.end * rows.width];
                    score_all(bytes, rows.width, &query.unit, scores);
                    best.add(scores, |at| (range.start + at) as u32, |row| rows.alive[row as usize]);
                }
                Which::These(list) => {
                    let list = &list[range];
                    score_these(rows.bytes(), rows.width, list, &query.unit, scores);
                    best.add(scores, |at| list[at], |_| true);
                }
            }
        },
    );
    let mut best = Best::new(top, query.error);
    best.found = found.into_iter().flat_map(|best| best.found).collect();
    best.cut();
    Some(settle(rows, &query, top, &best.found, threads))
}

/// The rows of these contents, in the order they lie in.
fn rows_of(rows: &Rows, contents: &[ContentId]) -> Vec<u32> {
    let mut found: Vec<u32> = if contents.len() < rows.index.len() / 16 {
        contents.iter().filter_map(|content| rows.index.get(content).copied()).collect()
    } else {
        // Both are in order: one walk over each is quicker than looking up so many.
        let mut wanted = contents.iter().peekable();
        let is_wanted = |content: &ContentId| {
            while wanted.next_if(|wanted| *wanted < content).is_some() {}
            wanted.peek() == Some(&content)
        };
        let mut is_wanted = is_wanted;
        rows.index.iter().filter(|(content, _)| is_wanted(content)).map(|(_, row)| *row).collect()
    };
    found.sort_unstable();
    found
}

/// Computes candidates in 64 bits and puts them in order.
fn settle(rows: &Rows, query: &Query<'_>, top: usize, found: &[(f32, u32)], threads: usize) -> Vec<Scored> {
    let tasks = found.len().div_ceil(TASK);
    let scored =
        share(tasks, if found.len() < FEW { 1 } else { threads }, Vec::new, |scored: &mut Vec<Scored>, task| {
            let found = &found[task * TASK..((task + 1) * TASK).min(found.len())];
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    scored.extend(found.iter().map(|(_, row)| {
                        let row = *row as usize;
                        Scored { content: rows.contents[row], similarity: query.exact(rows.row(row)) }
                    }));
                },
            );
        });
    let mut scored: Vec<Scored> = scored.into_iter().flatten().collect();
    let order = |a: &Scored, b: &Scored| b.similarity.total_cmp(&a.similarity).then(a.content.cmp(&b.content));
    if top < scored.len() {
        scored.select_nth_unstable_by(top, order);
        scored.truncate(top);
    }
    scored.sort_unstable_by(order);
    for scored in &mut scored {
        // Vectors of 16 bits are of unit length within a thousandth.
        scored.similarity = scored.similarity.clamp(-1.0, 1.0);
    }
    scored
}

/// A number of 16 bits with its bits moved to where those of 32 bits have theirs is this times smaller.
const UNSCALED: f32 = f32::from_bits((127 + 112) << 23);

impl<'a> Query<'a> {
    fn new(given: &'a [f32]) -> Option<Self> {
        let norm = norm(given)?;
        let unit = given.iter().map(|x| (f64::from(*x) / norm) as f32 * UNSCALED).collect();
        // Each of a lane's sums rounds twice, then lanes are added up; the query's own rounding is one more. Lengths
        // of the two are at most one, give or take a thousandth, and so is the sum of all absolute products.
        let roundings = 2 * given.len().div_ceil(LANES) + 8;
        let error = roundings as f32 * f32::EPSILON;
        Some(Self { given, norm, unit, error })
    }

    /// What two vectors have in common, in 64 bits: products of numbers of 16 and of 32 bits are exact there.
    #[inline(always)]
    fn exact(&self, row: &[u8]) -> f32 {
        let mut totals = [0.0; WIDE_LANES];
        let (chunks, rest) = row.as_chunks::<{ 2 * WIDE_LANES }>();
        let (given_chunks, given_rest) = self.given.as_chunks::<WIDE_LANES>();
        for (chunk, given) in chunks.iter().zip(given_chunks) {
            for lane in 0..WIDE_LANES {
                totals[lane] += wide([chunk[2 * lane], chunk[2 * lane + 1]]) * f64::from(given[lane]);
            }
        }
        let rest: f64 = rest.as_chunks::<2>().0.iter().zip(given_rest).map(|(x, y)| wide(*x) * f64::from(*y)).sum();
        // Two zeros of either sign are equally similar.
        ((totals.iter().sum::<f64>() + rest) / self.norm) as f32 + 0.0
    }
}

/// Rows that may be among the best.
struct Best {
    top: usize,
    error: f32,
    /// What a row must reach.
    least: f32,
    /// How many are collected before the worse are let go.
    room: usize,
    found: Vec<(f32, u32)>,
}

impl Best {
    fn new(top: usize, error: f32) -> Self {
        Self {
            top,
            error,
            least: f32::NEG_INFINITY,
            room: top.saturating_mul(2).saturating_add(TASK),
            found: Vec::new(),
        }
    }

    fn add(&mut self, scores: &[f32], row: impl Fn(usize) -> u32, is_alive: impl Fn(u32) -> bool) {
        for (at, score) in scores.iter().enumerate() {
            if *score >= self.least && is_alive(row(at)) {
                self.found.push((*score, row(at)));
            }
        }
        if self.found.len() >= self.room {
            self.cut();
            // However many are equally good, each is moved a few times at most.
            self.room = self.top.saturating_add(self.found.len()).saturating_add(TASK).max(self.found.len() * 2);
        }
    }

    /// Lets go of those that cannot be among the best whatever 64 bits say.
    fn cut(&mut self) {
        if self.found.len() > self.top {
            let by_score = |a: &(f32, u32), b: &(f32, u32)| -> Ordering { b.0.total_cmp(&a.0) };
            let (_, last, _) = self.found.select_nth_unstable_by(self.top - 1, by_score);
            self.least = last.0 - 2.0 * self.error;
            let least = self.least;
            self.found.retain(|(score, _)| *score >= least);
        }
    }
}

fn score_all(bytes: &[u8], width: usize, query: &[f32], scores: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (row, score) in bytes.chunks_exact(width).zip(scores) {
                *score = product(row, query);
            }
        },
    );
}

fn score_these(bytes: &[u8], width: usize, list: &[u32], query: &[f32], scores: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (row, score) in list.iter().zip(scores) {
                *score = product(&bytes[*row as usize * width..][..width], query);
            }
        },
    );
}

/// The product of a row of 16 bits and a query times [`UNSCALED`].
#[inline(always)]
fn product(row: &[u8], query: &[f32]) -> f32 {
    let mut totals = [0.0; LANES];
    let (chunks, rest) = row.as_chunks::<{ 2 * LANES }>();
    let (query_chunks, query_rest) = query.as_chunks::<LANES>();
    for (chunk, query) in chunks.iter().zip(query_chunks) {
        for lane in 0..LANES {
            totals[lane] += scaled([chunk[2 * lane], chunk[2 * lane + 1]]) * query[lane];
        }
    }
    let rest: f32 = rest.as_chunks::<2>().0.iter().zip(query_rest).map(|(x, y)| scaled(*x) * y).sum();
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            totals[lane] += totals[lane + width];
        }
    }
    totals[0] + rest
}

/// A number of 16 bits, divided by [`UNSCALED`]: its sign and its other bits moved to their places in 32.
///
/// Exact for every finite one, and two instructions, where a conversion is a branch or an instruction that not every
/// processor has.
#[inline(always)]
fn scaled(bytes: [u8; 2]) -> f32 {
    let bits = i32::from(i16::from_le_bytes(bytes)) << 13;
    f32::from_bits(bits as u32 & 0x8fff_e000)
}

/// A number of 16 bits in 64.
#[inline(always)]
fn wide(bytes: [u8; 2]) -> f64 {
    f64::from(scaled(bytes)) * f64::from(UNSCALED)
}
