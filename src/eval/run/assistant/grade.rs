//! An optional second opinion: a chat model that says whether a draft states the facts of its row. It costs a call a draft
//! and errs in its own ways; the facts themselves are the measure that counts.

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::Outcome;
use crate::eval::EvalError;
use crate::eval::case::Case;
use crate::eval::dataset::assistant::{AssistantSet, Row};
use crate::eval::finished::Finished;
use crate::eval::run::{Progress, unless_cancelled};
use crate::generation::prompts::{GradePrompt, Prompts, harmless};
use crate::generation::yes_no;
use crate::inference::{Budget, ChatModel, ChatRequest};

/// The model that grades, and how it is asked.
pub struct Grader<'a> {
    /// The model.
    pub chat: &'a dyn ChatModel,
    /// The templates.
    pub prompts: &'a Prompts,
    /// Longest time for one grade.
    pub deadline: std::time::Duration,
    /// Drafts that are graded at a time.
    pub jobs: usize,
}

/// Adds `judged_acceptable` to the cases of answerable questions with a draft. A grade that is neither yes nor no counts as
/// none. Drafts that an earlier, interrupted run has graded are not graded again.
pub async fn grade(
    cases: Vec<Case>,
    set: &AssistantSet,
    outcomes: &[Outcome],
    grader: &Grader<'_>,
    finished: &Finished<Option<bool>>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Vec<Case>, EvalError> {
    progress.start("grading", cases.len());
    stream::iter(cases.into_iter().zip(&set.questions).zip(outcomes))
        .map(|((case, row), outcome)| async move {
            let draft = outcome.draft.as_ref().filter(|_| row.answerable && !row.facts.is_empty());
            let Some(draft) = draft else { return Ok(case) };
            let asking = unless_cancelled(cancel, ask(row, &draft.text, grader));
            Ok(match finished.once(&row.id, asking).await? {
                Some(right) => case.with_yes("judged_acceptable", right),
                None => case,
            })
        })
        .buffered(grader.jobs.max(1))
        .inspect_ok(|_: &Case| progress.advance(1))
        .try_collect()
        .await
}

async fn ask(row: &Row, reply: &str, grader: &Grader<'_>) -> Result<Option<bool>, EvalError> {
    let first = |wordings: &Vec<String>| wordings.first().map(|wording| harmless(wording));
    let prompt = GradePrompt {
        question: harmless(row.messages.last().map_or("", |turn| turn.text.as_str())),
        facts: row.facts.iter().filter_map(first).collect(),
        reply: harmless(reply),
    };
    let messages = grader
        .prompts
        .grade(&prompt)
        .map_err(|error| EvalError::NotEnough(format!("the prompt of grades does not render: {error}")))?;
    let request = ChatRequest { messages, options: yes_no::options(), ..ChatRequest::default() };
    let completion = grader.chat.complete(request, Budget::of(grader.deadline)).await?;
    Ok(yes_no::verdict(&completion))
}
