//! There is no text of the customer to answer: the last word was ours, or it is a picture or a voice message.

use super::{Finding, PolicyInput, last_message};

/// Escalates when the pending question is empty.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    if input.question.chars().any(char::is_alphanumeric) {
        Finding::pass()
    } else if input.question.is_empty() {
        Finding::escalate("The last message is not the customer's.")
    } else {
        Finding::escalate("The customer's last message holds no words.").with(last_message(input))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::check;
    use crate::decision::Verdict;

    #[test]
    fn words_are_needed() {
        for (text, verdict) in [
            ("", Verdict::Escalate),
            ("👍", Verdict::Escalate),
            ("ok?", Verdict::Pass),
            ("42", Verdict::Pass),
        ] {
            assert_eq!(check(&Case::asking(text).input()).verdict, verdict, "{text:?}");
        }
    }
}
