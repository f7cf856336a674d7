//! What the customer says: the question, its language, and what to search for.

use crate::conversation::language::{Hint, detect};
use crate::conversation::{Conversation, Language, Role};
use crate::decision::policy::opted_out::{OptOut, since_agreeing};
use crate::inference::Budget;
use crate::retrieval::{Rewrite, query};
use crate::understanding::{MessageReader, Understanding, names};

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
    let pending = conversation.pending().len();
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

/// The topics of a conversation's question. What the customer wrote before agreeing to messages again is no opt-out.
pub(super) async fn read(
    reader: &MessageReader,
    (conversation, question): (&Conversation, &str),
    opt_outs: &[OptOut],
    budget: &Budget,
) -> Understanding {
    let mut read = reader.read(question, budget.remaining()).await;
    if read.topic(names::OPT_OUT).is_some()
        && let Some(since) = since_agreeing(conversation, opt_outs)
    {
        let opt_out = |name: &str| name == names::OPT_OUT;
        let since = reader.read(&since, budget.remaining()).await.topics;
        read.topics.retain(|topic| !opt_out(&topic.name));
        read.topics.extend(since.into_iter().filter(|topic| opt_out(&topic.name)));
    }
    read
}
