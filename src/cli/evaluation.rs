//! What `eval` and `calibrate` share: progress, Ctrl-C, and an assistant over a set's own documents.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::Printer;
use super::progress::FetchProgress;
use crate::app::{App, Models, RandomIds, SystemClock, cached_embedder, load_chat, load_embedder};
use crate::config::Config;
use crate::conversation::{Clock, Ids, WorkspaceId};
use crate::eval::cache::CachedEmbedder;
use crate::eval::completions::CachedChat;
use crate::eval::dataset::assistant::AssistantSet;
use crate::eval::finished::Finished;
use crate::eval::report::config_hash;
use crate::eval::run::assistant::Outcome;
use crate::eval::run::{self, Progress};
use crate::eval::scratch::Scratch;
use crate::eval::trials::SeededChat;
use crate::inference::models::Registry;
use crate::inference::{BackendKind, ChatModel, Embedder};
use crate::knowledge::{IngestRequest, Silent};

/// Shows a run on stderr: a bar with the time left on a terminal, a line every tenth elsewhere.
pub(super) struct RunProgress {
    printer: Printer,
    terminal: bool,
    stage: Mutex<Stage>,
}

#[derive(Default)]
struct Stage {
    bar: Option<ProgressBar>,
    name: String,
    steps: usize,
    done: usize,
}

impl RunProgress {
    pub(super) fn new(printer: Printer) -> Self {
        Self { printer, terminal: std::io::stderr().is_terminal(), stage: Mutex::default() }
    }

    /// Takes the bar off the screen.
    pub(super) fn finish(&self) {
        if let Some(bar) = self.stage().bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A line beside the bar.
    pub(super) fn note(&self, text: impl AsRef<str>) {
        match &self.stage().bar {
            Some(bar) => bar.suspend(|| self.printer.note(text)),
            None => self.printer.note(text),
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for RunProgress {
    fn start(&self, stage: &str, steps: usize) {
        self.finish();
        let bar = self.terminal.then(|| {
            let bar = ProgressBar::new(steps as u64);
            let style = ProgressStyle::with_template("{msg:10} {wide_bar} {pos}/{len}  {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(stage.to_owned());
            bar
        });
        *self.stage() = Stage { bar, name: stage.to_owned(), steps, done: 0 };
    }

    fn advance(&self, steps: usize) {
        let mut stage = self.stage();
        let before = stage.done * 10 / stage.steps.max(1);
        stage.done += steps;
        let after = stage.done * 10 / stage.steps.max(1);
        match &stage.bar {
            Some(bar) => bar.inc(steps as u64),
            None if after > before => {
                self.printer.note(format!("{}: {} of {}", stage.name, stage.done, stage.steps));
            }
            None => {}
        }
    }
}

/// A token that Ctrl-C cancels.
pub(super) fn cancelled_by_ctrl_c() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    token
}

/// The folder of cached embeddings, beside the models.
pub(super) fn cache_folder(config: &Config) -> anyhow::Result<PathBuf> {
    let models = config.models.cache_dir()?;
    Ok(models.parent().unwrap_or(&models).join("eval"))
}

/// An empty temporary folder.
pub(super) fn scratch() -> anyhow::Result<Scratch> {
    Ok(Scratch::new(&RandomIds.id("eval-"))?)
}

/// The configured embedder, fetched where it is missing.
pub(super) async fn embedder(config: &Config, printer: Printer) -> anyhow::Result<Arc<dyn Embedder>> {
    let registry = Registry::open(&config.models)?;
    Ok(load_embedder(config, &registry, &FetchProgress::new(printer)).await?)
}

/// The configured chat model, fetched where it is missing; `remember` says whether replies are taken from, and kept in,
/// the cache.
pub(super) async fn chat(
    config: &Config,
    remember: bool,
    printer: Printer,
) -> anyhow::Result<Arc<dyn ChatModel>> {
    let registry = Registry::open(&config.models)?;
    let progress = FetchProgress::new(printer);
    let embedder = load_embedder(config, &registry, &progress).await?;
    let chat = load_chat(config, &registry, &embedder, &progress).await?;
    Ok(match replies(config, &chat, remember)? {
        Some(remembering) => remembering as Arc<dyn ChatModel>,
        None => chat,
    })
}

/// The chat model with a memory on disk, where that is wanted; what only quotes needs none.
fn replies(
    config: &Config,
    chat: &Arc<dyn ChatModel>,
    remember: bool,
) -> anyhow::Result<Option<Arc<CachedChat>>> {
    if !remember || chat.info().quotes() {
        return Ok(None);
    }
    Ok(Some(Arc::new(CachedChat::open(Arc::clone(chat), &cache_folder(config)?)?)))
}

/// The embedder with a memory on disk.
pub(super) fn remembering(config: &Config, embedder: Arc<dyn Embedder>) -> anyhow::Result<Arc<dyn Embedder>> {
    Ok(Arc::new(CachedEmbedder::open(embedder, &cache_folder(config)?)?))
}

/// What an earlier, interrupted run of the same finished; `parts` are all that shapes it, beside this build of the program.
pub(super) fn finished<T: Serialize + DeserializeOwned + Clone>(
    config: &Config,
    parts: &impl Serialize,
    progress: &RunProgress,
) -> anyhow::Result<Finished<T>> {
    let finished = Finished::open(&cache_folder(config)?, &config_hash(&(program()?, parts))?)?;
    if !finished.is_empty() {
        progress.note(format!("going on after {} finished cases of a run that was stopped", finished.len()));
    }
    Ok(finished)
}

/// How an assistant is put on the bench.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BenchOptions {
    /// The one backend that drafts; overrides `inference.backends`.
    pub(super) backend: Option<BackendKind>,
    /// Conversations at a time.
    pub(super) jobs: Option<usize>,
    /// Whether replies of the chat model are taken from, and kept in, the cache.
    pub(super) remember: bool,
}

/// An assistant in a folder of its own: the same parts as in service.
pub(super) struct Bench {
    pub(super) app: App,
    workspace: WorkspaceId,
    documents: BTreeMap<String, String>,
    jobs: usize,
    replies: Option<Arc<CachedChat>>,
    seeds: Arc<SeededChat>,
    /// Holds database and index; dropped last.
    _scratch: Scratch,
}

impl Bench {
    /// Builds the parts and ingests the documents of a set into the workspace. A configured Qdrant server is left alone.
    pub(super) async fn build(
        mut config: Config,
        options: BenchOptions,
        workspace: WorkspaceId,
        set: &AssistantSet,
        printer: Printer,
    ) -> anyhow::Result<Self> {
        if let Some(folder) = &set.policies {
            config.policies.folder = Some(std::path::absolute(folder)?);
        }
        let mut bench =
            Box::pin(Self::empty(config, options, workspace, Arc::new(SystemClock), printer)).await?;
        printer.note(format!("reading the documents of {}", set.knowledge.display()));
        let request = IngestRequest {
            patterns: vec![set.knowledge.to_string_lossy().into_owned()],
            ..IngestRequest::default()
        };
        let report = bench.app.library.ingest(&bench.workspace, request, &Silent).await?;
        if let Some(failure) = report.failed.first() {
            anyhow::bail!("{}: {}", failure.source, failure.message);
        }
        bench.documents =
            run::assistant::document_names(bench.app.store.as_ref(), &bench.workspace, &set.knowledge)
                .await?;
        Ok(bench)
    }

    /// Builds the parts around models that remember, without any document.
    pub(super) async fn empty(
        mut config: Config,
        options: BenchOptions,
        workspace: WorkspaceId,
        clock: Arc<dyn Clock>,
        printer: Printer,
    ) -> anyhow::Result<Self> {
        let scratch = scratch()?;
        config.server.data_dir = scratch.path().to_path_buf();
        config.index.url = None;
        config.inference.use_only(options.backend);
        let registry = Registry::open(&config.models)?;
        let progress = FetchProgress::new(printer);
        let embedder = remembering(&config, load_embedder(&config, &registry, &progress).await?)?;
        let cached = cached_embedder(&config, &embedder);
        let mut chat = load_chat(&config, &registry, &cached, &progress).await?;
        let local = chat.info().backend == "candle";
        let replies = replies(&config, &chat, options.remember)?;
        if let Some(remembering) = &replies {
            chat = Arc::clone(remembering) as Arc<dyn ChatModel>;
        }
        let seeds = Arc::new(SeededChat::new(chat));
        let chat = Arc::clone(&seeds) as Arc<dyn ChatModel>;
        let app = App::assemble(config, Models { embedder, cached, chat }, clock).await?;
        // A local model takes one conversation after the other: more would only wait until their time is over.
        let cores = if local { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
        let jobs = options.jobs.unwrap_or(cores).max(1);
        Ok(Self { app, workspace, documents: BTreeMap::new(), jobs, replies, seeds, _scratch: scratch })
    }

    /// Asks every question of a set with this hash, with the seed of this trial, the first of which is 0; Ctrl-C stops it,
    /// and the next call with the same trial goes on there, until what is finished is cleared: at the end of the whole run.
    pub(super) async fn ask(
        &self,
        set: &AssistantSet,
        dataset_hash: &str,
        trial: u8,
        progress: &RunProgress,
    ) -> anyhow::Result<(Vec<Outcome>, Finished<Outcome>)> {
        let cancel = cancelled_by_ctrl_c();
        self.seeds.begin(u64::from(trial));
        // Replies from the cache say nothing of latency.
        let shaping = (self.config_hash()?, &self.workspace, dataset_hash, trial, self.replies.is_some());
        let finished = finished(&self.app.config, &shaping, progress)?;
        let hosted = self.app.config.inference.backends.contains(&BackendKind::Openai);
        let asked = run::assistant::Asked {
            assistant: &self.app.assistant,
            workspace: &self.workspace,
            documents: &self.documents,
            floor: self.app.config.decision.sentence_support,
            hosted: hosted.then_some(&self.app.config.openai),
            jobs: self.jobs,
        };
        let outcomes = run::assistant::run(set, &asked, &finished, progress, &cancel).await?;
        Ok((outcomes, finished))
    }

    /// Conversations that are answered at a time.
    pub(super) fn jobs(&self) -> usize {
        self.jobs
    }

    /// Replies of the chat model that came from the cache.
    pub(super) fn repeated_replies(&self) -> usize {
        self.replies.as_ref().map_or(0, |replies| replies.repeated())
    }

    /// Hash of everything that shapes an answer.
    pub(super) fn config_hash(&self) -> anyhow::Result<String> {
        let mut config = serde_json::to_value(self.app.config.as_ref())?;
        if let Some(sections) = config.as_object_mut() {
            sections.remove("server");
            sections.remove("log");
        }
        Ok(config_hash(&(config, self.app.chat.info(), self.app.embedder.info()))?)
    }
}

/// What tells this build of the program from another: another build may answer differently.
fn program() -> anyhow::Result<(u64, u128)> {
    let file = std::fs::metadata(std::env::current_exe()?)?;
    let modified = file.modified()?.duration_since(std::time::UNIX_EPOCH)?;
    Ok((file.len(), modified.as_nanos()))
}
