//! The rules, as one pure function.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rollout::Allowed;
use super::{Action, Decision, Evidence, Mode, PolicyCheck, Reason, ReasonCode, Verdict, exact};

/// Everything the rules look at. It is stored with every suggestion, so that the decision can be taken again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionInput {
    /// How far this call may go.
    pub mode: Mode,
    /// How far the rollout has come in conversations like this one.
    #[serde(default)]
    pub rollout: Allowed,
    /// What every policy found.
    pub checks: Vec<PolicyCheck>,
    /// What is known of the draft; `None` when there is none.
    pub draft: Option<DraftFacts>,
    /// The customer's message was answered automatically before.
    pub already_replied: bool,
    /// What did not answer; whatever was measured before stands beside it.
    pub unavailable: Option<Unavailable>,
}

/// What did not answer in time. Traces of earlier versions hold the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    /// The index failed.
    #[serde(alias = "The knowledge base could not be searched.")]
    Index,
    /// The index took too long.
    #[serde(alias = "The search took longer than the answer may.")]
    IndexInTime,
    /// No model wrote a draft.
    #[serde(alias = "No model answered in time.")]
    Model,
    /// The draft was not measured.
    #[serde(alias = "The draft could not be checked in time.")]
    Judgement,
}

impl Unavailable {
    /// One sentence for a person.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Index => "The knowledge base could not be searched.",
            Self::IndexInTime => "The search took longer than the answer may.",
            Self::Model => "No model answered in time.",
            Self::Judgement => "The draft could not be checked in time.",
        }
    }
}

/// What the rules know of a draft: never its text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DraftFacts {
    /// Passages it cites.
    pub citations: usize,
    /// Every sentence and every claim is supported.
    pub grounded: bool,
    /// Probability that it is acceptable; stored as text, exactly.
    #[serde(with = "exact")]
    #[schema(value_type = String)]
    pub confidence: f64,
    /// A calibration for exactly this procedure made that probability.
    pub calibrated: bool,
    /// The certified threshold for the customer's language.
    #[serde(with = "exact::option", default)]
    #[schema(value_type = Option<String>)]
    pub threshold: Option<f64>,
    /// Share of the knowledge that has changed since the certificate was made, where it lapsed by that.
    #[serde(default)]
    pub lapsed: Option<f64>,
    /// Calibrated confidence under which a person takes over, without a draft to correct.
    #[serde(with = "exact::option", default)]
    #[schema(value_type = Option<String>)]
    pub floor: Option<f64>,
}

/// Decides. The strictest policy wins; without an objection a reply is automatic only in the mode `auto`, with a draft
/// that is cited, grounded and at or above a certified threshold. Every obstacle is named, so that an agent and an
/// evaluation see all that would have to change.
pub fn decide(input: &DecisionInput) -> Decision {
    let mut objections: Vec<(Verdict, Reason)> = input
        .checks
        .iter()
        .filter(|check| check.verdict != Verdict::Pass)
        .map(|check| {
            let detail = check.detail.clone().unwrap_or_else(|| "The check did not pass.".to_owned());
            (check.verdict, Reason { code: check.check, detail, evidence: check.evidence.clone() })
        })
        .collect();
    let mut object = |verdict, code, detail: &str| {
        let evidence = match (code, input.draft) {
            (ReasonCode::BelowThreshold | ReasonCode::LowConfidence, Some(draft)) => {
                vec![Evidence::measured("confidence", format!("{:.4}", draft.confidence))]
            }
            (ReasonCode::Unavailable, _) => vec![Evidence::measured("unavailable", detail)],
            (ReasonCode::NoAnswerInSources, _) => vec![Evidence::measured("drafts", "0")],
            (ReasonCode::Ungrounded, Some(draft)) => {
                vec![Evidence::measured("citations", draft.citations.to_string())]
            }
            _ => Vec::new(),
        };
        objections.push((verdict, Reason { code, detail: detail.to_owned(), evidence }));
    };

    if let Some(cause) = input.unavailable {
        object(Verdict::Escalate, ReasonCode::Unavailable, cause.sentence());
    } else if let Some(draft) = input.draft {
        if let Some(floor) = draft.floor.filter(|floor| draft.calibrated && draft.confidence < *floor) {
            let detail = format!(
                "Confidence {:.2} is under {floor:.2}, where a draft is more often wrong than worth correcting.",
                draft.confidence
            );
            object(Verdict::Escalate, ReasonCode::LowConfidence, &detail);
        }
        if !draft.calibrated {
            object(
                Verdict::Draft,
                ReasonCode::NotCertified,
                "There is no calibration for this model, prompt, embedder and settings; fit one with `ponto calibrate`.",
            );
        } else if let Some(drift) = draft.lapsed {
            let detail = format!(
                "{:.0}% of the knowledge has changed since the certificate was made; make it anew with `ponto calibrate`.",
                100.0 * drift
            );
            object(Verdict::Draft, ReasonCode::CertificateLapsed, &detail);
        } else if let Some(threshold) = draft.threshold {
            if draft.confidence.is_nan() || draft.confidence < threshold {
                let detail = format!(
                    "Confidence {:.2} is under the certified threshold {threshold:.2}.",
                    draft.confidence
                );
                object(Verdict::Draft, ReasonCode::BelowThreshold, &detail);
            }
        } else {
            object(
                Verdict::Draft,
                ReasonCode::NotCertified,
                "The calibration certifies nothing for this workspace and language; see `ponto calibrate`.",
            );
        }
        let named = input
            .checks
            .iter()
            .any(|check| check.check == ReasonCode::Ungrounded && check.verdict != Verdict::Pass);
        if (!draft.grounded || draft.citations == 0) && !named {
            object(
                Verdict::Draft,
                ReasonCode::Ungrounded,
                "Not every sentence of the draft stands on a passage.",
            );
        }
    } else if input.checks.iter().all(|check| check.verdict != Verdict::Escalate) {
        object(Verdict::Escalate, ReasonCode::NoAnswerInSources, "No draft could be made.");
    }
    match input.mode {
        Mode::Auto if input.already_replied => object(
            Verdict::Draft,
            ReasonCode::ModeCap,
            "This message has already been answered automatically.",
        ),
        Mode::Auto => {}
        Mode::Draft => object(Verdict::Draft, ReasonCode::ModeCap, "The call allows drafts at most."),
        Mode::Shadow => {
            object(Verdict::Draft, ReasonCode::ModeCap, "The call runs in shadow: nothing may be sent.");
        }
    }

    if let Some(objection) = input.rollout.objection() {
        object(Verdict::Draft, ReasonCode::Rollout, &objection);
    }

    let strictest = objections.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Pass);
    let action = match strictest {
        Verdict::Pass => Action::AutoReply,
        Verdict::Draft => Action::Draft,
        Verdict::Escalate => Action::Escalate,
    };
    // Strictest first; within a verdict in the order of the checks. What an escalation makes moot is left out.
    objections.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
    let moot = [
        ReasonCode::ModeCap,
        ReasonCode::Rollout,
        ReasonCode::HumanTookOver,
        ReasonCode::NotCertified,
        ReasonCode::CertificateLapsed,
        ReasonCode::IndexRebuilding,
        ReasonCode::BelowThreshold,
    ];
    let reasons = objections
        .into_iter()
        .map(|(_, reason)| reason)
        .filter(|reason| action != Action::Escalate || !moot.contains(&reason.code))
        .collect();
    Decision { action, reasons }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::rollout::Stage;

    fn ready() -> DecisionInput {
        DecisionInput {
            mode: Mode::Auto,
            rollout: Allowed::default(),
            checks: vec![PolicyCheck {
                check: ReasonCode::AsksForHuman,
                verdict: Verdict::Pass,
                detail: None,
                evidence: Vec::new(),
            }],
            draft: Some(DraftFacts {
                citations: 1,
                grounded: true,
                confidence: 0.97,
                calibrated: true,
                threshold: Some(0.95),
                lapsed: None,
                floor: Some(0.4),
            }),
            already_replied: false,
            unavailable: None,
        }
    }

    fn outcome(change: impl FnOnce(&mut DecisionInput)) -> (Action, Vec<ReasonCode>) {
        let mut input = ready();
        change(&mut input);
        let decision = decide(&input);
        (decision.action, decision.reasons.into_iter().map(|reason| reason.code).collect())
    }

    fn edit(input: &mut DecisionInput, change: impl FnOnce(&mut DraftFacts)) {
        change(input.draft.as_mut().unwrap());
    }

    #[test]
    fn everything_right_is_sent() {
        assert_eq!(outcome(|_| ()), (Action::AutoReply, vec![]));
    }

    #[test]
    fn every_obstacle_holds_the_reply_and_is_named() {
        use ReasonCode::{BelowThreshold, CertificateLapsed, ModeCap, NotCertified, Ungrounded};
        assert_eq!(outcome(|i| i.mode = Mode::Draft), (Action::Draft, vec![ModeCap]));
        assert_eq!(outcome(|i| i.mode = Mode::Shadow), (Action::Draft, vec![ModeCap]));
        assert_eq!(outcome(|i| i.already_replied = true), (Action::Draft, vec![ModeCap]));
        assert_eq!(outcome(|i| edit(i, |d| d.calibrated = false)), (Action::Draft, vec![NotCertified]));
        assert_eq!(outcome(|i| edit(i, |d| d.threshold = None)), (Action::Draft, vec![NotCertified]));
        let lapsed = outcome(|i| edit(i, |d| (d.threshold, d.lapsed) = (None, Some(0.4))));
        assert_eq!(lapsed, (Action::Draft, vec![CertificateLapsed]));
        assert_eq!(outcome(|i| edit(i, |d| d.confidence = 0.9)), (Action::Draft, vec![BelowThreshold]));
        assert_eq!(outcome(|i| edit(i, |d| d.confidence = f64::NAN)), (Action::Draft, vec![BelowThreshold]));
        assert_eq!(outcome(|i| edit(i, |d| d.grounded = false)), (Action::Draft, vec![Ungrounded]));
        assert_eq!(outcome(|i| edit(i, |d| d.citations = 0)), (Action::Draft, vec![Ungrounded]));
        assert_eq!(outcome(|i| i.rollout.stage = Stage::Draft), (Action::Draft, vec![ReasonCode::Rollout]));
        assert_eq!(outcome(|i| i.rollout.stage = Stage::Sample), (Action::Draft, vec![ReasonCode::Rollout]));
        let drawn = outcome(|i| (i.rollout.stage, i.rollout.drawn) = (Stage::Sample, true));
        assert_eq!(drawn, (Action::AutoReply, vec![]));
        let both = outcome(|i| {
            i.mode = Mode::Draft;
            edit(i, |d| d.confidence = 0.5);
        });
        assert_eq!(both, (Action::Draft, vec![BelowThreshold, ModeCap]));
    }

    #[test]
    fn what_did_not_answer_is_read_from_traces_of_earlier_versions() {
        for cause in
            [Unavailable::Index, Unavailable::IndexInTime, Unavailable::Model, Unavailable::Judgement]
        {
            let stored = serde_json::to_string(&cause).unwrap();
            assert_eq!(serde_json::from_str::<Unavailable>(&stored).unwrap(), cause);
            let before = serde_json::json!(cause.sentence());
            assert_eq!(serde_json::from_value::<Unavailable>(before).unwrap(), cause);
        }
    }

    #[test]
    fn no_draft_or_an_objection_escalates() {
        assert_eq!(outcome(|i| i.draft = None), (Action::Escalate, vec![ReasonCode::NoAnswerInSources]));
        assert_eq!(
            outcome(|i| i.unavailable = Some(Unavailable::Index)),
            (Action::Escalate, vec![ReasonCode::Unavailable])
        );
        let human = outcome(|i| {
            i.mode = Mode::Draft;
            i.checks[0].verdict = Verdict::Escalate;
        });
        assert_eq!(human, (Action::Escalate, vec![ReasonCode::AsksForHuman]));
        let unsure = outcome(|i| edit(i, |d| d.confidence = 0.39));
        assert_eq!(unsure, (Action::Escalate, vec![ReasonCode::LowConfidence]));
        // A mean of signals, which no calibration made a probability of, says nothing of the kind.
        let unknown = outcome(|i| edit(i, |d| (d.confidence, d.calibrated) = (0.39, false)));
        assert_eq!(unknown, (Action::Draft, vec![ReasonCode::NotCertified]));
    }
}
