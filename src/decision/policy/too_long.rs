//! The channel's limit of one message.

use super::{Finding, PolicyInput};
use crate::decision::Evidence;
use crate::generation::disclosure::disclosed;

/// Holds a draft that the channel would cut or refuse; what an automatic reply says of itself counts.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let (Some(draft), Some(longest)) = (input.draft, input.config.longest(input.conversation.channel)) else {
        return Finding::pass();
    };
    let sent = disclosed(&draft.text, input.conversation, draft.language, input.now);
    let (length, most, unit) = (longest.length(&sent), longest.most, longest.unit);
    if length > most {
        Finding::draft(format!("The draft has {length} {unit}; the channel takes {most}."))
            .with([Evidence::held_against(unit, length.to_string(), most.to_string())])
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
    use crate::generation::holding_message;

    /// A bot has said what it is.
    fn answered_before(case: &mut Case) {
        let text = holding_message(draft("").language).into();
        let said = Message { id: "b".into(), role: Role::Bot, text, at: Some(case.now) };
        case.conversation.messages.insert(0, said);
    }

    #[test]
    fn what_a_first_reply_says_of_itself_counts() {
        let mut case = Case::asking("question");
        case.conversation.channel = Channel::Instagram;
        case.draft = Some(draft(&"é".repeat(475)));
        assert_eq!(check(&case.input()).verdict, Verdict::Draft);
        answered_before(&mut case);
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
    }

    #[test]
    fn each_channel_counts_in_its_own_way() {
        for (channel, length, verdict) in [
            (Channel::Instagram, 500, Verdict::Pass),
            (Channel::Instagram, 501, Verdict::Draft),
            (Channel::Whatsapp, 4096, Verdict::Pass),
            (Channel::Whatsapp, 4097, Verdict::Draft),
            (Channel::WebChat, 2001, Verdict::Draft),
            (Channel::Email, 100_000, Verdict::Pass),
        ] {
            let mut case = Case::asking("question");
            case.conversation.channel = channel;
            answered_before(&mut case);
            case.draft = Some(draft(&"é".repeat(length)));
            let found = check(&case.input());
            assert_eq!(found.verdict, verdict, "{channel:?} {length}");
            let bytes = found.detail.is_some_and(|detail| detail.contains("1002 bytes"));
            assert_eq!(bytes, channel == Channel::Instagram && verdict == Verdict::Draft);
        }
    }
}
