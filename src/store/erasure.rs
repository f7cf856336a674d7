//! Deleting what customers wrote: on request, and by its age.
//!
//! What goes is every suggestion with its conversation, draft, trace and feedback, its events, and the answers kept for
//! idempotency keys. Verdicts of audits stay: they hold no words, and the rollout's test counts them.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StoreError;
use crate::conversation::WorkspaceId;

/// `[store]`: how long conversations are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Days after which the server deletes suggestions, with conversation, draft, trace, feedback and events; kept for ever
    /// when left out. GDPR (art. 5) and LGPD (arts. 15 and 16) let personal data be kept no longer than its purpose needs.
    pub keep_days: Option<NonZeroU32>,
}

impl StoreConfig {
    /// What was made before is to be deleted; `None` where everything is kept.
    pub fn oldest(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        now.checked_sub_signed(TimeDelta::try_days(i64::from(self.keep_days?.get()))?)
    }
}

/// Whose words are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Those of a conversation, by the hub's id.
    Conversation(&'a str),
    /// Those of every conversation of a customer, by the hub's id.
    Customer(&'a str),
}

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Erased {
    /// Suggestions, each with its conversation, draft, trace and feedback.
    pub suggestions: u64,
    /// Events of these suggestions.
    pub events: u64,
    /// Answers that were kept for idempotency keys.
    pub answers: u64,
}

impl Erased {
    /// Nothing was there.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Deleting for good: what is deleted is overwritten on disk before a call returns.
#[async_trait]
pub trait Erasure: Send + Sync {
    /// Deletes everything of a conversation or a customer. Where nothing is left, nothing happens.
    async fn erase(&self, workspace: &WorkspaceId, whose: Whose<'_>) -> Result<Erased, StoreError>;
    /// Deletes, in every workspace, what was made before a moment.
    async fn expire(&self, before: DateTime<Utc>) -> Result<Erased, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_too_old_unless_days_are_set() {
        let now: DateTime<Utc> = "2026-03-10T12:00:00Z".parse().unwrap();
        assert_eq!(StoreConfig::default().oldest(now), None);
        let kept = StoreConfig { keep_days: NonZeroU32::new(30) };
        assert_eq!(kept.oldest(now), Some("2026-02-08T12:00:00Z".parse().unwrap()));
        assert_eq!(StoreConfig { keep_days: Some(NonZeroU32::MAX) }.oldest(now), None);
        assert!(serde_json::from_str::<StoreConfig>("{\"keep_days\": 0}").is_err());
    }
}
