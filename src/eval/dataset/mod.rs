//! Sets: what is asked, of which knowledge, and what a right outcome is.
//!
//! A set is a suite file (`*.toml`), a file of rows (`*.jsonl`), or a folder in one of the shapes that `eval/README.md`
//! describes. What is measured on it is a [`Task`], which the rows tell where nobody says.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::task::Task;

pub mod assistant;
mod jsonl;
mod labels;
pub mod retrieval;
pub mod rows;
mod suite;

pub use suite::{Kind, Suite};

/// A set, read and checked.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its name, for reports.
    pub name: String,
    /// Texts of its questions may appear in reports.
    pub texts_in_report: bool,
    /// Hash of the content of every file.
    pub hash: String,
    /// What its rows are.
    pub kind: Kind,
    /// What is measured.
    pub task: Task,
    /// The rows.
    pub rows: Rows,
}

/// The rows of a set, by kind.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Passages and questions with relevant passages.
    Retrieval(retrieval::RetrievalSet),
    /// Documents and conversations with the outcome that is right.
    Assistant(assistant::AssistantSet),
    /// Texts with labels.
    Labelled(rows::RowSet),
}

/// Why a set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file cannot be read.
    #[error("{}: {message}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What happened.
        message: String,
    },
    /// A row is not in the documented form.
    #[error("{}:{line}: {message}; eval/README.md describes the fields", .path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The set as a whole makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Dataset {
    /// Reads a suite file, a file of rows or a folder. `questions` replaces the set's own question files; without a
    /// `task`, the suite or the rows tell it.
    pub fn load(set: &Path, questions: Option<&Path>, task: Option<Task>) -> Result<Self, DatasetError> {
        let mut suite = Suite::find(set)?;
        if let Some(file) = questions {
            suite.questions = vec![file.to_path_buf()];
        }
        let wanted = task.or(suite.task);
        let mut hasher = Hasher::default();
        let (rows, task) = match suite.kind {
            Kind::Retrieval => {
                let set = retrieval::RetrievalSet::load(&suite, &mut hasher)?;
                (Rows::Retrieval(set), wanted.unwrap_or(Task::Retrieval))
            }
            Kind::Assistant => {
                let set = assistant::AssistantSet::load(&suite, &mut hasher)?;
                assistant_rows(set, wanted.unwrap_or(Task::Assistant))?
            }
            Kind::Rows => {
                let mut set = rows::RowSet::load(&suite, &mut hasher)?;
                let task = wanted.or_else(|| set.task()).ok_or_else(|| untold(&suite.name))?;
                if task.needs_assistant() {
                    return Err(mismatch(&suite, task));
                }
                if task == Task::Retrieval {
                    (Rows::Retrieval(set.by_label()?), task)
                } else {
                    set.prepare(task)?;
                    (Rows::Labelled(set), task)
                }
            }
        };
        if suite.kind == Kind::Retrieval && task != Task::Retrieval {
            return Err(mismatch(&suite, task));
        }
        let Suite { name, texts_in_report, kind, .. } = suite;
        Ok(Self { name, texts_in_report, hash: hasher.finish(), kind, task, rows })
    }

    /// Number of questions.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Retrieval(set) => set.questions.len(),
            Rows::Assistant(set) => set.questions.len(),
            Rows::Labelled(set) => set.rows.len(),
        }
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps `limit` questions, chosen by seed and id alone: a larger limit keeps all that a smaller one keeps.
    pub fn sample(&mut self, limit: usize, seed: u64) {
        match &mut self.rows {
            Rows::Retrieval(set) => sample(&mut set.questions, limit, seed, |question| &question.id),
            Rows::Assistant(set) => sample(&mut set.questions, limit, seed, |question| &question.id),
            Rows::Labelled(set) => sample(&mut set.rows, limit, seed, |row| &row.id),
        }
    }
}

/// An assistant suite is asked as a whole, or its messages are rows for one component.
fn assistant_rows(set: assistant::AssistantSet, task: Task) -> Result<(Rows, Task), DatasetError> {
    if task.needs_assistant() {
        return Ok((Rows::Assistant(set), task));
    }
    if !matches!(task, Task::Language | Task::Handoff | Task::Injection) {
        return Err(DatasetError::Invalid(format!(
            "an assistant suite measures assistant, decisions, answers, language, handoff or injection, not {}",
            task.as_str()
        )));
    }
    let mut rows = rows::RowSet::of_conversations(set, task);
    rows.prepare(task)?;
    Ok((Rows::Labelled(rows), task))
}

fn mismatch(suite: &Suite, task: Task) -> DatasetError {
    DatasetError::Invalid(format!(
        "the set {} is of kind {}, which does not measure {}",
        suite.name,
        suite.kind.as_str(),
        task.as_str()
    ))
}

fn untold(name: &str) -> DatasetError {
    DatasetError::Invalid(format!(
        "the rows of {name} do not tell what they measure; say it with --task (language, handoff, topics, out_of_scope, \
         injection, planted_orders, personal_data, groundedness, or retrieval where rows share their `label`)"
    ))
}

fn sample<T>(rows: &mut Vec<T>, limit: usize, seed: u64, id: impl Fn(&T) -> &str) {
    if rows.len() <= limit {
        return;
    }
    let mut order: Vec<([u8; 32], usize)> =
        rows.iter().enumerate().map(|(at, row)| (seeded_hash(seed, id(row)), at)).collect();
    order.sort_unstable();
    let mut kept = vec![false; rows.len()];
    for (_, at) in order.into_iter().take(limit) {
        kept[at] = true;
    }
    let mut kept = kept.into_iter();
    rows.retain(|_| kept.next().unwrap_or(false));
}

/// A hash of seed and id: a random order of rows that does not depend on the order in which they come.
pub(super) fn seeded_hash(seed: u64, id: &str) -> [u8; 32] {
    Sha256::new().chain_update(seed.to_le_bytes()).chain_update(id).finalize().into()
}

/// Hashes the files of a set.
#[derive(Default)]
struct Hasher(Sha256);

impl Hasher {
    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> String {
        let mut hash = hex::encode(self.0.finalize());
        hash.truncate(16);
        hash
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sample;

    proptest! {
        #[test]
        fn a_smaller_sample_is_part_of_a_larger_one(seed in any::<u64>(), small in 0_usize..20, more in 0_usize..20) {
            let rows: Vec<String> = (0..30).map(|i| format!("q-{i}")).collect();
            let take = |limit| {
                let mut rows = rows.clone();
                sample(&mut rows, limit, seed, |row| row);
                rows
            };
            let (few, many) = (take(small), take(small + more));
            prop_assert_eq!(few.len(), small);
            prop_assert!(few.iter().all(|row| many.contains(row)));
            prop_assert!(many.is_sorted_by_key(|row| rows.iter().position(|other| other == row)));
        }
    }
}
