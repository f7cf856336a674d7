//! What is stored of the rollout: changes of stages, and audits of automatic replies.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StoreError;
use crate::conversation::{Channel, Language, WorkspaceId};
use crate::decision::ReasonCode;
use crate::decision::rollout::{AUTOMATIC, Slice, Stage, Step};

/// The rollout of each workspace.
#[async_trait]
pub trait Rollouts: Send + Sync {
    /// The change in force of every slice that was ever changed.
    async fn steps(&self, workspace: &WorkspaceId) -> Result<Vec<Step>, StoreError>;
    /// Every change, newest first, at most `limit`.
    async fn past_steps(&self, workspace: &WorkspaceId, limit: usize) -> Result<Vec<Step>, StoreError>;
    /// Changes a slice, with an event; the sequence number is given here. Nothing is changed, and `None` comes back, where
    /// `expected` is given and is not the slice's change in force (0 for none): somebody else was faster.
    async fn change(
        &self,
        workspace: &WorkspaceId,
        step: &NewStep,
        expected: Option<i64>,
    ) -> Result<Option<Step>, StoreError>;
    /// The audit of a suggestion, where it was drawn.
    async fn audit(&self, workspace: &WorkspaceId, suggestion_id: &str) -> Result<Option<Audit>, StoreError>;
    /// Audits of the replies that a change allowed, in the order of their verdicts; those without one come last.
    async fn audits(&self, workspace: &WorkspaceId, step: i64) -> Result<Vec<Audit>, StoreError>;
    /// Suggestions since a moment, as the rollout counts them, newest first, at most `limit`.
    async fn rolled(
        &self,
        workspace: &WorkspaceId,
        since: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Rolled>, StoreError>;
}

/// A change of a slice's stage, before it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStep {
    /// The slice.
    pub slice: Slice,
    /// How far Ponto may go.
    pub stage: Stage,
    /// Share of the conversations at stage `sample`.
    pub share: Option<f64>,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Longest reason for a change, and longest name, in characters.
const LONGEST: usize = 500;

impl NewStep {
    /// What is wrong with it, in words, where something is.
    pub fn check(&self) -> Result<(), String> {
        let fits = |text: &str| !text.trim().is_empty() && text.chars().count() <= LONGEST;
        match (self.stage, self.share) {
            (Stage::Sample, Some(share)) if share > 0.0 && share < 1.0 => {}
            (Stage::Sample, _) => {
                return Err("the stage `sample` needs a share of the conversations, between 0 and 1".into());
            }
            (_, Some(_)) => return Err("a share belongs to the stage `sample` alone; leave it out".into()),
            (_, None) => {}
        }
        if !fits(&self.why) || !fits(&self.by) {
            return Err(format!("say who decides and why, in 1 to {LONGEST} characters each"));
        }
        if self.by == AUTOMATIC {
            return Err(format!("`{AUTOMATIC}` is the name of demotions that nobody decides; write another"));
        }
        Ok(())
    }
}

/// An automatic reply that was drawn for an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// `sug_…`
    pub suggestion_id: String,
    /// The change of the rollout that allowed it, 0 for none.
    pub step: i64,
    /// Share of the automatic replies that was drawn then.
    pub share: f64,
    /// Largest share of wrong replies that was tolerated then.
    pub max_error: f64,
    /// When it was drawn.
    pub drawn_at: DateTime<Utc>,
    /// The verdict: the reply was wrong. Absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<bool>,
    /// When the first verdict came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_at: Option<DateTime<Utc>>,
}

/// A suggestion as the rollout counts it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rolled {
    /// Where.
    pub channel: Channel,
    /// The customer's language.
    pub language: Option<Language>,
    /// What it was about.
    pub topics: Vec<String>,
    /// It was sent automatically.
    pub sent: bool,
    /// Why it was not.
    pub reasons: Vec<ReasonCode>,
    /// An agent's verdict, where there is one: it was wrong.
    pub wrong: Option<bool>,
    /// It was drawn for an audit.
    pub audited: bool,
    /// It came about as what is sent does ([`Suggestion::as_sent`](super::suggestion::Suggestion::as_sent)).
    pub as_sent: bool,
}
