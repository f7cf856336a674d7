//! Every integration test, in one binary.

mod architecture;
mod config;
mod decision;
mod index;
mod store;
mod support;
