//! `ponto calibrate`: fits a calibration and certifies the auto-reply threshold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::evaluation::{Bench, BenchOptions, RunProgress};
use super::{Loaded, Printer};
use crate::app::SystemClock;
use crate::conversation::{Clock, WorkspaceId};
use crate::eval::EvalError;
use crate::eval::calibration::{Design, Example, Target, study};
use crate::eval::dataset::{Dataset, Rows};
use crate::eval::run::assistant::Outcome;
use crate::inference::BackendKind;
use crate::judgement::calibration::{CalibrationKey, Origin};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Suite file of kind assistant
    #[arg(default_value = "eval/demo/suite.toml")]
    set: PathBuf,
    /// Backend that writes the drafts
    #[arg(long)]
    backend: Option<BackendKind>,
    /// Highest share of unacceptable replies among automatic ones
    #[arg(long, default_value_t = 0.02)]
    alpha: f64,
    /// Risk that the certificate is wrong
    #[arg(long, default_value_t = 0.05)]
    delta: f64,
    /// Share of the rows that the fit sees; the others certify
    #[arg(long, default_value_t = 0.5)]
    fit_share: f64,
    /// Seed of the split
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Workspace whose knowledge and customers the set stands for; a certificate holds there alone [default: the set's name]
    #[arg(long)]
    workspace: Option<String>,
    /// Where the calibration is written [default: models/calibrations/<key>.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let share = |name: &str, value: f64| {
        anyhow::ensure!(value > 0.0 && value < 1.0, "--{name} must lie between 0 and 1, not at {value}");
        Ok(())
    };
    share("alpha", args.alpha)?;
    share("delta", args.delta)?;
    share("fit-share", args.fit_share)?;
    let dataset = Dataset::load(&args.set, None, None)?;
    let Rows::Assistant(set) = &dataset.rows else {
        anyhow::bail!(
            "{} is of kind {}; a calibration needs a set of kind assistant",
            dataset.name,
            dataset.kind.as_str()
        );
    };
    let progress = RunProgress::new(*printer);
    let workspace = WorkspaceId(args.workspace.unwrap_or_else(|| dataset.name.clone()));
    let options = BenchOptions { backend: args.backend, jobs: None, remember: true };
    let bench = Bench::build(config?, options, workspace.clone(), set, *printer).await?;
    let outcomes = match bench.ask(set, &dataset.hash, 1, &progress).await {
        Err(error) if matches!(error.downcast_ref(), Some(EvalError::Cancelled)) => {
            progress.finish();
            printer.error(&error);
            return Ok(ExitCode::from(130));
        }
        outcomes => outcomes?,
    };
    progress.finish();
    let (key, examples) = of_model(&outcomes, &bench.app.chat.info().fingerprint, *printer)?;
    let design = Design {
        target: Target { alpha: args.alpha, delta: args.delta },
        fit_share: args.fit_share,
        seed: args.seed,
    };
    let description = format!(
        "{} with {}, fitted on the set {}",
        bench.app.chat.info().model,
        bench.app.embedder.info().model,
        dataset.name
    );
    let origin = Origin { workspace, dataset_hash: dataset.hash.clone(), made_at: SystemClock.now() };
    let study = study(&examples, &key, &description, design, &origin)?;
    let path =
        args.out.unwrap_or_else(|| Path::new("models/calibrations").join(format!("{}.json", key.short_id())));
    study.calibration.save(&path)?;
    printer.line(study.text());
    printer.json(&study)?;
    printer.note(format!("wrote {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

/// The replies of the preferred model. What a certified quote answered, or a fallback, belongs to another key, in service
/// too: a model is calibrated on what is left to it.
fn of_model(
    outcomes: &[Outcome],
    model: &str,
    printer: Printer,
) -> anyhow::Result<(CalibrationKey, Vec<Example>)> {
    let mut by_key: BTreeMap<&str, Vec<Example>> = BTreeMap::new();
    for outcome in outcomes {
        if let Some(example) = outcome.example() {
            by_key.entry(&outcome.calibration_key).or_default().push(example);
        }
    }
    let all: usize = by_key.values().map(Vec::len).sum();
    let mut of_model = Vec::new();
    for (key, examples) in by_key {
        let key: CalibrationKey = key.parse()?;
        if key.model == model {
            of_model.push((key, examples));
        }
    }
    let (key, examples) = of_model.into_iter().max_by_key(|(_, examples)| examples.len()).context(
        "no question got a draft of this model that met no objection; there is nothing to calibrate",
    )?;
    if examples.len() < all {
        printer.note(format!(
            "{} of {all} replies were quoted before the model was asked, or written by another one; they are left out",
            all - examples.len()
        ));
    }
    Ok((key, examples))
}
