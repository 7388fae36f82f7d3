//! Questions that English captions answer, and captions that answered questions tell.
//!
//! Rules over words, without a grammar: they miss much, and say little that is wrong. COCO-QA was made of captions in
//! that way (Ren, Kiros and Zemel 2015), with a parser.

mod ask;
mod lexicon;
mod tell;

pub use ask::{MadeQuestion, ask};
pub use tell::tell;
