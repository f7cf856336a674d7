//! The rollout as it stands: what is known of each slice, and the demotion that needs nobody.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Assistant, Findings};
use crate::conversation::WorkspaceId;
use crate::decision::ReasonCode;
use crate::decision::rollout::sequential::SequentialTest;
use crate::decision::rollout::{AUTOMATIC, RolloutConfig, Slice, Stage, Step, audited, stage_of};
use crate::store::rollout::{Audit, NewStep, Rolled};
use crate::store::suggestion::AuditDraw;
use crate::store::{Rollouts, Store, StoreError};

impl Assistant {
    /// Whether a reply that was sent is one of those that are audited, and what it is held against.
    pub(super) fn audit(&self, id: &str, workspace: &WorkspaceId, found: &Findings) -> Option<AuditDraw> {
        let RolloutConfig { audit_share: share, max_error, .. } = self.parts.rollout;
        let certified = || self.parts.judge.target_error(&found.judged.as_ref()?.key, workspace);
        let max_error = max_error.or_else(certified)?;
        audited(id, share).then_some(AuditDraw { share, max_error })
    }
}

/// Suggestions that a report counts at most.
const COUNTED: usize = 50_000;

/// What is known of a slice: what a person has at hand who promotes it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SliceReport {
    /// The slice.
    #[serde(flatten)]
    pub slice: Slice,
    /// How far Ponto may go in it: as in the nearest slice around it, where nobody has set this one, and as
    /// `rollout.default_stage` says, where there is none.
    pub stage: Stage,
    /// Share of the conversations at stage `sample`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// The change that put it there; 0 where nobody has set anything.
    pub step: i64,
    /// Since when the suggestions below are counted.
    pub since: DateTime<Utc>,
    /// Suggestions in the slice.
    pub suggestions: usize,
    /// Those that tell what would be sent: their call's mode was `auto` or `shadow`, and no person was writing with the customer.
    /// In mode `draft` a reply comes about otherwise, and after an agent has sent a draft it is held until the conversation is
    /// handed back.
    pub measured: usize,
    /// Replies that were sent automatically.
    pub sent: usize,
    /// Replies among those measured that only the mode of the call or the rollout kept from being sent.
    pub held: usize,
    /// Share of those measured that was sent, or would have been.
    pub coverage: f64,
    /// Verdicts on replies that would have been sent.
    pub held_judged: usize,
    /// Wrong ones among them: rejected, or edited beyond a few characters or in what they claim.
    pub held_wrong: usize,
    /// Replies drawn for an audit since the change.
    pub drawn: usize,
    /// Those with a verdict.
    pub audited: usize,
    /// Wrong ones among them.
    pub wrong: usize,
    /// Evidence that the error is over its bound; a demotion comes at `demotes_at`.
    pub evidence: f64,
    /// Evidence at which the slice is demoted by itself.
    pub demotes_at: f64,
}

/// What is known of every slice that was ever changed, and of the whole workspace first.
pub async fn report(
    store: &dyn Store,
    workspace: &WorkspaceId,
    config: &RolloutConfig,
    now: DateTime<Utc>,
    window: TimeDelta,
) -> Result<Vec<SliceReport>, StoreError> {
    let steps = store.steps(workspace).await?;
    let known: BTreeSet<&Slice> = steps.iter().map(|step| &step.slice).collect();
    let whole = Slice::default();
    let missing = if known.contains(&whole) { None } else { Some(&whole) };
    let since = now - window;
    let rolled = store.rolled(workspace, since, COUNTED).await?;
    let mut reports = Vec::new();
    for slice in missing.into_iter().chain(known) {
        let stage = stage_of(&steps, config.default_stage, slice);
        let step = steps.iter().find(|step| step.slice == *slice);
        let audits = store.audits(workspace, step.map_or(0, |step| step.sequence)).await?;
        reports.push(counted(slice, step, since, &rolled, &audits, stage, config.false_alarm));
    }
    Ok(reports)
}

/// What is known of one slice, changed before or not.
pub async fn report_of(
    store: &dyn Store,
    workspace: &WorkspaceId,
    slice: &Slice,
    config: &RolloutConfig,
    since: DateTime<Utc>,
) -> Result<SliceReport, StoreError> {
    let steps = store.steps(workspace).await?;
    let step = steps.iter().find(|step| step.slice == *slice);
    let audits = match step {
        Some(step) => store.audits(workspace, step.sequence).await?,
        None if *slice == Slice::default() => store.audits(workspace, 0).await?,
        None => Vec::new(),
    };
    let rolled = store.rolled(workspace, since, COUNTED).await?;
    let stage = stage_of(&steps, config.default_stage, slice);
    Ok(counted(slice, step, since, &rolled, &audits, stage, config.false_alarm))
}

fn counted(
    slice: &Slice,
    step: Option<&Step>,
    since: DateTime<Utc>,
    rolled: &[Rolled],
    audits: &[Audit],
    stage: Stage,
    false_alarm: f64,
) -> SliceReport {
    let topics = |one: &Rolled| -> Vec<Option<String>> {
        std::iter::once(None).chain(one.topics.iter().cloned().map(Some)).collect()
    };
    let inside: Vec<&Rolled> = rolled
        .iter()
        .filter(|one| {
            topics(one).iter().any(|topic| slice.holds(one.channel, topic.as_deref(), one.language))
        })
        .collect();
    let only = [ReasonCode::ModeCap, ReasonCode::Rollout];
    let with_a_person = |one: &Rolled| one.reasons.contains(&ReasonCode::HumanTookOver);
    let measured: Vec<&Rolled> =
        inside.iter().copied().filter(|one| one.as_sent && !with_a_person(one)).collect();
    let held: Vec<&&Rolled> = measured
        .iter()
        .filter(|one| !one.sent && one.reasons.iter().all(|reason| only.contains(reason)))
        .collect();
    let sent = inside.iter().filter(|one| one.sent).count();
    let test = tested(audits);
    SliceReport {
        slice: slice.clone(),
        stage,
        share: step.and_then(|step| step.share),
        step: step.map_or(0, |step| step.sequence),
        since,
        suggestions: inside.len(),
        measured: measured.len(),
        sent,
        held: held.len(),
        coverage: (sent + held.len()) as f64 / measured.len().max(1) as f64,
        held_judged: held.iter().filter(|one| one.wrong.is_some()).count(),
        held_wrong: held.iter().filter(|one| one.wrong == Some(true)).count(),
        drawn: audits.len(),
        audited: test.verdicts(),
        wrong: test.wrong(),
        evidence: test.evidence(),
        demotes_at: 1.0 / false_alarm,
    }
}

fn tested(audits: &[Audit]) -> SequentialTest {
    let mut test = SequentialTest::default();
    for audit in audits {
        if let Some(wrong) = audit.wrong {
            test.observe(wrong, audit.max_error);
        }
    }
    test
}

/// Looks at the audits again after a verdict on a suggestion, and demotes the slice to drafts where their error is over its
/// bound. Nothing happens where the suggestion was not drawn, or where the slice was changed since.
pub async fn reconsider(
    store: &dyn Store,
    workspace: &WorkspaceId,
    suggestion_id: &str,
    false_alarm: f64,
    now: DateTime<Utc>,
) -> Result<Option<Step>, StoreError> {
    let Some(audit) = Rollouts::audit(store, workspace, suggestion_id).await? else { return Ok(None) };
    let current = store.steps(workspace).await?.into_iter().find(|step| step.sequence == audit.step);
    let slice = match current {
        Some(step) if step.stage < Stage::Sample => return Ok(None),
        Some(step) => step.slice,
        None if audit.step == 0 => Slice::default(),
        None => return Ok(None),
    };
    let test = tested(&store.audits(workspace, audit.step).await?);
    if !test.refuted(false_alarm) {
        return Ok(None);
    }
    let why = format!(
        "{} of {} audited replies were wrong, more than {:.1}% allows (evidence {:.0}, demoted from {:.0})",
        test.wrong(),
        test.verdicts(),
        100.0 * audit.max_error,
        test.evidence(),
        1.0 / false_alarm
    );
    let step = NewStep { slice, stage: Stage::Draft, share: None, by: AUTOMATIC.into(), why, at: now };
    let done = store.change(workspace, &step, Some(audit.step)).await?;
    if let Some(step) = &done {
        tracing::error!(
            workspace = workspace.0,
            slice = %step.slice,
            why = step.why,
            "automatic replies were stopped: the audited error left its bound"
        );
        metrics::counter!("ponto_rollout_demotions_total").increment(1);
    }
    Ok(done)
}
