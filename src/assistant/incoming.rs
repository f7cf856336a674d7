//! What a customer wrote, as the pipeline reads it: of an e-mail, the customer's own words.

use std::borrow::Cow;

use crate::conversation::{Channel, Conversation, Role};
use crate::text::own_words;
use crate::understanding::{MessageReader, names};

/// Topics that no signature hides.
const HEARD: [&str; 6] = [
    names::ASKS_FOR_HUMAN,
    names::OPT_OUT,
    names::COMPLAINT,
    names::LEGAL_THREAT,
    names::SAFETY,
    names::DATA_REQUEST,
];

/// The conversation without the letters that the customer's e-mails answer, and without their signatures. What is stored,
/// and what agents read, is the whole.
pub(super) fn read(conversation: &Conversation) -> Cow<'_, Conversation> {
    if conversation.channel != Channel::Email {
        return Cow::Borrowed(conversation);
    }
    let mut read = conversation.clone();
    for message in read.messages.iter_mut().filter(|message| message.role == Role::Customer) {
        message.text = own_words(&message.text, matters);
    }
    Cow::Owned(read)
}

/// Whether what looks like a signature says something that a person has to hear.
fn matters(signature: &str) -> bool {
    let read = MessageReader::by_phrases(signature);
    HEARD.iter().any(|name| read.topic(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Message;

    #[test]
    fn of_an_e_mail_the_customers_own_words_are_read() {
        let text = "Where is it?\n\nBest regards,\nAna\n\nOn 3 Nov 2026, Shop wrote:\n> Hello";
        let message = |role: Role| Message { id: "m".into(), role, text: text.into(), at: None };
        let conversation = |channel: Channel| {
            Conversation::new("c", channel, vec![message(Role::Agent), message(Role::Customer)])
        };
        let email = conversation(Channel::Email);
        let texts: Vec<_> = read(&email).messages.iter().map(|message| message.text.clone()).collect();
        assert_eq!(texts, [text, "Where is it?"]);
        let chat = conversation(Channel::WebChat);
        assert_eq!(*read(&chat), chat);
    }

    #[test]
    fn a_signature_hides_no_wish() {
        for (end, kept) in
            [("Ana Souza", false), ("STOP", true), ("Ana\nParar", true), ("Falar Com Atendente", true)]
        {
            let text = format!("My parcel came.\nThanks\n{end}");
            let message = Message { id: "m".into(), role: Role::Customer, text: text.clone(), at: None };
            let letter = Conversation::new("c", Channel::Email, vec![message]);
            assert_eq!(read(&letter).messages[0].text == text, kept, "{end}");
        }
    }
}
