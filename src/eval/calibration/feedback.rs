//! Labels from what agents did with drafts.
//!
//! Agents judge what they please: an easy draft is accepted, a bad one is passed over, and labels that were chosen by
//! anything that has to do with the reply would certify another population than the one that is answered. So only a slice
//! that was drawn at random, before anybody looked, certifies (a simple random sample of the replies; Horvitz and Thompson
//! 1952 with equal weights, so that errors in it are binomial and the test stays exact). The draw is a hash of the
//! suggestion's id: nobody chooses it, and a larger share holds every smaller one. A reply of the slice without a verdict
//! counts as not acceptable, the worst it can be. All other verdicts fit, where bias costs sharpness but no guarantee.
//!
//! Of several suggestions for one message the first counts, for it is the one that would be sent. Whoever rejects it,
//! corrects the knowledge and asks again had reasons, and those chose the later ones.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Example, Sample};
use crate::conversation::Language;
use crate::decision::rollout::audited;
use crate::decision::{Action, Mode};
use crate::judgement::calibration::{CalibrationKey, Split};
use crate::store::suggestion::{FeedbackOutcome, PublicDraft, Suggestion};

/// How feedback becomes labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Share of the replies that is drawn to certify.
    pub audit_share: f64,
    /// Share of the characters that an agent may change in a reply that was acceptable all the same.
    pub edit_tolerance: f64,
    /// Share of the knowledge that may have changed since a reply was written.
    pub knowledge_drift: f64,
}

/// What became of the suggestions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Met no objection and belong to this procedure.
    pub replies: usize,
    /// Came about otherwise than what is sent does: their call allowed drafts at most.
    pub other_mode: usize,
    /// Were shown to nobody, so that nobody could judge them.
    pub unseen: usize,
    /// Belong to another procedure: another model, prompt, embedder or other settings.
    pub other_key: usize,
    /// Were written from a knowledge of which too much has changed since.
    pub other_knowledge: usize,
    /// Drawn to certify.
    pub drawn: usize,
    /// Drawn and without a verdict: they count as not acceptable.
    pub drawn_silent: usize,
    /// Neither drawn nor judged: left out.
    pub silent: usize,
}

/// The labelled replies among suggestions, which come oldest first, each with the share of the knowledge that has changed
/// since. Only what met no objection of a policy can ever be sent; of several suggestions for one message the first counts.
pub fn from_feedback(
    suggestions: &[(Suggestion, f64)],
    key: &CalibrationKey,
    reading: Reading,
) -> (Sample, Tally) {
    let mut sample = Sample { fit: Vec::new(), certify: Vec::new(), split: Split::Audit };
    let mut tally = Tally::default();
    let mut seen = BTreeSet::new();
    for (suggestion, drift) in suggestions {
        let Suggestion { answer, conversation, trace, .. } = suggestion;
        let Some(message) = conversation.last_customer_message() else { continue };
        // Before anything is looked at that may have to do with the outcome.
        let first = seen.insert((conversation.id.as_str(), message.id.as_str()));
        let Some((draft, judgement)) = suggestion.unopposed().filter(|_| first) else { continue };
        if !suggestion.as_sent() {
            tally.other_mode += 1;
            continue;
        }
        if suggestion.mode == Mode::Shadow {
            tally.unseen += 1;
            continue;
        }
        if trace.calibration_key.parse().as_ref() != Ok(key) {
            tally.other_key += 1;
            continue;
        }
        if *drift > reading.knowledge_drift {
            tally.other_knowledge += 1;
            continue;
        }
        tally.replies += 1;
        let acceptable = label(suggestion, draft, reading.edit_tolerance);
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

/// Whether a draft was acceptable, as far as anybody said. An escalation that was accepted was right, which says nothing of
/// the draft in it.
fn label(suggestion: &Suggestion, draft: &PublicDraft, tolerance: f64) -> Option<bool> {
    let feedback = suggestion.feedback.as_ref()?;
    let handed_over = suggestion.answer.decision.action == Action::Escalate;
    (!handed_over || feedback.outcome != FeedbackOutcome::Accepted)
        .then(|| feedback.acceptable(Some(draft), tolerance))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;

    use super::*;
    use crate::decision::rollout::Allowed;
    use crate::decision::{DecisionInput, PolicyCheck, ReasonCode, Verdict};
    use crate::eval::replay::tests::suggestion;
    use crate::judgement::calibration::tests::key;
    use crate::judgement::{Confidence, Judgement};
    use crate::store::suggestion::Feedback;

    const READING: Reading = Reading { audit_share: 0.3, edit_tolerance: 0.1, knowledge_drift: 0.1 };
    const DRAFT: &str = "A entrega normal leva até 3 dias.";

    fn stored(number: usize, outcome: Option<(FeedbackOutcome, &str)>) -> Suggestion {
        let mut stored = suggestion(&format!("sug_{number}"), Action::Draft, &[ReasonCode::NotCertified]);
        stored.conversation.id = format!("c{number}");
        stored.answer.drafts = vec![PublicDraft {
            text: DRAFT.into(),
            language: Language::Pt,
            ai_generated: true,
            citations: Vec::new(),
        }];
        let signals = BTreeMap::from([("support".to_owned(), 0.5)]);
        stored.trace.judgement = Some(Judgement {
            sentences: Vec::new(),
            confidence: Confidence { signals, ..Confidence::default() },
        });
        stored.trace.calibration_key = key("m").to_string();
        stored.feedback = outcome.map(|(outcome, text)| Feedback {
            outcome,
            text: Some(text.into()),
            reason: None,
            agent: None,
            edit_distance: Some(strsim::levenshtein(DRAFT, text)),
            at: DateTime::UNIX_EPOCH,
        });
        stored
    }

    fn accepted(number: usize) -> Suggestion {
        stored(number, Some((FeedbackOutcome::Accepted, DRAFT)))
    }

    /// As they come out where nothing is drawn and the knowledge is what it was.
    fn read(suggestions: impl IntoIterator<Item = Suggestion>) -> (Sample, Tally) {
        let suggestions: Vec<_> = suggestions.into_iter().map(|suggestion| (suggestion, 0.0)).collect();
        from_feedback(&suggestions, &key("m"), Reading { audit_share: 0.0, ..READING })
    }

    #[test]
    fn the_random_slice_certifies_and_a_missing_verdict_counts_against_it() {
        let outcome = |n: usize| n.is_multiple_of(2).then_some((FeedbackOutcome::Accepted, DRAFT));
        let stored: Vec<_> = (0..1000).map(|number| (stored(number, outcome(number)), 0.0)).collect();
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
        let label = |outcome, text| read([stored(1, Some((outcome, text)))]).0.fit[0].acceptable;
        assert!(label(FeedbackOutcome::Accepted, DRAFT));
        assert!(!label(FeedbackOutcome::Rejected, DRAFT));
        for (sent, acceptable) in [
            ("A entrega normal leva até 3 dias!", true),
            ("A entrega normal léva ate 3 dias.", true),
            ("Oi! A entrega normal leva até 3 dias.", false), // more than a tenth
            ("A entrega normal leva até 30 dias.", false),
            ("A entrega normal não leva até 3 dias.", false),
        ] {
            assert_eq!(label(FeedbackOutcome::Edited, sent), acceptable, "{sent}");
        }
        let wide = Reading { audit_share: 0.0, edit_tolerance: 0.5, ..READING };
        for (sent, acceptable) in [
            ("Oi! A entrega normal leva até 3 dias.", true),
            ("Oi! A entrega normal leva até 30 dias.", false),
            ("A entrega normal não leva até 3 dias.", false),
        ] {
            let edited = [(stored(1, Some((FeedbackOutcome::Edited, sent))), 0.0)];
            let (sample, _) = from_feedback(&edited, &key("m"), wide);
            assert_eq!(sample.fit[0].acceptable, acceptable, "whatever its length: {sent}");
        }
    }

    #[test]
    fn an_accepted_escalation_is_no_label_of_its_draft() {
        let escalated = |outcome| {
            let mut escalated = stored(1, Some((outcome, DRAFT)));
            escalated.answer.decision.action = Action::Escalate;
            read([escalated])
        };
        let (sample, tally) = escalated(FeedbackOutcome::Accepted);
        assert_eq!((sample.fit.len(), tally.silent), (0, 1));
        assert!(escalated(FeedbackOutcome::Edited).0.fit[0].acceptable, "sent as it was drafted");
        assert!(!escalated(FeedbackOutcome::Rejected).0.fit[0].acceptable);
    }

    #[test]
    fn the_first_suggestion_for_a_message_counts() {
        let mut rejected = stored(1, Some((FeedbackOutcome::Rejected, DRAFT)));
        rejected.answer.id = "sug_before".into();
        let (sample, tally) = read([rejected, accepted(1)]);
        assert_eq!((sample.fit.len(), sample.fit[0].acceptable, tally.replies), (1, false, 1));
        assert_eq!(sample.fit[0].id, "sug_before");
        // Also where the first could not be sent: what comes after the knowledge was corrected was chosen.
        let mut without = accepted(2);
        without.answer.drafts.clear();
        assert_eq!(read([without, accepted(2)]).1, Tally::default());
    }

    #[test]
    fn what_came_about_otherwise_than_what_is_sent_is_left_out() {
        let asked = |number, asked, capped, already_replied| {
            let mut asked_so = accepted(number);
            asked_so.mode = capped;
            asked_so.trace.decided = Some(DecisionInput {
                mode: asked,
                rollout: Allowed::default(),
                checks: Vec::new(),
                draft: None,
                already_replied,
                unavailable: None,
            });
            asked_so
        };
        let (sample, tally) = read([
            asked(1, Mode::Auto, Mode::Draft, false),
            asked(2, Mode::Auto, Mode::Shadow, false),
            asked(3, Mode::Shadow, Mode::Shadow, false),
            asked(4, Mode::Draft, Mode::Draft, false),
            asked(5, Mode::Draft, Mode::Shadow, false),
            asked(6, Mode::Auto, Mode::Auto, true),
        ]);
        assert_eq!(sample.fit.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["sug_1"]);
        assert_eq!(tally, Tally { replies: 1, other_mode: 3, unseen: 2, ..Tally::default() });
    }

    #[test]
    fn other_procedures_other_knowledge_and_objections_are_left_out() {
        let mut other = accepted(2);
        other.trace.calibration_key = "model=a prompt=b embedder=c".into();
        let mut objected = accepted(3);
        objected.answer.policy = vec![PolicyCheck {
            check: ReasonCode::Ungrounded,
            verdict: Verdict::Draft,
            detail: None,
            evidence: Vec::new(),
        }];
        let all = [(accepted(1), 0.1), (other, 0.0), (objected, 0.0), (accepted(4), 0.11)];
        let (sample, tally) = from_feedback(&all, &key("m"), Reading { audit_share: 0.0, ..READING });
        assert_eq!(sample.fit.len(), 1);
        assert_eq!(tally, Tally { replies: 1, other_key: 1, other_knowledge: 1, ..Tally::default() });
    }
}
