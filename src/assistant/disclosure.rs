//! Puts the disclosure under what is sent automatically, and takes it back.

use chrono::{DateTime, Utc};

use crate::conversation::{Conversation, Language};
use crate::decision::Action;
use crate::generation::Draft;
use crate::generation::disclosure::{self, disclosure};
use crate::store::suggestion::{Handoff, PublicDraft};

/// The draft with the disclosure, where it is sent automatically and has to say what it is.
pub(super) fn disclosed(
    mut draft: Draft,
    conversation: &Conversation,
    action: Action,
    now: DateTime<Utc>,
) -> Draft {
    if action == Action::AutoReply {
        draft.text = disclosure::disclosed(&draft.text, conversation, draft.language, now);
    }
    draft
}

/// The handover with a holding message that says what it is, where that is due. English where the language is not known.
pub(super) fn introduced(
    mut handoff: Handoff,
    conversation: &Conversation,
    language: Option<Language>,
    now: DateTime<Utc>,
) -> Handoff {
    let language = language.unwrap_or(Language::En);
    handoff.holding_message =
        handoff.holding_message.map(|text| disclosure::introduced(text, conversation, language, now));
    handoff
}

/// Takes the disclosure back from a draft that is not sent automatically after all.
pub(super) fn take_back(draft: &mut PublicDraft) {
    draft.text = draft.text.replace(&format!("\n\n{}", disclosure(draft.language)), "");
}
