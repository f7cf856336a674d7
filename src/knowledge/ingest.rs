//! Whole folders into the library.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::files::{self, Found, FoundFile};
use super::identity::{content_hash, document_id};
use super::loaders::{check_url, decode};
use super::prepare::too_large;
use super::{KnowledgeError, Library, LoadError, NewDocument};
use crate::conversation::{Audience, Labels, WorkspaceId};
use crate::retrieval::index::ChangeSetId;
use crate::store::versions::ChangeKind;

/// What to ingest, and how.
#[derive(Debug, Clone, Default)]
pub struct IngestRequest {
    /// Files, folders (read whole) and globs.
    pub patterns: Vec<String>,
    /// Remove documents of the same folders that are no longer there.
    pub prune: bool,
    /// Documents that say no address get this one and their path below the folder, without a Markdown ending.
    pub url_prefix: Option<String>,
    /// Who may read the documents; overrides what they say of themselves.
    pub audience: Option<Audience>,
    /// Labels of the documents, beside those that they give themselves.
    pub labels: Labels,
    /// Stops after the running batch.
    pub stop: CancellationToken,
}

/// What happened to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileChange {
    /// A new document.
    Added,
    /// A new version.
    Changed,
    /// Nothing to do.
    Unchanged,
    /// Not read; an earlier version stays.
    Failed,
    /// Its text was rolled back before; an earlier version stays.
    Refused,
    /// Gone, and removed.
    Removed,
}

/// A file that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The file or pattern.
    pub source: String,
    /// The line to blame, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

/// What an ingest did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct IngestReport {
    /// New documents.
    pub added: usize,
    /// Documents with a new version.
    pub changed: usize,
    /// Documents that were there already.
    pub unchanged: usize,
    /// Documents that were removed because their file is gone.
    pub removed: usize,
    /// Files with endings that are not read.
    pub skipped: usize,
    /// Files that could not be read.
    pub failed: Vec<Failure>,
    /// Files whose text was rolled back before, and is not taken until a person allows it.
    pub refused: Vec<Failure>,
    /// Passages that were embedded and indexed.
    pub passages: usize,
    /// Passages of a stopped run that are staged and wait to be indexed by the next run.
    pub waiting: usize,
    /// The generation of the workspace's knowledge that this run made; none where it changed nothing, or was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// It was stopped before the end.
    pub stopped: bool,
    /// How long it took.
    pub seconds: f64,
}

/// Who watches an ingest.
pub trait IngestProgress: Send + Sync {
    /// So many files will be looked at.
    fn start(&self, files: usize);
    /// One file was looked at.
    fn file(&self, source: &str, change: FileChange);
    /// A file or pattern could not be read.
    fn failure(&self, failure: &Failure);
    /// So many passages were indexed in all.
    fn indexed(&self, passages: usize);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl IngestProgress for Silent {
    fn start(&self, _files: usize) {}
    fn file(&self, _source: &str, _change: FileChange) {}
    fn failure(&self, _failure: &Failure) {}
    fn indexed(&self, _passages: usize) {}
}

/// A run: its report so far, its change set, and the passages staged since the last batch was sent.
struct Run<'library> {
    library: &'library Library,
    workspace: &'library WorkspaceId,
    request: &'library IngestRequest,
    stop: &'library CancellationToken,
    progress: &'library dyn IngestProgress,
    report: IngestReport,
    change: Option<ChangeSetId>,
    pending: usize,
    /// Sources that were looked at; the first request that names one decides.
    seen: HashSet<String>,
}

impl Library {
    /// Reads files, folders and globs. Documents that did not change cost a read and a hash; a file that cannot be read
    /// is reported and left out. Nothing of it can be found until it ends, and then all of it at once. A run that was
    /// stopped (after its running batch), or killed, leaves what it staged to the next one, and readers at the generation
    /// before.
    pub async fn ingest(
        &self,
        workspace: &WorkspaceId,
        request: IngestRequest,
        progress: &dyn IngestProgress,
    ) -> Result<IngestReport, KnowledgeError> {
        // On the heap: callers hold it in futures of their own.
        Box::pin(self.ingest_all(workspace, std::slice::from_ref(&request), &request.stop, progress)).await
    }

    /// As [`Self::ingest`], for several requests that become one generation and stop together.
    pub(super) async fn ingest_all(
        &self,
        workspace: &WorkspaceId,
        requests: &[IngestRequest],
        stop: &CancellationToken,
        progress: &dyn IngestProgress,
    ) -> Result<IngestReport, KnowledgeError> {
        let started = Instant::now();
        for prefix in requests.iter().filter_map(|request| request.url_prefix.as_deref()) {
            check_url(prefix).map_err(|message| LoadError::whole(format!("--url-prefix: {message}")))?;
        }
        let _lock = self.store.lock_sync(workspace).await?.ok_or_else(|| {
            KnowledgeError::Busy(format!(
                "another ingest or sync of the workspace {:?} is running; wait for it to end, or stop it",
                workspace.0
            ))
        })?;
        let Some(first) = requests.first() else { return Ok(IngestReport::default()) };
        let mut run = Run {
            library: self,
            workspace,
            request: first,
            stop,
            progress,
            report: IngestReport::default(),
            change: self.store.resume(workspace).await?,
            pending: 0,
            seen: HashSet::new(),
        };
        for request in requests {
            run.request = request;
            run.read().await?;
        }
        run.index().await?;
        if !stop.is_cancelled() {
            run.publish().await?;
        }
        let mut report = IngestReport { waiting: run.pending, ..run.report };
        report.stopped = stop.is_cancelled();
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }
}

impl Run<'_> {
    /// Reads what the request names.
    async fn read(&mut self) -> Result<(), KnowledgeError> {
        let (patterns, prune) = (self.request.patterns.clone(), self.request.prune);
        let found = blocking(move || files::find(&patterns, prune)).await?;
        self.progress.start(found.files.len());
        self.report.skipped += found.skipped;
        for (pattern, message) in &found.failed {
            self.fail(pattern, None, message.clone());
        }
        for file in &found.files {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            if !self.seen.insert(files::source(&file.path)) {
                continue;
            }
            self.file(file).await?;
            if self.pending >= self.library.config.batch {
                self.index().await?;
            }
        }
        if prune && !self.stop.is_cancelled() {
            self.prune(&found).await?;
        }
        Ok(())
    }

    fn fail(&mut self, source: &str, line: Option<usize>, message: String) {
        let failure = Failure { source: source.to_owned(), line, message };
        self.progress.failure(&failure);
        self.report.failed.push(failure);
    }

    /// The run's change set, opened when it is first needed.
    async fn change(&mut self) -> Result<ChangeSetId, KnowledgeError> {
        if let Some(change) = self.change {
            return Ok(change);
        }
        let change = self.library.begin(self.workspace, ChangeKind::Sync).await?;
        self.change = Some(change);
        Ok(change)
    }

    /// Makes everything that was staged the current generation.
    async fn publish(&mut self) -> Result<(), KnowledgeError> {
        // What the index lacked before has nothing to do with this run, and is sent all the same.
        self.report.passages += self.library.sync(self.stop).await?;
        if let Some(change) = self.change {
            self.report.generation = self.library.publish(self.workspace, change).await?;
        }
        Ok(())
    }

    async fn index(&mut self) -> Result<(), KnowledgeError> {
        let Some(change) = self.change else { return Ok(()) };
        let sent = self.library.send_staged(self.workspace, change, self.stop).await?;
        self.report.passages += sent;
        // Passages that a document had already are not sent again.
        self.pending = if self.stop.is_cancelled() { self.pending.saturating_sub(sent) } else { 0 };
        self.progress.indexed(self.report.passages);
        Ok(())
    }

    async fn file(&mut self, file: &FoundFile) -> Result<(), KnowledgeError> {
        let source = files::source(&file.path);
        let change = match self.read_and_store(file, &source).await {
            Ok(change) => change,
            Err(KnowledgeError::Invalid(error)) => {
                self.fail(&source, error.line, error.message);
                FileChange::Failed
            }
            Err(error @ KnowledgeError::Refused { .. }) => {
                let failure = Failure { source: source.clone(), line: None, message: error.to_string() };
                self.progress.failure(&failure);
                self.report.refused.push(failure);
                FileChange::Refused
            }
            Err(error) => return Err(error),
        };
        match change {
            FileChange::Added => self.report.added += 1,
            FileChange::Changed => self.report.changed += 1,
            FileChange::Unchanged => self.report.unchanged += 1,
            FileChange::Failed | FileChange::Refused | FileChange::Removed => {}
        }
        self.progress.file(&source, change);
        Ok(())
    }

    async fn read_and_store(&mut self, file: &FoundFile, source: &str) -> Result<FileChange, KnowledgeError> {
        let (path, limit) = (file.path.clone(), self.library.config.max_document_bytes);
        let content = blocking(move || read(&path, limit)).await??;
        let document = NewDocument {
            source: source.to_owned(),
            title: None,
            url: None,
            language: None,
            audience: self.request.audience,
            labels: self.request.labels.clone(),
            format: file.format,
            content,
        };
        let address = self.request.url_prefix.as_deref().map(|prefix| address(prefix, &file.relative));
        let hash = content_hash(&document, address.as_deref(), &self.library.config);
        let known = self.library.state(self.workspace, source).await?;
        if known.as_ref().is_some_and(|known| known.content_hash == hash) {
            return Ok(FileChange::Unchanged);
        }
        let came = if known.is_some() { FileChange::Changed } else { FileChange::Added };
        let (id, embedder) = (document_id(self.workspace, source), &self.library.embedder.info().fingerprint);
        let store = &self.library.store;
        // An interrupted run had come this far already.
        if let Some(change) = self.change
            && let Some(staged) = store.staged(change, self.workspace, &id, embedder).await?
            && staged.content_hash == hash
        {
            store.see(self.workspace, &id).await?;
            self.pending += staged.not_indexed;
            return Ok(came);
        }
        let staged = self.library.prepare(self.workspace, document, address, hash).await?;
        let change = self.change().await?;
        self.library.store.stage(change, &staged).await?;
        self.pending += staged.passages.len();
        Ok(came)
    }

    async fn prune(&mut self, found: &Found) -> Result<(), KnowledgeError> {
        // A file that is there stays, even if it could not be read.
        let present: HashSet<String> = found.files.iter().map(|file| files::source(&file.path)).collect();
        for root in &found.roots {
            for (id, source) in self.library.store.sources(self.workspace, &root.prefix()).await? {
                if !root.holds(&source) || present.contains(&source) {
                    continue;
                }
                let change = self.change().await?;
                if self.library.store.stage_removal(change, self.workspace, &id, &[]).await? {
                    self.report.removed += 1;
                    self.progress.file(&source, FileChange::Removed);
                }
            }
        }
        Ok(())
    }
}

/// Reads a file as text, unless it is too large.
fn read(path: &Path, limit: usize) -> Result<String, LoadError> {
    let unreadable = |error: std::io::Error| LoadError::whole(format!("cannot be read: {error}"));
    let size = std::fs::metadata(path).map_err(unreadable)?.len() as usize;
    if size > limit {
        return Err(too_large(size, limit));
    }
    decode(std::fs::read(path).map_err(unreadable)?)
}

/// The address of a file below `prefix`: its path without a Markdown ending, encoded.
fn address(prefix: &str, relative: &str) -> String {
    let path =
        [".md", ".markdown"].iter().find_map(|ending| relative.strip_suffix(ending)).unwrap_or(relative);
    let encoded: String = url::form_urlencoded::byte_serialize(path.as_bytes())
        .collect::<String>()
        .replace("%2F", "/")
        .replace('+', "%20");
    format!("{}/{encoded}", prefix.trim_end_matches('/'))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, KnowledgeError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| KnowledgeError::Internal(error.to_string()))
}
