//! A person writes with the customer. From then on nothing is sent automatically until the conversation is handed back.
//!
//! That a person has written is told by a message with the role `agent`, and by a draft that an agent accepted or edited: a hub
//! that sends the newest message alone tells nothing else of it.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Finding, PolicyInput};
use crate::conversation::Conversation;
use crate::decision::{Evidence, PolicyCheck, ReasonCode};

/// Names of what is measured.
const SUGGESTION: &str = "sent_draft";
const AT: &str = "sent_draft_at";

/// A draft that an agent accepted or edited, and so sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentDraft {
    /// `sug_…`
    pub suggestion_id: String,
    /// The customer's message that it answered.
    pub message_id: Option<String>,
    /// The message that was named by `handed_back_after` when it was drafted.
    pub handed_back_after: Option<String>,
    /// When the agent said so.
    pub at: DateTime<Utc>,
}

impl SentDraft {
    /// The one that held a reply in a conversation, as far as the checks of then tell; there it holds again.
    pub fn held(conversation: &Conversation, checks: &[PolicyCheck]) -> Option<Self> {
        let check = checks.iter().find(|check| check.check == ReasonCode::HumanTookOver)?;
        let measured = |wanted: &str| {
            check.evidence.iter().find_map(|evidence| match evidence {
                Evidence::Signal { name, found, .. } if name == wanted => Some(found.as_str()),
                _ => None,
            })
        };
        Some(Self {
            suggestion_id: measured(SUGGESTION)?.to_owned(),
            message_id: None,
            handed_back_after: conversation.handed_back_after.clone(),
            at: measured(AT)?.parse().ok()?,
        })
    }

    /// Whether a conversation was not handed back since: the hub names no message, the same one as then, or one that is not
    /// later than the message that the draft answered.
    fn holds_in(&self, conversation: &Conversation) -> bool {
        !conversation.handed_back_anew(self.message_id.as_deref(), self.handed_back_after.as_deref())
    }
}

/// Holds every reply as a draft once a person has written, unless the hub says that the conversation was handed back since.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let sent = input.sent_draft.filter(|sent| sent.holds_in(input.conversation));
    let evidence = match (input.conversation.with_a_person(), sent) {
        (Some(message), _) => vec![Evidence::Message { id: message.id.clone() }],
        (None, Some(sent)) => vec![
            Evidence::measured(SUGGESTION, &sent.suggestion_id),
            Evidence::measured(AT, sent.at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        ],
        (None, None) => return Finding::pass(),
    };
    Finding::draft(
        "A person has written to the customer, and the conversation has not been handed back since.",
    )
    .with(evidence)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::*;
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

    #[test]
    fn a_draft_that_an_agent_sent_is_a_persons_message() {
        let message =
            |id: &&str| Message { id: (*id).into(), role: Role::Customer, text: "x".into(), at: None };
        // It answered c2, in a conversation that had been handed back after a1.
        for (messages, handed_back_after, verdict) in [
            (&["c3"][..], None, Verdict::Draft),
            (&["c3"], Some("a1"), Verdict::Draft),
            (&["c3"], Some("c2"), Verdict::Draft),
            (&["c3"], Some("a2"), Verdict::Pass),
            (&["c2", "c3"], Some("c2"), Verdict::Draft),
            (&["c1", "c2", "c3"], Some("c1"), Verdict::Draft),
            (&["c1", "c2", "c3"], Some("c3"), Verdict::Pass),
            (&["c3", "c4"], Some("c3"), Verdict::Pass),
        ] {
            let mut case = Case::asking("question");
            case.conversation.messages = messages.iter().map(message).collect();
            case.conversation.handed_back_after = handed_back_after.map(str::to_owned);
            case.sent_draft = Some(SentDraft {
                suggestion_id: "sug_1".into(),
                message_id: Some("c2".into()),
                handed_back_after: Some("a1".into()),
                at: case.now,
            });
            let Finding { verdict: found, detail, evidence } = check(&case.input());
            assert_eq!(found, verdict, "{messages:?} {handed_back_after:?}");
            let checks = [PolicyCheck { check: ReasonCode::HumanTookOver, verdict: found, detail, evidence }];
            case.sent_draft = SentDraft::held(&case.conversation, &checks);
            assert_eq!(check(&case.input()).verdict, verdict, "replayed: {messages:?} {handed_back_after:?}");
        }
    }
}
