//! The one place where parts are wired: a [`Config`] in, an [`App`] out.

use std::sync::Arc;

use chrono::{DateTime, Utc};

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

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where time is read")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// Random identifiers that sort by creation (UUID version 7).
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one place where identifiers are made")]
    fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", uuid::Uuid::now_v7().simple())
    }
}
