//! From outcomes to cases: the measures of decisions and of answers, what went wrong, and how it came about.

use super::Outcome;
use crate::decision::Action;
use crate::eval::case::Case;
use crate::eval::dataset::assistant::Expected;
use crate::eval::metrics::statistic::{CONFIDENCE, RIGHT};
use crate::eval::run::beginning;
use crate::eval::task::pass_name;

/// Documents that a trace shows.
const FOUND_SHOWN: usize = 5;
/// Characters of a draft that a trace shows.
const DRAFT_SHOWN: usize = 400;

impl Outcome {
    /// The measures of a row; `texts` says whether the case may hold what was asked and written.
    pub fn case(&self, texts: bool) -> Case {
        let case = Case {
            id: self.id.clone(),
            language: self.language.code().to_owned(),
            channel: Some(self.channel.as_str().to_owned()),
            group: Some(self.why.clone().unwrap_or_else(|| "answerable".into())),
            text: texts.then(|| self.question.clone()),
            ..Case::default()
        };
        let case = self.answer(self.decision(case));
        let mut case = case.with("latency_ms", self.latency_ms).with_yes("success", self.success());
        if let Some(cost) = self.cost {
            case = case.with("cost_per_1000", 1000.0 * cost);
        }
        self.trace(self.fault(case), texts)
    }

    fn decision(&self, mut case: Case) -> Case {
        let is = |action| self.action == action;
        case = case
            .with_yes("auto_reply", is(Action::AutoReply))
            .with_yes("draft", is(Action::Draft))
            .with_yes("escalate", is(Action::Escalate));
        if self.answerable {
            case = case.with_yes("auto_coverage", is(Action::AutoReply));
        }
        if is(Action::AutoReply) {
            case = case.with_yes("wrong_auto", self.wrongly_sent());
        }
        case = match self.expected {
            Expected::Escalate => case.with_yes("missed_escalations", !is(Action::Escalate)),
            Expected::Answer => case.with_yes("needless_escalations", is(Action::Escalate)),
        };
        if let Some(evidenced) = self.evidenced {
            case = case.with_yes("escalations_with_evidence", evidenced);
        }
        if self.draft.is_some() && !self.signals.is_empty() {
            case = case.with(CONFIDENCE, self.confidence).with_yes(RIGHT, self.acceptable());
        }
        case
    }

    fn answer(&self, mut case: Case) -> Case {
        let share = |(part, whole): (usize, usize)| part as f64 / whole as f64;
        if self.answerable {
            case = case
                .with_yes("acceptable_drafts", self.acceptable())
                .with_yes("said_no_answer_wrongly", self.said_no_answer());
        }
        if self.why.as_deref() == Some("not_in_knowledge") {
            case = case.with_yes("said_no_answer_rightly", self.said_no_answer());
        }
        let rank = self.document_rank.unwrap_or(usize::MAX);
        if self.answerable && self.searched() && self.relevant > 0 {
            case = case.with_yes("document_hit@1", rank <= 1).with_yes("document_hit@5", rank <= 5);
        }
        let Some(draft) = &self.draft else {
            return if self.answerable { case.with("facts_stated", 0.0) } else { case };
        };
        case = case
            .with_yes("language_kept", draft.language_kept)
            .with("prompt_tokens_mean", self.prompt_tokens as f64)
            .with("completion_tokens_mean", self.completion_tokens as f64);
        if draft.sentences.1 > 0 {
            case = case.with("sentences_grounded", share(draft.sentences));
        }
        if !self.answerable {
            return case;
        }
        if draft.facts_due > 0 {
            case = case.with("facts_stated", share((draft.facts_stated, draft.facts_due)));
        }
        if draft.numbers.1 > 0 {
            case = case.with("numbers_kept", share(draft.numbers));
        }
        if self.relevant > 0 {
            case = case.with("citation_recall", share((draft.cited.1, self.relevant)));
            if draft.cited.0 > 0 {
                case = case.with("citation_precision", share((draft.cited.1, draft.cited.0)));
            }
        }
        case
    }

    /// Wrong automatic replies first, then missed escalations, then what was not found, then needless escalations, then
    /// drafts that lack facts.
    fn fault(&self, case: Case) -> Case {
        let due = self.expected == Expected::Escalate;
        let far = self.document_rank.is_none_or(|rank| rank > 5) && case.measure("document_hit@5").is_some();
        case.at_fault(self.wrongly_sent(), 5, "sent by itself and not acceptable")
            .at_fault(due && self.action != Action::Escalate, 4, "a person is due and a draft was made")
            .at_fault(!due && far, 3, "the document that holds the answer is not among the first five")
            .at_fault(
                !due && self.action == Action::Escalate,
                2,
                "escalated though the documents hold the answer",
            )
            .at_fault(
                !due && !self.acceptable(),
                1,
                "the draft lacks facts, holds what it must not, or is in another language",
            )
    }

    fn trace(&self, case: Case, texts: bool) -> Case {
        let reasons: Vec<String> = self.reasons.iter().map(word).collect();
        let signals: Vec<String> =
            self.signals.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
        let decided = if reasons.is_empty() {
            word(&self.action)
        } else {
            format!("{}: {}", word(&self.action), reasons.join(", "))
        };
        let mut case = case.traced("decided", decided);
        let found: Vec<&str> = self.found.iter().take(FOUND_SHOWN).map(String::as_str).collect();
        case = case.traced("found", if found.is_empty() { "nothing".to_owned() } else { found.join(", ") });
        if let Some(draft) = &self.draft {
            if texts {
                case = case.traced("draft", beginning(&draft.text, DRAFT_SHOWN));
            }
            let facts = format!("{} of {}", draft.facts_stated, draft.facts_due);
            case = case.traced("facts stated", facts).traced("confidence", format!("{:.2}", self.confidence));
        }
        if signals.is_empty() { case } else { case.traced("signals", signals.join(", ")) }
    }
}

/// The name of a code on the wire.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Adds to the first of several trials of the same rows how often all of so many trials are right: the unbiased estimate
/// of Yao et al. (arXiv 2406.12045), C(successes, k) ∕ C(trials, k).
pub fn with_trials(mut first: Vec<Case>, trials: &[Vec<Case>]) -> Vec<Case> {
    let all = trials.len() + 1;
    for (index, case) in first.iter_mut().enumerate() {
        let right = |case: Option<&Case>| case.and_then(|case| case.measure("success")) == Some(1.0);
        let successes =
            usize::from(right(Some(case))) + trials.iter().filter(|trial| right(trial.get(index))).count();
        for k in 1..=all {
            // C(s, k) ∕ C(n, k) = ∏ (s − i) ∕ (n − i).
            let share = (0..k).map(|i| successes.saturating_sub(i) as f64 / (all - i) as f64).product();
            case.measures.insert(pass_name(k), share);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_are_counted_without_bias() {
        let case = |success: bool| Case::default().with_yes("success", success);
        let trials = [vec![case(true), case(false)], vec![case(false), case(false)]];
        let cases = with_trials(vec![case(true), case(true)], &trials);
        let of = |index: usize, k: usize| cases[index].measure(&pass_name(k)).unwrap();
        assert!((of(0, 1) - 2.0 / 3.0).abs() < 1e-12);
        assert!((of(0, 2) - 1.0 / 3.0).abs() < 1e-12, "one pair of three is right twice");
        assert!(of(0, 3).abs() < 1e-12);
        assert!((of(1, 1) - 1.0 / 3.0).abs() < 1e-12);
    }
}
