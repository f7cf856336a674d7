//! Every integration test, in one binary.

mod architecture;
mod config;
mod decision;
mod embedder;
mod index;
mod models;
mod knowledge;
mod store;
mod support;
