//! What came of one conversation, and whether it was right.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::Asked;
use super::facts::states;
use crate::conversation::language::{Hint, detect};
use crate::conversation::{Channel, Language};
use crate::decision::{Action, Decision, ReasonCode, Verdict};
use crate::eval::calibration::Example;
use crate::eval::dataset::assistant::{Expected, Row};
use crate::inference::TokenUsage;
use crate::store::suggestion::{PublicDraft, Suggestion};

/// A draft counts as being in another language from this confidence of the detector on.
const SURE_OF_ANOTHER_LANGUAGE: f64 = 0.8;
/// Backend whose tokens cost nothing.
const CANDLE: &str = "candle";

/// One row of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Id of the row.
    pub id: String,
    /// Language of the row.
    pub language: Language,
    /// Where the customer writes.
    pub channel: Channel,
    /// Why a person is due.
    pub why: Option<String>,
    /// What is due.
    pub expected: Expected,
    /// Whether the documents hold the answer.
    pub answerable: bool,
    /// What the customer asked last, for reports of sets that allow it.
    pub question: String,
    /// What was done.
    pub action: Action,
    /// Why.
    pub reasons: Vec<ReasonCode>,
    /// Of an escalation: each of its reasons says what it stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidenced: Option<bool>,
    /// What the first draft is worth, where there is one.
    pub draft: Option<DraftOutcome>,
    /// No policy objected.
    pub policies_passed: bool,
    /// Documents that hold the answer.
    pub relevant: usize,
    /// Documents found, best first, by their names in the set.
    pub found: Vec<String>,
    /// Rank among them of the first one that holds the answer, from 1.
    pub document_rank: Option<usize>,
    /// How sure the assistant was.
    pub confidence: f64,
    /// Signals behind the confidence.
    pub signals: BTreeMap<String, f64>,
    /// Model, prompt and embedder behind the reply.
    pub calibration_key: String,
    /// Language the assistant worked in.
    pub worked_in: Option<Language>,
    /// Milliseconds from question to answer.
    pub latency_ms: f64,
    /// Tokens read.
    pub prompt_tokens: usize,
    /// Tokens written.
    pub completion_tokens: usize,
    /// What the draft cost, where the prices of the hosted model are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// What a draft is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DraftOutcome {
    /// The reply.
    pub text: String,
    /// Facts it states.
    pub facts_stated: usize,
    /// Facts that are due.
    pub facts_due: usize,
    /// Facts with a figure that it states, and all that are due.
    pub numbers: (usize, usize),
    /// It is in the row's language.
    pub language_kept: bool,
    /// The row is answerable, every fact is stated, nothing forbidden is, and the language is right.
    pub acceptable: bool,
    /// Documents it cites, and those of them that hold the answer.
    pub cited: (usize, usize),
    /// Sentences that a passage supports with every claim in them, and all.
    pub sentences: (usize, usize),
}

impl Outcome {
    /// Compares a suggestion with what its row expects.
    pub(super) fn of(row: &Row, suggestion: &Suggestion, asked: &Asked<'_>) -> Self {
        let (documents, floor) = (asked.documents, asked.floor);
        let answer = &suggestion.answer;
        let mut found: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for retrieved in suggestion.trace.retrieved.iter().filter(|hit| hit.found_now()) {
            if seen.insert(&retrieved.passage.document_id) {
                found.push(documents.get(&retrieved.passage.document_id).cloned().unwrap_or_default());
            }
        }
        Self {
            id: row.id.clone(),
            language: row.lang,
            channel: row.channel,
            why: row.why.clone(),
            expected: row.expected,
            answerable: row.answerable,
            question: row.messages.last().map_or_else(String::new, |turn| turn.text.clone()),
            action: answer.decision.action,
            reasons: answer.decision.reasons.iter().map(|reason| reason.code).collect(),
            evidenced: (answer.decision.action == Action::Escalate).then(|| evidenced(&answer.decision)),
            draft: answer
                .drafts
                .first()
                .map(|draft| DraftOutcome::of(row, draft, suggestion, documents, floor)),
            policies_passed: answer.policy.iter().all(|check| check.verdict == Verdict::Pass),
            document_rank: found.iter().position(|name| row.relevant.contains(name)).map(|index| index + 1),
            relevant: row.relevant.len(),
            found,
            confidence: answer.confidence.value,
            signals: answer.confidence.signals.clone(),
            calibration_key: suggestion.trace.calibration_key.clone(),
            worked_in: suggestion.trace.language,
            latency_ms: answer.timings_ms.total,
            prompt_tokens: answer.usage.tokens.prompt_tokens,
            completion_tokens: answer.usage.tokens.completion_tokens,
            cost: asked.hosted.and_then(|hosted| {
                // A quote costs what the model took that found no answer before it.
                let local = answer.usage.backend == CANDLE;
                hosted.cost(if local { TokenUsage::default() } else { answer.usage.tokens })
            }),
        }
    }

    /// Whether anything was found.
    pub fn searched(&self) -> bool {
        !self.found.is_empty()
    }

    /// Whether the first draft could be sent as it is.
    pub fn acceptable(&self) -> bool {
        self.draft.as_ref().is_some_and(|draft| draft.acceptable)
    }

    /// Sent by itself, and not acceptable.
    pub fn wrongly_sent(&self) -> bool {
        self.action == Action::AutoReply && !self.acceptable()
    }

    /// The assistant said that it knows no answer.
    pub fn said_no_answer(&self) -> bool {
        let no =
            |code: &ReasonCode| matches!(code, ReasonCode::NoAnswerInSources | ReasonCode::NothingRelevant);
        self.reasons.iter().any(no)
    }

    /// What was due was done: a person got it, or an acceptable draft came out.
    pub fn success(&self) -> bool {
        match self.expected {
            Expected::Escalate => self.action == Action::Escalate,
            Expected::Answer => self.action != Action::Escalate && self.acceptable(),
        }
    }

    /// A row for a calibration: a draft came out, was judged, and no policy objected. Only such replies can ever be sent.
    pub fn example(&self) -> Option<Example> {
        let draft = self.draft.as_ref().filter(|_| self.policies_passed && !self.signals.is_empty())?;
        Some(Example {
            id: self.id.clone(),
            language: self.worked_in.unwrap_or(self.language),
            signals: self.signals.clone(),
            acceptable: draft.acceptable,
        })
    }
}

/// Whether there are reasons, and each says what it stands on.
fn evidenced(decision: &Decision) -> bool {
    !decision.reasons.is_empty() && decision.reasons.iter().all(|reason| !reason.evidence.is_empty())
}

impl DraftOutcome {
    fn of(
        row: &Row,
        draft: &PublicDraft,
        suggestion: &Suggestion,
        documents: &BTreeMap<String, String>,
        floor: f64,
    ) -> Self {
        let text = draft.text.as_str();
        let stated: Vec<bool> = row.facts.iter().map(|wordings| states(text, wordings)).collect();
        let figures = row.facts.iter().map(|wordings| wordings.iter().any(|w| w.contains(char::is_numeric)));
        let figures: Vec<bool> =
            figures.zip(&stated).filter(|(figure, _)| *figure).map(|(_, s)| *s).collect();
        let count = |of: &[bool]| of.iter().filter(|yes| **yes).count();
        let detection = detect(text, Hint::default());
        let language_kept =
            detection.language == Some(row.lang) || detection.confidence < SURE_OF_ANOTHER_LANGUAGE;
        let keeps_out = !row.forbidden.iter().any(|wording| states(text, std::slice::from_ref(wording)));
        let matches = |pattern: &String| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
        let facts_stated = count(&stated);
        let right = facts_stated == row.facts.len() && keeps_out && row.patterns.iter().all(matches);
        let cited: BTreeSet<&str> = draft
            .citations
            .iter()
            .filter_map(|c| documents.get(&c.document_id))
            .map(String::as_str)
            .collect();
        let relevant: BTreeSet<&str> = row.relevant.iter().map(String::as_str).collect();
        let sentences = suggestion.trace.judgement.as_ref().map_or(&[][..], |judged| &judged.sentences);
        let grounded = sentences.iter().filter(|s| s.support >= floor && s.unsupported.is_empty()).count();
        Self {
            text: text.to_owned(),
            facts_stated,
            facts_due: row.facts.len(),
            numbers: (count(&figures), figures.len()),
            language_kept,
            acceptable: row.answerable && right && language_kept,
            cited: (cited.len(), cited.intersection(&relevant).count()),
            sentences: (grounded, sentences.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Evidence, Reason};

    #[test]
    fn one_reason_without_evidence_is_one_too_many() {
        let reason = |evidence: &[Evidence]| Reason {
            code: ReasonCode::Complaint,
            detail: "d".into(),
            evidence: evidence.to_vec(),
        };
        let message = [Evidence::Message { id: "m".into() }];
        let escalated = |reasons| evidenced(&Decision { action: Action::Escalate, reasons });
        assert!(escalated(vec![reason(&message)]));
        assert!(!escalated(vec![reason(&message), reason(&[])]));
        assert!(!escalated(Vec::new()));
    }
}
