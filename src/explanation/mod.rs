//! Why a suggestion came out as it did, in plain words, and what would have changed it.
//!
//! Everything is read from the stored trace: nothing is measured again and no model is asked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::conversation::Language;
use crate::decision::{Action, Mode, ReasonCode, decide};
use crate::generation::Citation;
use crate::judgement::Confidence;
use crate::store::suggestion::{Suggestion, TriedQuote};
use crate::text::collapse;

mod counterfactual;
mod evidence;
mod words;

pub use counterfactual::{Change, Counterfactual, counterfactuals};
use words::word;

/// How many signals are named as what would raise the confidence.
const RAISING: usize = 3;
/// Decimal places of a number, usually and at most.
const PLACES: usize = 3;
const MOST_PLACES: usize = 17;
/// A signal above this is no weakness, where no calibration says what it weighs.
const WEAK: f64 = 0.8;

/// Why a suggestion came out as it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// `sug_…`
    pub id: String,
    /// The language of the texts.
    pub language: Language,
    /// What was done.
    pub action: Action,
    /// All of it for a person, in a few lines.
    pub text: String,
    /// Why, in the order of the decision.
    pub reasons: Vec<Because>,
    /// What a quote of the sources came to, and what kept it from being sent, where the model was asked all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// What would have led to another action.
    pub otherwise: Vec<Otherwise>,
    /// Every signal of the draft, what speaks most against it first.
    pub signals: Vec<SignalShare>,
    /// The passages that the draft stands on.
    pub passages: Vec<Citation>,
}

/// A reason in words, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Because {
    /// The stable code.
    pub code: ReasonCode,
    /// What it means.
    pub text: String,
    /// What was found, as a sentence; empty where there is no more to say.
    pub evidence: String,
}

/// What would have led to another action, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Otherwise {
    /// The change.
    #[serde(flatten)]
    pub counterfactual: Counterfactual,
    /// In words.
    pub text: String,
}

/// A signal, and its part in the confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SignalShare {
    /// Its stable name.
    pub name: String,
    /// 0 to 1, higher is better.
    pub value: f64,
    /// What it adds to the log-odds of the confidence, over an average reply; absent without a calibration, or where the
    /// calibration does not weigh it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contribution: Option<f64>,
    /// The contribution as it is read, with its sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// What it measures.
    pub text: String,
    /// Where it is one of the few that would raise the confidence most: how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raise: Option<String>,
}

/// Explains a suggestion in a language.
pub fn explain(suggestion: &Suggestion, language: Language) -> Explanation {
    let decision = &suggestion.answer.decision;
    let reasons = decision.reasons.iter().map(|reason| Because {
        code: reason.code,
        text: word(language, "reason", &name_of(&reason.code)),
        evidence: evidence::told(reason, suggestion, language),
    });
    let quote = suggestion.trace.quote.as_ref();
    let decided = suggestion.trace.decided.as_ref();
    let otherwise = decided.map(|decided| counterfactuals(decided, quote)).unwrap_or_default();
    let otherwise = otherwise.into_iter().map(|counterfactual| Otherwise {
        text: in_words(&counterfactual, suggestion, language),
        counterfactual,
    });
    let mut explanation = Explanation {
        id: suggestion.answer.id.clone(),
        language,
        action: decision.action,
        text: String::new(),
        reasons: reasons.collect(),
        quote: quote.filter(|quote| !quote.held.is_empty()).map(|quote| held(quote, language)),
        otherwise: otherwise.collect(),
        signals: signals(suggestion, language),
        passages: suggestion.answer.drafts.first().map(|draft| draft.citations.clone()).unwrap_or_default(),
    };
    explanation.text = text(&explanation, suggestion);
    explanation
}

/// Whether the stored decision comes out of its stored trace again; `None` where the trace is older than that.
pub fn replays(suggestion: &Suggestion) -> Option<bool> {
    let decided = suggestion.trace.decided.as_ref()?;
    let mut again = decide(decided);
    // Earlier versions stored some reasons without their evidence.
    let stored = &suggestion.answer.decision;
    for (reason, stored) in again.reasons.iter_mut().zip(&stored.reasons) {
        if stored.evidence.is_empty() {
            reason.evidence.clear();
        }
    }
    Some(again == *stored)
}

fn signals(suggestion: &Suggestion, language: Language) -> Vec<SignalShare> {
    let Some(judgement) = &suggestion.trace.judgement else { return Vec::new() };
    let Confidence { signals, contributions, .. } = &judgement.confidence;
    // What a calibration makes of a signal says how much it speaks against the draft; without one its value has to do.
    let against = |name: &String, value: f64| {
        if contributions.is_empty() { value - WEAK } else { contributions.get(name).copied().unwrap_or(0.0) }
    };
    let mut shares: Vec<(f64, SignalShare)> = signals
        .iter()
        .map(|(name, value)| {
            let contribution = contributions.get(name).copied();
            let weight = contribution.map(|part| signed(part, language));
            let text = word(language, "signal", name);
            let share =
                SignalShare { name: name.clone(), value: *value, contribution, weight, text, raise: None };
            (against(name, *value), share)
        })
        .collect();
    shares.sort_by(|(left, _), (right, _)| left.total_cmp(right));
    for (against, share) in shares.iter_mut().take(RAISING).filter(|(against, _)| *against < 0.0) {
        let (text, value) = (share.text.as_str(), decimal(share.value, language));
        let fill = [("{signal}", text), ("{value}", &value), ("{gain}", &signed(-*against, language))];
        let key = if share.contribution.is_some() { "raise" } else { "raise_uncalibrated" };
        share.raise = Some(filled(&word(language, "text", key), &fill));
    }
    shares.into_iter().map(|(_, share)| share).collect()
}

/// What a quote came to, and what kept it from being sent.
fn held(quote: &TriedQuote, language: Language) -> String {
    let short = quote.threshold.filter(|_| quote.held.contains(&ReasonCode::BelowThreshold));
    let (key, (value, threshold)) = match short {
        Some(threshold) => ("quote_short", apart(quote.confidence, threshold, language)),
        None => ("quote_held", (decimal(quote.confidence, language), String::new())),
    };
    let told = filled(&word(language, "text", key), &[("{value}", &value), ("{threshold}", &threshold)]);
    let others = quote.held.iter().filter(|code| short.is_none() || **code != ReasonCode::BelowThreshold);
    let others = others.map(|code| word(language, "reason", &name_of(code)));
    std::iter::once(told).chain(others).collect::<Vec<_>>().join(" ")
}

fn in_words(counterfactual: &Counterfactual, suggestion: &Suggestion, language: Language) -> String {
    let changes: Vec<String> =
        counterfactual.changes.iter().map(|change| changed(change, suggestion, language)).collect();
    let decision = &suggestion.answer.decision;
    let quote_sent = decision.action == Action::AutoReply && suggestion.trace.quote.is_some();
    let key = match counterfactual.action {
        Action::AutoReply => "to_auto_reply",
        _ if quote_sent => "to_model",
        _ => "to_draft",
    };
    filled(&word(language, "text", key), &[("{changes}", &listed(&changes, language))])
}

/// A change as a clause after “if”.
fn changed(change: &Change, suggestion: &Suggestion, language: Language) -> String {
    let decision = &suggestion.answer.decision;
    let say = |key: &str, fill: &[(&str, &str)]| filled(&word(language, "change", key), fill);
    let reaches = |key: &str, from: f64, threshold: f64| {
        let (from, threshold) = apart(from, threshold, language);
        say(key, &[("{from}", &from), ("{threshold}", &threshold)])
    };
    match change {
        Change::Mode => say("mode", &[]),
        Change::Rollout => say("rollout", &[]),
        Change::NotAnsweredBefore => say("not_answered_before", &[]),
        Change::Check { check } => word(language, "otherwise", &name_of(check)),
        Change::Rule { name } => say("rule", &[("{rule}", name)]),
        Change::Confidence { from, threshold } => {
            let sent = decision.action == Action::AutoReply;
            reaches(if sent { "confidence_falls" } else { "confidence_reaches" }, *from, *threshold)
        }
        Change::Quote { from, threshold } => reaches("quote_reaches", *from, *threshold),
        Change::Certificate => say("certificate", &[]),
        Change::Grounded => say("grounded", &[]),
        Change::Draft => {
            // Where something else decided, nobody looked for an answer in the sources.
            let lacking = [ReasonCode::NothingRelevant, ReasonCode::NoAnswerInSources];
            let sought = decision.reasons.iter().any(|reason| lacking.contains(&reason.code));
            say(if sought { "answer_to_draft" } else { "draft" }, &[])
        }
        Change::Available => say("available", &[]),
    }
}

/// All of it for a person.
fn text(explanation: &Explanation, suggestion: &Suggestion) -> String {
    let language = explanation.language;
    let say = |key: &str| word(language, "text", key);
    let place = if suggestion.mode == Mode::Shadow { "_in_shadow" } else { "" };
    let heading = format!("{}{place}", name_of(&explanation.action));
    let mut lines = vec![word(language, "heading", &heading), String::new()];
    lines.push(format!("{}:", say("why")));
    if explanation.reasons.is_empty() {
        lines.push(format!("- {}", say("sent")));
    }
    lines.extend(explanation.reasons.iter().map(
        |Because { code, text, evidence }| match evidence.as_str() {
            "" => format!("- {text} ({})", name_of(code)),
            evidence => format!("- {text} {evidence} ({})", name_of(code)),
        },
    ));
    // Where the confidence is a reason, it has been told.
    if explanation.reasons.iter().all(|because| because.code != ReasonCode::BelowThreshold) {
        lines.push(format!("- {}", confidence(suggestion, language)));
    }
    lines.extend(explanation.quote.iter().map(|quote| format!("- {quote}")));
    let mut section = |heading: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            lines.extend([String::new(), format!("{}:", say(heading))]);
            lines.extend(rows.into_iter().map(|row| format!("- {row}")));
        }
    };
    section("otherwise", explanation.otherwise.iter().map(|otherwise| otherwise.text.clone()).collect());
    section("raises", explanation.signals.iter().filter_map(|signal| signal.raise.clone()).collect());
    let calibrated = explanation.signals.iter().any(|signal| signal.contribution.is_some());
    let share = |signal: &SignalShare| {
        let weight = signal.weight.as_deref().map(|weight| format!("{weight} ")).unwrap_or_default();
        format!("{weight}{}: {} ({})", signal.text, decimal(signal.value, language), signal.name)
    };
    let heading = if calibrated { "signals" } else { "signals_uncalibrated" };
    section(heading, explanation.signals.iter().map(share).collect());
    let passage = |citation: &Citation| format!("{}: “{}”", citation.title, collapse(&citation.quote));
    section("passages", explanation.passages.iter().map(passage).collect());
    lines.join("\n")
}

fn confidence(suggestion: &Suggestion, language: Language) -> String {
    let Some(judgement) = &suggestion.trace.judgement else { return word(language, "text", "no_draft") };
    let value = judgement.confidence.value;
    let (key, value, threshold) = match suggestion.trace.threshold {
        _ if !judgement.confidence.calibrated => ("uncalibrated", decimal(value, language), String::new()),
        Some(threshold) => {
            let (value, threshold) = apart(value, threshold, language);
            ("confidence", value, threshold)
        }
        None => ("no_threshold", decimal(value, language), String::new()),
    };
    filled(&word(language, "text", key), &[("{value}", &value), ("{threshold}", &threshold)])
}

/// A text with its places filled, each once: what is filled in is not looked at again.
fn filled(text: &str, fill: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let next = |rest: &str| {
        let places = fill.iter().filter_map(|(name, value)| Some((rest.find(name)?, *name, *value)));
        places.min_by_key(|(at, ..)| *at)
    };
    while let Some((at, name, value)) = next(rest) {
        out.extend([&rest[..at], value]);
        rest = &rest[at + name.len()..];
    }
    out.push_str(rest);
    out
}

/// `a, b and c`.
fn listed(things: &[String], language: Language) -> String {
    match things {
        [first @ .., last] if !first.is_empty() => {
            format!("{} {} {last}", first.join(", "), word(language, "text", "and"))
        }
        _ => things.concat(),
    }
}

/// A number with its sign, to two places.
fn signed(value: f64, language: Language) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{}", placed(value.abs(), 2, language))
}

fn decimal(value: f64, language: Language) -> String {
    placed(value, PLACES, language)
}

/// Two values with as many places as tell them apart: one just under its threshold does not read as if it reached it.
fn apart(one: f64, other: f64, language: Language) -> (String, String) {
    let same = |places: &usize| format!("{one:.places$}") == format!("{other:.places$}");
    let places =
        (PLACES..MOST_PLACES).find(|places| !same(places)).filter(|_| one.to_bits() != other.to_bits());
    let places = places.unwrap_or(PLACES);
    (placed(one, places, language), placed(other, places, language))
}

fn placed(value: f64, places: usize, language: Language) -> String {
    local(&format!("{value:.places$}"), language)
}

/// A number that was written in English.
fn local(number: &str, language: Language) -> String {
    if language == Language::En { number.to_owned() } else { number.replace('.', ",") }
}

/// A name as it is written in JSON.
fn name_of(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
