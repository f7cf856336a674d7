//! The channel's limit of one message.

use super::{Finding, PolicyInput};
use crate::decision::Evidence;
use crate::generation::disclosure::added_chars;

/// Holds a draft that the channel would cut or refuse; what an automatic reply says of itself counts.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let (Some(draft), Some(limit)) = (input.draft, input.config.max_chars(input.conversation.channel)) else {
        return Finding::pass();
    };
    let added = added_chars(input.conversation, draft.language, input.now);
    let length = draft.text.chars().count() + added;
    if length > limit {
        Finding::draft(format!("The draft has {length} characters; the channel takes {limit}."))
            .with([Evidence::held_against("characters", length.to_string(), limit.to_string())])
    } else {
        Finding::pass()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft};
    use super::check;
    use crate::conversation::{Channel, Message, Role};
    use crate::decision::Verdict;

    /// A bot has said what it is.
    fn answered_before(case: &mut Case) {
        let said = Message { id: "b".into(), role: Role::Bot, text: "…".into(), at: Some(case.now) };
        case.conversation.messages.insert(0, said);
    }

    #[test]
    fn what_a_first_reply_says_of_itself_counts() {
        let mut case = Case::asking("question");
        case.conversation.channel = Channel::Instagram;
        case.draft = Some(draft(&"é".repeat(950)));
        assert_eq!(check(&case.input()).verdict, Verdict::Draft);
        answered_before(&mut case);
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
    }

    #[test]
    fn characters_count_not_bytes() {
        for (channel, length, verdict) in [
            (Channel::Instagram, 1000, Verdict::Pass),
            (Channel::Instagram, 1001, Verdict::Draft),
            (Channel::Whatsapp, 4096, Verdict::Pass),
            (Channel::Whatsapp, 4097, Verdict::Draft),
            (Channel::WebChat, 2001, Verdict::Draft),
            (Channel::Email, 100_000, Verdict::Pass),
        ] {
            let mut case = Case::asking("question");
            case.conversation.channel = channel;
            answered_before(&mut case);
            case.draft = Some(draft(&"é".repeat(length)));
            assert_eq!(check(&case.input()).verdict, verdict, "{channel:?} {length}");
        }
    }
}
