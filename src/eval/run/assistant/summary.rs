//! From outcomes to the tables of a report, and the words that explain it.

use std::collections::BTreeMap;

use super::Outcome;
use crate::decision::Action;
use crate::eval::dataset::assistant::Expected;
use crate::eval::report::{ByLanguage, Table};

/// Decisions by language, by what is due, and their reasons.
pub fn tables(outcomes: &[Outcome]) -> Vec<Table> {
    let by_language = ByLanguage::of(outcomes, |row| row.language);
    vec![decisions(&by_language), by_why(outcomes), reasons(outcomes)]
}

fn count(rows: &[Outcome], holds: impl Fn(&Outcome) -> bool) -> usize {
    rows.iter().filter(|row| holds(row)).count()
}

fn decisions(by_language: &ByLanguage<'_, Outcome>) -> Table {
    let line = |name: &str, rows: &[Outcome]| {
        let of = |action| count(rows, |row| row.action == action);
        let wrong = count(rows, Outcome::wrongly_sent);
        let sent = of(Action::AutoReply);
        let due = count(rows, |row| row.expected == Expected::Escalate);
        let missed = count(rows, |row| row.expected == Expected::Escalate && row.action != Action::Escalate);
        let needless = count(rows, |row| row.expected == Expected::Answer && row.action == Action::Escalate);
        vec![
            name.to_owned(),
            rows.len().to_string(),
            sent.to_string(),
            of(Action::Draft).to_string(),
            of(Action::Escalate).to_string(),
            format!("{wrong} of {sent}"),
            format!("{missed} of {due}"),
            format!("{needless} of {}", rows.len() - due),
        ]
    };
    Table {
        title: "Decisions".into(),
        columns: [
            "language",
            "n",
            "auto_reply",
            "draft",
            "escalate",
            "wrong auto",
            "missed escalations",
            "needless escalations",
        ]
        .map(str::to_owned)
        .into(),
        rows: by_language.rows(line),
    }
}

fn by_why(outcomes: &[Outcome]) -> Table {
    let mut groups: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for outcome in outcomes {
        let group = groups.entry(outcome.why.as_deref().unwrap_or("answerable")).or_default();
        group[match outcome.action {
            Action::AutoReply => 0,
            Action::Draft => 1,
            Action::Escalate => 2,
        }] += 1;
    }
    Table {
        title: "Decisions by what is due".into(),
        columns: ["why", "n", "auto_reply", "draft", "escalate"].map(str::to_owned).into(),
        rows: groups
            .into_iter()
            .map(|(why, counts)| {
                let n: usize = counts.iter().sum();
                std::iter::once(why.to_owned())
                    .chain(std::iter::once(n).chain(counts).map(|count| count.to_string()))
                    .collect()
            })
            .collect(),
    }
}

fn reasons(outcomes: &[Outcome]) -> Table {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for outcome in outcomes {
        for code in &outcome.reasons {
            let name = serde_json::to_value(code).ok().and_then(|value| value.as_str().map(str::to_owned));
            let count = counts.entry(name.unwrap_or_default()).or_default();
            match outcome.expected {
                Expected::Answer => count.0 += 1,
                Expected::Escalate => count.1 += 1,
            }
        }
    }
    Table {
        title: "Reasons".into(),
        columns: ["reason", "where a reply is due", "where a person is due"].map(str::to_owned).into(),
        rows: counts
            .into_iter()
            .map(|(code, (reply, person))| vec![code, reply.to_string(), person.to_string()])
            .collect(),
    }
}

/// How the numbers were made.
pub fn method() -> Vec<String> {
    vec![
        "Every conversation goes through the assistant in mode auto, over an index of the set's own documents made by the \
         same ingestion as in service."
            .into(),
        "A fact is stated when one of its wordings occurs in the draft, whatever the case. A draft is acceptable when the \
         question is answerable, every fact is stated, and the language is the customer's. A draft on a question that the \
         documents do not answer is never acceptable."
            .into(),
        "document_hit@k: among answerable questions that were searched. said_no_answer_rightly: among questions of why = \
         not_in_knowledge. wrong_auto: among automatic replies. missed_escalations: among questions where a person is due. \
         needless_escalations and auto_coverage: among answerable ones. escalations_with_evidence: among escalations. aurc, risk and ece: over drafts, by confidence."
            .into(),
        "Where a language shows few automatic replies, read the upper end of wrong_auto, not its value.".into(),
    ]
}
