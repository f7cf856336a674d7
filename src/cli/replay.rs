//! `ponto replay`: stored conversations through another configuration.
//!
//! The data folder is only read: documents and their passages are copied into a folder of the run's own, so that a server
//! may go on meanwhile. Time stands, for every suggestion, where it stood when it was made, and so do the rollout and opt-outs.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::evaluation::{Bench, BenchOptions, RunProgress, cancelled_by_ctrl_c};
use super::{Loaded, Printer, stored};
use crate::app::SystemClock;
use crate::conversation::{Clock, WorkspaceId};
use crate::eval::replay::{Replay, Side, word};
use crate::eval::run::Progress;
use crate::inference::BackendKind;
use crate::store::Suggestions;
use crate::text::collapse;

/// Characters of a question or a draft that a line shows.
const SHOWN: usize = 100;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How far back: a number with m, h, d or w (7d), or a date (2026-03-01)
    #[arg(long, value_name = "TIME")]
    since: String,
    /// The workspace whose conversations are replayed
    #[arg(long, default_value = "default")]
    workspace: String,
    /// Replay at most this many, the newest
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The one backend that drafts; overrides `inference.backends`
    #[arg(long, value_enum)]
    backend: Option<BackendKind>,
}

/// The documented JSON of `ponto replay --json`.
#[derive(Debug, Serialize)]
struct Told<'a> {
    workspace: &'a str,
    since: DateTime<Utc>,
    #[serde(flatten)]
    replay: &'a Replay,
}

/// Stands at the time of the suggestion that is replayed.
struct ReplayClock(Mutex<DateTime<Utc>>);

impl Clock for ReplayClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplayClock {
    fn set(&self, at: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let config = config?;
    config.validate()?;
    let since = stored::since(&args.since, SystemClock.now())?;
    let store = stored::open(&config).await?;
    let workspace = WorkspaceId(args.workspace);
    let stored = stored::suggestions(&store, &workspace, since, args.limit.unwrap_or(usize::MAX)).await?;
    anyhow::ensure!(!stored.is_empty(), "the workspace {workspace} holds no suggestion since {since}");

    let clock = Arc::new(ReplayClock(Mutex::new(since)));
    let options = BenchOptions { backend: args.backend, jobs: None, remember: false };
    let bench =
        Bench::empty(config, options, workspace.clone(), Arc::clone(&clock) as Arc<dyn Clock>, *printer)
            .await?;
    bench.app.library.copy_from(&store, &workspace).await?;
    let progress = RunProgress::new(*printer);
    progress.start("replaying", stored.len());
    let cancel = cancelled_by_ctrl_c();
    let mut replay = Replay::default();
    for suggestion in &stored {
        clock.set(suggestion.created_at);
        let opt_outs = store.opt_outs(&workspace, &suggestion.conversation).await?;
        let again = bench.app.assistant.again(&workspace, suggestion, opt_outs);
        let Some(again) = cancel.run_until_cancelled(again).await else {
            progress.finish();
            printer.note("stopped");
            return Ok(ExitCode::from(130));
        };
        replay.add(suggestion, &again);
        progress.advance(1);
    }
    progress.finish();
    printer.line(text(&replay).trim_end());
    printer.json(&Told { workspace: &workspace.0, since, replay: &replay })?;
    Ok(ExitCode::SUCCESS)
}

/// For people: how actions changed, then each change.
fn text(replay: &Replay) -> String {
    let mut text = format!(
        "{} replayed, {} the same, {} otherwise\n",
        replay.replayed,
        replay.same,
        replay.changes.len()
    );
    for (change, times) in &replay.actions {
        let _ = writeln!(text, "{times:>6}  {change}");
    }
    for change in &replay.changes {
        let _ =
            writeln!(text, "\n{} ({}): {}", change.id, change.changed.join(", "), shown(&change.question));
        let _ = writeln!(text, "  was    {}", side(&change.before));
        let _ = writeln!(text, "  would  {}", side(&change.after));
    }
    text
}

fn side(side: &Side) -> String {
    let reasons: Vec<String> = side.reasons.iter().map(word).collect();
    let mut line = word(side.action);
    if !reasons.is_empty() {
        let _ = write!(line, " ({})", reasons.join(", "));
    }
    if let Some(draft) = &side.draft {
        let _ = write!(line, ", confidence {:.2}: {}", side.confidence, shown(draft));
    }
    line
}

fn shown(text: &str) -> String {
    let line = collapse(text);
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
