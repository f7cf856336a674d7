//! `ponto eval gate`: sets, or runs of them, against a baseline.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::WORSE;
use super::run::{self, Options};
use crate::cli::Printer;
use crate::config::Config;
use crate::eval::dataset::Dataset;
use crate::eval::gate::{Baseline, Entry, Finding, findings};
use crate::eval::report::Summary;
use crate::eval::task::Task;

/// Arguments of `ponto eval gate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File of figures that the sets are held against
    #[arg(long, value_name = "FILE")]
    baseline: PathBuf,
    /// Sets of the baseline to run, or folders that `ponto eval run --out` wrote [default: every set of the baseline]
    sets: Vec<PathBuf>,
    /// Run the sets and write their figures into the baseline
    #[arg(long)]
    write: bool,
    /// With --write: what to measure
    #[arg(long, value_enum, requires = "write")]
    task: Option<Task>,
    /// With --write: ask only this many rows
    #[arg(long, value_name = "N", requires = "write")]
    limit: Option<usize>,
    /// With --write: seed of --limit
    #[arg(long, value_name = "S", default_value_t = 1, requires = "write")]
    seed: u64,
    #[command(flatten)]
    options: Options,
}

/// The documented JSON of `ponto eval gate --json`.
#[derive(Debug, Serialize)]
struct Verdict {
    passed: bool,
    checked: Vec<Checked>,
    worse: Vec<Finding>,
    better: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Checked {
    set: String,
    task: Task,
    n: usize,
}

pub(super) async fn run(config: &Config, args: Args, printer: Printer) -> anyhow::Result<ExitCode> {
    if args.write {
        return write(config, &args, printer).await;
    }
    let baseline = Baseline::read(&args.baseline)?;
    let mut verdict = Verdict { passed: true, checked: Vec::new(), worse: Vec::new(), better: Vec::new() };
    for (entry, given) in chosen(&baseline, &args.sets)? {
        let now = match given {
            Some(summary) => summary,
            None => ask(config, entry, &args.options, printer).await?,
        };
        if now.all.n != entry.summary.all.n {
            printer.note(format!(
                "{}: {} rows now, {} in the baseline; write the baseline anew when the set has changed",
                now.set, now.all.n, entry.summary.all.n
            ));
        }
        let (worse, better): (Vec<Finding>, Vec<Finding>) =
            findings(&entry.summary, &now).into_iter().partition(|finding| finding.worse);
        verdict.worse.extend(worse);
        verdict.better.extend(better);
        verdict.checked.push(Checked { set: now.set.clone(), task: now.task, n: now.all.n });
    }
    verdict.passed = verdict.worse.is_empty();
    for finding in verdict.better.iter().chain(&verdict.worse) {
        printer.line(finding.words());
    }
    for checked in &verdict.checked {
        printer.note(format!("{}, {}: {} rows checked", checked.set, checked.task.as_str(), checked.n));
    }
    printer.line(if verdict.passed { "passed: no figure is worse beyond its interval" } else { "failed" });
    printer.json(&verdict)?;
    Ok(if verdict.passed { ExitCode::SUCCESS } else { ExitCode::from(WORSE) })
}

/// Entries of the baseline that are asked for; where a run is given, its figures.
fn chosen<'a>(
    baseline: &'a Baseline,
    given: &[PathBuf],
) -> anyhow::Result<Vec<(&'a Entry, Option<Summary>)>> {
    anyhow::ensure!(!baseline.entries.is_empty(), "the baseline holds no figures");
    if given.is_empty() {
        return Ok(baseline.entries.iter().map(|entry| (entry, None)).collect());
    }
    let mut found = Vec::new();
    for path in given {
        let before = found.len();
        if let Some(summary) = written(path)? {
            let same =
                |entry: &&Entry| (&entry.summary.set, entry.summary.task) == (&summary.set, summary.task);
            found.extend(baseline.entries.iter().find(same).map(|entry| (entry, Some(summary.clone()))));
        } else {
            let of_set = baseline.entries.iter().filter(|entry| entry.set == *path);
            found.extend(of_set.map(|entry| (entry, None)));
        }
        anyhow::ensure!(
            found.len() > before,
            "the baseline has no figures for {}; add them with `ponto eval gate --write`",
            path.display()
        );
    }
    Ok(found)
}

/// The figures of a run that was written before, where the path is one.
fn written(path: &Path) -> anyhow::Result<Option<Summary>> {
    let report = path.join("report.json");
    let file = if report.is_file() { &report } else { path };
    let is_report = file.extension().is_some_and(|ending| ending == "json");
    Ok(if is_report { Some(Summary::read(file)?) } else { None })
}

async fn ask(config: &Config, entry: &Entry, options: &Options, printer: Printer) -> anyhow::Result<Summary> {
    let mut dataset = Dataset::load(&entry.set, None, Some(entry.task))?;
    if let Some(limit) = entry.limit {
        dataset.sample(limit, entry.seed);
    }
    let options = Options { backend: entry.backend, ..options.clone() };
    Ok(run::report(config, &dataset, &options, printer).await?.summary)
}

async fn write(config: &Config, args: &Args, printer: Printer) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(!args.sets.is_empty(), "name the sets whose figures are to be written");
    let mut baseline =
        if args.baseline.is_file() { Baseline::read(&args.baseline)? } else { Baseline::default() };
    for set in &args.sets {
        let mut dataset = Dataset::load(set, None, args.task)?;
        if let Some(limit) = args.limit {
            dataset.sample(limit, args.seed);
        }
        let summary = run::report(config, &dataset, &args.options, printer).await?.summary;
        baseline.put(Entry {
            set: set.clone(),
            task: dataset.task,
            backend: args.options.backend,
            limit: args.limit,
            seed: args.seed,
            summary,
        });
    }
    baseline.write(&args.baseline)?;
    printer.note(format!("wrote {}", args.baseline.display()));
    printer.json(&baseline)?;
    Ok(ExitCode::SUCCESS)
}
