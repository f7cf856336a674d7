//! `ponto eval`: offline evaluations.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use super::evaluation::{self, Bench, RunProgress, cancelled_by_ctrl_c};
use super::{Loaded, Printer};
use crate::config::Config;
use crate::conversation::WorkspaceId;
use crate::eval::EvalError;
use crate::eval::cache::CachedEmbedder;
use crate::eval::dataset::assistant::AssistantSet;
use crate::eval::dataset::retrieval::RetrievalSet;
use crate::eval::dataset::{Dataset, Rows};
use crate::eval::metrics::bootstrap::Bootstrap;
use crate::eval::report::{Report, config_hash};
use crate::eval::run;
use crate::inference::{BackendKind, Embedder};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask every question of a set and report metrics with 95% intervals by language
    Run(RunArgs),
}

/// Arguments of `ponto eval run`.
#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Suite file (*.toml), or a folder of passages.jsonl and questions.jsonl
    set: PathBuf,
    /// Questions to ask instead of the set's own
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Ask only this many questions, chosen by the seed
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Seed of --limit
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Write report.json, report.md and report.html here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Backend that writes the drafts, for sets of kind assistant
    #[arg(long)]
    backend: Option<BackendKind>,
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let Command::Run(args) = args.command;
    let mut dataset = Dataset::load(&args.set, args.questions.as_deref())?;
    if let Some(limit) = args.limit {
        dataset.sample(limit, args.seed);
    }
    anyhow::ensure!(!dataset.is_empty(), "the set {} asks nothing", dataset.name);
    let config = config?;
    let progress = RunProgress::new(*printer);
    let outcome = match &dataset.rows {
        Rows::Retrieval(set) => retrieval(&config, &dataset, set, &progress, *printer).await,
        Rows::Assistant(set) => assistant(config, &dataset, set, args.backend, &progress, *printer).await,
    };
    progress.finish();
    let report = match outcome {
        Err(error) if matches!(error.downcast_ref(), Some(EvalError::Cancelled)) => {
            printer.error(&error);
            return Ok(ExitCode::from(130));
        }
        outcome => outcome?,
    };
    if let Some(folder) = &args.out {
        report.write(folder)?;
        printer.note(format!("wrote report.json, report.md and report.html into {}", folder.display()));
    }
    printer.line(report.markdown().trim_end());
    printer.json(&report.summary)?;
    Ok(ExitCode::SUCCESS)
}

/// The embedder alone is needed: no chat model is loaded.
async fn retrieval(
    config: &Config,
    dataset: &Dataset,
    set: &RetrievalSet,
    progress: &RunProgress,
    printer: Printer,
) -> anyhow::Result<Report> {
    let embedder: Arc<dyn Embedder> = evaluation::embedder(config, printer).await?;
    let embedder: Arc<dyn Embedder> =
        Arc::new(CachedEmbedder::open(embedder, &evaluation::cache_folder(config)?)?);
    let hash = config_hash(&(&config.retrieval, embedder.info(), set.cross_lingual))?;
    let scratch = evaluation::scratch()?;
    let cancel = cancelled_by_ctrl_c();
    let outcomes =
        run::retrieval::run(set, embedder, &config.retrieval, scratch.path(), progress, &cancel).await?;
    Ok(run::retrieval::report(&dataset.name, &hash, dataset.texts_in_report, &outcomes, Bootstrap::default()))
}

/// The whole assistant over the set's own documents.
async fn assistant(
    config: Config,
    dataset: &Dataset,
    set: &AssistantSet,
    backend: Option<BackendKind>,
    progress: &RunProgress,
    printer: Printer,
) -> anyhow::Result<Report> {
    let bench = Bench::build(config, backend, WorkspaceId(dataset.name.clone()), set, printer).await?;
    let outcomes = bench.ask(set, progress).await?;
    let hash = bench.config_hash()?;
    Ok(run::assistant::report(&dataset.name, &hash, dataset.texts_in_report, &outcomes, Bootstrap::default()))
}
