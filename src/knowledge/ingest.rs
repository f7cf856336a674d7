//! Whole folders into the library.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::duplicates::{self, Duplicate};
use super::fetch::is_address;
use super::files::{self, FoundFile, Root};
use super::kind::Kind;
use super::loaders::{check_url, decode};
use super::prepare::too_large;
use super::reading::{Content, Taken, part_source};
use super::{KnowledgeError, Library, LoadError};
use crate::conversation::{Audience, Labels, WorkspaceId};
use crate::retrieval::index::ChangeSetId;
use crate::store::versions::ChangeKind;

/// What to ingest, and how.
#[derive(Debug, Clone, Default)]
pub struct IngestRequest {
    /// Files, folders (read whole), globs, and addresses of web pages and sitemaps.
    pub patterns: Vec<String>,
    /// Remove documents of the same folders and sites that are no longer there.
    pub prune: bool,
    /// Links that are followed from a page; [`FetchConfig::depth`](super::FetchConfig::depth) when left out.
    pub depth: Option<usize>,
    /// Pages that are read; [`FetchConfig::max_pages`](super::FetchConfig::max_pages) when left out.
    pub max_pages: Option<usize>,
    /// Look for documents of the workspace that say the same.
    pub duplicates: bool,
    /// Documents that say no address get this one and their path below the folder, without a Markdown ending.
    pub url_prefix: Option<String>,
    /// Who may read the documents; overrides what they say of themselves.
    pub audience: Option<Audience>,
    /// Labels of the documents, beside those that they give themselves.
    pub labels: Labels,
    /// Stops after the running batch.
    pub stop: CancellationToken,
}

/// What happened to one file or page.
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
    /// Files with endings that are not read, and linked pages that are gone, forbidden or nothing that is read.
    pub skipped: usize,
    /// Files and pages that could not be read.
    pub failed: Vec<Failure>,
    /// Documents of the workspace that say the same, most alike first; empty unless they were looked for.
    pub duplicates: Vec<Duplicate>,
    /// Files and pages whose text was rolled back before, and is not taken until a person allows it.
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
    /// So many files and pages will be looked at; said again when more are found.
    fn start(&self, files: usize);
    /// One file or page was looked at.
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
pub(super) struct Run<'library> {
    pub(super) library: &'library Library,
    pub(super) workspace: &'library WorkspaceId,
    pub(super) request: &'library IngestRequest,
    pub(super) stop: &'library CancellationToken,
    pub(super) progress: &'library dyn IngestProgress,
    pub(super) report: IngestReport,
    pub(super) change: Option<ChangeSetId>,
    pub(super) pending: usize,
    /// Files and pages that are looked at.
    pub(super) total: usize,
    /// Files and pages that were looked at; the first request that names one decides.
    pub(super) looked: HashSet<String>,
    /// Documents that are there.
    pub(super) seen: HashSet<String>,
    /// Files and pages that are there and could not be read: whatever came of them earlier stays.
    pub(super) kept: Vec<String>,
}

impl Library {
    /// Reads files, folders, globs and web pages. Documents that did not change cost a read and a hash; one that cannot be
    /// read is reported and left out. Nothing of it can be found until it ends, and then all of it at once. A run that was
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
            total: 0,
            looked: HashSet::new(),
            seen: HashSet::new(),
            kept: Vec::new(),
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
        if requests.iter().any(|request| request.duplicates) && !report.stopped {
            report.duplicates = duplicates::find(self.store.as_ref(), workspace).await?;
        }
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }
}

impl Run<'_> {
    /// Reads what the request names.
    async fn read(&mut self) -> Result<(), KnowledgeError> {
        let (addresses, patterns): (Vec<String>, Vec<String>) =
            self.request.patterns.iter().cloned().partition(|pattern| is_address(pattern));
        let prune = self.request.prune;
        let found = blocking(move || files::find(&patterns, prune)).await?;
        self.total += found.files.len() + addresses.len();
        self.progress.start(self.total);
        self.report.skipped += found.skipped;
        for (pattern, message) in &found.failed {
            self.fail(pattern, None, message.clone());
        }
        for file in &found.files {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            if self.looked.insert(files::source(&file.path)) {
                self.file(file).await?;
                self.index_batch().await?;
            }
        }
        if prune && !self.stop.is_cancelled() {
            self.prune(&found.roots).await?;
        }
        for address in &addresses {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            self.web(address).await?;
        }
        Ok(())
    }

    pub(super) fn fail(&mut self, source: &str, line: Option<usize>, message: String) {
        let failure = Failure { source: source.to_owned(), line, message };
        self.progress.failure(&failure);
        self.report.failed.push(failure);
    }

    /// Reports a text that was rolled back before; what came of its source earlier stays.
    pub(super) fn refuse(&mut self, source: &str, error: &KnowledgeError) -> FileChange {
        let failure = Failure { source: source.to_owned(), line: None, message: error.to_string() };
        self.progress.failure(&failure);
        self.report.refused.push(failure);
        self.kept.push(source.to_owned());
        FileChange::Refused
    }

    /// The run's change set, opened when it is first needed.
    pub(super) async fn change(&mut self) -> Result<ChangeSetId, KnowledgeError> {
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

    /// Sends what was staged to the index when enough waits for it.
    pub(super) async fn index_batch(&mut self) -> Result<(), KnowledgeError> {
        if self.pending >= self.library.config.batch { self.index().await } else { Ok(()) }
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
            Ok(taken) if taken.foreign && !file.named => {
                self.report.skipped += 1;
                FileChange::Unchanged
            }
            Ok(taken) if taken.foreign => {
                self.fail(&source, None, "this JSON is no help-centre export of Zendesk or Chatwoot".into());
                FileChange::Failed
            }
            Ok(taken) => {
                self.seen.extend(taken.sources);
                taken.change.unwrap_or(FileChange::Failed)
            }
            Err(KnowledgeError::Invalid(error)) => {
                self.fail(&source, error.line, error.message);
                self.kept.push(source.clone());
                FileChange::Failed
            }
            Err(error @ KnowledgeError::Refused { .. }) => self.refuse(&source, &error),
            Err(error) => return Err(error),
        };
        self.progress.file(&source, change);
        Ok(())
    }

    async fn read_and_store(&mut self, file: &FoundFile, source: &str) -> Result<Taken, KnowledgeError> {
        let (path, kind, config) = (file.path.clone(), file.kind, &self.library.config);
        // What a file of several documents holds is measured part by part.
        let limit = match kind {
            Kind::Text(_) => config.max_document_bytes,
            Kind::Binary(_) | Kind::Export => config.parsing.max_file_bytes as usize,
        };
        let content = blocking(move || read(&path, kind, limit)).await??;
        let address = self.request.url_prefix.as_deref().map(|prefix| below(prefix, &file.relative));
        self.take(source, content, address).await
    }

    /// Removes what earlier runs found below these roots and this one did not.
    async fn prune(&mut self, roots: &[Root]) -> Result<(), KnowledgeError> {
        for root in roots {
            self.prune_where(&root.prefix(), |source| root.holds(source)).await?;
        }
        Ok(())
    }

    pub(super) async fn prune_where(
        &mut self,
        prefix: &str,
        belongs: impl Fn(&str) -> bool,
    ) -> Result<(), KnowledgeError> {
        for (id, source) in self.library.store.sources(self.workspace, prefix).await? {
            // What is there stays, even if it could not be read.
            let is_kept = |file: &String| source == *file || source.starts_with(&part_source(file, ""));
            if !belongs(&source) || self.seen.contains(&source) || self.kept.iter().any(is_kept) {
                continue;
            }
            let change = self.change().await?;
            if self.library.store.stage_removal(change, self.workspace, &id, &[]).await? {
                self.report.removed += 1;
                self.progress.file(&source, FileChange::Removed);
            }
        }
        Ok(())
    }
}

/// Reads a file, unless it is too large.
fn read(path: &Path, kind: Kind, limit: usize) -> Result<Content, LoadError> {
    let unreadable = |error: std::io::Error| LoadError::whole(format!("cannot be read: {error}"));
    let size = std::fs::metadata(path).map_err(unreadable)?.len() as usize;
    if size > limit {
        return Err(match kind {
            Kind::Text(_) => too_large(size, limit),
            Kind::Binary(_) | Kind::Export => LoadError::whole(format!(
                "{size} bytes, and such files may have {limit}; part the file, or raise \
                 knowledge.parsing.max_file_bytes"
            )),
        });
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    Ok(match kind {
        Kind::Text(format) => Content::Text(format, decode(bytes)?),
        Kind::Binary(binary) => Content::Binary(binary, bytes),
        Kind::Export => Content::Export(decode(bytes)?),
    })
}

/// The address of a file below `prefix`: its path without a Markdown ending, encoded.
pub(super) fn below(prefix: &str, relative: &str) -> String {
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
