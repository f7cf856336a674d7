#![doc = include_str!("ARCHITECTURE.md")]

pub mod api;
pub mod app;
pub mod assistant;
pub mod cli;
pub mod config;
pub mod conversation;
pub mod decision;
pub mod eval;
pub mod generation;
pub mod inference;
pub mod judgement;
pub mod knowledge;
pub mod retrieval;
pub mod settings;
pub mod store;
pub mod telemetry;
