//! Every integration test, in one binary.

mod architecture;
mod config;
mod decision;
mod embedder;
mod index;
mod knowledge;
mod models;
mod retrieval;
mod store;
mod support;
