//! A person writes with the customer. From then on nothing is sent automatically until the conversation is handed back.

use super::{Finding, PolicyInput};
use crate::decision::Evidence;

/// Holds every reply as a draft once a person has written, unless the hub says that the conversation was handed back since.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    match input.conversation.with_a_person() {
        Some(message) => Finding::draft(
            "A person has written to the customer, and the conversation has not been handed back since.",
        )
        .with([Evidence::Message { id: message.id.clone() }]),
        None => Finding::pass(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::check;
    use crate::conversation::{Message, Role};
    use crate::decision::Verdict;

    #[test]
    fn a_person_keeps_the_conversation_until_it_is_handed_back() {
        let message = |id: &str, role| Message { id: id.into(), role, text: "x".into(), at: None };
        let talk = [
            ("c1", Role::Customer),
            ("b1", Role::Bot),
            ("a1", Role::Agent),
            ("c2", Role::Customer),
            ("a2", Role::Agent),
            ("c3", Role::Customer),
        ];
        for (length, handed_back_after, verdict) in [
            (2, None, Verdict::Pass),
            (4, None, Verdict::Draft),
            (4, Some("a1"), Verdict::Pass),
            (4, Some("c2"), Verdict::Pass),
            (6, Some("a1"), Verdict::Draft),
            (6, Some("a2"), Verdict::Pass),
            // A message that the hub no longer sends stands before all that it sends.
            (6, Some("c0"), Verdict::Draft),
        ] {
            let mut case = Case::asking("question");
            case.conversation.messages = talk[..length].iter().map(|(id, role)| message(id, *role)).collect();
            case.conversation.handed_back_after = handed_back_after.map(str::to_owned);
            assert_eq!(check(&case.input()).verdict, verdict, "{length} {handed_back_after:?}");
        }
    }
}
