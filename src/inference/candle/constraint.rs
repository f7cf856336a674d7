//! Replies that are JSON values of a schema: which tokens may come next, told by the grammar engine of `llguidance`
//! (<https://github.com/guidance-ai/llguidance>).

use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};

use super::tokenizer::Tokenizer;
use crate::inference::InferenceError;

/// Keyword of a schema under which the grammar engine takes its settings.
const SETTINGS: &str = "x-guidance";

/// What a model's vocabulary can spell.
pub(super) struct Vocabulary {
    grammars: ParserFactory,
    size: usize,
}

impl Vocabulary {
    /// Of a model that scores `size` tokens. Special tokens are no part of any value; the one that ends a text ends it.
    pub(super) fn new(tokenizer: &Tokenizer, size: usize) -> Result<Self, InferenceError> {
        let ends = tokenizer.eos().ok_or_else(|| refused("the model has no token that ends a text"))?;
        let words: Vec<Vec<u8>> = (0..size as u32).map(|token| tokenizer.bytes(token)).collect();
        let trie = TokTrie::from(&TokRxInfo::new(size as u32, ends), &words);
        let mut grammars =
            ParserFactory::new_simple(&(Arc::new(ApproximateTokEnv::new(trie)) as _)).map_err(refused)?;
        grammars.quiet();
        Ok(Self { grammars, size })
    }

    /// The constraint that a reply is one value of `schema`, written without needless white space.
    pub(super) fn constraint(&self, schema: &Value) -> Result<Constraint, InferenceError> {
        let mut schema = schema.clone();
        if let Some(keywords) = schema.as_object_mut() {
            // Small models fill with white space whatever they may.
            let settings =
                json!({ "whitespace_flexible": false, "key_separator": ": ", "item_separator": ", " });
            keywords.entry(SETTINGS).or_insert(settings);
        }
        let parser = self.grammars.create_parser(TopLevelGrammar::from_json_schema(schema));
        let matcher = Matcher::new(Ok(parser.map_err(refused)?));
        Ok(Constraint { matcher, scores: vec![0.0; self.size] })
    }
}

/// How far one reply has come in its grammar.
pub(super) struct Constraint {
    matcher: Matcher,
    scores: Vec<f32>,
}

impl Constraint {
    /// The scores of what may come next; all others are −∞.
    pub(super) fn allowed(&mut self, scores: &[f32]) -> Result<&[f32], InferenceError> {
        let mask = self.matcher.compute_mask().map_err(refused)?;
        for ((token, to), from) in self.scores.iter_mut().enumerate().zip(scores) {
            *to = if mask.is_allowed(token as u32) { *from } else { f32::NEG_INFINITY };
        }
        Ok(&self.scores)
    }

    /// Takes the token that was chosen; whether the value is complete, so that nothing may follow.
    pub(super) fn take(&mut self, token: u32) -> Result<bool, InferenceError> {
        self.matcher.consume_token(token).map_err(refused)?;
        Ok(self.matcher.is_stopped())
    }
}

fn refused(why: impl std::fmt::Display) -> InferenceError {
    InferenceError::Permanent(format!("the schema of the reply cannot be used: {why}"))
}
