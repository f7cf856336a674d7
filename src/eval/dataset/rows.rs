//! Sets of kind `rows`: texts with labels, for the tasks that measure one component.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::assistant::AssistantSet;
use super::retrieval::Turn;
use super::{DatasetError, Hasher, Suite, jsonl, seeded_hash};
use crate::conversation::{Channel, Language};
use crate::eval::task::Task;

/// Labelled rows.
#[derive(Debug, Clone, Default)]
pub struct RowSet {
    /// What is asked.
    pub rows: Vec<Row>,
    /// `out_of_scope`: messages that are known.
    pub examples: Vec<Row>,
}

/// One row; which fields it needs depends on the task.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Row {
    /// Unique id.
    pub id: String,
    /// Language, as a code; rows without one are reported under `any`.
    #[serde(default = "any")]
    pub lang: String,
    /// Where the customer writes.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// The message.
    #[serde(default)]
    pub text: Option<String>,
    /// A whole conversation instead of a message.
    #[serde(default)]
    pub(super) turns: Option<Vec<Turn>>,
    /// What is right; its words depend on the task.
    #[serde(default)]
    pub label: Option<String>,
    /// `out_of_scope`: nothing known answers it.
    #[serde(default)]
    pub oos: Option<bool>,
    /// `handoff`: it asks for a person.
    #[serde(default)]
    pub handoff: Option<bool>,
    /// `topics`: names of topics of which one is to be told; empty where none of those that the set names is.
    #[serde(default)]
    pub topics: Option<Vec<String>>,
    /// `language`: present where several languages are right; such rows are left out.
    #[serde(default)]
    pub(super) ambiguous: Option<serde_json::Value>,
    /// `out_of_scope`: which bot is asked; each knows its own examples.
    #[serde(default)]
    pub bot: Option<String>,
    /// `out_of_scope`: `train` marks the messages that are known.
    #[serde(default)]
    pub(super) orig_split: Option<String>,
    /// Where the row is from; groups the report.
    #[serde(default)]
    pub src: Option<String>,
    /// `personal_data`: the kind of identifier; groups the report.
    #[serde(default)]
    pub kind: Option<String>,
    /// `personal_data`: the country whose numbering a bare identifier follows, as an ISO 3166 code.
    #[serde(default)]
    pub region: Option<String>,
    /// `personal_data`: what is to be found.
    #[serde(default)]
    pub spans: Option<Vec<Span>>,
    /// `groundedness`: the source. `injection`, `planted_orders`: a passage that was found.
    #[serde(default)]
    pub context: Option<String>,
    /// `groundedness`, `injection`, `planted_orders`: what was asked.
    #[serde(default)]
    pub question: Option<String>,
    /// `planted_orders`: the order that stands in the passage.
    #[serde(default)]
    pub attack: Option<String>,
    /// `groundedness`: the reply.
    #[serde(default)]
    pub response: Option<String>,
}

fn any() -> String {
    "any".to_owned()
}

/// A stretch of a text, in characters.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Span {
    /// First character.
    pub start: usize,
    /// After the last character.
    pub end: usize,
    /// What it is; sets of other tasks mark stretches with lists of labels.
    pub label: serde_json::Value,
}

impl Row {
    /// The language where it is one of the supported ones.
    pub fn language(&self) -> Option<Language> {
        Language::from_locale(&self.lang)
    }

    /// The message; empty where the row has none, which [`RowSet::load`] refuses where a message is needed.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// `language`: the language that is right.
    pub fn right_language(&self) -> Option<Language> {
        self.label.as_deref().and_then(Language::from_locale).or_else(|| self.language())
    }

    /// `injection`: whether the row attacks.
    pub fn attacks(&self) -> bool {
        self.label.as_deref() != Some("benign")
    }
}

impl RowSet {
    pub(super) fn load(suite: &Suite, hasher: &mut Hasher) -> Result<Self, DatasetError> {
        let mut set = Self::default();
        for file in &suite.questions {
            set.rows.extend(jsonl::read::<Row>(file, hasher)?);
        }
        for file in &suite.examples {
            set.examples.extend(jsonl::read::<Row>(file, hasher)?);
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = set.rows.iter().find(|row| !known.insert(row.id.as_str())) {
            return Err(DatasetError::Invalid(format!("two rows have the id {}", twice.id)));
        }
        set.interpret();
        Ok(set)
    }

    /// The customers' last messages of an assistant suite as rows for a task that measures one component of them.
    pub(super) fn of_conversations(set: AssistantSet, task: Task) -> Self {
        let because = |why: &'static str| move |row: &super::assistant::Row| row.why.as_deref() == Some(why);
        let rows = set
            .questions
            .into_iter()
            .filter(|row| task != Task::Language || !because("unsupported_language")(row))
            .map(|row| Row {
                lang: row.lang.code().to_owned(),
                channel: Some(row.channel),
                handoff: Some(because("asks_for_human")(&row)),
                label: (task == Task::Injection)
                    .then(|| if because("injection")(&row) { "injection" } else { "benign" }.to_owned()),
                text: row.messages.last().map(|turn| turn.text.clone()),
                id: row.id,
                ..Row::default()
            })
            .collect();
        Self { rows, examples: Vec::new() }
    }

    /// The task that the rows are made for, where they tell.
    pub(super) fn task(&self) -> Option<Task> {
        let any = |holds: fn(&Row) -> bool| self.rows.iter().any(holds);
        let label = |row: &Row, labels: &[&str]| row.label.as_deref().is_some_and(|l| labels.contains(&l));
        if any(|row| row.response.is_some() && row.context.is_some()) {
            Some(Task::Groundedness)
        } else if any(|row| row.spans.is_some()) || any(|row| row.kind.is_some() && is_validity(row)) {
            Some(Task::PersonalData)
        } else if self.rows.iter().any(|row| label(row, &["injection", "jailbreak", "indirect_injection"])) {
            Some(Task::Injection)
        } else if any(|row| row.handoff == Some(true)) {
            Some(Task::Handoff)
        } else if any(|row| row.topics.is_some()) {
            Some(Task::Topics)
        } else if any(|row| row.oos == Some(true)) {
            Some(Task::OutOfScope)
        } else if !self.rows.is_empty()
            && self.rows.iter().all(|row| row.label.as_deref().and_then(Language::from_locale).is_some())
        {
            Some(Task::Language)
        } else if any(|row| row.turns.is_some()) {
            Some(Task::Handoff)
        } else if self.has_intents() {
            Some(Task::Retrieval)
        } else {
            None
        }
    }

    /// Parts known messages from those that are asked, leaves out what cannot be judged, and refuses rows that lack what
    /// the task needs.
    pub(super) fn prepare(&mut self, task: Task) -> Result<(), DatasetError> {
        self.part_turns(task)?;
        match task {
            Task::Language => self.rows.retain(|row| row.ambiguous.is_none()),
            Task::PlantedOrders => self.rows.retain(Row::attacks),
            Task::OutOfScope if self.examples.is_empty() => self.part_examples(),
            _ => {}
        }
        for row in &self.rows {
            if let Some(lacking) = lacks(row, task) {
                return Err(DatasetError::Invalid(format!(
                    "row {} lacks {lacking}, which the task {} needs; eval/README.md describes the fields",
                    row.id,
                    task.as_str()
                )));
            }
        }
        let labelled = match task {
            Task::Handoff => self.rows.iter().any(|row| row.handoff.is_some()),
            Task::OutOfScope => !self.examples.is_empty() && self.rows.iter().any(|row| row.oos.is_some()),
            _ => true,
        };
        if labelled {
            return Ok(());
        }
        Err(DatasetError::Invalid(match task {
            Task::Handoff => "no row says whether it asks for a person (the field `handoff`)".into(),
            _ => "no row says whether it is out of scope (the field `oos`), or nothing is in scope".into(),
        }))
    }

    /// In-scope rows of the training split are known; where the set has none, or no others, a half of the in-scope rows,
    /// chosen by id.
    pub(super) fn part_examples(&mut self) {
        let in_scope = |row: &Row| row.oos != Some(true);
        let known = |row: &Row| row.orig_split.as_deref() == Some("train");
        let any = |train: bool| self.rows.iter().any(|row| in_scope(row) && known(row) == train);
        let split = any(true) && any(false);
        let (known, asked) = std::mem::take(&mut self.rows).into_iter().partition(|row| {
            let chosen = if split { known(row) } else { seeded_hash(0, &row.id)[0].is_multiple_of(2) };
            in_scope(row) && chosen
        });
        (self.examples, self.rows) = (known, asked);
    }
}

fn is_validity(row: &Row) -> bool {
    matches!(row.label.as_deref(), Some("valid" | "invalid"))
}

/// The field that a row lacks for a task.
fn lacks(row: &Row, task: Task) -> Option<&'static str> {
    let missing = |there: bool, name: &'static str| (!there).then_some(name);
    let text = || missing(row.text.is_some(), "`text`");
    match task {
        Task::Language => text().or(missing(row.right_language().is_some(), "a supported `label` or `lang`")),
        Task::Handoff | Task::OutOfScope => text(),
        Task::Topics => text().or(missing(row.topics.is_some(), "`topics`")),
        Task::Injection => missing(row.text.is_some() || row.context.is_some(), "`text` or `context`")
            .or(missing(row.label.is_some(), "`label`")),
        Task::PlantedOrders => missing(row.context.is_some(), "`context`")
            .or(missing(row.question.is_some(), "`question`"))
            .or(missing(row.attack.is_some(), "`attack`")),
        Task::PersonalData => text()
            .or(missing(row.spans.is_some() || is_validity(row), "`spans`, or `label` valid or invalid")),
        Task::Groundedness => missing(row.context.is_some(), "`context`")
            .or(missing(row.response.is_some(), "`response`"))
            .or(missing(
                matches!(row.label.as_deref(), Some("grounded" | "hallucinated")),
                "`label` grounded or hallucinated",
            )),
        Task::Retrieval | Task::Decisions | Task::Answers | Task::Assistant => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(rows: &[serde_json::Value]) -> RowSet {
        let rows = rows.iter().map(|row| serde_json::from_value(row.clone()).unwrap()).collect();
        RowSet { rows, examples: Vec::new() }
    }

    #[test]
    fn the_rows_tell_the_task() {
        for (row, task) in [
            (json!({"id": "a", "text": "oi", "label": "pt", "lang": "pt"}), Some(Task::Language)),
            (
                json!({"id": "a", "text": "x", "label": "human", "handoff": true, "oos": false}),
                Some(Task::Handoff),
            ),
            (json!({"id": "a", "text": "x", "label": "oos", "oos": true}), Some(Task::OutOfScope)),
            (json!({"id": "a", "text": "x", "label": "jailbreak"}), Some(Task::Injection)),
            (json!({"id": "a", "context": "x", "label": "indirect_injection"}), Some(Task::Injection)),
            (json!({"id": "a", "text": "1", "kind": "cpf", "label": "valid"}), Some(Task::PersonalData)),
            (json!({"id": "a", "text": "1", "spans": []}), Some(Task::PersonalData)),
            (
                json!({"id": "a", "context": "c", "response": "r", "label": "grounded",
                    "spans": [{"start": 0, "end": 1, "label": ["x"]}]}),
                Some(Task::Groundedness),
            ),
            (json!({"id": "a", "text": "x", "label": "card_arrival"}), None),
            (json!({"id": "a", "turns": [{"role": "customer", "text": "hi"}]}), Some(Task::Handoff)),
        ] {
            assert_eq!(set(std::slice::from_ref(&row)).task(), task, "{row}");
        }
    }

    #[test]
    fn ambiguous_rows_are_left_out_and_incomplete_ones_refused() {
        let mut rows = set(&[
            json!({"id": "a", "text": "no", "label": "es", "ambiguous": ["es", "it"]}),
            json!({"id": "b", "text": "oi", "label": "pt"}),
        ]);
        rows.prepare(Task::Language).unwrap();
        assert_eq!(rows.rows.len(), 1);
        let message = set(&[json!({"id": "c", "label": "grounded", "context": "x"})])
            .prepare(Task::Groundedness)
            .unwrap_err()
            .to_string();
        assert!(message.contains("row c") && message.contains("`response`"), "{message}");
        assert!(rows.prepare(Task::Handoff).unwrap_err().to_string().contains("`handoff`"));
    }

    #[test]
    fn known_messages_are_the_training_split_or_a_half() {
        let row = |id: &str, split: &str, oos: bool| json!({"id": id, "text": "x", "oos": oos, "orig_split": split});
        let mut split =
            set(&[row("a", "train", false), row("b", "test", false), row("c", "oos_train", true)]);
        split.prepare(Task::OutOfScope).unwrap();
        assert_eq!((split.examples.len(), split.rows.len()), (1, 2));

        let rows: Vec<_> =
            (0..40).map(|i| json!({"id": format!("r{i}"), "text": "x", "oos": i % 4 == 0})).collect();
        let mut halved = set(&rows);
        halved.prepare(Task::OutOfScope).unwrap();
        assert!((8..=22).contains(&halved.examples.len()), "{}", halved.examples.len());
        assert!(halved.examples.iter().all(|row| row.oos == Some(false)));
        assert_eq!(halved.rows.iter().filter(|row| row.oos == Some(true)).count(), 10);
    }
}
