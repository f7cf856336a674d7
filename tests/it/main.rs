//! Every integration test, in one binary.

mod architecture;
mod config;
mod store;
mod support;
