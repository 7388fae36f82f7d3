//! Dialogs as rows of tokens that a model has positions for.

use crate::text::TokenIds;

/// A question and its answer, `[SEP]` after each; a question alone where it has no answer yet.
pub fn dialog_turn(question: &[u32], answer: Option<&[u32]>, tokens: TokenIds) -> Vec<u32> {
    let said = std::iter::once(question).chain(answer);
    said.flat_map(|said| said.iter().copied().chain([tokens.sep])).collect()
}

/// A row for each candidate answer to the last turn, a question: `[ENC]`, the turns, the candidate, `[SEP]`.
///
/// All rows hold the same turns, so that candidates are compared with equal knowledge: as many of the newest as leave
/// room for the longest candidate in `max_tokens`. Where not even the question fits, its beginning is left out. A
/// candidate is never cut, unless it is longer than a row.
pub fn dialog_rows(turns: &[Vec<u32>], candidates: &[&[u32]], tokens: TokenIds, max_tokens: usize) -> Vec<Vec<u32>> {
    // Besides them a row holds [ENC] and the candidate's [SEP].
    let max_tokens = max_tokens.saturating_sub(2);
    let longest = candidates.iter().map(|candidate| candidate.len()).max().unwrap_or(0).min(max_tokens);
    let mut room = max_tokens - longest;
    let fits = |turn: &&Vec<u32>| match room.checked_sub(turn.len()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let kept = turns.iter().rev().take_while(fits).count();
    let mut said = turns[turns.len() - kept..].concat();
    if let (0, Some(question)) = (kept, turns.last()) {
        said = question[question.len() - room..].to_vec();
    }
    let row = |candidate: &&[u32]| {
        let candidate = &candidate[..candidate.len().min(longest)];
        [&[tokens.encode], said.as_slice(), candidate, &[tokens.sep]].concat()
    };
    candidates.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: TokenIds = TokenIds { pad: 0, cls: 1, sep: 2, decode: 3, encode: 4 };

    fn turns() -> Vec<Vec<u32>> {
        let turn = |question: &[u32], answer| dialog_turn(question, answer, TOKENS);
        vec![turn(&[10, 11], Some(&[20])), turn(&[12], Some(&[21, 22])), turn(&[13, 14, 15], None)]
    }

    fn rows(max_tokens: usize) -> Vec<Vec<u32>> {
        dialog_rows(&turns(), &[&[30], &[31, 32], &[]], TOKENS, max_tokens)
    }

    #[test]
    fn a_dialog_that_fits_is_whole() {
        let said = [4, 10, 11, 2, 20, 2, 12, 2, 21, 22, 2, 13, 14, 15, 2];
        let expected = [&[30, 2][..], &[31, 32, 2], &[2]].map(|end| [&said[..], end].concat());
        assert_eq!(rows(18), expected);
        assert_eq!(rows(99), expected);
    }

    #[test]
    fn the_oldest_turns_are_left_out_and_the_same_for_every_candidate() {
        let said = [4, 12, 2, 21, 22, 2, 13, 14, 15, 2];
        let expected = [&[30, 2][..], &[31, 32, 2], &[2]].map(|end| [&said[..], end].concat());
        for max_tokens in 13..18 {
            assert_eq!(rows(max_tokens), expected, "{max_tokens}");
        }
        let question = [
            [4, 13, 14, 15, 2, 30, 2].to_vec(),
            [4, 13, 14, 15, 2, 31, 32, 2].to_vec(),
            [4, 13, 14, 15, 2, 2].to_vec(),
        ];
        assert_eq!(rows(12), question);
        assert_eq!(rows(8), question);
    }

    #[test]
    fn a_question_that_does_not_fit_loses_its_beginning_and_a_candidate_nothing() {
        assert_eq!(rows(6), [[4, 15, 2, 30, 2].to_vec(), [4, 15, 2, 31, 32, 2].to_vec(), [4, 15, 2, 2].to_vec()]);
        assert_eq!(rows(4), [[4, 30, 2].to_vec(), [4, 31, 32, 2].to_vec(), [4, 2].to_vec()]);
        assert_eq!(rows(3)[1], [4, 31, 2], "longer than a row");
    }

    #[test]
    fn no_row_is_longer_than_there_are_positions() {
        for max_tokens in 2..20 {
            assert!(rows(max_tokens).iter().all(|row| row.len() <= max_tokens), "{max_tokens}");
        }
    }
}
