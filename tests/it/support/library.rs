//! A library on the parts that `ponto` itself runs on, but for the model.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ponto::conversation::Clock;
use ponto::inference::Embedder;
use ponto::knowledge::{KnowledgeConfig, Library};
use ponto::retrieval::index::PassageIndex;
use ponto::retrieval::index::edge::EdgeIndex;
use ponto::retrieval::{RetrievalConfig, Retriever};
use ponto::store::sqlite::SqliteStore;
use ponto::store::{Documents, Store};

use super::embedder::HashEmbedder;

struct Still;

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).expect("a time")
    }
}

/// A library, what it is made of, and who reads it.
pub(crate) struct Parts {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) index: Arc<EdgeIndex>,
    pub(crate) library: Library,
    pub(crate) retriever: Retriever,
}

impl Parts {
    /// In a folder, as a start finds or leaves it; so many passages are sent to the index at once.
    pub(crate) async fn open(folder: &Path, batch: usize) -> Self {
        let embedder = Arc::new(HashEmbedder::new());
        let store = Arc::new(SqliteStore::open(&folder.join("ponto.db")).await.expect("a store"));
        let info = embedder.info();
        let index = EdgeIndex::open(&folder.join("index"), info.dimensions, &info.fingerprint);
        let index = Arc::new(index.expect("an index"));
        let shared = Arc::clone(&index) as Arc<dyn PassageIndex>;
        let library = Library::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&shared),
            Arc::clone(&embedder) as Arc<dyn Embedder>,
            Arc::new(Still),
            KnowledgeConfig { batch, ..KnowledgeConfig::default() },
        );
        let retriever =
            Retriever::new(shared, embedder, RetrievalConfig::default()).with_readers(library.readers());
        Self { store, index, library, retriever }
    }

    /// Ids in the index and in the store.
    pub(crate) async fn ids(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let indexed = self.index.passage_ids().await.expect("the index lists its passages");
        let stored = self.store.passage_ids().await.expect("the store lists its passages");
        (indexed.into_iter().collect(), stored.into_iter().collect())
    }
}
