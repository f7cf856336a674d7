//! The vocabulary as the file lists it.

use std::collections::HashSet;

use super::super::error::LoadError;
use super::super::gguf::Gguf;

/// What a token is (`tokenizer.ggml.token_type`, <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Normal,
    /// Stands for what has no token.
    Unknown,
    /// Steers the model; never text.
    Control,
    /// Text that is matched whole, before anything is merged.
    UserDefined,
    /// A byte, for characters without a token of their own.
    Byte,
}

/// Names and kinds, by id.
pub(super) struct Tables {
    pub(super) tokens: Vec<String>,
    pub(super) kinds: Vec<Kind>,
}

impl Tables {
    /// Reads both lists; a file without types has text alone.
    pub(super) fn read(file: &Gguf) -> Result<Self, LoadError> {
        let tokens = file.strings("tokenizer.ggml.tokens")?;
        let key = "tokenizer.ggml.token_type";
        let mut kinds = vec![Kind::Normal; tokens.len()];
        if file.has(key) {
            let found = file.integers(key)?;
            if found.len() != tokens.len() {
                return Err(LoadError::InvalidMetadata {
                    key: key.into(),
                    message: format!("has {} entries for {} tokens", found.len(), tokens.len()),
                });
            }
            for (kind, number) in kinds.iter_mut().zip(found) {
                *kind = match number {
                    2 => Kind::Unknown,
                    3 => Kind::Control,
                    4 => Kind::UserDefined,
                    6 => Kind::Byte,
                    _ => Kind::Normal,
                };
            }
        }
        Ok(Self { tokens, kinds })
    }

    /// Ids of the tokens of some kinds.
    pub(super) fn ids(&self, wanted: impl Fn(Kind) -> bool) -> HashSet<u32> {
        (0..).zip(&self.kinds).filter(|(_, kind)| wanted(**kind)).map(|(id, _)| id).collect()
    }

    /// Ids of the tokens that have one of `names`.
    pub(super) fn named(&self, names: &[&str]) -> impl Iterator<Item = u32> {
        (0..).zip(&self.tokens).filter(|(_, token)| names.contains(&token.as_str())).map(|(id, _)| id)
    }
}
