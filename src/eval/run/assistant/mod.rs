//! Running a set of kind `assistant`.

mod facts;
mod outcome;
mod summary;

pub use outcome::Outcome;
pub use summary::report;
