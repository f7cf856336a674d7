//! `ponto replay`: stored conversations through another configuration.
//!
//! The data folder is only read: documents and their passages are copied into a folder of the run's own, so that a server
//! may go on meanwhile. Time stands, for every suggestion, where it stood when it was made.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use super::evaluation::{Bench, BenchOptions, RunProgress, cancelled_by_ctrl_c};
use super::{Loaded, Printer};
use crate::app::SystemClock;
use crate::conversation::{Clock, WorkspaceId};
use crate::eval::replay::{Replay, Side, word};
use crate::eval::run::Progress;
use crate::inference::BackendKind;
use crate::store::sqlite::SqliteStore;
use crate::store::suggestion::Suggestion;
use crate::store::{Page, Suggestions};
use crate::text::collapse;

/// Rows that are read at a time.
const PAGE: usize = 200;
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
    let since = since(&args.since, SystemClock.now())?;
    let database = config.server.database();
    anyhow::ensure!(
        database.is_file(),
        "there is no database {}; name the data folder with --data-dir",
        database.display()
    );
    let store = SqliteStore::open(&database).await?;
    let workspace = WorkspaceId(args.workspace);
    let stored = suggestions(&store, &workspace, since, args.limit.unwrap_or(usize::MAX)).await?;
    anyhow::ensure!(!stored.is_empty(), "the workspace {workspace} holds no suggestion since {since}");

    let clock = Arc::new(ReplayClock(Mutex::new(since)));
    let options = BenchOptions { backend: args.backend, jobs: None, remember: true };
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
        let assistant = &bench.app.assistant;
        let again = assistant.answer(&workspace, &suggestion.conversation, suggestion.mode, None);
        let Some(again) = cancel.run_until_cancelled(again).await else {
            progress.finish();
            printer.note("stopped; replies of a chat model are kept, so the same command goes on faster");
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

/// The beginning of the time that is replayed.
fn since(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    let date = || {
        let day =
            text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|day| day.and_utc());
        day.or_else(|| text.parse::<DateTime<Utc>>().ok())
    };
    let span = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: i64 = number.parse().ok().filter(|number| *number > 0)?;
        let span = match unit {
            "m" => TimeDelta::try_minutes(number),
            "h" => TimeDelta::try_hours(number),
            "d" => TimeDelta::try_days(number),
            "w" => TimeDelta::try_weeks(number),
            _ => None,
        };
        now.checked_sub_signed(span?)
    };
    date().or_else(span).with_context(|| {
        format!("--since takes a number with m, h, d or w (7d), or a date (2026-03-01), not {text}")
    })
}

/// Suggestions since a time, oldest first.
async fn suggestions(
    store: &SqliteStore,
    workspace: &WorkspaceId,
    since: DateTime<Utc>,
    limit: usize,
) -> anyhow::Result<Vec<Suggestion>> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = Suggestions::list(store, workspace, None, Page { after, limit: PAGE }).await?;
        let listed = page.items.len();
        let recent: Vec<_> =
            page.items.into_iter().take_while(|summary| summary.created_at >= since).collect();
        let all_recent = recent.len() == listed;
        for summary in recent.into_iter().take(limit - found.len()) {
            found.extend(Suggestions::get(store, workspace, &summary.id).await?);
        }
        after = page.next;
        if after.is_none() || !all_recent || found.len() >= limit {
            found.reverse();
            return Ok(found);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spans_or_dates() {
        let now: DateTime<Utc> = "2026-03-10T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("7d", "2026-03-03T12:00:00Z"),
            ("2w", "2026-02-24T12:00:00Z"),
            ("90m", "2026-03-10T10:30:00Z"),
            ("12h", "2026-03-10T00:00:00Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z"),
        ] {
            assert_eq!(since(text, now).unwrap(), expected.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
        for wrong in ["", "7", "d", "-3d", "soon", "7é", "99999999999999d"] {
            assert!(since(wrong, now).unwrap_err().to_string().contains("--since"), "{wrong}");
        }
    }
}
