//! Reading and checking policy files. Every problem of every file is found in one go, and names file, rule and field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::Rules;
use super::document::{Rule, Texts, When};
use super::routing::{HandoffRoutes, Queue};
use crate::conversation::{Channel, Language};
use crate::decision::DecisionConfig;
use crate::generation::disclosure::introduction;

/// Conditions inside conditions: more than this nobody can follow.
const DEEPEST: usize = 8;

/// What rules are held against beside their form.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The topics that a rule may ask for.
    pub topics: BTreeSet<String>,
    /// How long a message each channel takes.
    pub decision: DecisionConfig,
}

/// Something wrong in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// The file.
    pub file: String,
    /// Where in it, such as ``rule `refunds`: then.escalate.queue``.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// The policies cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The folder or a file cannot be read.
    #[error("the policies in {} cannot be read: {message}", .path.display())]
    Unreadable {
        /// The folder or the file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// Some files make no sense.
    #[error("the policies have {} problem(s):{}\n`ponto policy schema` lists every field", .0.len(), list(.0))]
    Invalid(Vec<PolicyProblem>),
}

fn list(problems: &[PolicyProblem]) -> String {
    problems.iter().fold(String::new(), |mut out, problem| {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n  {}: {}: {}", problem.file, problem.at, problem.message);
        out
    })
}

/// A file's name and text.
pub type Source = (String, String);

/// Every `*.toml` of a folder, by name; none where there is no such folder.
pub fn sources(folder: &Path) -> Result<Vec<Source>, PolicyError> {
    let unreadable = |path: &Path, error: &std::io::Error| PolicyError::Unreadable {
        path: path.to_path_buf(),
        message: format!("{error}; `policies.folder` names the folder"),
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Editors keep their own copies under names with a dot in front.
        if path.extension().is_none_or(|extension| extension != "toml") || name.starts_with('.') {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        found.push((name, text));
    }
    found.sort();
    Ok(found)
}

/// Compiles files.
pub fn compile(sources: &[Source], known: &Known) -> Result<Rules, PolicyError> {
    let mut reader = Reader::default();
    for (file, text) in sources {
        reader.file(file, text);
    }
    reader.check(known);
    if !reader.problems.is_empty() {
        return Err(PolicyError::Invalid(reader.problems));
    }
    let mut hash = Sha256::new();
    for (file, text) in sources {
        hash.update(format!("{file}\0{text}\0"));
    }
    let version = if sources.is_empty() { String::new() } else { hex::encode(&hash.finalize()[..8]) };
    Ok(Rules {
        all: reader.rules.into_iter().map(|(_, rule)| Arc::new(rule)).collect(),
        queues: reader.queues.into_iter().map(|(_, queue)| queue).collect(),
        handoff: reader.handoff.map(|(_, routes)| routes).unwrap_or_default(),
        version,
    })
}

#[derive(Default)]
struct Reader {
    rules: Vec<(String, Rule)>,
    queues: Vec<(String, Queue)>,
    handoff: Option<(String, HandoffRoutes)>,
    problems: Vec<PolicyProblem>,
}

impl Reader {
    fn problem(&mut self, file: &str, at: impl Into<String>, message: impl Into<String>) {
        self.problems.push(PolicyProblem { file: file.into(), at: at.into(), message: message.into() });
    }

    fn file(&mut self, file: &str, text: &str) {
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                return self.problem(file, "syntax", error.to_string().trim().replace('\n', "\n    "));
            }
        };
        for (key, value) in table {
            match key.as_str() {
                "rules" => {
                    for rule in self.many(file, "rule", value) {
                        self.rules.push((file.to_owned(), rule));
                    }
                }
                "queues" => {
                    for queue in self.many(file, "queue", value) {
                        self.queues.push((file.to_owned(), queue));
                    }
                }
                "handoff" => {
                    let routes = self.one(file, "handoff", value);
                    match (&self.handoff, routes) {
                        (Some((other, _)), Some(_)) => {
                            let message =
                                format!("{other} has this table already; keep it in one file alone");
                            self.problem(file, "handoff", message);
                        }
                        (None, Some(routes)) => self.handoff = Some((file.to_owned(), routes)),
                        (_, None) => {}
                    }
                }
                other => {
                    let message = "is not known here; a file holds `rules`, `queues` and `handoff`";
                    self.problem(file, other, message);
                }
            }
        }
    }

    /// The tables of a list such as `[[rules]]`; each one that does not read is a problem, and the others are kept.
    fn many<T: DeserializeOwned>(&mut self, file: &str, what: &str, value: toml::Value) -> Vec<T> {
        let toml::Value::Array(tables) = value else {
            self.problem(
                file,
                format!("{what}s"),
                format!("is no list; write [[{what}s]] above each {what}"),
            );
            return Vec::new();
        };
        let read = tables.into_iter().enumerate().filter_map(|(position, table)| {
            let name = table.get("name").and_then(toml::Value::as_str);
            let at =
                name.map_or_else(|| format!("{what} {}", position + 1), |name| format!("{what} `{name}`"));
            self.one(file, &at, table)
        });
        read.collect()
    }

    fn one<T: DeserializeOwned>(&mut self, file: &str, at: &str, value: toml::Value) -> Option<T> {
        match serde_path_to_error::deserialize(value) {
            Ok(read) => Some(read),
            Err(error) => {
                let path = error.path().to_string();
                let at = if path == "." { at.to_owned() } else { format!("{at}: {path}") };
                self.problem(file, at, error.inner().message().trim());
                None
            }
        }
    }

    /// What no single field can say of itself.
    fn check(&mut self, known: &Known) {
        let queues: BTreeSet<String> = self.queues.iter().map(|(_, queue)| queue.name.clone()).collect();
        let mut found = Vec::new();
        let mut seen = BTreeMap::new();
        for (file, queue) in &self.queues {
            if let Some(other) = seen.insert(&queue.name, file) {
                let message = format!("{other} has a queue of that name already; give it another name");
                found.push((file.clone(), format!("queue `{}`", queue.name), message));
            }
        }
        let unknown = |queue: &str| {
            let known = queues.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let known =
                if known.is_empty() { "there is none".to_owned() } else { format!("there are {known}") };
            format!("there is no queue `{queue}`; write [[queues]] with that name ({known})")
        };
        if let Some((file, routes)) = &self.handoff {
            let named =
                routes.reasons.iter().map(|(code, route)| (format!("reasons.{code}.queue"), &route.queue));
            for (at, queue) in named.chain([("queue".to_owned(), &routes.queue)]) {
                if let Some(queue) = queue.as_ref().filter(|queue| !queues.contains(*queue)) {
                    found.push((file.clone(), format!("handoff: {at}"), unknown(queue)));
                }
            }
        }
        let mut seen = BTreeMap::new();
        for (file, rule) in &self.rules {
            let mut problem = |at: &str, message: String| {
                found.push((file.clone(), format!("rule `{}`: {at}", rule.name), message));
            };
            if let Some(other) = seen.insert(&rule.name, file) {
                problem("name", format!("{other} has a rule of that name already; give it another name"));
            }
            if let Some(queue) = rule.then.escalate.as_ref().and_then(|escalate| escalate.queue.as_ref())
                && !queues.contains(queue)
            {
                problem("then.escalate.queue", unknown(queue));
            }
            rule.check(known, &mut problem);
        }
        for (file, at, message) in found {
            self.problem(&file, at, message);
        }
    }
}

/// Takes a field and what is wrong with it.
type Report<'a> = &'a mut dyn FnMut(&str, String);

impl Rule {
    fn check(&self, known: &Known, problem: Report<'_>) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) {
            problem("name", "write lower-case letters, digits, `-` and `_`".into());
        }
        let then = &self.then;
        let acts = then.draft || then.block || then.escalate.is_some() || then.redact.is_some();
        if !acts && then.append.is_none() && then.require_citation.is_none() && then.holding_message.is_none()
        {
            let message = "does nothing; write escalate, draft, block, redact, append, require_citation or holding_message";
            problem("then", message.into());
        }
        if self.workspaces.as_ref().is_some_and(|only| only.0.is_empty()) {
            problem("workspaces", "is empty; leave it out for every workspace".into());
        }
        self.when.check("when", &known.topics, 0, problem);
        let spoken: Vec<Language> =
            self.when.language.as_ref().map_or_else(|| Language::ALL.to_vec(), |only| only.0.clone());
        for (field, texts) in [("append", &then.append), ("holding_message", &then.holding_message)] {
            if let Some(texts) = texts {
                complete(&format!("then.{field}"), texts, &spoken, problem);
            }
        }
        for (language, text) in then.holding_message.iter().flatten() {
            if spoken.contains(language)
                && let Some(message) = self.too_long(*language, text, &known.decision)
            {
                problem("then.holding_message", message);
            }
        }
    }

    /// What is wrong with a holding message that some channel of the rule would not take, with what is said beside it.
    fn too_long(&self, language: Language, text: &str, limits: &DecisionConfig) -> Option<String> {
        let sent = format!("{}\n\n{}", text.trim(), introduction(language));
        [Channel::Instagram, Channel::WebChat, Channel::Whatsapp].into_iter().find_map(|channel| {
            let longest = limits.longest(channel).filter(|_| self.when.may_meet(channel))?;
            let (length, most, unit) = (longest.length(&sent), longest.most, longest.unit);
            (length > most).then(|| {
                format!(
                    "has {length} {unit} in {} with “{}” behind it, and {} takes {most}; shorten it, or limit the rule with \
                     when.channel",
                    language.code(),
                    introduction(language),
                    channel.as_str()
                )
            })
        })
    }
}

/// A text is needed in every language that the rule may meet.
fn complete(at: &str, texts: &Texts, spoken: &[Language], problem: Report<'_>) {
    let lacking: Vec<&str> = spoken
        .iter()
        .filter(|language| texts.get(language).is_none_or(|text| text.trim().is_empty()))
        .map(|language| language.code())
        .collect();
    if !lacking.is_empty() {
        let message =
            format!("has no text for {}; add it, or limit the rule with when.language", lacking.join(", "));
        problem(at, message);
    }
}

impl When {
    /// Whether it can hold on a channel.
    fn may_meet(&self, channel: Channel) -> bool {
        let named = |when: &Self| when.channel.as_ref().is_some_and(|only| only.0.contains(&channel));
        let excluded =
            |not: &Self| named(not) && *not == Self { channel: not.channel.clone(), ..Self::default() };
        (self.channel.is_none() || named(self))
            && (self.any.is_empty() || self.any.iter().any(|one| one.may_meet(channel)))
            && !self.not.as_deref().is_some_and(excluded)
    }

    fn check(&self, at: &str, topics: &BTreeSet<String>, depth: usize, problem: Report<'_>) {
        if depth > DEEPEST {
            return problem(at, format!("stands in more than {DEEPEST} conditions; make it simpler"));
        }
        if depth > 0 && *self == Self::default() {
            problem(at, "is empty, so it always holds; write a condition, or leave it out".into());
        }
        for (field, empty) in [
            ("topic", self.topic.as_ref().is_some_and(|it| it.0.is_empty())),
            ("channel", self.channel.as_ref().is_some_and(|it| it.0.is_empty())),
            ("language", self.language.as_ref().is_some_and(|it| it.0.is_empty())),
            ("label", self.label.as_ref().is_some_and(|it| it.0.is_empty())),
            ("customer", self.customer.as_ref().is_some_and(BTreeMap::is_empty)),
            ("hours.open", self.hours.as_ref().is_some_and(|it| it.open.is_empty())),
            ("outside_hours.open", self.outside_hours.as_ref().is_some_and(|it| it.open.is_empty())),
        ] {
            if empty {
                problem(&format!("{at}.{field}"), "is empty, so it never holds; name something".into());
            }
        }
        for topic in self.topic.iter().flat_map(|it| &it.0).filter(|topic| !topics.contains(*topic)) {
            let known = topics.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let known =
                if known.is_empty() { "there is none yet".to_owned() } else { format!("there are {known}") };
            problem(&format!("{at}.topic"), format!("there is no topic `{topic}`; {known}"));
        }
        if let Some(limit) = self.confidence_below
            && !(0.0..=1.0).contains(&limit)
        {
            problem(&format!("{at}.confidence_below"), format!("is {limit}; write a number from 0 to 1"));
        }
        if let Some(amount) = &self.amount_over
            && !(amount.value.is_finite() && amount.value >= 0.0)
        {
            problem(&format!("{at}.amount_over.value"), "write a number of at least 0".into());
        }
        for (position, one) in self.any.iter().enumerate() {
            one.check(&format!("{at}.any[{position}]"), topics, depth + 1, problem);
        }
        if let Some(excluded) = &self.not {
            excluded.check(&format!("{at}.not"), topics, depth + 1, problem);
        }
    }
}
