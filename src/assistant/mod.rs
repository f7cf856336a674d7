//! One conversation in, one [`crate::store::suggestion::Suggestion`] out, with its trace.
