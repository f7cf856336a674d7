//! `ponto config`: the configuration in force, and its schema.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Loaded, Printer};
use crate::config::Config;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the configuration in force, secrets hidden
    Show,
    /// Print the JSON schema of the configuration, with every setting and its default
    Schema,
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Show => {
            let config = config?;
            printer.line(toml::to_string_pretty(&config)?.trim_end());
            printer.json(&config)?;
        }
        Command::Schema => {
            let schema = schemars::schema_for!(Config);
            printer.line(serde_json::to_string_pretty(&schema)?);
            printer.json(&schema)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
