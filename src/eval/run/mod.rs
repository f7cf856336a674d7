//! Running a set, row by row, through the pipeline that serves.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use super::EvalError;

pub mod assistant;
pub mod groundedness;
pub mod messages;
pub mod out_of_scope;
mod personal_data;
pub mod planted_orders;
pub mod retrieval;

/// Who is told how far a run is.
pub trait Progress: Send + Sync {
    /// A stage of so many steps begins.
    fn start(&self, stage: &str, steps: usize);
    /// So many of its steps are done.
    fn advance(&self, steps: usize);
}

/// The work, unless it is cancelled first.
async fn unless_cancelled<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, EvalError>>,
) -> Result<T, EvalError> {
    cancel.run_until_cancelled(work).await.unwrap_or(Err(EvalError::Cancelled))
}

/// The beginning of a text on one line, for traces.
fn beginning(text: &str, characters: usize) -> String {
    let line = crate::text::collapse(text);
    match line.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
