//! Policies in first form: fixed checks, each with a stable name.
