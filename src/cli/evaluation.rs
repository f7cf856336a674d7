//! What `eval` and `calibrate` share: progress, Ctrl-C, and an assistant over a set's own documents.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::Printer;
use super::progress::FetchProgress;
use crate::app::{App, RandomIds, load_embedder};
use crate::config::Config;
use crate::conversation::{Ids, WorkspaceId};
use crate::eval::EvalError;
use crate::eval::dataset::assistant::AssistantSet;
use crate::eval::report::config_hash;
use crate::eval::run::assistant::Outcome;
use crate::eval::run::{self, Progress};
use crate::eval::scratch::Scratch;
use crate::inference::models::Registry;
use crate::inference::{BackendKind, Embedder};
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

/// An assistant over the documents of a set, in a folder of its own: the same parts as in service.
pub(super) struct Bench {
    pub(super) app: App,
    workspace: WorkspaceId,
    documents: BTreeMap<String, String>,
    /// Holds database and index; dropped last.
    _scratch: Scratch,
}

impl Bench {
    /// Builds the parts and ingests the documents into the workspace. A configured Qdrant server is left alone.
    pub(super) async fn build(
        mut config: Config,
        backend: Option<BackendKind>,
        workspace: WorkspaceId,
        set: &AssistantSet,
        printer: Printer,
    ) -> anyhow::Result<Self> {
        let scratch = scratch()?;
        config.server.data_dir = scratch.path().to_path_buf();
        config.index.url = None;
        if let Some(backend) = backend {
            config.inference.backends = vec![backend];
        }
        let app = Box::pin(App::build(config, Arc::new(FetchProgress::new(printer)))).await?;
        printer.note(format!("reading the documents of {}", set.knowledge.display()));
        let request = IngestRequest {
            patterns: vec![set.knowledge.to_string_lossy().into_owned()],
            ..IngestRequest::default()
        };
        let report = app.library.ingest(&workspace, request, &Silent).await?;
        if let Some(failure) = report.failed.first() {
            anyhow::bail!("{}: {}", failure.source, failure.message);
        }
        let documents =
            run::assistant::document_names(app.store.as_ref(), &workspace, &set.knowledge).await?;
        Ok(Self { app, workspace, documents, _scratch: scratch })
    }

    /// Asks every question; Ctrl-C stops it.
    pub(super) async fn ask(
        &self,
        set: &AssistantSet,
        progress: &RunProgress,
    ) -> Result<Vec<Outcome>, EvalError> {
        let cancel = cancelled_by_ctrl_c();
        run::assistant::run(set, &self.app.assistant, &self.workspace, &self.documents, progress, &cancel)
            .await
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
