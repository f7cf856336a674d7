//! `ponto knowledge`: versions of documents, and what the knowledge base lacks.

use std::process::ExitCode;
use std::sync::Arc;

use chrono::TimeDelta;
use clap::Subcommand;
use serde_json::json;

use super::ingest::open;
use super::progress::FetchProgress;
use super::{Loaded, Printer};
use crate::app::{SystemClock, load_embedder};
use crate::config::Config;
use crate::conversation::{Clock, WorkspaceId};
use crate::inference::models::Registry;
use crate::knowledge::{Archive, Gap, GapRequest, find_gaps};
use crate::settings::Period;
use crate::store::sqlite::SqliteStore;
use crate::store::versions::VersionSummary;
use crate::telemetry;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The workspace whose knowledge it is
    #[arg(long, default_value = "default", global = true)]
    workspace: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Versions of a document, oldest first
    History {
        /// Its source or its id
        #[arg(value_name = "SOURCE|ID")]
        document: String,
    },
    /// What changed between two versions
    Diff {
        /// Its source or its id
        #[arg(value_name = "SOURCE|ID")]
        document: String,
        /// The earlier version [default: the one before]
        #[arg(long, value_name = "N")]
        from: Option<u32>,
        /// The later version [default: the last]
        #[arg(long, value_name = "N")]
        to: Option<u32>,
    },
    /// Make the state of an earlier version the current one, and refuse the later ones
    Rollback {
        /// Its source or its id
        #[arg(value_name = "SOURCE|ID")]
        document: String,
        /// The version to go back to; 0 removes the document
        #[arg(long, value_name = "N")]
        to: u32,
    },
    /// Take the text of a version that was rolled back again
    Allow {
        /// Its source or its id
        #[arg(value_name = "SOURCE|ID")]
        document: String,
        /// The version
        #[arg(long, value_name = "N")]
        version: u32,
    },
    /// Questions that were not answered, by subject, with a stub of the article that is missing
    Gaps {
        /// Of how long ago, such as 30d
        #[arg(long, default_value = "30d")]
        since: Period,
        /// How many subjects, most asked first
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let config = config?;
    telemetry::init(&config.log)?;
    let workspace = WorkspaceId(args.workspace);
    match args.command {
        Command::History { document } => {
            let versions = archive(&config).await?.history(&workspace, &document).await?;
            printer.json(&json!({ "items": versions }))?;
            for version in &versions {
                printer.line(line(version));
            }
        }
        Command::Diff { document, from, to } => {
            let difference = archive(&config).await?.diff(&workspace, &document, from, to).await?;
            printer.json(&difference)?;
            if difference.diff.is_empty() {
                printer
                    .line(format!("versions {} and {} have the same text", difference.from, difference.to));
            } else {
                printer.line(difference.diff.trim_end());
            }
        }
        Command::Rollback { document, to } => {
            let instead = "roll back through its API (POST /v1/knowledge/documents/{id}/rollback)";
            let app = open(config, printer, instead).await?;
            let done = app.library.rollback(&workspace, &document, to).await?;
            let version = done.document.as_ref().map(|document| document.version);
            printer.json(&json!({ "restored": to, "version": version, "refused": done.refused }))?;
            printer.line(match version {
                Some(version) => format!("{document} is at version {version}, which is version {to} again"),
                None => format!("{document} is removed"),
            });
            if !done.refused.is_empty() {
                printer.line(format!("refused from now on: the text of version {}", numbers(&done.refused)));
            }
        }
        Command::Allow { document, version } => {
            archive(&config).await?.allow(&workspace, &document, version).await?;
            printer.json(&json!({ "allowed": version }))?;
            printer.line(format!("the text of version {version} of {document} is taken again"));
        }
        Command::Gaps { since, limit } => {
            let since = SystemClock.now() - TimeDelta::from_std(since.0)?;
            let store = SqliteStore::open(&config.server.database()).await?;
            let registry = Registry::open(&config.models)?;
            let embedder = load_embedder(&config, &registry, &FetchProgress::new(*printer)).await?;
            let request = GapRequest { since, limit };
            let gaps = find_gaps(&store, embedder.as_ref(), &workspace, request).await?;
            printer.json(&json!({ "items": gaps }))?;
            if gaps.is_empty() {
                printer.line("every question was answered");
            }
            for gap in &gaps {
                printer.line(shown(gap));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn archive(config: &Config) -> anyhow::Result<Archive> {
    Ok(Archive::new(Arc::new(SqliteStore::open(&config.server.database()).await?)))
}

fn numbers(versions: &[u32]) -> String {
    versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn line(version: &VersionSummary) -> String {
    let mut notes =
        vec![format!("{} characters", version.characters), format!("{} passages", version.passages)];
    notes.extend(version.restores.map(|restored| format!("version {restored} again")));
    notes.extend(version.refused.then(|| "refused".to_owned()));
    notes.extend(version.current.then(|| "current".to_owned()));
    format!(
        "{:>4}  {}  {}  {}",
        version.version,
        version.at.format("%Y-%m-%d %H:%M"),
        version.title,
        notes.join(", ")
    )
}

fn shown(gap: &Gap) -> String {
    format!("\n{} × {}\n\n{}", gap.count, gap.title, gap.stub)
}
