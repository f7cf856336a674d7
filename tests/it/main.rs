//! Every integration test, in one binary.

mod architecture;
mod config;
mod decision;
mod store;
mod support;
