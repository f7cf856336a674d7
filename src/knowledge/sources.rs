//! `[[knowledge.sources]]`: what is read again and again, so that the knowledge base follows its origin.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::loaders::check_url;
use super::{Duplicate, IngestProgress, IngestReport, IngestRequest, KnowledgeError, Library, Silent};
use crate::conversation::{Audience, Labels, WorkspaceId};
use crate::settings::{Period, Problem};

/// One origin of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// A file, a folder (read whole), a glob, or an address.
    pub path: String,
    /// The workspace whose knowledge it is.
    #[serde(default = "default_workspace")]
    pub workspace: String,
    /// Address of documents that name none themselves: this, and their path below the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_prefix: Option<String>,
    /// Who may read its documents, `public` or `agents`; overrides what they say of themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// Labels of its documents such as `product=x`, beside those that they give themselves.
    #[serde(default)]
    pub labels: Labels,
    /// Remove documents that are no longer there.
    #[serde(default = "yes")]
    pub prune: bool,
}

fn default_workspace() -> String {
    "default".into()
}

fn yes() -> bool {
    true
}

impl SourceConfig {
    /// Settings that make no sense, by their place in the configuration.
    pub(super) fn validate(&self, place: &str, problems: &mut Vec<Problem>) {
        if self.path.trim().is_empty() {
            problems
                .push(Problem::new(&format!("{place}.path"), "write a file, a folder, a glob or an address"));
        }
        if self.workspace.trim().is_empty() {
            problems.push(Problem::new(&format!("{place}.workspace"), "write a name, or leave it out"));
        }
        if let Some(Err(message)) = self.url_prefix.as_deref().map(check_url) {
            problems.push(Problem::new(&format!("{place}.url_prefix"), message));
        }
    }
}

impl From<&SourceConfig> for IngestRequest {
    fn from(source: &SourceConfig) -> Self {
        Self {
            patterns: vec![source.path.clone()],
            prune: source.prune,
            url_prefix: source.url_prefix.clone(),
            audience: source.audience,
            labels: source.labels.clone(),
            duplicates: true,
            ..Self::default()
        }
    }
}

/// What a sync did in one workspace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SyncReport {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Another ingest or sync of the workspace was running, and this one did nothing.
    pub busy: bool,
    /// What was read.
    #[serde(flatten)]
    pub report: IngestReport,
}

impl Library {
    /// Reads every source of the configuration again, of one workspace or of all. In each workspace all that changed can
    /// be found at once; one that somebody else is changing is skipped.
    pub async fn sync_sources(
        &self,
        only: Option<&WorkspaceId>,
        stop: &CancellationToken,
        progress: &dyn IngestProgress,
    ) -> Result<Vec<SyncReport>, KnowledgeError> {
        let mut workspaces: BTreeMap<WorkspaceId, Vec<IngestRequest>> = BTreeMap::new();
        for source in &self.config.sources {
            workspaces.entry(WorkspaceId(source.workspace.clone())).or_default().push(source.into());
        }
        let mut reports = Vec::new();
        for (workspace, requests) in workspaces {
            if only.is_some_and(|only| *only != workspace) || stop.is_cancelled() {
                continue;
            }
            let (busy, report) = match self.ingest_all(&workspace, &requests, stop, progress).await {
                Ok(report) => (false, report),
                Err(KnowledgeError::Busy(_)) => (true, IngestReport::default()),
                Err(error) => {
                    metrics::counter!("ponto_sync_total", "outcome" => "error").increment(1);
                    return Err(error);
                }
            };
            let report = SyncReport { workspace, busy, report };
            report.measure();
            reports.push(report);
        }
        Ok(reports)
    }

    /// Syncs now and then every so often, until `stop`; an error is logged, and the next turn tries again. Documents that
    /// say the same are logged when a turn has changed anything.
    pub async fn keep_in_sync(&self, every: Period, stop: CancellationToken) {
        loop {
            match self.sync_sources(None, &stop, &Silent).await {
                Ok(reports) => reports.iter().for_each(SyncReport::log_duplicates),
                Err(error) => {
                    tracing::error!(%error, "the sync failed; readers stay at the generation before");
                }
            }
            if pause(every, &stop).await.is_none() {
                return;
            }
        }
    }
}

/// Waits; `None` when it was stopped meanwhile.
async fn pause(every: Period, stop: &CancellationToken) -> Option<()> {
    stop.run_until_cancelled(tokio::time::sleep(every.0)).await
}

/// Pairs of documents that are logged; the line of the sync has their number.
const LOGGED: usize = 20;

impl SyncReport {
    fn log_duplicates(&self) {
        let pairs = self.report.duplicates.iter().filter(|_| self.report.generation.is_some());
        for Duplicate { source, other, similarity } in pairs.take(LOGGED) {
            let workspace = &self.workspace.0;
            tracing::warn!(workspace, source, other, similarity, "two documents say the same");
        }
    }

    fn measure(&self) {
        let report = &self.report;
        let outcome = match (self.busy, report.stopped, report.failed.is_empty()) {
            (true, ..) => "skipped",
            (_, true, _) => "stopped",
            (.., false) => "incomplete",
            _ => "ok",
        };
        metrics::counter!("ponto_sync_total", "outcome" => outcome).increment(1);
        for (change, count) in [
            ("added", report.added),
            ("changed", report.changed),
            ("unchanged", report.unchanged),
            ("removed", report.removed),
            ("failed", report.failed.len()),
            ("refused", report.refused.len()),
        ] {
            metrics::counter!("ponto_sync_documents_total", "change" => change).increment(count as u64);
        }
        if !self.busy {
            metrics::histogram!("ponto_sync_duration_seconds").record(report.seconds);
        }
        tracing::info!(
            workspace = self.workspace.0,
            outcome,
            added = report.added,
            changed = report.changed,
            unchanged = report.unchanged,
            removed = report.removed,
            failed = report.failed.len(),
            refused = report.refused.len(),
            duplicates = report.duplicates.len(),
            passages = report.passages,
            generation = report.generation,
            seconds = report.seconds,
            "synced the sources of a workspace"
        );
    }
}
