//! What the customer says: the question, its language, and what to search for.

use crate::conversation::language::{Hint, detect};
use crate::conversation::{Conversation, Language, Role};
use crate::retrieval::{Rewrite, query};
use crate::understanding::Understanding;

/// A message understood.
pub(super) struct Understood {
    /// The customer's last run of messages.
    pub(super) question: String,
    /// Its language; `None` when it is none of the supported ones.
    pub(super) language: Option<Language>,
    /// Its topics, and how many questions it asks.
    pub(super) understanding: Understanding,
    /// What to search for: the question, made to stand alone.
    pub(super) query: String,
}

pub(super) fn understand(conversation: &Conversation, rewrite: Rewrite) -> Understood {
    let question = conversation.pending_question();
    let spoken: Vec<_> =
        conversation.messages.iter().filter(|message| message.role != Role::System).collect();
    let pending = spoken.iter().rev().take_while(|message| message.role == Role::Customer).count();
    let earlier: Vec<&str> = spoken[..spoken.len() - pending]
        .iter()
        .filter(|message| message.role == Role::Customer)
        .map(|message| message.text.as_str())
        .collect();
    let hint = Hint { locale: conversation.locale.as_deref(), earlier: &earlier };
    Understood {
        language: detect(&question, hint).language,
        query: query::of(conversation, rewrite),
        understanding: Understanding::default(),
        question,
    }
}
