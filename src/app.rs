//! The one place where parts are wired: a [`Config`] in, an [`App`] out.

use std::sync::Arc;

use crate::config::Config;
use crate::conversation::{Clock, Ids};
use crate::inference::{ChatModel, Embedder};
use crate::retrieval::index::PassageIndex;
use crate::store::Store;

/// Everything the API and the commands use.
#[derive(Clone)]
pub struct App {
    /// What was set.
    pub config: Arc<Config>,
    /// Truth about documents, suggestions and keys.
    pub store: Arc<dyn Store>,
    /// Derived index of passages.
    pub index: Arc<dyn PassageIndex>,
    /// Maps text to vectors.
    pub embedder: Arc<dyn Embedder>,
    /// Writes drafts, by the configured order of backends.
    pub chat: Arc<dyn ChatModel>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
}
