//! There is no text of the customer to answer: the last word was ours, or it is a picture or a voice message.

use super::{Finding, PolicyInput, last_message};
use crate::conversation::Role;
use crate::decision::Evidence;

/// Escalates when the pending question is empty.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    if input.question.chars().any(char::is_alphanumeric) {
        Finding::pass()
    } else if input.question.is_empty() {
        Finding::escalate("The last message is not the customer's.").with([last_word(input)])
    } else {
        Finding::escalate("The customer's last message holds no words.").with(last_message(input))
    }
}

/// The newest message that is no note of the hub.
fn last_word(input: &PolicyInput<'_>) -> Evidence {
    let mut newest = input.conversation.messages.iter().rev();
    let spoken = newest.find(|message| message.role != Role::System);
    spoken.map_or_else(
        || Evidence::measured("messages", "0"),
        |message| Evidence::Message { id: message.id.clone() },
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::*;
    use crate::conversation::Message;
    use crate::decision::Verdict;

    #[test]
    fn words_are_needed() {
        for (text, verdict) in [
            ("", Verdict::Escalate),
            ("👍", Verdict::Escalate),
            ("ok?", Verdict::Pass),
            ("42", Verdict::Pass),
        ] {
            let finding = check(&Case::asking(text).input());
            assert_eq!(finding.verdict, verdict, "{text:?}");
            assert_eq!(finding.evidence.is_empty(), verdict == Verdict::Pass, "{text:?}");
        }
    }

    #[test]
    fn the_last_word_is_the_evidence() {
        let mut case = Case::asking("");
        let message = |id: &str, role| Message { id: id.into(), role, text: "x".into(), at: None };
        for (roles, expected) in [
            (&[Role::Customer, Role::Agent, Role::System][..], Evidence::Message { id: "1".into() }),
            (&[Role::System], Evidence::measured("messages", "0")),
            (&[], Evidence::measured("messages", "0")),
        ] {
            let messages = roles.iter().enumerate().map(|(id, role)| message(&id.to_string(), *role));
            case.conversation.messages = messages.collect();
            assert_eq!(check(&case.input()).evidence, [expected], "{roles:?}");
        }
    }
}
