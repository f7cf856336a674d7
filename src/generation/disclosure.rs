//! That a reply comes from an AI (AI Act, Art. 50(1)), and that a person can be had.

use chrono::{DateTime, TimeDelta, Utc};

use crate::conversation::{Conversation, Language, Message, Role};
use crate::text::{fold, runs};

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

/// The assistant's word of itself, for a text that an operator wrote and that is sent automatically; the fixed holding
/// message says it too.
pub fn introduction(language: Language) -> &'static str {
    match language {
        Language::Pt => "Sou um assistente automático (IA).",
        Language::It => "Sono un assistente automatico (IA).",
        Language::Es => "Soy un asistente automático (IA).",
        Language::En => "I am an automated assistant (AI).",
    }
}

/// A reply as it is sent automatically: with the disclosure, where that is due.
pub fn disclosed(text: &str, conversation: &Conversation, language: Language, now: DateTime<Utc>) -> String {
    if is_due(conversation, language, now) {
        format!("{}\n\n{}", text.trim_end(), disclosure(language))
    } else {
        text.to_owned()
    }
}

/// A holding message as it is sent: with the introduction, where the message does not say what it is and that is due.
pub fn introduced(
    text: String,
    conversation: &Conversation,
    language: Language,
    now: DateTime<Utc>,
) -> String {
    if says_it(&text, language) || !is_due(conversation, language, now) {
        return text;
    }
    format!("{text}\n\n{}", introduction(language))
}

/// Whether an automatic message has to say what it is: none since a person's last word has said it in this language, or
/// there was none for long. What else the hub sends by itself, a menu say, says nothing of an AI.
pub fn is_due(conversation: &Conversation, language: Language, now: DateTime<Utc>) -> bool {
    let messages = &conversation.messages;
    let mut later = now;
    for (place, message) in messages.iter().enumerate().rev() {
        match message.role {
            Role::Agent => return true,
            Role::Bot => {
                let at = written_at(messages, place).unwrap_or(later);
                if later - at >= TimeDelta::hours(FORGOTTEN_AFTER) {
                    return true;
                }
                if says_it(&message.text, language) {
                    return false;
                }
                later = at;
            }
            Role::Customer | Role::System => {}
        }
    }
    true
}

/// When a message was written, or else the one before it, or else the next one. Some hubs tell no times at all.
fn written_at(messages: &[Message], place: usize) -> Option<DateTime<Utc>> {
    messages[..=place].iter().rev().chain(&messages[place..]).find_map(|message| message.at)
}

/// Whether a text says that it comes from an AI, in words of Ponto's. Channels and hubs change marks, spaces and case, and
/// may cut the rest.
fn says_it(text: &str, language: Language) -> bool {
    let bare = |text: &str| {
        let folded = fold(text);
        format!(" {} ", runs(&folded).collect::<Vec<_>>().join(" "))
    };
    let text = bare(text);
    let reply = disclosure(language);
    let reply = reply.split_once(';').map_or(reply, |(reply, _)| reply);
    [reply, introduction(language)].iter().any(|words| text.contains(&bare(words)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Channel;
    use crate::generation::holding_message;
    use crate::generation::plain::unformatted;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap()
    }

    /// Oldest first, each with its text and how many hours ago it was written.
    fn talk(messages: &[(Role, &str, Option<i64>)]) -> Conversation {
        let messages = messages.iter().enumerate().map(|(number, (role, text, hours))| Message {
            id: number.to_string(),
            role: *role,
            text: (*text).into(),
            at: hours.map(|hours| now() - TimeDelta::hours(hours)),
        });
        Conversation::new("c", Channel::WebChat, messages.collect())
    }

    #[test]
    fn it_is_said_first_after_a_person_and_after_a_long_time() {
        const SAID: &str = "It takes 3 days.\n\nThis reply was written by an AI assistant; if you prefer, ask to speak to a person.";
        let (customer, agent) = ((Role::Customer, "And now?", Some(0)), (Role::Agent, "Rui here.", Some(1)));
        let (menu, system) = ((Role::Bot, "Welcome! Choose 1 or 2.", Some(1)), (Role::System, "x", Some(1)));
        let said = |hours| (Role::Bot, SAID, Some(hours));
        for (messages, due) in [
            (&[customer][..], true),
            (&[menu, customer], true),
            (&[customer, said(1), customer], false),
            (&[said(2), menu, customer], false),
            (&[said(1), system, customer], false),
            (&[said(2), agent, customer], true),
            (&[said(2), agent, menu, customer], true),
            (&[agent, said(1), customer], false),
            (&[said(23), customer], false),
            (&[said(25), customer], true),
            (&[said(25), menu, customer], true),
            (&[said(30), (Role::Bot, "By 5 pm.", Some(20)), customer], false),
            (&[(Role::Customer, "Hi", Some(30)), (Role::Bot, SAID, None), customer], true),
            (&[(Role::Customer, "Hi", Some(3)), (Role::Bot, SAID, None), customer], false),
            (&[(Role::Bot, SAID, None), (Role::Customer, "Hi", None)], false),
            (&[(Role::Bot, SAID, None), (Role::Customer, "Hi", Some(30))], true),
        ] {
            assert_eq!(is_due(&talk(messages), Language::En, now()), due, "{messages:?}");
        }
    }

    #[test]
    fn what_has_said_it_is_known_as_the_customer_got_it() {
        for language in Language::ALL {
            let sent = disclosed("12 € *já*.", &talk(&[]), language, now());
            let cut = sent[..sent.find(';').unwrap()].to_owned();
            let own = introduced("Um momento.".into(), &talk(&[]), language, now());
            for (text, said) in [
                (sent.clone(), true),
                (unformatted(&sent, Channel::Whatsapp), true),
                (sent.replace(' ', "\u{a0}").to_uppercase(), true),
                (cut, true),
                (holding_message(language).to_owned(), true),
                (own, true),
                ("Olá! / Hello! IA AI".to_owned(), false),
            ] {
                let bot = talk(&[(Role::Bot, text.as_str(), Some(1)), (Role::Customer, "?", Some(0))]);
                for asked in Language::ALL {
                    let due = !(said && asked == language);
                    assert_eq!(is_due(&bot, asked, now()), due, "{asked:?}: {text}");
                }
                assert_eq!(disclosed("12 €.", &bot, language, now()) == "12 €.", said, "{text}");
            }
        }
    }

    #[test]
    fn an_operators_words_are_introduced_once() {
        for language in Language::ALL {
            let first = introduced("12:00.".into(), &talk(&[]), language, now());
            assert_eq!(first, format!("12:00.\n\n{}", introduction(language)));
            assert_eq!(introduced(first.clone(), &talk(&[]), language, now()), first);
            let fixed = holding_message(language).to_owned();
            assert_eq!(introduced(fixed.clone(), &talk(&[]), language, now()), fixed);
            let before = talk(&[(Role::Bot, fixed.as_str(), Some(1)), (Role::Customer, "?", Some(0))]);
            assert_eq!(introduced("12:00.".into(), &before, language, now()), "12:00.");
        }
    }

    #[test]
    fn every_language_names_the_ai_and_a_person() {
        for (language, ai, person) in [
            (Language::Pt, "IA", "pessoa"),
            (Language::It, "IA", "persona"),
            (Language::Es, "IA", "persona"),
            (Language::En, "AI", "person"),
        ] {
            let text = disclosure(language);
            assert!(text.contains(&format!(" {ai}")) && text.contains(person), "{text}");
            assert!(introduction(language).contains(&format!("({ai})")));
        }
    }
}
