//! Running a set of kind `retrieval`.

mod summary;

pub use summary::{DEPTH, Outcome, report};
