//! From outcomes to metrics, tables and the questions that went worst.

use std::collections::BTreeMap;

use super::Outcome;
use crate::decision::{Action, ReasonCode};
use crate::eval::dataset::assistant::Expected;
use crate::eval::metrics::bootstrap::Bootstrap;
use crate::eval::metrics::quantile::quantile_of;
use crate::eval::metrics::{Estimate, aurc, binomial, ece};
use crate::eval::report::{ByLanguage, Report, Slice, Table, Worst};

/// Most questions that are listed as worst.
const WORST: usize = 40;

/// Metrics in the order in which they are shown.
const ORDER: [&str; 24] = [
    "document_hit@1",
    "document_hit@5",
    "acceptable_drafts",
    "facts_stated",
    "language_kept",
    "said_no_answer_rightly",
    "said_no_answer_wrongly",
    "auto_reply",
    "draft",
    "escalate",
    "auto_coverage",
    "wrong_auto",
    "missed_escalations",
    "needless_escalations",
    "aurc",
    "risk@25%",
    "risk@50%",
    "risk@100%",
    "ece",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "prompt_tokens_mean",
    "completion_tokens_mean",
];

/// The report of a run.
pub fn report(
    set: &str,
    config_hash: &str,
    texts: bool,
    outcomes: &[Outcome],
    bootstrap: Bootstrap,
) -> Report {
    let by_language = ByLanguage::of(outcomes, |row| row.language);
    Report {
        summary: by_language.summary(set, "assistant", config_hash, |rows| slice(rows, bootstrap)),
        method: method(bootstrap),
        order: ORDER.map(str::to_owned).into(),
        tables: vec![decisions(&by_language), by_why(outcomes), reasons(outcomes)],
        worst: worst(outcomes, texts),
    }
}

fn slice(rows: &[Outcome], bootstrap: Bootstrap) -> Slice {
    let mut metrics: BTreeMap<String, Estimate> = BTreeMap::new();
    let mut add = |name: &str, estimate: Option<Estimate>| {
        metrics.extend(estimate.map(|estimate| (name.to_owned(), estimate)));
    };
    for k in [1, 5] {
        let searched = |row: &&Outcome| row.answerable && row.searched;
        let hit = |row: &Outcome| row.document_rank.is_some_and(|rank| rank <= k);
        add(&format!("document_hit@{k}"), rate(rows, searched, hit));
    }
    add("acceptable_drafts", rate(rows, |row| row.answerable, Outcome::acceptable));
    add(
        "facts_stated",
        bootstrap.mean(rows, |row| {
            row.answerable.then(|| row.draft.map_or(0.0, |d| d.facts_stated as f64 / d.facts_due as f64))
        }),
    );
    add(
        "language_kept",
        rate(rows, |row| row.draft.is_some(), |row| row.draft.is_some_and(|draft| draft.language_kept)),
    );
    let said_no = |row: &Outcome| {
        row.reasons
            .iter()
            .any(|code| matches!(code, ReasonCode::NoAnswerInSources | ReasonCode::NothingRelevant))
    };
    add("said_no_answer_rightly", rate(rows, |row| row.why.as_deref() == Some("not_in_knowledge"), said_no));
    add("said_no_answer_wrongly", rate(rows, |row| row.answerable, said_no));
    for (name, action) in
        [("auto_reply", Action::AutoReply), ("draft", Action::Draft), ("escalate", Action::Escalate)]
    {
        add(name, rate(rows, |_| true, |row| row.action == action));
    }
    let sent = |row: &Outcome| row.action == Action::AutoReply;
    add("auto_coverage", rate(rows, |row| row.answerable, sent));
    add("wrong_auto", rate(rows, |row| sent(row), Outcome::wrongly_sent));
    let escalated = |row: &Outcome| row.action == Action::Escalate;
    add("missed_escalations", rate(rows, |row| row.expected == Expected::Escalate, |row| !escalated(row)));
    add("needless_escalations", rate(rows, |row| row.expected == Expected::Answer, escalated));
    let judged: Vec<(f64, bool)> = rows
        .iter()
        .filter(|row| row.draft.is_some() && !row.signals.is_empty())
        .map(|row| (row.confidence, row.acceptable()))
        .collect();
    let errors = |sample: &[&(f64, bool)]| sample.iter().map(|(c, good)| (*c, !good)).collect::<Vec<_>>();
    add("aurc", bootstrap.estimate(&judged, |sample| aurc::aurc(errors(sample))));
    for share in [25, 50, 100] {
        let risk = |sample: &[&(f64, bool)]| aurc::risk_at_coverage(errors(sample), f64::from(share) / 100.0);
        add(&format!("risk@{share}%"), bootstrap.estimate(&judged, risk));
    }
    add("ece", bootstrap.estimate(&judged, |sample| ece::ece(sample.iter().map(|item| **item))));
    for share in [50, 95, 99] {
        let latency = |sample: &[&Outcome]| {
            quantile_of(sample.iter().map(|row| row.latency_ms), f64::from(share) / 100.0)
        };
        add(&format!("latency_p{share}_ms"), bootstrap.estimate(rows, latency));
    }
    let drafted = |row: &Outcome, tokens: usize| row.draft.is_some().then_some(tokens as f64);
    add("prompt_tokens_mean", bootstrap.mean(rows, |row| drafted(row, row.prompt_tokens)));
    add("completion_tokens_mean", bootstrap.mean(rows, |row| drafted(row, row.completion_tokens)));
    Slice { n: rows.len(), metrics }
}

/// Share of the rows of a kind for which something holds, with its exact interval.
fn rate(
    rows: &[Outcome],
    of: impl Fn(&&Outcome) -> bool,
    holds: impl Fn(&Outcome) -> bool,
) -> Option<Estimate> {
    let (mut n, mut holding) = (0, 0);
    for row in rows.iter().filter(of) {
        n += 1;
        holding += usize::from(holds(row));
    }
    binomial::rate(holding, n)
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

/// Wrong automatic replies first, then missed escalations, then needless ones, then drafts that lack facts.
fn worst(outcomes: &[Outcome], texts: bool) -> Vec<Worst> {
    let mut found: Vec<(usize, &Outcome, &str)> = outcomes
        .iter()
        .filter_map(|row| {
            let due = row.expected == Expected::Escalate;
            let (rank, what) = if row.wrongly_sent() {
                (0, "sent by itself and not acceptable")
            } else if due && row.action != Action::Escalate {
                (1, "a person is due and a draft was made")
            } else if !due && row.document_rank.is_none_or(|rank| rank > 5) && row.searched {
                (2, "the document that holds the answer is not among the first five")
            } else if !due && row.action == Action::Escalate {
                (3, "escalated though the documents hold the answer")
            } else if !due && !row.acceptable() {
                (4, "the draft lacks facts or is in another language")
            } else {
                return None;
            };
            Some((rank, row, what))
        })
        .collect();
    found.sort_by_key(|(rank, _, _)| *rank);
    found
        .into_iter()
        .take(WORST)
        .map(|(_, row, what)| Worst {
            id: row.id.clone(),
            language: row.language.code().to_owned(),
            what: what.to_owned(),
            text: texts.then(|| row.question.clone()),
        })
        .collect()
}

fn method(bootstrap: Bootstrap) -> Vec<String> {
    vec![
        "Every conversation goes through the assistant in mode auto, over an index of the set's own documents made by the \
         same ingestion as in service."
            .into(),
        "A fact is stated when one of its wordings occurs in the draft, whatever the case. A draft is acceptable when the \
         question is answerable, every fact is stated, and the language is the customer's. A draft on a question that the \
         documents do not answer is never acceptable."
            .into(),
        "Rates of yes and no have exact 95% intervals (Clopper and Pearson 1934).".into(),
        format!(
            "Every other metric has a 95% percentile bootstrap interval: {} resamples of the questions, seed {}.",
            bootstrap.resamples, bootstrap.seed
        ),
        "document_hit@k: among answerable questions that were searched. said_no_answer_rightly: among questions of why = \
         not_in_knowledge. wrong_auto: among automatic replies. missed_escalations: among questions where a person is due. \
         needless_escalations and auto_coverage: among answerable ones. aurc, risk and ece: over drafts, by confidence."
            .into(),
        "Where a language shows few automatic replies, read the upper end of wrong_auto, not its value.".into(),
    ]
}
