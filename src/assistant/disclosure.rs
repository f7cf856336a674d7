//! The first automatic message of a conversation says, in the customer's language, that it comes from an AI (AI Act,
//! Art. 50(1)), and that a person can be had.

use crate::conversation::{Conversation, Language, Role};
use crate::decision::Action;
use crate::generation::Draft;
use crate::store::suggestion::PublicDraft;

fn sentence(language: Language) -> &'static str {
    match language {
        Language::Pt => {
            "Esta resposta foi escrita por um assistente de IA; se preferir, peça para falar com uma pessoa."
        }
        Language::It => {
            "Questa risposta è stata scritta da un assistente di IA; se preferisci, chiedi di parlare con una persona."
        }
        Language::Es => {
            "Esta respuesta la escribió un asistente de IA; si lo prefieres, pide hablar con una persona."
        }
        Language::En => "This reply was written by an AI assistant; if you prefer, ask to speak to a person.",
    }
}

/// The draft with the disclosure, where it is sent automatically and nothing automatic was sent before.
pub(super) fn disclosed(mut draft: Draft, conversation: &Conversation, action: Action) -> Draft {
    let first = conversation.messages.iter().all(|message| message.role != Role::Bot);
    if action == Action::AutoReply && first {
        draft.text = format!("{}\n\n{}", draft.text.trim_end(), sentence(draft.language));
    }
    draft
}

/// Takes the disclosure back from a draft that is not sent automatically after all.
pub(super) fn take_back(draft: &mut PublicDraft) {
    if let Some(text) = draft.text.strip_suffix(sentence(draft.language)) {
        draft.text = text.trim_end().to_owned();
    }
}
