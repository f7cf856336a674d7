//! Labels from what agents did with drafts.
//!
//! Agents judge what they please: an easy draft is accepted, a bad one is passed over, and labels that were chosen by
//! anything that has to do with the reply would certify another population than the one that is answered. So only a slice
//! that was drawn at random, before anybody looked, certifies (a simple random sample of the replies; Horvitz and Thompson
//! 1952 with equal weights, so that errors in it are binomial and the test stays exact). The draw is a hash of the
//! suggestion's id: nobody chooses it, and a larger share holds every smaller one. A reply of the slice without a verdict
//! counts as not acceptable, the worst it can be. All other verdicts fit, where bias costs sharpness but no guarantee.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Example, Sample};
use crate::conversation::Language;
use crate::decision::Verdict;
use crate::decision::rollout::audited;
use crate::judgement::calibration::{CalibrationKey, Split};
use crate::store::suggestion::Suggestion;

/// How feedback becomes labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Share of the replies that is drawn to certify.
    pub audit_share: f64,
    /// Share of the characters that an agent may change in a reply that was acceptable all the same.
    pub edit_tolerance: f64,
}

/// What became of the suggestions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Met no objection and belong to this procedure.
    pub replies: usize,
    /// Belong to another procedure: another model, prompt, embedder or other settings.
    pub other_key: usize,
    /// Drawn to certify.
    pub drawn: usize,
    /// Drawn and without a verdict: they count as not acceptable.
    pub drawn_silent: usize,
    /// Neither drawn nor judged: left out.
    pub silent: usize,
}

/// The labelled replies among suggestions, which come oldest first. Only what met no objection of a policy can ever be sent;
/// of several suggestions for one message the newest counts.
pub fn from_feedback(suggestions: &[Suggestion], key: &CalibrationKey, reading: Reading) -> (Sample, Tally) {
    let mut sample = Sample { fit: Vec::new(), certify: Vec::new(), split: Split::Audit };
    let mut tally = Tally::default();
    let mut seen = BTreeSet::new();
    for suggestion in suggestions.iter().rev() {
        let Suggestion { answer, conversation, trace, feedback, .. } = suggestion;
        let objected = answer.policy.iter().any(|check| check.verdict != Verdict::Pass);
        let (Some(draft), Some(judgement), Some(message), false) =
            (answer.drafts.first(), &trace.judgement, conversation.last_customer_message(), objected)
        else {
            continue;
        };
        if !seen.insert((conversation.id.as_str(), message.id.as_str())) {
            continue;
        }
        if trace.calibration_key.parse().as_ref() != Ok(key) {
            tally.other_key += 1;
            continue;
        }
        tally.replies += 1;
        let acceptable =
            feedback.as_ref().map(|feedback| feedback.acceptable(&draft.text, reading.edit_tolerance));
        let example = |acceptable| Example {
            id: answer.id.clone(),
            language: trace.language.unwrap_or(Language::En),
            signals: judgement.confidence.signals.clone(),
            acceptable,
        };
        if audited(&answer.id, reading.audit_share) {
            tally.drawn += 1;
            tally.drawn_silent += usize::from(acceptable.is_none());
            sample.certify.push(example(acceptable.unwrap_or(false)));
        } else if let Some(acceptable) = acceptable {
            sample.fit.push(example(acceptable));
        } else {
            tally.silent += 1;
        }
    }
    (sample, tally)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;

    use super::*;
    use crate::decision::{Action, PolicyCheck, ReasonCode};
    use crate::eval::replay::tests::suggestion;
    use crate::judgement::calibration::tests::key;
    use crate::judgement::{Confidence, Judgement};
    use crate::store::suggestion::{Feedback, FeedbackOutcome, PublicDraft};

    const READING: Reading = Reading { audit_share: 0.3, edit_tolerance: 0.1 };

    fn stored(number: usize, outcome: Option<(FeedbackOutcome, usize)>) -> Suggestion {
        let mut stored = suggestion(&format!("sug_{number}"), Action::Draft, &[ReasonCode::NotCertified]);
        stored.answer.id = format!("sug_{number}");
        stored.conversation.id = format!("c{number}");
        stored.answer.drafts = vec![PublicDraft {
            text: "A reply of thirty-three characters".into(),
            language: Language::En,
            ai_generated: true,
            citations: Vec::new(),
        }];
        let signals = BTreeMap::from([("support".to_owned(), 0.5)]);
        stored.trace.judgement = Some(Judgement {
            sentences: Vec::new(),
            confidence: Confidence { signals, ..Confidence::default() },
        });
        stored.trace.calibration_key = key("m").to_string();
        stored.feedback = outcome.map(|(outcome, distance)| Feedback {
            outcome,
            text: None,
            reason: None,
            agent: None,
            edit_distance: Some(distance),
            at: DateTime::UNIX_EPOCH,
        });
        stored
    }

    #[test]
    fn the_random_slice_certifies_and_a_missing_verdict_counts_against_it() {
        let outcome = |n: usize| n.is_multiple_of(2).then_some((FeedbackOutcome::Accepted, 0));
        let stored: Vec<Suggestion> = (0..1000).map(|number| stored(number, outcome(number))).collect();
        let (sample, tally) = from_feedback(&stored, &key("m"), READING);
        assert_eq!(tally.drawn, sample.certify.len());
        assert!((250..350).contains(&tally.drawn), "{tally:?}");
        assert!((100..200).contains(&tally.drawn_silent), "{tally:?}");
        assert_eq!(sample.certify.iter().filter(|e| !e.acceptable).count(), tally.drawn_silent);
        assert_eq!(tally.replies, tally.drawn + sample.fit.len() + tally.silent);
        assert!(sample.fit.iter().all(|example| example.acceptable));
        let larger = from_feedback(&stored, &key("m"), Reading { audit_share: 0.5, ..READING }).0;
        assert!(sample.certify.iter().all(|example| larger.certify.contains(example)));
    }

    #[test]
    fn verdicts_become_labels() {
        let label = |outcome, distance| {
            let stored = stored(1, Some((outcome, distance)));
            let (sample, _) = from_feedback(&[stored], &key("m"), Reading { audit_share: 0.0, ..READING });
            sample.fit[0].acceptable
        };
        assert!(label(FeedbackOutcome::Accepted, 0));
        assert!(label(FeedbackOutcome::Edited, 3), "a typo");
        assert!(!label(FeedbackOutcome::Edited, 4), "more than a tenth");
        assert!(!label(FeedbackOutcome::Rejected, 0));
    }

    #[test]
    fn other_procedures_objections_and_repetitions_are_left_out() {
        let accepted = || stored(1, Some((FeedbackOutcome::Accepted, 0)));
        let mut other = stored(2, Some((FeedbackOutcome::Accepted, 0)));
        other.trace.calibration_key = "model=a prompt=b embedder=c".into();
        let mut objected = stored(3, Some((FeedbackOutcome::Accepted, 0)));
        objected.answer.policy = vec![PolicyCheck {
            check: ReasonCode::Ungrounded,
            verdict: Verdict::Draft,
            detail: None,
            evidence: Vec::new(),
        }];
        let mut rejected_before = accepted();
        rejected_before.answer.id = "sug_0".into();
        let all = [rejected_before, accepted(), other, objected];
        let (sample, tally) = from_feedback(&all, &key("m"), Reading { audit_share: 0.0, ..READING });
        assert_eq!(sample.fit.len(), 1);
        assert_eq!(tally, Tally { replies: 1, other_key: 1, ..Tally::default() });
    }
}
