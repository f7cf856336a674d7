//! `WhatsApp` and Instagram take free text for a day after the customer's last message; later only templates.

use chrono::TimeDelta;

use super::{Finding, PolicyInput};
use crate::conversation::Channel;

/// Holds the draft once the window is closed. A message without a time counts as new; the hub checks again when sending.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    if !matches!(input.conversation.channel, Channel::Whatsapp | Channel::Instagram) {
        return Finding::pass();
    }
    let hours = input.config.reply_window_hours;
    let Some(last) = input.conversation.last_customer_message().and_then(|message| message.at) else {
        return Finding::pass();
    };
    if input.now - last >= TimeDelta::hours(i64::from(hours)) {
        Finding::draft(format!(
            "The customer's last message is older than {hours} hours: only an approved template may be sent."
        ))
    } else {
        Finding::pass()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::tests::Case;
    use super::check;
    use crate::conversation::Channel;
    use crate::decision::Verdict;

    #[test]
    fn a_day_after_the_last_message() {
        for (channel, hours, verdict) in [
            (Channel::Whatsapp, 23, Verdict::Pass),
            (Channel::Whatsapp, 24, Verdict::Draft),
            (Channel::Instagram, 30, Verdict::Draft),
            (Channel::Email, 300, Verdict::Pass),
            (Channel::WebChat, 300, Verdict::Pass),
        ] {
            let mut case = Case::asking("question");
            case.conversation.channel = channel;
            case.conversation.messages[0].at = Some(case.now - TimeDelta::hours(hours));
            assert_eq!(check(&case.input()).verdict, verdict, "{channel:?} {hours}");
        }
        let mut case = Case::asking("question");
        case.conversation.channel = Channel::Whatsapp;
        case.conversation.messages[0].at = None;
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
    }
}
