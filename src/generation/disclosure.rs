//! That a reply comes from an AI (AI Act, Art. 50(1)), and that a person can be had.

use chrono::{DateTime, TimeDelta, Utc};

use crate::conversation::{Conversation, Language, Role};

/// After so many hours without an automatic message it is said again.
const FORGOTTEN_AFTER: i64 = 24;

/// The disclosure, in the language of the reply.
pub fn disclosure(language: Language) -> &'static str {
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

/// Whether an automatic reply has to say what it is: it is the first, a person has written since the last one, or the
/// last one was long ago.
pub fn is_due(conversation: &Conversation, now: DateTime<Utc>) -> bool {
    let last =
        conversation.messages.iter().rev().find(|message| matches!(message.role, Role::Bot | Role::Agent));
    match last {
        Some(message) if message.role == Role::Bot => {
            message.at.is_some_and(|at| now - at >= TimeDelta::hours(FORGOTTEN_AFTER))
        }
        _ => true,
    }
}

/// Characters that the disclosure adds to a reply that is sent automatically.
pub fn added_chars(conversation: &Conversation, language: Language, now: DateTime<Utc>) -> usize {
    if is_due(conversation, now) { disclosure(language).chars().count() + 2 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Channel, Message};

    #[test]
    fn it_is_said_first_after_a_person_and_after_a_long_time() {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        for (roles, hours, due) in [
            (&[Role::Customer][..], 0, true),
            (&[Role::Customer, Role::Bot, Role::Customer], 1, false),
            (&[Role::Customer, Role::Bot, Role::System, Role::Customer], 1, false),
            (&[Role::Customer, Role::Bot, Role::Agent, Role::Customer], 1, true),
            (&[Role::Customer, Role::Agent, Role::Bot, Role::Customer], 1, false),
            (&[Role::Customer, Role::Bot, Role::Customer], 23, false),
            (&[Role::Customer, Role::Bot, Role::Customer], 25, true),
        ] {
            let messages = roles.iter().enumerate().map(|(number, role)| Message {
                id: number.to_string(),
                role: *role,
                text: "text".into(),
                at: Some(now - TimeDelta::hours(hours)),
            });
            let conversation = Conversation::new("c", Channel::WebChat, messages.collect());
            assert_eq!(is_due(&conversation, now), due, "{roles:?} {hours}");
        }
    }

    #[test]
    fn every_language_names_the_ai_and_a_person() {
        for (language, ai, person) in [
            (Language::Pt, " IA", "pessoa"),
            (Language::It, " IA", "persona"),
            (Language::Es, " IA", "persona"),
            (Language::En, " AI", "person"),
        ] {
            let text = disclosure(language);
            assert!(text.contains(ai) && text.contains(person), "{text}");
        }
    }
}
