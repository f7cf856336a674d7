//! Who wants no more messages gets none by itself: not to the message that says so, nor to a later one, until a person hands
//! the conversation back or the customer agrees to messages again.
//!
//! A person answers the message itself. Later ones are drafted at most: what the customer asks may well want an answer, and a
//! person decides whether to give it. An opt-out counts in every conversation of the customer on its channel. Handing a
//! conversation back lifts it in that conversation; consent that the hub knows of, `customer.opted_in_at`, lifts it everywhere.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Finding, PolicyInput, topics};
use crate::conversation::{Conversation, Message, joined};
use crate::decision::{Evidence, PolicyCheck, ReasonCode, Verdict};

/// A customer's wish for no more messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    /// The conversation in which it was said.
    pub conversation_id: String,
    /// The message.
    pub message_id: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl OptOut {
    /// What the checks heard in a conversation's last message; one that repeats an earlier opt-out is none.
    pub fn heard(conversation: &Conversation, checks: &[PolicyCheck], now: DateTime<Utc>) -> Option<Self> {
        let message = conversation.last_customer_message()?;
        let said =
            |check: &PolicyCheck| check.check == ReasonCode::OptedOut && check.verdict == Verdict::Escalate;
        checks.iter().any(said).then(|| Self {
            conversation_id: conversation.id.clone(),
            message_id: message.id.clone(),
            at: message.at.map_or(now, |at| at.min(now)),
        })
    }

    /// Whether it still counts in a conversation.
    fn holds_in(&self, conversation: &Conversation) -> bool {
        let agreed = conversation.customer.as_ref().and_then(|customer| customer.opted_in_at);
        // A request that is behind knows nothing of what came after the opt-out.
        let behind =
            conversation.messages.last().and_then(|message| message.at).is_some_and(|at| at < self.at);
        let handed_back = self.conversation_id == conversation.id
            && !behind
            && conversation.handed_back_since(&self.message_id);
        !handed_back && agreed.is_none_or(|agreed| agreed <= self.at)
    }
}

/// What waits for an answer and was written after the customer agreed to messages again, where some of it is older: an opt-out
/// that is older is lifted. The newest message always counts, whatever the clocks say.
pub fn since_agreeing(conversation: &Conversation, opt_outs: &[OptOut]) -> Option<String> {
    let agreed = conversation.customer.as_ref()?.opted_in_at?;
    let heard = |message: &Message| {
        let own = |one: &&OptOut| one.conversation_id == conversation.id && one.message_id == message.id;
        opt_outs.iter().find(own).map(|one| one.at)
    };
    let older = |message: &&Message| message.at.or_else(|| heard(message)).is_some_and(|at| at < agreed);
    let pending = conversation.pending();
    let (_, before) = pending.split_last()?;
    let lifted = before.iter().rposition(older)?;
    Some(joined(&pending[lifted + 1..]))
}

/// Escalates the message that says so; holds every later reply as a draft.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let said = topics::opted_out(input);
    if said.verdict != Verdict::Pass {
        return said;
    }
    let Some(earlier) = input.opt_outs.iter().find(|earlier| earlier.holds_in(input.conversation)) else {
        return Finding::pass();
    };
    let (day, elsewhere) = (earlier.at.format("%Y-%m-%d"), earlier.conversation_id != input.conversation.id);
    let place = if elsewhere { " in another conversation" } else { "" };
    let mut evidence = vec![
        Evidence::Message { id: earlier.message_id.clone() },
        Evidence::measured("opted_out_at", earlier.at.to_rfc3339_opts(SecondsFormat::Secs, true)),
    ];
    if elsewhere {
        evidence.push(Evidence::measured("opted_out_in", &earlier.conversation_id));
    }
    Finding::draft(format!("The customer asked for no more messages on {day}{place}, and that still holds."))
        .with(evidence)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::TimeDelta;

    use super::super::tests::Case;
    use super::*;
    use crate::conversation::{Customer, Role};

    #[test]
    fn an_opt_out_holds_until_it_is_lifted() {
        let heard = Case::asking("x").now - TimeDelta::days(3);
        let earlier = |conversation: &str| OptOut {
            conversation_id: conversation.into(),
            message_id: "m1".into(),
            at: heard,
        };
        let (draft, pass) = (Verdict::Draft, Verdict::Pass);
        let day = TimeDelta::days(1);
        for (opt_out, messages, handed_back_after, opted_in_at, verdict) in [
            (None, &["m1", "m2"][..], None, None, pass),
            (Some("c"), &["m1", "m2"], None, None, draft),
            (Some("c"), &["m1", "m2"], Some("m0"), None, draft),
            (Some("c"), &["m0", "m1", "m2"], Some("m0"), None, draft),
            (Some("c"), &["m1", "m2"], Some("m1"), None, pass),
            (Some("c"), &["m1", "m2", "m3"], Some("m2"), None, pass),
            // A message that the hub no longer sends stands before all that it sends.
            (Some("c"), &["m2", "m3"], Some("m2"), None, pass),
            (Some("c"), &["m2", "m3"], None, None, draft),
            (Some("c"), &["m1", "m2"], None, Some(heard - day), draft),
            (Some("c"), &["m1", "m2"], None, Some(heard + day), pass),
            // Of another conversation of the customer: consent lifts it, handing this one back does not.
            (Some("other"), &["m7", "m8"], None, None, draft),
            (Some("other"), &["m7", "m8"], Some("m7"), None, draft),
            (Some("other"), &["m7", "m8"], None, Some(heard + day), pass),
        ] {
            let mut case = Case::asking("How long does delivery take?");
            case.opt_outs = opt_out.map(earlier).into_iter().collect();
            let message = |id: &&str| Message {
                id: (*id).into(),
                role: Role::Customer,
                text: "How long does delivery take?".into(),
                at: None,
            };
            case.conversation.messages = messages.iter().map(message).collect();
            case.conversation.handed_back_after = handed_back_after.map(str::to_owned);
            case.conversation.customer =
                Some(Customer { id: "u".into(), name: None, attributes: BTreeMap::new(), opted_in_at });
            let finding = check(&case.input());
            let name = format!("{opt_out:?} {messages:?} {handed_back_after:?} {opted_in_at:?}");
            assert_eq!(finding.verdict, verdict, "{name}");
            if verdict == draft {
                assert!(finding.evidence.contains(&Evidence::Message { id: "m1".into() }), "{name}");
                assert!(
                    finding.evidence.contains(&Evidence::measured("opted_out_at", "2026-11-15T11:06:40Z")),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn what_was_written_before_agreeing_is_no_opt_out() {
        let now = Case::asking("x").now;
        let day = TimeDelta::days;
        let heard = OptOut { conversation_id: "c".into(), message_id: "0".into(), at: now - day(3) };
        for (times, opt_outs, agreed, since) in [
            (&[Some(3), Some(0)][..], &[][..], Some(1), Some("1")),
            (&[Some(3), Some(2), Some(0), Some(0)], &[], Some(1), Some("2\n3")),
            (&[Some(3), Some(0)], &[], Some(3), None),
            (&[Some(3), Some(0)], &[], None, None),
            // Without times, when it was heard tells.
            (&[None, None], std::slice::from_ref(&heard), Some(1), Some("1")),
            (&[None, None], &[], Some(1), None),
            // The newest message counts where a clock runs ahead.
            (&[Some(3)], &[], Some(1), None),
            (&[Some(3), Some(2)], &[], Some(-1), Some("1")),
        ] {
            let mut case = Case::asking("x");
            let message = |(place, days): (usize, &Option<i64>)| Message {
                id: place.to_string(),
                role: Role::Customer,
                text: place.to_string(),
                at: days.map(|days| now - day(days)),
            };
            case.conversation.messages = times.iter().enumerate().map(message).collect();
            let opted_in_at = agreed.map(|days| now - day(days));
            case.conversation.customer =
                Some(Customer { id: "u".into(), name: None, attributes: BTreeMap::new(), opted_in_at });
            let found = since_agreeing(&case.conversation, opt_outs);
            assert_eq!(found.as_deref(), since, "{times:?} {agreed:?}");
        }
    }

    #[test]
    fn a_request_that_is_behind_lifts_nothing() {
        let mut case = Case::asking("How long does delivery take?");
        case.conversation.handed_back_after = Some("m".into());
        for (hours, verdict) in [(-1, Verdict::Draft), (1, Verdict::Pass)] {
            let opt_out = OptOut { conversation_id: "c".into(), message_id: "m0".into(), at: case.now };
            case.opt_outs = vec![opt_out];
            case.conversation.messages[0].at = Some(case.now + TimeDelta::hours(hours));
            assert_eq!(check(&case.input()).verdict, verdict, "{hours}");
        }
    }

    #[test]
    fn only_the_message_that_says_so_is_an_opt_out() {
        for (text, opt_outs, heard) in [
            ("Stop sending me messages", false, true),
            ("Stop sending me messages", true, true),
            ("How long does delivery take?", true, false),
        ] {
            let mut case = Case::asking(text);
            if opt_outs {
                let opt_out = OptOut { conversation_id: "c".into(), message_id: "m0".into(), at: case.now };
                case.opt_outs = vec![opt_out];
            }
            let Finding { verdict, detail, evidence } = check(&case.input());
            let found = PolicyCheck { check: ReasonCode::OptedOut, verdict, detail, evidence };
            let said = OptOut::heard(&case.conversation, &[found], case.now);
            let message = said.map(|said| (said.conversation_id, said.message_id));
            assert_eq!(message, heard.then(|| ("c".into(), "m".into())), "{text} {opt_outs}");
        }
    }

    #[test]
    fn an_opt_out_was_said_no_later_than_it_was_heard() {
        let mut case = Case::asking("Stop sending me messages");
        case.conversation.messages[0].at = Some(case.now + TimeDelta::days(365));
        let Finding { verdict, detail, evidence } = check(&case.input());
        let found = PolicyCheck { check: ReasonCode::OptedOut, verdict, detail, evidence };
        let said = OptOut::heard(&case.conversation, &[found], case.now);
        assert_eq!(said.map(|said| said.at), Some(case.now));
    }
}
