//! Rules as data: what the files of the policies' folder say, compiled, and what they say of one message.
//!
//! [`document`] is the form of a file, [`load`] reads and checks a folder, [`conditions`] says whether a rule holds and on
//! what evidence, [`routing`] who takes over, and [`live`] holds the rules in force while their files change. Evaluation is
//! pure: facts in, matches out. Every rule that matches is reported, and the strictest wins in [`super::decide`].

use std::sync::Arc;

use super::policy::PolicyInput;
use super::{Demand, Evidence, PolicyCheck, ReasonCode, Verdict};
use crate::conversation::{Language, WorkspaceId};
use crate::generation::Draft;

mod conditions;
pub mod document;
pub mod live;
pub mod load;
mod pattern;
pub mod routing;
#[cfg(test)]
mod tests;

use conditions::Truth;
use document::{Rule, Texts};
pub use live::Policies;
pub use load::{Known, PolicyError, PolicyProblem};
use routing::{HandoffRoutes, Queue};

/// The rules of a folder.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    all: Vec<Arc<Rule>>,
    queues: Vec<Queue>,
    handoff: HandoffRoutes,
    version: String,
}

/// A rule that applies, and why.
#[derive(Debug, Clone)]
pub struct RuleMatch {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What it demands of the decision.
    pub verdict: Verdict,
    /// What it demands, in words.
    detail: String,
    /// Each condition that held.
    evidence: Vec<Evidence>,
}

impl RuleMatch {
    /// As the finding of a policy.
    pub fn check(&self) -> PolicyCheck {
        PolicyCheck {
            check: ReasonCode::Policy,
            verdict: self.verdict,
            detail: Some(self.detail.clone()),
            evidence: self.evidence.clone(),
        }
    }
}

impl Rules {
    /// Every rule, in the order of the files.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.all.iter().map(Arc::as_ref)
    }

    /// Every queue.
    pub fn queues(&self) -> &[Queue] {
        &self.queues
    }

    /// Hash of what the files say.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The rules that apply to a message of a workspace, and to its draft where there is one.
    pub fn matches(&self, workspace: &WorkspaceId, input: &PolicyInput<'_>) -> Vec<RuleMatch> {
        self.all
            .iter()
            .filter(|rule| rule.workspaces.as_ref().is_none_or(|only| only.0.contains(&workspace.0)))
            .filter_map(|rule| match rule.when.holds(input) {
                Truth::Yes(held) => Some(applied(rule, held, input)),
                Truth::No | Truth::Unknown => None,
            })
            .collect()
    }
}

fn applied(rule: &Arc<Rule>, held: Vec<conditions::Held>, input: &PolicyInput<'_>) -> RuleMatch {
    let mut evidence: Vec<Evidence> = held
        .into_iter()
        .map(|conditions::Held { condition, found, place }| Evidence::Rule {
            name: rule.name.clone(),
            condition: condition.to_owned(),
            found,
            place,
        })
        .collect();
    if evidence.is_empty() {
        let (name, found) = (rule.name.clone(), "every message".to_owned());
        evidence.push(Evidence::Rule { name, condition: "always".into(), found, place: None });
    }
    let description = rule.description.as_deref().map(|text| text.trim().to_owned());
    let about = description.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
    let (mut verdict, mut demands) = (Verdict::Pass, Vec::new());
    for demand in demanded(rule, input) {
        let (stricter, words) = demand.words();
        verdict = verdict.max(stricter);
        demands.push(words);
        let (rule, description) = (rule.name.clone(), description.clone());
        evidence.push(Evidence::Demand { rule, description, demand });
    }
    RuleMatch {
        rule: Arc::clone(rule),
        verdict,
        detail: format!("The rule `{}`{about} {}.", rule.name, demands.join("; ")),
        evidence,
    }
}

impl Demand {
    /// What it makes of the decision, and in words.
    fn words(self) -> (Verdict, &'static str) {
        match self {
            Self::Block => (Verdict::Escalate, "allows no draft: a person takes over"),
            Self::Escalate => (Verdict::Escalate, "hands the conversation to a person"),
            Self::Draft => (Verdict::Draft, "wants an agent to look"),
            Self::Redact => (Verdict::Draft, "took words out of the reply, so an agent looks"),
            Self::RequireCitation => {
                (Verdict::Draft, "wants a source with its label, and the reply cites none")
            }
            Self::Append => (Verdict::Pass, "adds words to the reply"),
            Self::Nothing => (Verdict::Pass, "applies and objects to nothing"),
        }
    }
}

/// What a rule demands: who sees the reply, and what it does to one that somebody sees.
fn demanded(rule: &Rule, input: &PolicyInput<'_>) -> Vec<Demand> {
    let then = &rule.then;
    if then.block {
        return vec![Demand::Block];
    }
    let mut demands = Vec::new();
    if then.escalate.is_some() {
        demands.push(Demand::Escalate);
    } else if then.draft {
        demands.push(Demand::Draft);
    }
    if let Some(draft) = input.draft {
        if then.redact.as_ref().is_some_and(|redact| redact.regex.find(&draft.text).is_some()) {
            demands.push(Demand::Redact);
        }
        if then.require_citation.as_ref().is_some_and(|label| !cites(draft, &label.0, input)) {
            demands.push(Demand::RequireCitation);
        }
        let adds = then.append.as_ref().is_some_and(|texts| texts.contains_key(&draft.language));
        if adds && !draft.production.refused {
            demands.push(Demand::Append);
        }
    }
    if demands.is_empty() {
        demands.push(Demand::Nothing);
    }
    demands
}

fn cites(draft: &Draft, label: &str, input: &PolicyInput<'_>) -> bool {
    draft.citations.iter().any(|citation| {
        input.retrieved.iter().any(|hit| {
            hit.passage.id == citation.passage_id && hit.passage.labels.iter().any(|own| own == label)
        })
    })
}

/// Whether no draft may be shown.
pub fn blocked(matches: &[RuleMatch]) -> bool {
    matches.iter().any(|found| found.rule.then.block)
}

/// A draft's text after what the matched rules take out and add; `None` where they change nothing.
pub fn edited(matches: &[RuleMatch], text: &str, language: Language) -> Option<String> {
    let mut changed = None;
    for redact in matches.iter().filter_map(|found| found.rule.then.redact.as_ref()) {
        let before = changed.as_deref().unwrap_or(text);
        if let Some(after) = redact.regex.replaced(before, &redact.with) {
            changed = Some(after);
        }
    }
    for addition in matches.iter().filter_map(|found| said(found.rule.then.append.as_ref(), language)) {
        let before = changed.as_deref().unwrap_or(text).trim_end();
        // Two rules may add the same words; they are read once.
        if !before.ends_with(addition) {
            changed = Some(format!("{before}\n\n{addition}"));
        }
    }
    changed
}

/// What the customer reads when a person takes over, where a matched rule says so: of the strictest that does, then of the
/// most urgent, then of the first in the order of the files.
pub fn holding_message(matches: &[RuleMatch], language: Language) -> Option<&str> {
    let weight = |found: &RuleMatch| {
        let priority = found.rule.then.escalate.as_ref().map(|escalate| escalate.priority);
        (found.verdict, priority)
    };
    // Of equals `max_by_key` takes the last.
    let texts = matches
        .iter()
        .rev()
        .filter_map(|found| Some((weight(found), said(found.rule.then.holding_message.as_ref(), language)?)));
    texts.max_by_key(|(weight, _)| *weight).map(|(_, text)| text)
}

fn said(texts: Option<&Texts>, language: Language) -> Option<&str> {
    texts?.get(&language).map(|text| text.trim())
}
