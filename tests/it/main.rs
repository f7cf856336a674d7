//! Every integration test, in one binary.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test that skips says why")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod api;
mod architecture;
mod architectures;
mod assistant;
mod candle_chat;
mod chat_model;
mod config;
mod console;
mod decision;
mod decoder;
mod device;
mod embedder;
mod erasure;
mod eval;
mod eval_chat;
mod eval_runs;
mod eval_tasks;
mod formats;
mod from_feedback;
mod hosted_faults;
mod index;
mod judgement;
mod knowledge;
mod models;
mod policies;
mod privacy;
mod rebuild;
mod retrieval;
mod serve;
mod store;
mod support;
mod tokenizer;
mod versions;
