//! Sets that were labelled for another purpose: what labels of intents and sentiments, and whole conversations, say about
//! the tasks here.

use std::collections::{BTreeMap, BTreeSet};

use super::DatasetError;
use super::retrieval::{PassageRow, QuestionRow, RetrievalSet};
use super::rows::{Row, RowSet};
use crate::conversation::{Language, Role};
use crate::eval::task::Task;
use crate::understanding::{built_in, names};

/// Labels that say that a person is asked for.
const WISHES: [&str; 2] = ["handoff", names::ASKS_FOR_HUMAN];

/// Labels that are no names of topics, with the topics of which one is to be told.
const ALIKE: [(&str, &[&str]); 2] =
    [("negative", &[names::ANGER]), ("smalltalk_or_trivia", &[names::SMALL_TALK, names::OFF_TOPIC])];

/// Labels of sentiment; `negative` beside anything else may mean anything.
const SENTIMENTS: [&str; 3] = ["negative", "neutral", "positive"];

impl RowSet {
    /// Reads labels as wishes for a person or as topics, where no row says of itself what it is.
    pub(super) fn interpret(&mut self) {
        let says = |row: &Row| row.handoff.is_some() || row.topics.is_some() || row.oos.is_some();
        if self.rows.iter().any(says) {
            return;
        }
        let labels: BTreeSet<&str> = self.rows.iter().flat_map(labels_of).collect();
        let of_sentiment = labels.iter().all(|label| SENTIMENTS.contains(label));
        if WISHES.iter().any(|wish| labels.contains(wish)) {
            for row in &mut self.rows {
                let wishes = labels_of(row).any(|label| WISHES.contains(&label));
                row.handoff = Some(wishes);
            }
            return;
        }
        let topics = |row: &Row| -> Vec<String> {
            labels_of(row).flat_map(|label| topics(label, of_sentiment)).map(str::to_owned).collect()
        };
        let due: Vec<Vec<String>> = self.rows.iter().map(topics).collect();
        if due.iter().any(|topics| !topics.is_empty()) {
            for (row, topics) in self.rows.iter_mut().zip(due) {
                row.topics = Some(topics);
            }
        }
    }

    /// Whether some label stands at two rows or more, so that one message can be known by another.
    pub(super) fn has_intents(&self) -> bool {
        let mut seen = BTreeSet::new();
        let labelled = self.rows.iter().filter(|row| row.text.is_some());
        labelled.filter_map(|row| row.label.as_deref()).any(|label| !seen.insert(label))
    }

    /// Known messages as passages, and the others as questions; those with the label of a question answer it.
    pub(super) fn by_label(mut self) -> Result<RetrievalSet, DatasetError> {
        if self.examples.is_empty() {
            self.part_examples();
        }
        let mut known: BTreeMap<Intent, Vec<String>> = BTreeMap::new();
        let mut passages = Vec::new();
        for row in &self.examples {
            let intent = Intent::of(row)?;
            passages.push(PassageRow {
                id: row.id.clone(),
                title: String::new(),
                text: row.text().to_owned(),
                lang: intent.language,
                kb: intent.bot.clone(),
            });
            known.entry(intent).or_default().push(row.id.clone());
        }
        let mut questions = Vec::new();
        for row in &self.rows {
            let intent = Intent::of(row)?;
            let relevant = known.get(&intent).cloned().unwrap_or_default();
            let (id, text, answerable) = (row.id.clone(), row.text().to_owned(), !relevant.is_empty());
            let mut question = QuestionRow::alone(id, intent.language, text, intent.bot, answerable);
            question.relevant = relevant;
            questions.push(question);
        }
        if !questions.iter().any(|question| question.answerable) {
            return Err(DatasetError::Invalid(
                "no row shares its `label` with a known message, so none can be found by another".into(),
            ));
        }
        Ok(RetrievalSet { passages, questions, cross_lingual: false })
    }

    /// Customers' turns of whole conversations as messages of their own; for the language, a conversation's turns together.
    /// Nobody has labelled them: none counts as a wish for a person, and none as an attack.
    pub(super) fn part_turns(&mut self, task: Task) -> Result<(), DatasetError> {
        if self.rows.iter().all(|row| row.turns.is_none()) {
            return Ok(());
        }
        if !matches!(task, Task::Language | Task::Handoff | Task::Injection) {
            return Err(DatasetError::Invalid(format!(
                "whole conversations (`turns`) measure language, handoff or injection, not {}: nobody has labelled their turns",
                task.as_str()
            )));
        }
        self.rows = std::mem::take(&mut self.rows).into_iter().flat_map(|row| messages(row, task)).collect();
        Ok(())
    }
}

/// What a known message and a question have to share.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Intent {
    bot: String,
    language: Language,
    label: String,
}

impl Intent {
    fn of(row: &Row) -> Result<Self, DatasetError> {
        match (row.language(), &row.label) {
            (Some(language), Some(label)) if row.text.is_some() => {
                Ok(Self { bot: row.bot.clone().unwrap_or_default(), language, label: label.clone() })
            }
            _ => Err(DatasetError::Invalid(format!(
                "row {} lacks `text`, `label` or a supported `lang`, which the task {} needs; eval/README.md describes the \
                 fields",
                row.id,
                Task::Retrieval.as_str()
            ))),
        }
    }
}

/// A row may have several labels, joined by `+`.
fn labels_of(row: &Row) -> impl Iterator<Item = &str> {
    row.label.iter().flat_map(|label| label.split('+'))
}

/// The topics of which a label asks one to be told.
fn topics(label: &str, of_sentiment: bool) -> Vec<&'static str> {
    if let Some(name) = built_in().find(|name| *name == label) {
        return vec![name];
    }
    let alike = ALIKE.iter().find(|(other, _)| *other == label && (of_sentiment || label != "negative"));
    alike.map_or_else(Vec::new, |(_, topics)| topics.to_vec())
}

fn messages(mut row: Row, task: Task) -> Vec<Row> {
    let Some(turns) = row.turns.take() else { return vec![row] };
    let said = turns.into_iter().filter(|turn| turn.role == Role::Customer && !turn.text.trim().is_empty());
    let said: Vec<String> = said.map(|turn| turn.text).collect();
    if task == Task::Language {
        let whole = (!said.is_empty()).then(|| said.join("\n"));
        return whole.map(|text| Row { text: Some(text), ..row }).into_iter().collect();
    }
    let message = |(number, text): (usize, String)| Row {
        id: format!("{}#{number}", row.id),
        text: Some(text),
        handoff: Some(false),
        label: Some("benign".into()),
        ..row.clone()
    };
    said.into_iter().enumerate().map(message).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn set(rows: &[Value]) -> RowSet {
        let rows = rows.iter().map(|row| serde_json::from_value(row.clone()).unwrap()).collect();
        let mut set = RowSet { rows, examples: Vec::new() };
        set.interpret();
        set
    }

    fn row(id: &str, label: &str) -> Value {
        json!({"id": id, "lang": "en", "text": format!("text of {id}"), "label": label})
    }

    #[test]
    fn labels_are_read_as_wishes_for_a_person() {
        let wishes = set(&[row("a", "cancel+handoff"), row("b", "thank")]);
        assert_eq!(wishes.task(), Some(Task::Handoff));
        assert_eq!(wishes.rows.iter().map(|row| row.handoff).collect::<Vec<_>>(), [Some(true), Some(false)]);
        let said =
            set(&[json!({"id": "a", "text": "x", "label": "handoff", "handoff": false}), row("b", "c")]);
        assert_eq!(said.rows[1].handoff, None, "a set that says so itself is not interpreted");
    }

    #[test]
    fn labels_are_read_as_topics() {
        let due = |rows: &[Value]| {
            let set = set(rows);
            assert_eq!(set.task(), Some(Task::Topics));
            set.rows.into_iter().map(|row| row.topics.unwrap()).collect::<Vec<_>>()
        };
        let none = Vec::<String>::new();
        assert_eq!(due(&[row("a", "anger"), row("b", "other")]), [vec!["anger".to_owned()], none.clone()]);
        assert_eq!(
            due(&[row("a", "negative"), row("b", "positive")]),
            [vec!["anger".to_owned()], none.clone()]
        );
        assert_eq!(due(&[row("a", "smalltalk_or_trivia")])[0], ["small_talk", "off_topic"]);
        assert_eq!(
            set(&[row("a", "negative"), row("b", "test_result")]).task(),
            None,
            "of a blood test, say"
        );
    }

    #[test]
    fn messages_are_found_by_those_of_their_intent() {
        let of = |id: usize| format!("m{id}");
        let label = |id: usize| if id == 39 { "alone" } else { ["a", "b"][id % 2] };
        let rows: Vec<Value> = (0..40).map(|id| row(&of(id), label(id))).collect();
        let intents = set(&rows);
        assert_eq!(intents.task(), Some(Task::Retrieval));
        let set = intents.by_label().unwrap();
        assert_eq!(set.passages.len() + set.questions.len(), 40);
        for question in &set.questions {
            let place: usize = question.id[1..].parse().unwrap();
            assert_eq!(question.answerable, label(place) != "alone", "{}", question.id);
            assert!(question.relevant.iter().all(|id| label(id[1..].parse().unwrap()) == label(place)));
            assert!(!question.relevant.contains(&question.id));
        }
    }

    #[test]
    fn what_no_row_shares_is_refused() {
        let alone = set(&[row("a", "x"), row("b", "y")]);
        assert_eq!(alone.task(), None);
        assert!(alone.by_label().unwrap_err().to_string().contains("`label`"));
    }

    #[test]
    fn turns_of_customers_are_messages() {
        let talk = json!({"id": "c", "lang": "en", "turns": [
            {"role": "customer", "text": "hi"}, {"role": "agent", "text": "Hello!"},
            {"role": "customer", "text": "where is my parcel"}, {"role": "customer", "text": " "}]});
        let mut each = set(std::slice::from_ref(&talk));
        assert_eq!(each.task(), Some(Task::Handoff));
        each.prepare(Task::Handoff).unwrap();
        let ids: Vec<&str> = each.rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["c#0", "c#1"]);
        assert!(each.rows.iter().all(|row| row.handoff == Some(false) && !row.attacks()));
        let mut whole = set(std::slice::from_ref(&talk));
        whole.prepare(Task::Language).unwrap();
        assert_eq!((whole.rows.len(), whole.rows[0].text()), (1, "hi\nwhere is my parcel"));
        let refused = set(&[talk]).prepare(Task::PersonalData).unwrap_err().to_string();
        assert!(refused.contains("`turns`"), "{refused}");
    }
}
