//! A vocabulary of one's own, learned from captions.

use tokenizers::models::TrainerWrapper;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{AddedToken, Tokenizer as Inner};

use super::{BERT_TOKENS, BLIP_TOKENS, Tokenizer, WordPieceDecoder, broken};
use crate::error::Result;

/// Learns a WordPiece vocabulary of at most `vocab_size` tokens, special ones included.
///
/// # Errors
/// [`Error::Tokenizer`](crate::Error::Tokenizer) when the library fails, as it does without a
/// single word.
pub fn train<'a>(texts: impl Iterator<Item = &'a str> + Send, vocab_size: usize) -> Result<Tokenizer> {
    let special = BERT_TOKENS.iter().chain(&BLIP_TOKENS).map(|token| AddedToken::from(*token, true)).collect();
    let mut trainer: TrainerWrapper = WordPieceTrainer::builder()
        .vocab_size(vocab_size)
        .min_frequency(2)
        .special_tokens(special)
        .show_progress(false)
        .build()
        .into();
    let model = WordPiece::builder().unk_token("[UNK]".into()).build().map_err(broken)?;
    let mut inner = Inner::new(model);
    inner
        .with_normalizer(Some(BertNormalizer::default()))
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_decoder(Some(WordPieceDecoder::default()));
    inner.train(&mut trainer, texts).map_err(broken)?;
    Tokenizer::new(inner)
}
