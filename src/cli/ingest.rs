//! `ponto ingest`: files, folders, globs and web pages into the knowledge base.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::progress::FetchProgress;
use super::{Loaded, Printer};
use crate::app::{App, AppError};
use crate::config::Config;
use crate::conversation::{Audience, Labels, WorkspaceId};
use crate::inference::BackendKind;
use crate::knowledge::{Failure, FileChange, IngestProgress, IngestReport, IngestRequest};
use crate::retrieval::index::IndexError;
use crate::telemetry;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, folders (read whole) and globs: .md, .html, .txt, .csv, .tsv, .jsonl, .pdf, .docx, .xlsx, .json (an
    /// export of Zendesk or Chatwoot); addresses of web pages, read with what they link to below them, and of sitemaps
    #[arg(required = true, value_name = "PATH|URL")]
    paths: Vec<String>,
    /// The workspace whose knowledge it is
    #[arg(long, default_value = "default")]
    workspace: String,
    /// Remove documents of the same folders and sites whose files and pages are gone
    #[arg(long)]
    prune: bool,
    /// Links that are followed from a page, one after the other [default: `knowledge.fetch.depth`]
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Pages that are read from one address, at most [default: `knowledge.fetch.max_pages`]
    #[arg(long, value_name = "N")]
    max_pages: Option<usize>,
    /// Address of documents that name none themselves: this, and their path below the folder
    #[arg(long, value_name = "URL")]
    url_prefix: Option<String>,
    /// Who may read the documents; overrides what they say of themselves
    #[arg(long, value_enum)]
    audience: Option<Audience>,
    /// A label of the documents, such as product=x; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
}

/// How a run ended when Ctrl-C stopped it, as shells have it.
pub(super) const STOPPED: u8 = 130;

/// Ingests with progress, until the end or Ctrl-C.
pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let config = config?;
    telemetry::init(&config.log)?;
    let labels = Labels::parse(&args.labels).map_err(|message| anyhow::anyhow!("--label: {message}"))?;
    let app = open(config, printer, "add documents through its API (POST /v1/knowledge/documents)").await?;
    let stop = stopped_by_ctrl_c(*printer);
    let request = IngestRequest {
        patterns: args.paths,
        prune: args.prune,
        depth: args.depth,
        max_pages: args.max_pages,
        duplicates: true,
        url_prefix: args.url_prefix,
        audience: args.audience,
        labels,
        stop,
    };
    let progress = Progress::new(*printer);
    let result = app.library.ingest(&WorkspaceId(args.workspace), request, &progress).await;
    progress.finish();
    let report = result?;
    printer.json(&report)?;
    printer.line(summary(&report));
    for line in duplicates(&report) {
        printer.line(line);
    }
    Ok(if report.stopped {
        printer.note("stopped; run the same command again to go on where this one ended");
        ExitCode::from(STOPPED)
    } else if report.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The application without a chat model: documents are embedded, and nobody writes. `instead` says what to do while a
/// running server has the index.
pub(super) async fn open(mut config: Config, printer: &Printer, instead: &str) -> anyhow::Result<App> {
    config.inference.backends = vec![BackendKind::Extractive];
    let data_dir = config.server.data_dir.clone();
    App::build(config, Arc::new(FetchProgress::new(*printer))).await.map_err(|error| match error {
        AppError::Index(IndexError::InUse(_)) => anyhow::anyhow!(
            "a running Ponto has the data folder {} open; {instead}, or stop it and run this command again",
            data_dir.display()
        ),
        other => other.into(),
    })
}

/// A token that Ctrl-C cancels.
pub(super) fn stopped_by_ctrl_c(printer: Printer) -> CancellationToken {
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            printer.note("stopping after the running batch…");
            cancel.cancel();
        }
    });
    stop
}

pub(super) fn summary(report: &IngestReport) -> String {
    let counts = [
        (report.added, "added"),
        (report.changed, "changed"),
        (report.unchanged, "unchanged"),
        (report.removed, "removed"),
        (report.failed.len(), "failed"),
        (report.refused.len(), "refused (rolled back before)"),
        (report.skipped, "skipped (nothing that is read)"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, name)| *count > 0 || *name == "added")
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    format!(
        "documents: {}; {} passages indexed in {:.1} s",
        counts.join(", "),
        report.passages,
        report.seconds
    )
}

/// Pairs that are printed; `--json` has them all.
const PRINTED: usize = 20;

/// Documents that say the same, for people; nothing where there are none.
pub(super) fn duplicates(report: &IngestReport) -> Vec<String> {
    let pairs = report.duplicates.iter().take(PRINTED).map(|pair| {
        let percent = (pair.similarity * 100.0) as u32;
        format!("  {percent}% the same: {} and {}", pair.source, pair.other)
    });
    let mut lines: Vec<String> = pairs.collect();
    if !lines.is_empty() {
        lines.insert(0, format!("{} pair(s) of documents say the same:", report.duplicates.len()));
    }
    if report.duplicates.len() > PRINTED {
        lines.push(format!("  and {} more", report.duplicates.len() - PRINTED));
    }
    lines
}

/// A bar on a terminal; elsewhere a line a failure, and nothing for what went well.
pub(super) struct Progress {
    printer: Printer,
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(printer: Printer) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        // The template is ours; should it not parse, the plain bar does.
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files and pages, {msg} [{elapsed}]");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message("0 passages indexed");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { printer, bar }
    }

    /// Takes the bar off the screen.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl IngestProgress for Progress {
    fn start(&self, files: usize) {
        self.bar.inc_length(files as u64);
    }

    fn file(&self, _source: &str, change: FileChange) {
        if change != FileChange::Removed {
            self.bar.inc(1);
        }
    }

    fn failure(&self, failure: &Failure) {
        let place = failure.line.map(|line| format!(":{line}")).unwrap_or_default();
        self.bar.suspend(|| self.printer.note(format!("{}{place}: {}", failure.source, failure.message)));
    }

    fn indexed(&self, passages: usize) {
        self.bar.set_message(format!("{passages} passages indexed"));
    }
}
