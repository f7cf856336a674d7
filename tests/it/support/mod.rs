//! What several topics share.

pub(crate) mod app;
pub(crate) mod browser;
pub(crate) mod embedder;
pub(crate) mod faults;
pub(crate) mod files;
pub(crate) mod hub;
pub(crate) mod library;
pub(crate) mod llama;
pub(crate) mod models;
pub(crate) mod parts;
pub(crate) mod qdrant;
pub(crate) mod reference;
pub(crate) mod tiny;
