//! Who takes over: queues with their opening hours, and where a conversation goes.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::Escalate;
use super::{RuleMatch, Rules};
use crate::decision::hours::Hours;
use crate::decision::{Reason, ReasonCode};
use crate::understanding::{TopicMatch, names};

/// People who take conversations over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its name, as the hub knows it.
    pub name: String,
    /// When somebody is there; always when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

/// Where conversations go that no rule sends anywhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HandoffRoutes {
    /// The queue for all else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Queue and priority by the code of the reason; the first reason that is listed counts.
    pub reasons: BTreeMap<ReasonCode, Escalate>,
}

/// How soon a person is needed.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// When there is time.
    Low,
    /// In turn.
    #[default]
    Normal,
    /// Before others.
    High,
    /// At once.
    Urgent,
}

impl Priority {
    /// One step higher; the highest stays.
    fn raised(self) -> Self {
        match self {
            Self::Low => Self::Normal,
            Self::Normal => Self::High,
            Self::High | Self::Urgent => Self::Urgent,
        }
    }
}

/// A queue as it is when a conversation is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueState {
    /// Its name.
    pub name: String,
    /// Somebody is there now.
    pub open: bool,
    /// When somebody will be there next, in the queue's time zone; now, where it is open. Absent where it has no hours, or
    /// stays closed for a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<DateTime<FixedOffset>>,
    /// IANA name of that time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

impl Queue {
    /// How it stands at a moment.
    pub fn state(&self, at: DateTime<Utc>) -> QueueState {
        let hours = self.hours.as_ref();
        QueueState {
            name: self.name.clone(),
            open: hours.is_none_or(|hours| hours.is_open(at)),
            opens_at: hours.and_then(|hours| hours.next_opening(at)),
            time_zone: hours.map(|hours| hours.time_zone.0.name().to_owned()),
        }
    }
}

impl Rules {
    /// Queue and priority of an escalation: of the matched rule with the highest priority that names a queue, else of the
    /// first reason that has a route, else the queue for all else. The priority is the highest of all of them; a
    /// complaint is at least `high`, a message that says it is urgent one step higher than it would be, and an accident
    /// or a danger `urgent`.
    pub fn route(
        &self,
        matches: &[RuleMatch],
        reasons: &[Reason],
        topics: &[TopicMatch],
        at: DateTime<Utc>,
    ) -> (Option<QueueState>, Priority) {
        let asked: Vec<&Escalate> =
            matches.iter().filter_map(|found| found.rule.then.escalate.as_ref()).collect();
        let mut named: Vec<&Escalate> = asked.iter().copied().filter(|one| one.queue.is_some()).collect();
        // Stable: among equals the first in the order of the files.
        named.sort_by_key(|one| std::cmp::Reverse(one.priority));
        let routes: Vec<&Escalate> =
            reasons.iter().filter_map(|reason| self.handoff.reasons.get(&reason.code)).collect();
        let queue = named
            .into_iter()
            .chain(routes.iter().copied())
            .find_map(|one| one.queue.as_deref())
            .or(self.handoff.queue.as_deref());
        let built_in = reasons.iter().map(|reason| match reason.code {
            ReasonCode::Complaint => Priority::High,
            _ => Priority::Low,
        });
        let given = asked.iter().chain(&routes).map(|one| one.priority);
        let priority = given.chain(built_in).max().unwrap_or_default();
        let priority =
            if asked.is_empty() && routes.is_empty() { priority.max(Priority::Normal) } else { priority };
        let about = |topic: &str| topics.iter().any(|found| found.name == topic);
        let priority = match priority {
            _ if about(names::SAFETY) => Priority::Urgent,
            priority if about(names::URGENCY) => priority.raised(),
            priority => priority,
        };
        let state = queue.and_then(|name| self.queues.iter().find(|queue| queue.name == name));
        (state.map(|queue| queue.state(at)), priority)
    }
}
