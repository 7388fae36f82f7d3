//! Text to token ids and back, on the `tokenizers` library.

mod batch;
mod dialog;
mod train;

pub use batch::{IdBatch, pad};
pub use dialog::{dialog_rows, dialog_turn};
pub use train::train;

use ahash::AHashMap;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{AddedToken, Tokenizer as Inner};

use crate::error::{Error, Result};
use crate::text::TokenIds;

/// Tokens every vocabulary of BERT has.
const BERT_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// BLIP's additions: first token of a written text, and of one read beside an image.
const BLIP_TOKENS: [&str; 2] = ["[DEC]", "[ENC]"];

/// A WordPiece tokenizer with BLIP's special tokens.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: Inner,
    ids: TokenIds,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`; BLIP's two tokens are added where they are absent.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for JSON of another kind or a vocabulary without BERT's tokens.
    pub fn from_json(json: &str) -> Result<Self> {
        Self::new(json.parse::<Inner>().map_err(broken)?)
    }

    /// Builds BERT's uncased tokenizer over a `vocab.txt`: one token a line.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for a vocabulary without BERT's tokens.
    pub fn from_vocab(vocab: &str) -> Result<Self> {
        let tokens = vocab.lines().map(|line| line.trim_end_matches('\r').to_owned());
        let vocab: AHashMap<String, u32> = tokens.zip(0..).collect();
        let model = WordPiece::builder().vocab(vocab).unk_token("[UNK]".into()).build().map_err(broken)?;
        let mut inner = Inner::new(model);
        inner
            .with_normalizer(Some(BertNormalizer::default()))
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_decoder(Some(WordPieceDecoder::default()));
        Self::new(inner)
    }

    fn new(mut inner: Inner) -> Result<Self> {
        // Padding and truncation are the batch's business.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(broken)?;
        for token in BERT_TOKENS {
            if inner.token_to_id(token).is_none() {
                return Err(Error::Tokenizer { reason: format!("the vocabulary has no {token}") });
            }
        }
        let special = |token: &&str| AddedToken::from(*token, true).normalized(false);
        inner.add_special_tokens(&BERT_TOKENS.iter().chain(&BLIP_TOKENS).map(special).collect::<Vec<_>>());
        let id = |token: &str| {
            inner.token_to_id(token).ok_or_else(|| Error::Tokenizer { reason: format!("{token} could not be added") })
        };
        let ids = TokenIds {
            pad: id("[PAD]")?,
            cls: id("[CLS]")?,
            sep: id("[SEP]")?,
            decode: id("[DEC]")?,
            encode: id("[ENC]")?,
        };
        Ok(Self { inner, ids })
    }

    /// The ids of the special tokens.
    pub fn ids(&self) -> TokenIds {
        self.ids
    }

    /// Tokens in all, BLIP's included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The token ids of a text, without any special token around them.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the library fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.inner.encode_fast(text, false).map_err(broken)?.get_ids().to_vec())
    }

    /// `first`, the text, `[SEP]`: at most `max_tokens` in all, the text cut to fit.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the library fails.
    pub fn encode_between(&self, first: u32, text: &str, max_tokens: usize) -> Result<Vec<u32>> {
        let mut ids = vec![first];
        ids.extend(self.encode(text)?);
        ids.truncate(max_tokens.saturating_sub(1).max(1));
        ids.push(self.ids.sep);
        Ok(ids)
    }

    /// The text of these ids, special tokens and ids beyond the vocabulary left out.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the library fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(broken)
    }

    /// Whether a token goes on a word that the token before it began.
    pub fn continues_word(&self, id: u32) -> bool {
        self.inner.id_to_token(id).is_some_and(|token| token.starts_with("##"))
    }

    /// The `tokenizer.json` that [`from_json`](Self::from_json) reads.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the library fails.
    pub fn to_json(&self) -> Result<String> {
        self.inner.to_string(false).map_err(broken)
    }
}

fn broken(source: impl std::fmt::Display) -> Error {
    Error::Tokenizer { reason: source.to_string() }
}
