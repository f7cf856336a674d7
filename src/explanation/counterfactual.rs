//! What would have changed a decision: the smallest change of what was measured that gives another action.
//!
//! [`decide`] is pure, so nothing is guessed: every obstacle is taken away alone, then in pairs and so on, and the decision
//! is taken again.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decision::rollout::Allowed;
use crate::decision::{Action, DecisionInput, Mode, ReasonCode, Verdict, decide};

/// More obstacles than this are not taken away together: nobody reads so long a list.
const MOST: usize = 5;

/// A change of what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The call runs in the mode `auto`.
    Mode,
    /// The rollout has come to automatic replies in conversations like this one.
    Rollout,
    /// The message has not been answered automatically before.
    NotAnsweredBefore,
    /// The policy finds nothing.
    Check {
        /// Which.
        check: ReasonCode,
    },
    /// The confidence reaches a threshold, or falls under it.
    Confidence {
        /// Which it is.
        from: f64,
        /// The certified threshold, or the floor under which a person takes over.
        threshold: f64,
    },
    /// A certificate for the model, prompt, embedder, workspace, language and today's knowledge, at a threshold that the
    /// confidence reaches.
    Certificate,
    /// Every sentence stands on a cited passage.
    Grounded,
    /// There is a draft.
    Draft,
    /// Index and model answer in time.
    Available,
}

/// Changes that together give another action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Counterfactual {
    /// The action that would have been taken.
    pub action: Action,
    /// What would have had to be otherwise, all of it.
    pub changes: Vec<Change>,
}

/// For each other action that a change leads to, the smallest one; the more lenient action first. Of an automatic reply,
/// what would have held it.
pub fn counterfactuals(input: &DecisionInput) -> Vec<Counterfactual> {
    let action = decide(input).action;
    if action == Action::AutoReply {
        return held(input).into_iter().collect();
    }
    let obstacles = obstacles(input);
    let mut found: Vec<Counterfactual> = Vec::new();
    for size in 1..=obstacles.len().min(MOST) {
        for chosen in choices(obstacles.len(), size) {
            let changes: Vec<&Change> = chosen.iter().map(|place| &obstacles[*place]).collect();
            let other = decide(&without(input, &changes)).action;
            if other < action && found.iter().all(|known| known.action != other) {
                found.push(Counterfactual { action: other, changes: changes.into_iter().cloned().collect() });
            }
        }
    }
    found.sort_by_key(|counterfactual| counterfactual.action);
    found
}

/// The nearest change that stops an automatic reply.
fn held(input: &DecisionInput) -> Option<Counterfactual> {
    let draft = input.draft?;
    let change = Change::Confidence { from: draft.confidence, threshold: draft.threshold? };
    Some(Counterfactual { action: Action::Draft, changes: vec![change] })
}

/// Everything that stands against an automatic reply.
fn obstacles(input: &DecisionInput) -> Vec<Change> {
    let mut obstacles = Vec::new();
    if input.unavailable.is_some() {
        obstacles.push(Change::Available);
    }
    for check in input.checks.iter().filter(|check| check.verdict != Verdict::Pass) {
        let change = Change::Check { check: check.check };
        if !obstacles.contains(&change) {
            obstacles.push(change);
        }
    }
    match input.draft {
        None => obstacles.push(Change::Draft),
        Some(draft) => {
            if let Some(floor) = draft.floor.filter(|floor| draft.calibrated && draft.confidence < *floor) {
                obstacles.push(Change::Confidence { from: draft.confidence, threshold: floor });
            }
            match draft.threshold {
                Some(threshold) if draft.calibrated && draft.lapsed.is_none() => {
                    if draft.confidence.is_nan() || draft.confidence < threshold {
                        obstacles.push(Change::Confidence { from: draft.confidence, threshold });
                    }
                }
                _ => obstacles.push(Change::Certificate),
            }
            let named = obstacles.contains(&Change::Check { check: ReasonCode::Ungrounded });
            if (!draft.grounded || draft.citations == 0) && !named {
                obstacles.push(Change::Grounded);
            }
        }
    }
    if input.mode != Mode::Auto {
        obstacles.push(Change::Mode);
    }
    if input.rollout.objection().is_some() {
        obstacles.push(Change::Rollout);
    }
    if input.already_replied {
        obstacles.push(Change::NotAnsweredBefore);
    }
    obstacles
}

/// The input with some obstacles out of the way.
fn without(input: &DecisionInput, changes: &[&Change]) -> DecisionInput {
    let mut input = input.clone();
    for change in changes {
        match change {
            Change::Mode => input.mode = Mode::Auto,
            Change::Rollout => input.rollout = Allowed::default(),
            Change::NotAnsweredBefore => input.already_replied = false,
            Change::Available => input.unavailable = None,
            Change::Check { check } => {
                for found in input.checks.iter_mut().filter(|found| found.check == *check) {
                    found.verdict = Verdict::Pass;
                }
                if *check == ReasonCode::Ungrounded
                    && let Some(draft) = &mut input.draft
                {
                    (draft.grounded, draft.citations) = (true, draft.citations.max(1));
                }
            }
            Change::Confidence { threshold, .. } => {
                if let Some(draft) = &mut input.draft {
                    draft.confidence = *threshold;
                }
            }
            Change::Certificate => {
                if let Some(draft) = &mut input.draft {
                    (draft.calibrated, draft.threshold) = (true, Some(draft.confidence));
                    (draft.lapsed, draft.floor) = (None, None);
                }
            }
            Change::Grounded => {
                if let Some(draft) = &mut input.draft {
                    (draft.grounded, draft.citations) = (true, draft.citations.max(1));
                }
            }
            // What a draft would be worth is not known: it would be looked at.
            Change::Draft => input.draft = input.draft.or(Some(UNKNOWN)),
        }
    }
    input
}

const UNKNOWN: crate::decision::DraftFacts = crate::decision::DraftFacts {
    citations: 1,
    grounded: true,
    confidence: 0.0,
    calibrated: false,
    threshold: None,
    lapsed: None,
    floor: None,
};

/// Every choice of `size` out of `count`, in order.
fn choices(count: usize, size: usize) -> Vec<Vec<usize>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    (size - 1..count)
        .flat_map(|last| {
            choices(last, size - 1).into_iter().map(move |mut chosen| {
                chosen.push(last);
                chosen
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::rollout::Stage;
    use crate::decision::{DraftFacts, PolicyCheck};

    fn input(change: impl FnOnce(&mut DecisionInput)) -> DecisionInput {
        let mut input = DecisionInput {
            mode: Mode::Auto,
            checks: Vec::new(),
            draft: Some(DraftFacts {
                citations: 1,
                grounded: true,
                confidence: 0.97,
                calibrated: true,
                threshold: Some(0.95),
                lapsed: None,
                floor: None,
            }),
            already_replied: false,
            unavailable: None,
            rollout: Allowed::default(),
        };
        change(&mut input);
        input
    }

    fn check(check: ReasonCode, verdict: Verdict) -> PolicyCheck {
        PolicyCheck { check, verdict, detail: None, evidence: Vec::new() }
    }

    #[test]
    fn one_obstacle_is_one_change() {
        for (input, change) in [
            (input(|i| i.mode = Mode::Draft), Change::Mode),
            (input(|i| i.already_replied = true), Change::NotAnsweredBefore),
            (input(|i| i.rollout.stage = Stage::Draft), Change::Rollout),
            (
                input(|i| i.draft.as_mut().unwrap().confidence = 0.9),
                Change::Confidence { from: 0.9, threshold: 0.95 },
            ),
            (input(|i| i.draft.as_mut().unwrap().threshold = None), Change::Certificate),
            (input(|i| i.draft.as_mut().unwrap().lapsed = Some(0.4)), Change::Certificate),
            (input(|i| i.draft.as_mut().unwrap().grounded = false), Change::Grounded),
            (
                input(|i| i.checks.push(check(ReasonCode::AsksForHuman, Verdict::Escalate))),
                Change::Check { check: ReasonCode::AsksForHuman },
            ),
        ] {
            let found = counterfactuals(&input);
            assert_eq!(found, [Counterfactual { action: Action::AutoReply, changes: vec![change] }]);
        }
    }

    #[test]
    fn the_smallest_change_of_each_action_is_told() {
        let input = input(|i| {
            i.mode = Mode::Draft;
            i.checks.push(check(ReasonCode::TooLong, Verdict::Draft));
            i.checks.push(check(ReasonCode::Complaint, Verdict::Escalate));
            i.draft.as_mut().unwrap().confidence = 0.5;
        });
        let found = counterfactuals(&input);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].action, found[0].changes.len()), (Action::AutoReply, 4));
        assert_eq!(
            found[1],
            Counterfactual {
                action: Action::Draft,
                changes: vec![Change::Check { check: ReasonCode::Complaint }]
            }
        );
        for counterfactual in found {
            let changes: Vec<&Change> = counterfactual.changes.iter().collect();
            assert_eq!(decide(&without(&input, &changes)).action, counterfactual.action);
        }
    }

    #[test]
    fn an_automatic_reply_is_held_by_less_confidence() {
        let found = counterfactuals(&input(|_| ()));
        assert_eq!(
            found,
            [Counterfactual {
                action: Action::Draft,
                changes: vec![Change::Confidence { from: 0.97, threshold: 0.95 }]
            }]
        );
    }

    #[test]
    fn an_escalation_without_a_draft_would_have_needed_one() {
        let found = counterfactuals(&input(|i| {
            i.draft = None;
            i.checks.push(check(ReasonCode::NothingRelevant, Verdict::Escalate));
        }));
        assert_eq!(
            found,
            [Counterfactual {
                action: Action::Draft,
                changes: vec![Change::Check { check: ReasonCode::NothingRelevant }, Change::Draft]
            }]
        );
    }
}
