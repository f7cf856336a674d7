//! `ponto parse-document`: what the process does that parses one untrusted file. Nobody calls it by hand.

use std::process::ExitCode;

use url::Url;

use crate::knowledge::parsing::{self, Confined, Limits};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the file on standard input is
    kind: Confined,
    /// What it may cost, as JSON
    #[arg(long, value_parser = limits)]
    limits: Limits,
    /// Address of the page, where its tags are asked for
    #[arg(long)]
    at: Option<Url>,
}

fn limits(json: &str) -> Result<Limits, serde_json::Error> {
    serde_json::from_str(json)
}

/// Before configuration and runtime: the limits hold for the whole process.
pub(super) fn run(args: &Args) -> ExitCode {
    match parsing::serve(args.kind, args.at.as_ref(), args.limits, std::io::stdin(), std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
