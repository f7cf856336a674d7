//! Running a set of kind `assistant`: every conversation through the assistant, in mode `auto`, one after the other.

use std::collections::BTreeMap;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{Progress, unless_cancelled};
use crate::assistant::Assistant;
use crate::conversation::WorkspaceId;
use crate::decision::Mode;
use crate::eval::EvalError;
use crate::eval::dataset::assistant::{AssistantSet, document_name};
use crate::store::{Documents, Page, Store};

mod facts;
mod outcome;
mod summary;

pub use outcome::Outcome;
pub use summary::report;

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

/// Asks every question. The workspace must hold the set's documents, named by [`document_names`].
pub async fn run(
    set: &AssistantSet,
    assistant: &Assistant,
    workspace: &WorkspaceId,
    documents: &BTreeMap<String, String>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Vec<Outcome>, EvalError> {
    progress.start("asking", set.questions.len());
    let mut outcomes = Vec::with_capacity(set.questions.len());
    for row in &set.questions {
        let conversation = row.conversation();
        let suggestion = unless_cancelled(cancel, async {
            Ok(assistant.answer(workspace, &conversation, Mode::Auto, None).await)
        })
        .await?;
        outcomes.push(Outcome::of(row, &suggestion, documents));
        progress.advance(1);
    }
    Ok(outcomes)
}
