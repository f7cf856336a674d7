//! Whole folders into the library.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::files::{self, Found, FoundFile};
use super::identity::content_hash;
use super::library::too_large;
use super::loaders::{check_url, decode};
use super::{Change, KnowledgeError, Library, LoadError, NewDocument};
use crate::conversation::WorkspaceId;

/// What to ingest, and how.
#[derive(Debug, Clone, Default)]
pub struct IngestRequest {
    /// Files, folders (read whole) and globs.
    pub patterns: Vec<String>,
    /// Remove documents of the same folders that are no longer there.
    pub prune: bool,
    /// Documents that say no address get this one and their path below the folder, without a Markdown ending.
    pub url_prefix: Option<String>,
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
    /// Passages that were embedded and indexed.
    pub passages: usize,
    /// Passages of a stopped run that are stored and wait to be indexed: by the next run, change or start.
    pub waiting: usize,
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

/// A run: its report so far, and the passages stored since the index was last brought up to date.
struct Run<'library> {
    library: &'library Library,
    workspace: &'library WorkspaceId,
    request: &'library IngestRequest,
    progress: &'library dyn IngestProgress,
    report: IngestReport,
    pending: usize,
}

impl Library {
    /// Reads files, folders and globs. Documents that did not change cost a read and a hash; a file that cannot be read
    /// is reported and left out. When it returns, every document it counts is stored and can be found, but for the
    /// passages that a stopped run leaves [`waiting`](IngestReport::waiting).
    pub async fn ingest(
        &self,
        workspace: &WorkspaceId,
        request: IngestRequest,
        progress: &dyn IngestProgress,
    ) -> Result<IngestReport, KnowledgeError> {
        let started = Instant::now();
        if let Some(prefix) = &request.url_prefix {
            check_url(prefix).map_err(|message| LoadError::whole(format!("--url-prefix: {message}")))?;
        }
        let (patterns, prune) = (request.patterns.clone(), request.prune);
        let found = blocking(move || files::find(&patterns, prune)).await?;
        progress.start(found.files.len());
        let mut run = Run {
            library: self,
            workspace,
            request: &request,
            progress,
            report: IngestReport { skipped: found.skipped, ..IngestReport::default() },
            pending: 0,
        };
        for (pattern, message) in &found.failed {
            run.fail(pattern, None, message.clone());
        }
        for file in &found.files {
            if request.stop.is_cancelled() {
                break;
            }
            run.file(file).await?;
            if run.pending >= self.config.batch {
                run.index().await?;
            }
        }
        if request.prune && !request.stop.is_cancelled() {
            run.prune(&found).await?;
        }
        run.index().await?;
        let mut report = IngestReport { waiting: run.pending, ..run.report };
        report.stopped = request.stop.is_cancelled();
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }
}

impl Run<'_> {
    fn fail(&mut self, source: &str, line: Option<usize>, message: String) {
        let failure = Failure { source: source.to_owned(), line, message };
        self.progress.failure(&failure);
        self.report.failed.push(failure);
    }

    async fn index(&mut self) -> Result<(), KnowledgeError> {
        let sent = self.library.sync(&self.request.stop).await?;
        self.report.passages += sent;
        self.pending = self.pending.saturating_sub(sent);
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
            Err(error) => return Err(error),
        };
        match change {
            FileChange::Added => self.report.added += 1,
            FileChange::Changed => self.report.changed += 1,
            FileChange::Unchanged => self.report.unchanged += 1,
            FileChange::Failed | FileChange::Removed => {}
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
            format: file.format,
            content,
        };
        let address = self.request.url_prefix.as_deref().map(|prefix| address(prefix, &file.relative));
        let hash = content_hash(&document, address.as_deref(), &self.library.config);
        let known = self.library.state(self.workspace, source).await?;
        if let Some(known) = known.as_ref().filter(|known| known.content_hash == hash) {
            self.pending += known.not_indexed;
            return Ok(FileChange::Unchanged);
        }
        let change = if known.is_some() { Change::Changed } else { Change::Added };
        let prepared = self.library.prepare(self.workspace, document, address, hash).await?;
        self.pending += self.library.store_prepared(prepared).await?;
        Ok(if change == Change::Added { FileChange::Added } else { FileChange::Changed })
    }

    async fn prune(&mut self, found: &Found) -> Result<(), KnowledgeError> {
        // A file that is there stays, even if it could not be read.
        let present: HashSet<String> = found.files.iter().map(|file| files::source(&file.path)).collect();
        for root in &found.roots {
            for (id, source) in self.library.store.sources(self.workspace, &root.prefix()).await? {
                if root.holds(&source)
                    && !present.contains(&source)
                    && self.library.remove(self.workspace, &id).await?
                {
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
