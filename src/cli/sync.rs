//! `ponto sync`: the sources of the configuration, once or again and again.

use std::process::ExitCode;

use super::ingest::{Progress, STOPPED, duplicates, open, stopped_by_ctrl_c, summary};
use super::{Loaded, Printer};
use crate::conversation::WorkspaceId;
use crate::settings::Period;
use crate::telemetry;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Once, whatever `knowledge.sync_every` says
    #[arg(long, conflicts_with = "every")]
    once: bool,
    /// Again and again, such as 1h; overrides `knowledge.sync_every`
    #[arg(long, value_name = "PERIOD")]
    every: Option<Period>,
    /// The sources of this workspace alone
    #[arg(long)]
    workspace: Option<String>,
}

/// Syncs with progress, until the end or Ctrl-C.
pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let config = config?;
    telemetry::init(&config.log)?;
    let workspace = args.workspace.map(WorkspaceId);
    let named = |name: &str| workspace.as_ref().is_none_or(|workspace| workspace.0 == name);
    anyhow::ensure!(
        config.knowledge.sources.iter().any(|source| named(&source.workspace)),
        "there is nothing to sync; name files, folders, globs or addresses in [[knowledge.sources]] of ponto.toml"
    );
    let every = if args.once { None } else { args.every.or(config.knowledge.sync_every) };
    let app = open(config, printer, "with `knowledge.sync_every` it syncs by itself").await?;
    let stop = stopped_by_ctrl_c(*printer);
    loop {
        let progress = Progress::new(*printer);
        let reports = app.library.sync_sources(workspace.as_ref(), &stop, &progress).await;
        progress.finish();
        // Between two turns an error is a matter of this turn.
        let mut status = ExitCode::SUCCESS;
        match reports {
            Ok(reports) => {
                for report in &reports {
                    let said = if report.busy {
                        "skipped, for another ingest or sync of it is running".to_owned()
                    } else {
                        summary(&report.report)
                    };
                    printer.line(format!("{}: {said}", report.workspace));
                    for line in duplicates(&report.report) {
                        printer.line(line);
                    }
                    if !report.report.failed.is_empty() {
                        status = ExitCode::FAILURE;
                    }
                }
                printer.json(&serde_json::json!({ "workspaces": reports }))?;
            }
            Err(error) if every.is_some() => printer.error(&error.into()),
            Err(error) => return Err(error.into()),
        }
        let Some(every) = every.filter(|_| !stop.is_cancelled()) else {
            return Ok(if stop.is_cancelled() { ExitCode::from(STOPPED) } else { status });
        };
        printer.note(format!("next sync in {every}"));
        if stop.run_until_cancelled(tokio::time::sleep(every.0)).await.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}
