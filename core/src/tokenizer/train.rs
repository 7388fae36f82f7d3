//! A vocabulary of one's own, learned from captions.

use std::collections::BTreeSet;

use ahash::AHashMap;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::wordpiece::{WordPiece, WordPieceBuilder, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{AddedToken, NormalizedString, Normalizer, Tokenizer as Inner};

use super::{BERT_TOKENS, BLIP_TOKENS, Tokenizer, WordPieceDecoder, broken};
use crate::error::Result;

/// Learns a WordPiece vocabulary of at most `vocab_size` tokens, special ones included.
///
/// # Errors
/// [`Error::Tokenizer`](crate::Error::Tokenizer) when the library fails, as it does without a
/// single word.
pub fn train<'a>(texts: impl Iterator<Item = &'a str> + Send, vocab_size: usize) -> Result<Tokenizer> {
    let texts: Vec<&str> = texts.collect();
    let special: Vec<AddedToken> =
        BERT_TOKENS.iter().chain(&BLIP_TOKENS).map(|token| AddedToken::from(*token, true)).collect();
    // The library numbers letters inside words in the order of a hash table, which differs every
    // time and decides between pairs that are equally frequent. Tokens it is given come in order.
    let letters = inner_letters(&texts)?.into_iter().map(|letter| AddedToken::from(letter, false));
    let mut trainer: TrainerWrapper = WordPieceTrainer::builder()
        .vocab_size(vocab_size)
        .min_frequency(2)
        .special_tokens(special.iter().cloned().chain(letters).collect())
        .show_progress(false)
        .build()
        .into();
    let mut learned = around(WordPiece::builder())?;
    learned.train(&mut trainer, texts.into_iter()).map_err(broken)?;

    // The letters were no special tokens: the vocabulary goes on without their marks.
    let vocab: AHashMap<String, u32> = learned.get_vocab(false).into_iter().collect();
    let mut inner = around(WordPiece::builder().vocab(vocab))?;
    inner.add_special_tokens(&special);
    Tokenizer::new(inner)
}

/// What stands around every WordPiece model of ours.
fn around(model: WordPieceBuilder) -> Result<Inner> {
    let mut inner = Inner::new(model.unk_token("[UNK]".into()).build().map_err(broken)?);
    inner
        .with_normalizer(Some(BertNormalizer::default()))
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_decoder(Some(WordPieceDecoder::default()));
    Ok(inner)
}

/// Every letter that stands inside a word, as a token, in order.
fn inner_letters(texts: &[&str]) -> Result<BTreeSet<String>> {
    let normalizer = BertNormalizer::default();
    let mut letters = BTreeSet::new();
    for text in texts {
        let mut text = NormalizedString::from(*text);
        normalizer.normalize(&mut text).map_err(broken)?;
        let words = text.get().split(|letter: char| !letter.is_alphanumeric());
        letters.extend(words.flat_map(|word| word.chars().skip(1)).map(|letter| format!("##{letter}")));
    }
    Ok(letters)
}
