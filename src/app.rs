//! The one place where parts are wired: a [`Config`] in, an [`App`] out.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::assistant::{Assistant, AssistantParts};
use crate::config::Config;
use crate::conversation::{Clock, Ids};
use crate::decision::policy;
use crate::decision::rules::{Policies, PolicyError};
use crate::generation::{Drafter, GenerationError};
use crate::inference::candle::{CandleChat, CandleEmbedder, EmbedderOptions};
use crate::inference::extractive::Extractive;
use crate::inference::models::{ModelError, Progress, Registry};
use crate::inference::openai::OpenAiChat;
use crate::inference::routing::Router;
use crate::inference::{BackendKind, CachedEmbedder, ChatModel, Embedder, InferenceError, Masked};
use crate::judgement::Judge;
use crate::judgement::calibration::{CalibrationError, Calibrations, Procedure};
use crate::knowledge::{KnowledgeError, Library};
use crate::retrieval::index::edge::EdgeIndex;
use crate::retrieval::index::server::ServerIndex;
use crate::retrieval::index::{IndexError, PassageIndex};
use crate::retrieval::{self, Retriever};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use crate::understanding::{self, MessageReader};

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
    /// From a message to its topics.
    pub reader: Arc<MessageReader>,
    /// From a question to passages.
    pub retriever: Arc<Retriever>,
    /// Documents in, passages out.
    pub library: Arc<Library>,
    /// Rules of the operator's own.
    pub policies: Arc<Policies>,
    /// One conversation in, one suggestion out.
    pub assistant: Arc<Assistant>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
}

/// A part could not be built.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A model's files are missing, damaged, or of no use.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model does not load.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// The database does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The passage index does not open.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A prompt does not parse.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// A calibration does not load.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// The policies' files cannot be used.
    #[error(transparent)]
    Policies(#[from] PolicyError),
    /// The index could not be repaired from the store.
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    /// Listening failed, or a thread died.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl App {
    /// Builds every part, fetching the models that are missing. The index is complete when this returns.
    pub async fn build(config: Config, progress: Arc<dyn Progress>) -> Result<Self, AppError> {
        let app = Self::open(config, progress).await?;
        if app.library.backlog().is_some() {
            app.library.rebuild(&CancellationToken::new()).await?;
        }
        Ok(app)
    }

    /// As [`Self::build`], but what the index lacks of the store is left to the server: embedding it again, after a
    /// change of the embedder, takes minutes. Until then [`Library::backlog`] says how much that is.
    pub async fn open(config: Config, progress: Arc<dyn Progress>) -> Result<Self, AppError> {
        let registry = Registry::open(&config.models)?;
        let progress = progress.as_ref();
        // Fetched one after the other, loaded side by side.
        registry.ensure(&registry.find(&config.models.embedder)?, progress).await?;
        // On the heap: together they would make the future of every caller large.
        let (embedder, local) = tokio::try_join!(
            Box::pin(load_embedder(&config, &registry, progress)),
            Box::pin(load_local_chat(&config, &registry, progress))
        )?;
        let cached = cached_embedder(&config, &embedder);
        let chat = chat_of(&config, local, &cached)?;
        Box::pin(Self::assemble(config, Models { embedder, cached, chat }, Arc::new(SystemClock))).await
    }

    /// Puts the parts together around models that are loaded already. A caller may have wrapped them.
    pub async fn assemble(config: Config, models: Models, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let Models { embedder, cached, chat } = models;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.server.database()).await?);
        let index = open_index(&config, embedder.as_ref()).await?;
        let ids: Arc<dyn Ids> = Arc::new(RandomIds);
        let mut knowledge = config.knowledge.clone();
        if knowledge.parsing.program.is_none() {
            knowledge.parsing.program = Some(std::env::current_exe()?);
        }
        let library = Arc::new(Library::new(
            Arc::clone(&store),
            Arc::clone(&index),
            Arc::clone(&embedder),
            Arc::clone(&clock),
            knowledge,
        ));
        if library.compare().await?.lacking == 0 {
            library.rebuild(&CancellationToken::new()).await?;
        }
        let retriever = Retriever::new(Arc::clone(&index), Arc::clone(&cached), config.retrieval.clone());
        let retriever = Arc::new(retriever.with_readers(library.readers()));
        let calibrations = Calibrations::load(config.judgement.calibrations.as_deref())?;
        let reader = Arc::new(MessageReader::new(
            &config.understanding,
            Some(Arc::clone(&cached)),
            Some(config.models.cache_dir()?.join("topics.vectors")),
        ));
        let policies = Arc::new(Policies::open(config.policies.path(), config.known_to_rules())?);
        let assistant = Arc::new(Assistant::new(AssistantParts {
            reader: Arc::clone(&reader),
            retriever: Arc::clone(&retriever),
            drafter: Arc::new(Drafter::new(
                Arc::clone(&chat),
                Some(Arc::clone(&cached)),
                config.generation.clone(),
            )?),
            quoter: quoter(&config, &chat, &cached)?,
            judge: Arc::new(
                Judge::new(
                    cached,
                    calibrations,
                    config.judgement.clone(),
                    Procedure::of(
                        &(retrieval::REVISION, &config.retrieval),
                        &(
                            policy::REVISION,
                            &config.decision,
                            config.inference.quote_first,
                            &config.understanding,
                            understanding::revision(),
                        ),
                    ),
                )
                .with_second_reading(Arc::clone(&chat))?,
            ),
            chat: chat.info().clone(),
            decision: config.decision.clone(),
            policies: Arc::clone(&policies),
            rollout: config.rollout.clone(),
            privacy: config.privacy.clone(),
            agents: config.generation.agents_language,
            deadline: std::time::Duration::from_secs_f64(config.inference.deadline_s),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
        }));
        let config = Arc::new(config);
        Ok(Self {
            config,
            store,
            index,
            embedder,
            chat,
            reader,
            retriever,
            library,
            policies,
            assistant,
            clock,
            ids,
        })
    }
}

/// The models of an [`App`].
pub struct Models {
    /// Maps the documents to vectors.
    pub embedder: Arc<dyn Embedder>,
    /// The same for what is compared again and again, with a memory.
    pub cached: Arc<dyn Embedder>,
    /// Writes drafts.
    pub chat: Arc<dyn ChatModel>,
}

/// The embedder with a memory for what is compared again and again; documents pass through once and would only push it out.
pub fn cached_embedder(config: &Config, embedder: &Arc<dyn Embedder>) -> Arc<dyn Embedder> {
    Arc::new(CachedEmbedder::new(Arc::clone(embedder), config.models.embedder_cache))
}

/// The configured embedder alone, on its own thread; fetched where it is missing.
pub async fn load_embedder(
    config: &Config,
    registry: &Registry,
    progress: &dyn Progress,
) -> Result<Arc<dyn Embedder>, AppError> {
    let manifest = registry.find(&config.models.embedder)?;
    let files = registry.ensure(&manifest, progress).await?;
    let options = EmbedderOptions::from(&config.models);
    let embedder = blocking(move || CandleEmbedder::load_with(&manifest, &files, options)).await??;
    Ok(Arc::new(embedder))
}

/// The configured backends in order; the one that needs no model stands at the end, named or not.
pub async fn load_chat(
    config: &Config,
    registry: &Registry,
    embedder: &Arc<dyn Embedder>,
    progress: &dyn Progress,
) -> Result<Arc<dyn ChatModel>, AppError> {
    let local = load_local_chat(config, registry, progress).await?;
    chat_of(config, local, embedder)
}

/// The local chat model, where one is configured.
async fn load_local_chat(
    config: &Config,
    registry: &Registry,
    progress: &dyn Progress,
) -> Result<Option<CandleChat>, AppError> {
    if !config.inference.backends.contains(&BackendKind::Candle) {
        return Ok(None);
    }
    let manifest = registry.find(&config.models.chat)?;
    let files = registry.ensure(&manifest, progress).await?;
    let options = config.candle.options();
    let chat = blocking(move || {
        let gguf = files.gguf().ok_or_else(|| {
            InferenceError::Permanent(format!("{} has no GGUF file to load", manifest.name))
        })?;
        CandleChat::load(&manifest.name, gguf, &files.fingerprint, options)
    });
    Ok(Some(chat.await??))
}

fn chat_of(
    config: &Config,
    mut local: Option<CandleChat>,
    embedder: &Arc<dyn Embedder>,
) -> Result<Arc<dyn ChatModel>, AppError> {
    let mut backends: Vec<Arc<dyn ChatModel>> = Vec::new();
    for kind in &config.inference.backends {
        match kind {
            BackendKind::Candle => {
                let local =
                    local.take().map(|chat| masked(config, config.privacy.mask_local, Arc::new(chat)));
                backends.extend(local);
            }
            BackendKind::Openai => {
                let chat = Arc::new(OpenAiChat::new(&config.openai)?);
                backends.push(masked(config, config.privacy.mask_hosted, chat));
            }
            BackendKind::Extractive => {}
        }
    }
    backends.push(Arc::new(Extractive::new(Some(Arc::clone(embedder)))));
    Ok(Arc::new(Router::new(backends, config.inference.clone())))
}

/// The model, which reads placeholders where that is set.
fn masked(config: &Config, mask: bool, chat: Arc<dyn ChatModel>) -> Arc<dyn ChatModel> {
    if mask { Arc::new(Masked::new(chat, config.privacy.mask_names)) } else { chat }
}

/// What quotes before a model is asked; nothing where quoting is the preferred backend already.
fn quoter(
    config: &Config,
    chat: &Arc<dyn ChatModel>,
    embedder: &Arc<dyn Embedder>,
) -> Result<Option<Arc<Drafter>>, AppError> {
    if !config.inference.quote_first || chat.info().quotes() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Drafter::new(
        Arc::new(Extractive::new(Some(Arc::clone(embedder)))),
        Some(Arc::clone(embedder)),
        config.generation.clone(),
    )?)))
}

/// The Qdrant server where one is configured, else the embedded index in the data folder.
async fn open_index(config: &Config, embedder: &dyn Embedder) -> Result<Arc<dyn PassageIndex>, AppError> {
    let info = embedder.info().clone();
    if config.index.url.is_some() {
        let server = ServerIndex::connect(&config.index, info.dimensions, &info.fingerprint)?;
        return Ok(Arc::new(server));
    }
    let folder = config.server.data_dir.join("index");
    let edge = blocking(move || EdgeIndex::open(&folder, info.dimensions, &info.fingerprint)).await??;
    Ok(Arc::new(edge))
}

/// Runs what blocks away from the threads that answer requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| AppError::Io(std::io::Error::other(error)))
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
