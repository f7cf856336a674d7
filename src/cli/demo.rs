//! `ponto demo`.

use std::process::ExitCode;

use super::{Global, Printer};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_global: &Global, _args: Args, _printer: &Printer) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`ponto demo` is not built yet")
}
