//! A follow-up as a question that stands alone, by the chat model.

use super::Drafter;
use super::drafter::persons;
use super::plain::{AllowedLinks, plain};
use super::prompts::{QueryPrompt, harmless};
use super::refusal::is_refusal;
use crate::conversation::Conversation;
use crate::inference::{Budget, ChatOptions, ChatRequest, FinishReason};
use crate::text::cut;

/// Characters of the customer's last words a model reads.
const QUESTION_CHARS: usize = 600;
/// Longest query in characters; what is longer is no query.
const LONGEST: usize = 300;
const MAX_TOKENS: usize = 60;

impl Drafter {
    /// What to search for, with what the last words leave to the conversation put in. `None` where there is nothing
    /// before them, or the model gives no query within the budget.
    pub async fn search_query(&self, conversation: &Conversation, budget: Budget) -> Option<String> {
        let question = conversation.pending_question();
        let history = self.history(conversation, 0);
        if history.is_empty() || question.trim().is_empty() {
            return None;
        }
        let prompt = QueryPrompt { history, question: harmless(&cut(&question, QUESTION_CHARS)) };
        let request = ChatRequest {
            messages: self.prompts.query(&prompt).ok()?,
            grounding: None,
            persons: persons(conversation, &[]),
            options: ChatOptions {
                max_tokens: MAX_TOKENS,
                stop: vec!["\n".into(), "<message".into()],
                ..ChatOptions::default()
            },
        };
        let completion = self.chat.complete(request, budget).await.ok()?;
        let query = plain(&completion.text, &AllowedLinks::default());
        let query = query.trim().trim_matches('"').trim();
        let usable = completion.finish == FinishReason::Stop
            && !query.is_empty()
            && query.chars().count() <= LONGEST
            && !is_refusal(query);
        usable.then(|| query.to_owned())
    }
}
