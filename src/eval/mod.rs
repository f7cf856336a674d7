//! Offline evaluation against the very pipeline that serves.
//!
//! A set ([`dataset`]) is run ([`run`]) row by row for a [`task`], each row becomes a [`case`], cases become metrics with
//! intervals ([`metrics`]), and metrics become a [`report`]. [`compare`] holds two runs against each other, [`gate`] holds
//! a run against a baseline. [`calibration`] fits the map from signals to a probability on one half of a set and certifies a
//! threshold on the other half.
//!
//! Nothing here depends on the time of day, and every random choice is seeded: the same set, configuration and models
//! give the same numbers, except for latencies.

use std::path::PathBuf;

pub mod cache;
pub mod calibration;
pub mod case;
pub mod compare;
pub mod completions;
pub mod dataset;
pub mod finished;
pub mod gate;
pub mod import;
mod journal;
pub mod metrics;
pub mod replay;
pub mod report;
pub mod run;
pub mod scratch;
pub mod task;
pub mod trials;

/// Why an evaluation could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A set cannot be read.
    #[error(transparent)]
    Dataset(#[from] dataset::DatasetError),
    /// An embedding failed.
    #[error("the embedder failed: {0}")]
    Embedding(#[from] crate::inference::InferenceError),
    /// The temporary index failed.
    #[error(transparent)]
    Index(#[from] crate::retrieval::index::IndexError),
    /// A search failed.
    #[error("the search for question {question} failed: {message}")]
    Retrieval {
        /// Id of the question.
        question: String,
        /// What happened.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {message}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        message: String,
    },
    /// The person at the keyboard stopped it.
    #[error("stopped before the end; no report was written")]
    Cancelled,
    /// The sample is too small, or all of one kind.
    #[error("{0}")]
    NotEnough(String),
}

impl EvalError {
    fn io(path: impl Into<PathBuf>, error: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self::Io { path: path.into(), message: error.to_string() }
    }
}
