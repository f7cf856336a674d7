//! What came of one conversation, and whether it was right.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::states;
use crate::conversation::Language;
use crate::conversation::language::{Hint, detect};
use crate::decision::{Action, ReasonCode, Verdict};
use crate::eval::calibration::Example;
use crate::eval::dataset::assistant::{Expected, Row};
use crate::store::suggestion::Suggestion;

/// A draft counts as being in another language from this confidence of the detector on.
const SURE_OF_ANOTHER_LANGUAGE: f64 = 0.8;

/// One row of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Id of the row.
    pub id: String,
    /// Language of the row.
    pub language: Language,
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
    /// What the first draft is worth, where there is one.
    pub draft: Option<DraftOutcome>,
    /// No policy objected.
    pub policies_passed: bool,
    /// Rank among the documents found of the first one that holds the answer, from 1.
    pub document_rank: Option<usize>,
    /// Whether anything was searched.
    pub searched: bool,
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
}

/// What a draft is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DraftOutcome {
    /// Facts it states.
    pub facts_stated: usize,
    /// Facts that are due.
    pub facts_due: usize,
    /// It is in the row's language.
    pub language_kept: bool,
    /// The row is answerable, every fact is stated, and the language is right.
    pub acceptable: bool,
}

impl Outcome {
    /// Compares a suggestion with what its row expects.
    pub(super) fn of(row: &Row, suggestion: &Suggestion, documents: &BTreeMap<String, String>) -> Self {
        let answer = &suggestion.answer;
        let mut found: Vec<&str> = Vec::new();
        let mut seen = BTreeSet::new();
        for retrieved in &suggestion.trace.retrieved {
            let name = documents.get(&retrieved.passage.document_id).map_or("", String::as_str);
            if seen.insert(&retrieved.passage.document_id) {
                found.push(name);
            }
        }
        Self {
            id: row.id.clone(),
            language: row.lang,
            why: row.why.clone(),
            expected: row.expected,
            answerable: row.answerable,
            question: row.messages.last().map_or_else(String::new, |turn| turn.text.clone()),
            action: answer.decision.action,
            reasons: answer.decision.reasons.iter().map(|reason| reason.code).collect(),
            draft: answer.drafts.first().map(|draft| DraftOutcome::of(row, &draft.text)),
            policies_passed: answer.policy.iter().all(|check| check.verdict == Verdict::Pass),
            document_rank: found
                .iter()
                .position(|name| row.relevant.iter().any(|relevant| relevant == name))
                .map(|index| index + 1),
            searched: !suggestion.trace.retrieved.is_empty(),
            confidence: answer.confidence.value,
            signals: answer.confidence.signals.clone(),
            calibration_key: suggestion.trace.calibration_key.clone(),
            worked_in: suggestion.trace.language,
            latency_ms: answer.timings_ms.total,
            prompt_tokens: answer.usage.tokens.prompt_tokens,
            completion_tokens: answer.usage.tokens.completion_tokens,
        }
    }

    /// Whether the first draft could be sent as it is.
    pub fn acceptable(&self) -> bool {
        self.draft.is_some_and(|draft| draft.acceptable)
    }

    /// Sent by itself, and not acceptable.
    pub fn wrongly_sent(&self) -> bool {
        self.action == Action::AutoReply && !self.acceptable()
    }

    /// A row for a calibration: a draft came out, was judged, and no policy objected. Only such replies can ever be sent.
    pub fn example(&self) -> Option<Example> {
        let draft = self.draft.filter(|_| self.policies_passed && !self.signals.is_empty())?;
        Some(Example {
            id: self.id.clone(),
            language: self.worked_in.unwrap_or(self.language),
            signals: self.signals.clone(),
            acceptable: draft.acceptable,
        })
    }
}

impl DraftOutcome {
    fn of(row: &Row, text: &str) -> Self {
        let facts_stated = row.facts.iter().filter(|wordings| states(text, wordings)).count();
        let detection = detect(text, Hint::default());
        let language_kept =
            detection.language == Some(row.lang) || detection.confidence < SURE_OF_ANOTHER_LANGUAGE;
        let acceptable = row.answerable && facts_stated == row.facts.len() && language_kept;
        Self { facts_stated, facts_due: row.facts.len(), language_kept, acceptable }
    }
}
