//! Words, stems, sentences and units of plain text or Markdown: what retrieving, quoting, cutting and citing share.
//! A leaf: it imports nothing else of the crate, so languages are ISO 639-1 codes.
//!
//! Sentences and units are byte ranges of the original text, so a quote always occurs literally in its source.

mod hosts;
mod keys;
mod letter;
mod seen;
mod sentences;
mod stop_words;
mod units;
mod words;

pub use hosts::is_host;
pub use keys::{Keys, stemmer};
pub use letter::own_words;
pub use seen::{Seen, is_hidden, seen};
pub use sentences::{sentences, trimmed};
pub use stop_words::{filler_words, function_words};
pub use units::{Unit, UnitKind, announcer, next_sentence, units};
pub use words::{collapse, cut, fold, fold_compatible, runs, words};
