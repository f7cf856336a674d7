//! `ponto eval import`: other tools' test files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::Printer;
use crate::eval::import::{self, Options, Told};

/// Arguments of `ponto eval import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// promptfoo configuration or tests (YAML, JSON, JSON Lines), or Ragas rows (JSON, JSON Lines, CSV)
    file: PathBuf,
    /// Folder that the set is written into; it must not hold one yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// promptfoo: folder of documents that the assistant answers from
    #[arg(long, value_name = "DIR")]
    knowledge: Option<PathBuf>,
    /// promptfoo: the variable that holds the customer's message
    #[arg(long, value_name = "NAME")]
    message_var: Option<String>,
}

pub(super) fn run(args: &Args, printer: Printer) -> anyhow::Result<ExitCode> {
    let stem = args.out.file_name().or(args.file.file_stem()).unwrap_or_default().to_string_lossy();
    let options =
        Options { name: &stem, knowledge: args.knowledge.as_deref(), message: args.message_var.as_deref() };
    let imported = import::read(&args.file, &options)?;
    anyhow::ensure!(
        imported.rows > 0,
        "no test of {} can be asked: {:?}",
        args.file.display(),
        imported.skipped
    );
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    if let Some(suite) = &imported.suite {
        write(&args.out, "suite.toml", suite)?;
    }
    for (name, rows) in &imported.files {
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        write(&args.out, name, &text)?;
    }
    printer.line(format!("{} rows from {} into {}", imported.rows, imported.from, args.out.display()));
    for (what, times) in &imported.skipped {
        printer.line(format!("skipped {times} times: {what}"));
    }
    printer.json(&Told { from: imported.from, rows: imported.rows, skipped: &imported.skipped })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that must not be there yet.
fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .with_context(|| format!("{}: choose another folder with --out", path.display()))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).with_context(|| path.display().to_string())
}
