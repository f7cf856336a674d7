//! `ponto rollout`: how far automatic replies have come, and the steps up and down.

use std::process::ExitCode;

use anyhow::Context;
use chrono::TimeDelta;
use clap::Subcommand;
use serde_json::json;

use super::ask::ChannelName;
use super::confirm::confirmed;
use super::{Loaded, Printer};
use crate::app::SystemClock;
use crate::assistant::rollout::{SliceReport, report, report_of};
use crate::conversation::{Clock, Language, WorkspaceId};
use crate::decision::rollout::{Slice, Stage, Step};
use crate::eval::metrics::binomial;
use crate::settings::Period;
use crate::store::Rollouts;
use crate::store::rollout::NewStep;
use crate::store::sqlite::SqliteStore;

/// Changes that `show` lists.
const SHOWN: usize = 20;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The workspace
    #[arg(long, global = true, default_value = "default")]
    workspace: String,
    /// How far back suggestions are counted, such as 7d
    #[arg(long, global = true, default_value = "30d")]
    since: Period,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What is known of every slice, and the latest changes
    Show,
    /// Let Ponto go further in a slice, after a look at its report
    Promote(Change),
    /// Hold Ponto back in a slice, at once
    Demote(Change),
}

/// A slice and where it goes.
#[derive(Debug, clap::Args)]
struct Change {
    /// Only where the customer writes here
    #[arg(long, value_enum)]
    channel: Option<ChannelName>,
    /// Only messages about this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only messages in this language: pt, it, es or en
    #[arg(long, value_parser = language)]
    language: Option<Language>,
    /// The stage to go to; the next one when left out
    #[arg(long, value_enum)]
    to: Option<Stage>,
    /// Share of the conversations that are answered automatically at stage `sample`, 0 to 1
    #[arg(long)]
    share: Option<f64>,
    /// Why; kept with the change
    #[arg(long)]
    why: String,
    /// Who decides; kept with the change
    #[arg(long, env = "USER")]
    by: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

fn language(code: &str) -> Result<Language, String> {
    Language::from_locale(code).ok_or_else(|| format!("{code:?} is none of pt, it, es and en"))
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let config = config?;
    let store = SqliteStore::open(&config.server.database()).await?;
    let workspace = WorkspaceId(args.workspace);
    let now = SystemClock.now();
    let window = TimeDelta::from_std(args.since.0).context("--since reaches too far back")?;
    let rollout = &config.rollout;
    match args.command {
        Command::Show => {
            let slices = report(&store, &workspace, rollout, now, window).await?;
            let history = store.past_steps(&workspace, SHOWN).await?;
            show(&slices, &history, rollout.default_stage, *printer)?;
        }
        Command::Promote(change) | Command::Demote(change) if change.by.trim().is_empty() => {
            anyhow::bail!("--by is empty; name who decides");
        }
        Command::Promote(change) => {
            let slice = change.slice();
            let known = report_of(&store, &workspace, &slice, rollout, now - window).await?;
            let to = match change.to.or_else(|| known.stage.above()) {
                Some(to) if to > known.stage || (to == Stage::Sample && known.stage == Stage::Sample) => to,
                Some(to) => anyhow::bail!(
                    "{slice} is at {}, and {} is not above it; use `ponto rollout demote`",
                    known.stage.as_str(),
                    to.as_str()
                ),
                None => anyhow::bail!("{slice} is at auto already, which is the highest stage"),
            };
            let step = change.step(slice, to, now)?;
            describe(&known, *printer);
            printer.line(format!("\npromote to {}{}", to.as_str(), of_share(step.share)));
            if !(change.yes || confirmed(*printer, "a promotion")?) {
                printer.note("nothing was changed");
                return Ok(ExitCode::FAILURE);
            }
            store_change(&store, &workspace, &step, known.step, printer).await?;
        }
        Command::Demote(change) => {
            let slice = change.slice();
            let known = report_of(&store, &workspace, &slice, rollout, now - window).await?;
            let to = match change.to.or_else(|| known.stage.below()) {
                Some(to) if to < known.stage || (to == Stage::Sample && known.stage == Stage::Sample) => to,
                Some(to) => anyhow::bail!(
                    "{slice} is at {}, and {} is not below it; use `ponto rollout promote`",
                    known.stage.as_str(),
                    to.as_str()
                ),
                None => anyhow::bail!("{slice} is in shadow already, which is the lowest stage"),
            };
            let step = change.step(slice, to, now)?;
            store_change(&store, &workspace, &step, known.step, printer).await?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

impl Change {
    fn slice(&self) -> Slice {
        Slice {
            channel: self.channel.map(ChannelName::channel),
            topic: self.topic.clone(),
            language: self.language,
        }
    }

    fn step(&self, slice: Slice, stage: Stage, at: chrono::DateTime<chrono::Utc>) -> anyhow::Result<NewStep> {
        let step =
            NewStep { slice, stage, share: self.share, by: self.by.clone(), why: self.why.clone(), at };
        step.check().map_err(anyhow::Error::msg)?;
        Ok(step)
    }
}

async fn store_change(
    store: &SqliteStore,
    workspace: &WorkspaceId,
    step: &NewStep,
    expected: i64,
    printer: &Printer,
) -> anyhow::Result<()> {
    let stored = store.change(workspace, step, Some(expected)).await?;
    let stored =
        stored.context("somebody changed this slice meanwhile; look at `ponto rollout show` again")?;
    printer.line(changed(&stored));
    printer.json(&stored)
}

fn show(slices: &[SliceReport], history: &[Step], unset: Stage, printer: Printer) -> anyhow::Result<()> {
    printer.json(&json!({"slices": slices, "history": history}))?;
    for slice in slices {
        describe(slice, printer);
        printer.line("");
    }
    printer.line("Changes, newest first");
    for step in history {
        printer.line(format!("  {}", changed(step)));
    }
    if history.is_empty() {
        let found = match unset {
            Stage::Auto => "the mode of each call alone says how far it may go".to_owned(),
            unset => format!("the stage is {} (`rollout.default_stage`)", unset.as_str()),
        };
        printer.line(format!("  none: {found}"));
    }
    Ok(())
}

fn changed(step: &Step) -> String {
    format!(
        "{}  {}: {}{}  by {}: {}",
        step.at.format("%Y-%m-%d %H:%M"),
        step.slice,
        step.stage.as_str(),
        of_share(step.share),
        step.by,
        step.why
    )
}

fn of_share(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!(" ({:.0}% of the conversations)", 100.0 * share))
}

fn describe(slice: &SliceReport, printer: Printer) {
    printer.line(format!("{}: {}{}", slice.slice, slice.stage.as_str(), of_share(slice.share)));
    printer.line(format!(
        "  {} suggestions since {}, {} of them to calls in mode auto or shadow: {} sent, {} that only mode or rollout held \
         back; coverage {:.0}%",
        slice.suggestions,
        slice.since.format("%Y-%m-%d"),
        slice.measured,
        slice.sent,
        slice.held,
        100.0 * slice.coverage
    ));
    printer.line(format!(
        "  audited replies since the last change: {} of {} drawn have a verdict; wrong {}",
        slice.audited,
        slice.drawn,
        share_of(slice.wrong, slice.audited)
    ));
    printer.line(format!(
        "  evidence that the error is over its bound: {:.2} (demotes by itself at {:.0})",
        slice.evidence, slice.demotes_at
    ));
    printer.line(format!(
        "  verdicts on replies that were held back: {}; wrong {}",
        slice.held_judged,
        share_of(slice.held_wrong, slice.held_judged)
    ));
}

/// A share with its exact interval.
fn share_of(wrong: usize, n: usize) -> String {
    match binomial::rate(wrong, n) {
        Some(rate) => format!(
            "{wrong}: {:.1}% (95%: {:.1}–{:.1}%)",
            100.0 * rate.value,
            100.0 * rate.low,
            100.0 * rate.high
        ),
        None => "unknown".into(),
    }
}
