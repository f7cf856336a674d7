//! `ponto explain`: why a suggestion came out as it did, and whether stored decisions come out of their traces again.

use std::process::ExitCode;

use serde::Serialize;

use super::{Loaded, Printer};
use crate::conversation::{Language, WorkspaceId};
use crate::explanation::{explain, replays};
use crate::store::sqlite::SqliteStore;
use crate::store::suggestion::Which;
use crate::store::{Page, Suggestions};

/// Suggestions that are read at a time.
const PAGE: usize = 200;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The suggestion: sug_…
    #[arg(required_unless_present = "verify", conflicts_with = "verify")]
    id: Option<String>,
    /// Decide again every stored suggestion from its trace; exit code 3 where one comes out otherwise
    #[arg(long)]
    verify: bool,
    /// Its workspace
    #[arg(long, default_value = "default")]
    workspace: String,
    /// Language of the explanation: pt, it, es or en [default: `generation.agents_language`]
    #[arg(long, value_parser = language)]
    language: Option<Language>,
}

fn language(text: &str) -> Result<Language, String> {
    Language::from_locale(text).ok_or_else(|| "write pt, it, es or en".to_owned())
}

/// The documented JSON of `ponto explain --verify --json`.
#[derive(Debug, Default, Serialize)]
struct Verified {
    /// Suggestions whose decision came out of the trace again.
    same: usize,
    /// Ids of those whose decision came out otherwise.
    otherwise: Vec<String>,
    /// Suggestions of earlier versions, whose traces do not hold what was decided on.
    without_trace: usize,
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let config = config?;
    let database = config.server.database();
    anyhow::ensure!(
        database.is_file(),
        "there is no database {}; name the data folder with --data-dir",
        database.display()
    );
    let store = SqliteStore::open(&database).await?;
    let workspace = WorkspaceId(args.workspace);
    let Some(id) = args.id else { return verify(&store, &workspace, printer).await };
    let found = Suggestions::get(&store, &workspace, &id).await?;
    let Some(suggestion) = found else {
        anyhow::bail!(
            "the workspace {workspace} holds no suggestion {id}; name its workspace with --workspace"
        );
    };
    let language = args.language.unwrap_or(config.generation.agents_language);
    let explanation = explain(&suggestion, language);
    printer.line(&explanation.text);
    printer.json(&explanation)?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(store: &SqliteStore, workspace: &WorkspaceId, printer: &Printer) -> anyhow::Result<ExitCode> {
    let mut verified = Verified::default();
    let mut after = None;
    loop {
        let page = Suggestions::list(store, workspace, Which::default(), Page { after, limit: PAGE }).await?;
        for summary in page.items {
            let Some(suggestion) = Suggestions::get(store, workspace, &summary.id).await? else { continue };
            match replays(&suggestion) {
                Some(true) => verified.same += 1,
                Some(false) => verified.otherwise.push(summary.id),
                None => verified.without_trace += 1,
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let Verified { same, otherwise, without_trace } = &verified;
    printer.line(format!(
        "{same} decisions came out again, {} otherwise, {without_trace} without a trace of what was decided on",
        otherwise.len()
    ));
    for id in otherwise {
        printer.line(format!("  {id}"));
    }
    printer.json(&verified)?;
    Ok(if otherwise.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}
