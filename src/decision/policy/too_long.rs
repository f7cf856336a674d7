//! The channel's limit of one message.

use super::{Finding, PolicyInput};

/// Holds a draft that the channel would cut or refuse.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let (Some(draft), Some(limit)) = (input.draft, input.config.max_chars(input.conversation.channel)) else {
        return Finding::pass();
    };
    let length = draft.text.chars().count();
    if length > limit {
        Finding::draft(format!("The draft has {length} characters; the channel takes {limit}."))
    } else {
        Finding::pass()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft};
    use super::check;
    use crate::conversation::Channel;
    use crate::decision::Verdict;

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
            case.draft = Some(draft(&"é".repeat(length)));
            assert_eq!(check(&case.input()).verdict, verdict, "{channel:?} {length}");
        }
    }
}
