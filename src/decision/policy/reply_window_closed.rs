//! `WhatsApp` and Instagram take free text for a day after the customer's last message; later only templates.

use chrono::{DateTime, TimeDelta, Utc};

use super::{DecisionConfig, Finding, PolicyInput};
use crate::conversation::{Channel, Conversation};
use crate::decision::Evidence;

/// Until when the channel takes free text after the customer's message of that time; `None` where it always does.
pub fn closes_at(channel: Channel, heard: DateTime<Utc>, config: &DecisionConfig) -> Option<DateTime<Utc>> {
    matches!(channel, Channel::Whatsapp | Channel::Instagram)
        .then(|| heard + TimeDelta::hours(i64::from(config.reply_window_hours)))
}

/// Whether the channel takes only templates by then, as far as this conversation tells.
pub fn is_closed(conversation: &Conversation, now: DateTime<Utc>, config: &DecisionConfig) -> bool {
    let heard = conversation.last_customer_message().and_then(|message| message.at);
    heard.and_then(|heard| closes_at(conversation.channel, heard, config)).is_some_and(|end| now >= end)
}

/// What to do once the window is closed, for agents and callers.
pub fn remedy(config: &DecisionConfig) -> String {
    let named = match config.reply_template.as_str() {
        "" => String::new(),
        name => format!(", such as `{name}`"),
    };
    format!("Only an approved template may be sent{named}, until the customer writes again.")
}

/// Holds the draft once the window is closed. A message without a time counts as new. The window is looked at again when
/// an agent accepts the draft.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    if !is_closed(input.conversation, input.now, input.config) {
        return Finding::pass();
    }
    let hours = input.config.reply_window_hours;
    let template = Some(&input.config.reply_template).filter(|name| !name.is_empty());
    Finding::draft(format!(
        "The customer's last message is older than {hours} hours. {}",
        remedy(input.config)
    ))
    .with([Evidence::signal("reply_window_hours", hours.to_string(), None)])
    .with(template.map(|name| Evidence::signal("reply_template", name.as_str(), None)))
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

    #[test]
    fn the_template_is_named_where_there_is_one() {
        let mut case = Case::asking("question");
        case.conversation.channel = Channel::Whatsapp;
        case.conversation.messages[0].at = Some(case.now - TimeDelta::hours(25));
        assert!(
            check(&case.input()).detail.unwrap().contains("Only an approved template may be sent, until")
        );
        case.config.reply_template = "reopen_v1".into();
        assert!(check(&case.input()).detail.unwrap().contains("such as `reopen_v1`"));
    }
}
