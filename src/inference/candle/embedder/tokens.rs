//! Texts → token ids, with the prefix of their purpose and cut at the model's length.

use std::path::Path;

use tokenizers::{Tokenizer, TruncationParams};

use super::super::super::Purpose;
use super::super::super::models::manifest::EmbedderSpec;

/// A tokenizer with its model's prefixes and length.
#[derive(Debug)]
pub(super) struct Tokens {
    tokenizer: Tokenizer,
    query_prefix: String,
    passage_prefix: String,
    rows: usize,
}

impl Tokens {
    /// Loads `tokenizer.json`. `rows` is the number of token vectors of the model.
    pub(super) fn load(
        path: &Path,
        spec: &EmbedderSpec,
        max_tokens: usize,
        rows: usize,
    ) -> Result<Self, String> {
        let mut tokenizer = Tokenizer::from_file(path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let known = tokenizer.get_vocab_size(true);
        if let Some(expected) = spec.vocabulary
            && expected != known
        {
            return Err(format!("its tokenizer knows {known} tokens and the manifest says {expected}"));
        }
        if known > rows {
            return Err(format!("its tokenizer knows {known} tokens and its weights only {rows}"));
        }
        tokenizer.with_padding(None);
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(|error| format!("its length of {max_tokens} tokens makes no sense: {error}"))?;
        Ok(Self {
            tokenizer,
            query_prefix: spec.query_prefix.clone(),
            passage_prefix: spec.passage_prefix.clone(),
            rows,
        })
    }

    /// Token ids of one text, special ones included.
    pub(super) fn encode(&self, text: &str, purpose: Purpose) -> Result<Vec<u32>, String> {
        let prefix = match purpose {
            Purpose::Query => &self.query_prefix,
            Purpose::Passage => &self.passage_prefix,
        };
        let encoding = self
            .tokenizer
            .encode_fast(format!("{prefix}{text}"), true)
            .map_err(|error| format!("a text could not be split into tokens: {error}"))?;
        let ids = encoding.get_ids();
        match ids.iter().find(|id| **id as usize >= self.rows) {
            Some(id) => Err(format!("the tokenizer gave the token {id}, which the weights do not have")),
            None if ids.is_empty() => Err("a text gave no tokens".into()),
            None => Ok(ids.to_vec()),
        }
    }
}
