//! Running a set of kind `assistant`: every conversation through the assistant, in mode `auto`, several at a time where
//! the backend takes that.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Progress, unless_cancelled};
use crate::assistant::Assistant;
use crate::conversation::WorkspaceId;
use crate::decision::Mode;
use crate::eval::EvalError;
use crate::eval::dataset::assistant::{AssistantSet, Row, document_name};
use crate::eval::finished::Finished;
use crate::inference::openai::OpenAiConfig;
use crate::store::{Documents, Page, Store};

mod facts;
mod grade;
mod measures;
mod outcome;
mod summary;

pub use grade::{Grader, grade};
pub use measures::with_trials;
pub use outcome::{DraftOutcome, Outcome};
pub use summary::{method, tables};

/// Who is asked, and how.
pub struct Asked<'a> {
    /// The pipeline.
    pub assistant: &'a Arc<Assistant>,
    /// Holds the set's documents.
    pub workspace: &'a WorkspaceId,
    /// Their names, from [`document_names`].
    pub documents: &'a BTreeMap<String, String>,
    /// Support from which a sentence counts as grounded.
    pub floor: f64,
    /// The hosted model that is asked, with what it costs.
    pub hosted: Option<&'a OpenAiConfig>,
    /// Conversations that are answered at a time.
    pub jobs: usize,
}

/// Names of a workspace's documents in a set (paths below the knowledge folder, without extension), by document id.
pub async fn document_names(
    store: &dyn Store,
    workspace: &WorkspaceId,
    knowledge: &Path,
) -> Result<BTreeMap<String, String>, EvalError> {
    let failed = |error: &dyn std::fmt::Display| {
        EvalError::NotEnough(format!("the documents cannot be listed: {error}"))
    };
    let root = knowledge.canonicalize().map_err(|error| EvalError::io(knowledge, &error))?;
    let mut names = BTreeMap::new();
    let mut after = None;
    loop {
        let listed = Documents::list(store, workspace, Page { after, limit: 200 })
            .await
            .map_err(|error| failed(&error))?;
        for document in listed.items {
            let source = Path::new(&document.source);
            let path = source.canonicalize().unwrap_or_else(|_| source.to_path_buf());
            names.insert(document.id, document_name(&root, &path));
        }
        after = listed.next;
        if after.is_none() {
            return Ok(names);
        }
    }
}

/// Asks every question, except those that an earlier, interrupted run finished.
pub async fn run(
    set: &AssistantSet,
    asked: &Asked<'_>,
    finished: &Finished<Outcome>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Vec<Outcome>, EvalError> {
    progress.start("asking", set.questions.len());
    stream::iter(&set.questions)
        .map(|row| finished.once(&row.id, unless_cancelled(cancel, ask(row, asked))))
        .buffered(asked.jobs.max(1))
        .inspect_ok(|_| progress.advance(1))
        .try_collect()
        .await
}

/// On a task of its own, so that several conversations use several cores.
async fn ask(row: &Row, asked: &Asked<'_>) -> Result<Outcome, EvalError> {
    let (assistant, workspace) = (Arc::clone(asked.assistant), asked.workspace.clone());
    let conversation = row.conversation();
    let answering =
        tokio::spawn(async move { assistant.answer(&workspace, &conversation, Mode::Auto, None).await });
    let suggestion = AbortOnDropHandle::new(answering)
        .await
        .map_err(|error| EvalError::NotEnough(format!("question {} was not answered: {error}", row.id)))?;
    Ok(Outcome::of(row, &suggestion, asked))
}
