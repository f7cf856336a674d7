//! `[generation]`: how drafts are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::Language;
use crate::settings::Problem;

/// `[generation]`: how drafts are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GenerationConfig {
    /// Longest reply in tokens.
    pub max_tokens: usize,
    /// 0 always takes the likeliest word; above it the wording varies.
    pub temperature: f32,
    /// Nucleus sampling; 1 is off.
    pub top_p: f32,
    /// Taken from a word's score for each time the reply holds it already; 0 is off. A reply that goes round in circles is
    /// ended, and says nothing twice, whatever this is: 0.1 to 0.5 helps a model that does so often.
    pub frequency_penalty: f32,
    /// Passages in a prompt, best first.
    pub max_passages: usize,
    /// Characters that the passages for one question may take in a prompt together; beyond it they are cut to the sentences
    /// nearest to the question. Behind an earlier turn that the prompt goes on from it is half of that. A small local model
    /// answers better, and sooner, from less; a large hosted one may get more.
    pub prompt_chars: usize,
    /// Earlier messages that a prompt shows before each turn that it holds; 0 shows none, and lets no prompt go on from an
    /// earlier turn.
    pub history_messages: usize,
    /// Characters an earlier message may take in a prompt.
    pub history_chars: usize,
    /// The company's own wishes for the tone, in a sentence or two; added to every prompt.
    pub instructions: String,
    /// The company's name and address under a reply by e-mail, which gets a greeting and a closing line too. Empty signs
    /// nothing.
    pub email_signature: String,
    /// Language of summaries for agents: `pt`, `it`, `es` or `en`.
    pub agents_language: Language,
    /// Longest wait for a summary by a model, in seconds; past it the summary is composed from the conversation.
    /// 0 never asks a model.
    pub summary_s: f64,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            max_tokens: 200,
            temperature: 0.0,
            top_p: 1.0,
            frequency_penalty: 0.0,
            max_passages: 6,
            prompt_chars: 1_000,
            history_messages: 6,
            history_chars: 300,
            instructions: String::new(),
            email_signature: String::new(),
            agents_language: Language::En,
            summary_s: 10.0,
        }
    }
}

impl GenerationConfig {
    /// Longest text of `email_signature` in characters.
    const LONGEST_SIGNATURE: usize = 500;
    /// Longest text of `instructions` in characters: it is read again with every message.
    const LONGEST_INSTRUCTIONS: usize = 1_000;

    /// Checks the section.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        let mut check = |right: bool, setting: &str, message: &str| {
            if !right {
                problems.push(Problem::new(&format!("generation.{setting}"), message));
            }
        };
        check((16..=4_096).contains(&self.max_tokens), "max_tokens", "write a number from 16 to 4096");
        check((0.0..=2.0).contains(&self.temperature), "temperature", "write a number from 0 to 2");
        check(self.top_p > 0.0 && self.top_p <= 1.0, "top_p", "write a number above 0, up to 1");
        check(
            (0.0..=2.0).contains(&self.frequency_penalty),
            "frequency_penalty",
            "write a number from 0 to 2",
        );
        check((1..=20).contains(&self.max_passages), "max_passages", "write a number from 1 to 20");
        check(
            (100..=100_000).contains(&self.prompt_chars),
            "prompt_chars",
            "write a number from 100 to 100000",
        );
        check(self.history_messages <= 100, "history_messages", "write a number from 0 to 100");
        check(
            (50..=20_000).contains(&self.history_chars),
            "history_chars",
            "write a number from 50 to 20000",
        );
        check(
            self.instructions.chars().count() <= Self::LONGEST_INSTRUCTIONS,
            "instructions",
            "keep the text under 1000 characters: it is read again with every message",
        );
        check(
            self.email_signature.chars().count() <= Self::LONGEST_SIGNATURE,
            "email_signature",
            "keep the text under 500 characters",
        );
        check(
            (0.0..=600.0).contains(&self.summary_s),
            "summary_s",
            "write a number of seconds from 0 to 600",
        );
    }
}
