//! Puts the disclosure under a reply that is sent automatically, and takes it back.

use chrono::{DateTime, Utc};

use crate::conversation::Conversation;
use crate::decision::Action;
use crate::generation::Draft;
use crate::generation::disclosure::{self, disclosure};
use crate::store::suggestion::PublicDraft;

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

/// Takes the disclosure back from a draft that is not sent automatically after all.
pub(super) fn take_back(draft: &mut PublicDraft) {
    draft.text = draft.text.replace(&format!("\n\n{}", disclosure(draft.language)), "");
}
