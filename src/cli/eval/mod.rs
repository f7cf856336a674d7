//! `ponto eval`: offline evaluations.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Loaded, Printer};
use crate::eval::EvalError;

mod compare;
mod gate;
mod import;
mod run;

/// Exit code of a comparison or a gate that found something worse.
const WORSE: u8 = 3;
/// Exit code of a run that Ctrl-C stopped.
const STOPPED: u8 = 130;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask every row of a set and report metrics with 95% intervals by language
    Run(run::Args),
    /// Compare two runs case by case: better, worse, or cannot tell (exit code 3 when anything is worse)
    Compare(compare::Args),
    /// Hold sets against a baseline (exit code 3 when a figure is worse beyond its interval)
    Gate(gate::Args),
    /// Turn a promptfoo-style or Ragas-style test file into a set
    Import(import::Args),
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let done = match args.command {
        Command::Run(args) => run::run(config?, args, *printer).await,
        Command::Compare(args) => compare::run(&args, *printer),
        Command::Gate(args) => gate::run(&config?, args, *printer).await,
        Command::Import(args) => import::run(&args, *printer),
    };
    match done {
        Err(error) if matches!(error.downcast_ref(), Some(EvalError::Cancelled)) => {
            printer.error(&error);
            Ok(ExitCode::from(STOPPED))
        }
        done => done,
    }
}
