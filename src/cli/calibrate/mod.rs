//! `ponto calibrate`: fits a calibration and certifies the auto-reply threshold, from a labelled set or from agents' feedback.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, Utc};

use super::evaluation::{Bench, BenchOptions, RunProgress};
use super::{Loaded, Printer, stored};
use crate::app::{App, SystemClock};
use crate::config::Config;
use crate::conversation::{Clock, WorkspaceId};
use crate::eval::EvalError;
use crate::eval::calibration::{Example, Reading, Sample, Subject, Tally, Target, from_feedback, study};
use crate::eval::dataset::assistant::AssistantSet;
use crate::eval::dataset::{Dataset, Rows};
use crate::eval::run::assistant::Outcome;
use crate::inference::BackendKind;
use crate::judgement::calibration::{Calibration, CalibrationKey, Origin, Split};
use crate::retrieval::Sketch;
use crate::retrieval::index::Generations as _;
use crate::store::suggestion::EDIT_TOLERANCE;
use crate::store::versions::Versions as _;

mod verify;

/// The suite whose rows are the labels where none is named.
const DEMO: &str = "eval/demo/suite.toml";

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Suite file of kind assistant: its rows are the labels [default: eval/demo/suite.toml]
    #[arg(value_name = "SUITE")]
    set: Option<PathBuf>,
    /// The same suite by name
    #[arg(long, value_name = "SUITE", conflicts_with = "set")]
    labels: Option<PathBuf>,
    /// Take the labels from what agents did with the drafts of the data folder, instead of a set
    #[arg(long, conflicts_with_all = ["set", "labels", "fit_share"])]
    from_feedback: bool,
    /// Backend that writes the drafts
    #[arg(long)]
    backend: Option<BackendKind>,
    /// Highest share of unacceptable replies among automatic ones [default: `judgement.target`, 0.02]
    #[arg(long)]
    target: Option<f64>,
    /// Risk that the certificate is wrong [default: `judgement.delta`, 0.05]
    #[arg(long)]
    delta: Option<f64>,
    /// Suite whose rows certify, over the same documents; all rows of the set fit [default: the set's own rows are split]
    #[arg(long, value_name = "SUITE", conflicts_with_all = ["from_feedback", "fit_share"])]
    certify_on: Option<PathBuf>,
    /// Share of the rows that the fit sees; the others certify
    #[arg(long, default_value_t = 0.5)]
    fit_share: f64,
    /// Ask only this many rows of each set, chosen by the seed
    #[arg(long, value_name = "N", conflicts_with = "from_feedback")]
    limit: Option<usize>,
    /// Seed of --limit, of the split and of the plan
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Workspace whose knowledge and customers the labels stand for; a certificate holds there alone [default: the set's
    /// name; of feedback, `default`]
    #[arg(long)]
    workspace: Option<String>,
    /// Of feedback: how far back, a number with m, h, d or w (7d), or a date (2026-03-01)
    #[arg(long, value_name = "TIME", default_value = "90d", requires = "from_feedback")]
    since: String,
    /// Of feedback: share of the replies, drawn at random, that certifies; one of them without a verdict counts as wrong
    /// [default: `rollout.audit_share`, 0.1, whose draw is marked in the console]
    #[arg(long, requires = "from_feedback")]
    audit_share: Option<f64>,
    /// Of feedback: share of a reply's characters that an agent may change in one that was acceptable all the same; a number,
    /// date, link or negation that was changed is none of them
    #[arg(long, default_value_t = EDIT_TOLERANCE, requires = "from_feedback")]
    edit_tolerance: f64,
    /// Where the calibration is written, and its labels beside it [default: a name of its procedure and workspace in the folder
    /// `judgement.calibrations`, or in models/calibrations, which a build embeds]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Compute certificates again from the labels beside them; exits with 3 where one is not equal
    Verify(verify::Args),
}

/// The folder whose calibrations are part of the binary that is built from it.
const EMBEDDED: &str = "models/calibrations";

/// From one in how many on the drawn replies without a verdict are many.
const MANY: usize = 10;

/// What is labelled, and what it stands for.
struct Labelled {
    key: CalibrationKey,
    sample: Sample,
    description: String,
    workspace: WorkspaceId,
    dataset_hash: String,
    knowledge: Sketch,
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    if let Some(Command::Verify(args)) = args.command {
        return verify::run(config, args, *printer);
    }
    let config = config?;
    let folder = config.judgement.calibrations.clone();
    let target = Target {
        alpha: args.target.unwrap_or(config.judgement.target),
        delta: args.delta.unwrap_or(config.judgement.delta),
    };
    let share = |name: &str, value: f64| {
        anyhow::ensure!(value > 0.0 && value < 1.0, "--{name} must lie between 0 and 1, not at {value}");
        Ok(())
    };
    share("target", target.alpha)?;
    share("delta", target.delta)?;
    share("fit-share", args.fit_share)?;
    anyhow::ensure!(
        (0.0..1.0).contains(&args.edit_tolerance),
        "--edit-tolerance must lie from 0 to below 1, not at {}",
        args.edit_tolerance
    );
    let labelled = if args.from_feedback {
        Some(Box::pin(of_feedback(config, &args, *printer)).await?)
    } else {
        Box::pin(of_set(config, &args, *printer)).await?
    };
    let Some(Labelled { key, sample, description, workspace, dataset_hash, knowledge }) = labelled else {
        return Ok(ExitCode::from(130));
    };
    let origin = Origin {
        dataset_hash,
        made_at: SystemClock.now(),
        knowledge,
        split: sample.split,
        seed: args.seed,
        labels_hash: String::new(),
        hashes: BTreeMap::new(),
    };
    let made = study(&sample, &Subject { key, workspace, description }, target, origin)?;
    let calibration = &made.study.calibration;
    let path = args.out.unwrap_or_else(|| default_path(folder.as_deref(), calibration));
    calibration.save(&path, &made.csv)?;
    printer.line(made.study.text());
    printer.json(&made.study)?;
    printer.note(format!(
        "wrote {}, and its labels beside it; {}",
        path.display(),
        use_of(&path, folder.as_deref())
    ));
    Ok(ExitCode::SUCCESS)
}

/// Where a calibration is written unless told otherwise, where `folder` is the one that a server reads.
fn default_path(folder: Option<&Path>, calibration: &Calibration) -> PathBuf {
    folder.unwrap_or_else(|| Path::new(EMBEDDED)).join(calibration.file_name())
}

/// What makes a server use a calibration that lies at `path`, where `folder` is the one that it reads.
fn use_of(path: &Path, folder: Option<&Path>) -> String {
    let of = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let of = whole(of);
    if folder.is_some_and(|folder| whole(folder) == of) {
        return "a server uses it from its next start on".into();
    }
    let set = format!("a server uses it once `judgement.calibrations` is \"{}\"", of.display());
    if of.ends_with(EMBEDDED) { format!("{set}, or as part of the next build from this folder") } else { set }
}

/// The replies to a labelled set; `None` where Ctrl-C stopped it.
async fn of_set(config: Config, args: &Args, printer: Printer) -> anyhow::Result<Option<Labelled>> {
    let suite = args.labels.as_ref().or(args.set.as_ref()).map_or(Path::new(DEMO), PathBuf::as_path);
    let load = |path: &Path| {
        let mut dataset = Dataset::load(path, None, None)?;
        if let Some(limit) = args.limit {
            dataset.sample(limit, args.seed);
            dataset.hash = format!("{} ({limit} rows by seed {})", dataset.hash, args.seed);
        }
        anyhow::Ok(dataset)
    };
    let dataset = load(suite)?;
    let set = conversations(&dataset)?;
    let held_out = args.certify_on.as_deref().map(load).transpose()?;
    if let Some(held_out) = &held_out {
        let (own, other) = (&set.knowledge, &conversations(held_out)?.knowledge);
        anyhow::ensure!(
            own.canonicalize()? == other.canonicalize()?,
            "{} asks of the documents in {} and {} of those in {}; a certificate is of one knowledge",
            dataset.name,
            own.display(),
            held_out.name,
            other.display()
        );
    }
    let progress = RunProgress::new(printer);
    let workspace = args.workspace.clone().map_or_else(|| set.workspace.clone(), WorkspaceId);
    let options = BenchOptions { backend: args.backend, jobs: None, remember: true };
    let bench = Bench::build(config, options, workspace.clone(), set, printer).await?;
    let (mut asked, mut kept) = (Vec::new(), Vec::new());
    for dataset in [Some(&dataset), held_out.as_ref()].into_iter().flatten() {
        match bench.ask(conversations(dataset)?, &dataset.hash, 0, &progress).await {
            Err(error) if matches!(error.downcast_ref(), Some(EvalError::Cancelled)) => {
                progress.finish();
                printer.error(&error);
                return Ok(None);
            }
            done => {
                let (outcomes, finished) = done?;
                asked.push(outcomes);
                kept.push(finished);
            }
        }
    }
    for finished in kept {
        finished.clear()?;
    }
    progress.finish();
    let model = &bench.app.chat.info().fingerprint;
    let (key, examples) = of_model(&asked[0], model, printer)?;
    let mut dataset_hash = dataset.hash.clone();
    let sample = match (&held_out, asked.get(1)) {
        (Some(held_out), Some(outcomes)) => {
            let (other, certify) = of_model(outcomes, model, printer)?;
            anyhow::ensure!(
                other == key,
                "the replies to {} belong to another procedure: {other}",
                held_out.name
            );
            dataset_hash = format!("{dataset_hash}+{}", held_out.hash);
            Sample { fit: examples, certify, split: Split::Sets }
        }
        _ => Sample::by_hash(&examples, args.fit_share, args.seed),
    };
    Ok(Some(Labelled {
        key,
        sample,
        description: described(&bench.app, &format!("the set {}", dataset.name)),
        knowledge: knowledge(&bench.app, &workspace).await?,
        dataset_hash,
        workspace,
    }))
}

fn conversations(dataset: &Dataset) -> anyhow::Result<&AssistantSet> {
    match &dataset.rows {
        Rows::Assistant(set) => Ok(set),
        _ => anyhow::bail!(
            "{} is of kind {}; a calibration needs a set of kind assistant",
            dataset.name,
            dataset.kind.as_str()
        ),
    }
}

/// Refuses the drafts of a data folder as labels of quotes where a model was asked too: those that it answered are not there.
fn all_quotes(config: &Config, backend: Option<BackendKind>) -> anyhow::Result<()> {
    let asks_a_model = config.inference.backends.iter().any(|one| *one != BackendKind::Extractive);
    anyhow::ensure!(
        backend != Some(BackendKind::Extractive) || !asks_a_model || !config.inference.quote_first,
        "the quotes among these drafts are only those that were good enough to go before the model, or that stood in for it: \
         another population than what quotes alone would answer. Calibrate quotes on a labelled set (`ponto calibrate SUITE \
         --backend extractive --workspace NAME`), or leave out --backend extractive to calibrate the model"
    );
    Ok(())
}

/// The knowledge at the time of the oldest label, so that what has changed since counts as a change; of replies that come
/// oldest first, by id.
fn oldest<'a>(sample: &Sample, mut written: impl Iterator<Item = (&'a str, Sketch)>) -> Option<Sketch> {
    let labels: BTreeSet<&str> =
        sample.fit.iter().chain(&sample.certify).map(|example| example.id.as_str()).collect();
    written.find(|(id, _)| labels.contains(id)).map(|(_, knowledge)| knowledge)
}

/// What agents did with the drafts of a workspace.
async fn of_feedback(config: Config, args: &Args, printer: Printer) -> anyhow::Result<Labelled> {
    all_quotes(&config, args.backend)?;
    let since = stored::since(&args.since, SystemClock.now())?;
    let marked = config.rollout.audit_share;
    let workspace = WorkspaceId(args.workspace.clone().unwrap_or_else(|| "default".into()));
    let reading = Reading {
        audit_share: args.audit_share.unwrap_or(marked),
        edit_tolerance: args.edit_tolerance,
        knowledge_drift: config.judgement.knowledge_drift,
    };
    anyhow::ensure!(
        reading.audit_share > 0.0 && reading.audit_share < 1.0,
        "--audit-share (by default `rollout.audit_share`) must lie between 0 and 1, not at {}: what is drawn certifies, the \
         other verdicts fit",
        reading.audit_share
    );
    let store = stored::open(&config).await?;
    let suggestions = stored::suggestions(&store, &workspace, since, usize::MAX).await?;
    let moments: Vec<_> = suggestions.iter().map(|suggestion| suggestion.created_at).collect();
    let then = store.knowledge_at(&workspace, &moments).await?;
    let knowledge = store.sketch(&workspace).await?;
    // The models in a folder of their own, so that a server may go on with this one.
    let options = BenchOptions { backend: args.backend, jobs: None, remember: false };
    let bench = Bench::empty(config, options, workspace.clone(), Arc::new(SystemClock), printer).await?;
    let drifts = then.iter().map(|then| then.drift(&knowledge));
    let suggestions: Vec<_> = suggestions.into_iter().zip(drifts).collect();
    let key = bench.app.assistant.calibration_key();
    let (sample, tally) = from_feedback(&suggestions, &key, reading);
    printer.note(told(&tally, since, sample.fit.len(), reading, marked));
    let ids = suggestions.iter().map(|(suggestion, _)| suggestion.answer.id.as_str());
    let knowledge = oldest(&sample, ids.zip(then)).unwrap_or(knowledge);
    Ok(Labelled {
        key,
        description: described(&bench.app, &format!("feedback of the workspace {workspace}")),
        knowledge,
        dataset_hash: format!("feedback since {}", since.format("%Y-%m-%d")),
        sample,
        workspace,
    })
}

/// What became of the feedback, and what to do where much of it is of no use; `marked` is the share of the replies that the
/// console asks to be judged.
fn told(tally: &Tally, since: DateTime<Utc>, fit: usize, reading: Reading, marked: f64) -> String {
    let mut told = format!(
        "{} replies met no objection since {}: {} drawn to certify ({} of them without a verdict, which counts as wrong), {fit} \
         others with a verdict to fit, {} without one left out",
        tally.replies,
        since.format("%Y-%m-%d"),
        tally.drawn,
        tally.drawn_silent,
        tally.silent
    );
    if tally.drawn_silent * MANY > tally.drawn {
        told.push_str("; judge those first that the console marks as drawn");
    }
    if reading.audit_share > marked {
        let _ = write!(
            told,
            "; the console marks a share of {marked} (rollout.audit_share), and --audit-share is {}: nobody was asked to judge \
             the others, which count as wrong without a verdict: leave it out, or raise the setting and collect anew",
            reading.audit_share
        );
    }
    if tally.other_key > 0 {
        let _ = write!(
            told,
            "; {} belong to another model, other settings or other rules: shorten --since to the time after the change, or \
             collect anew",
            tally.other_key
        );
    }
    if tally.unseen > 0 {
        let _ = write!(
            told,
            "; {} were made in the stage shadow, where nobody sees a draft: set rollout.default_stage = \"draft\"",
            tally.unseen
        );
    }
    if tally.other_mode > 0 {
        let _ = write!(
            told,
            "; {} came of calls in mode draft, where replies come about otherwise than what is sent: call in mode auto, and \
             let rollout.default_stage = \"draft\" keep them from being sent",
            tally.other_mode
        );
    }
    if tally.other_knowledge > 0 {
        let _ = write!(
            told,
            "; {} were written before more than {:.0}% of the knowledge changed (judgement.knowledge_drift)",
            tally.other_knowledge,
            100.0 * reading.knowledge_drift
        );
    }
    told
}

fn described(app: &App, labels: &str) -> String {
    format!("{} with {}, fitted on {labels}", app.chat.info().model, app.embedder.info().model)
}

async fn knowledge(app: &App, workspace: &WorkspaceId) -> anyhow::Result<Sketch> {
    let knowledge = app.retriever.knowledge(workspace).await?;
    Ok(knowledge.map(|sketch| sketch.as_ref().clone()).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Language;
    use crate::judgement::calibration::tests::sample;

    #[test]
    fn quotes_that_went_before_a_model_are_no_labels_of_all_quotes() {
        let mut config = Config::default();
        config.inference.quote_first = true;
        config.inference.backends = vec![BackendKind::Candle, BackendKind::Extractive];
        let error = all_quotes(&config, Some(BackendKind::Extractive)).unwrap_err().to_string();
        assert!(error.contains("Calibrate quotes on a labelled set"), "{error}");
        all_quotes(&config, None).unwrap();
        all_quotes(&config, Some(BackendKind::Candle)).unwrap();
        config.inference.backends = vec![BackendKind::Extractive];
        all_quotes(&config, Some(BackendKind::Extractive)).unwrap();
    }

    #[test]
    fn a_certificate_of_feedback_keeps_the_knowledge_of_its_oldest_label() {
        let example = |id: &str| Example {
            id: id.into(),
            language: Language::En,
            signals: BTreeMap::new(),
            acceptable: true,
        };
        let sample = Sample { fit: vec![example("c")], certify: vec![example("b")], split: Split::Audit };
        let sketch = |passage: &str| Sketch::of(&BTreeSet::from([format!("{passage:0>12}")]));
        let written = ["a", "b", "c"].map(|id| (id, sketch(id)));
        assert_eq!(oldest(&sample, written.into_iter()), Some(sketch("b")), "the one before is no label");
        assert_eq!(oldest(&sample, std::iter::empty()), None);
    }

    #[test]
    fn feedback_that_is_of_no_use_says_what_to_do() {
        let reading = Reading { audit_share: 0.1, edit_tolerance: 0.1, knowledge_drift: 0.1 };
        let of = |tally: &Tally, reading| told(tally, DateTime::<Utc>::UNIX_EPOCH, 80, reading, 0.1);
        let fine = Tally { replies: 100, drawn: 20, drawn_silent: 2, ..Tally::default() };
        let plain = of(&fine, reading);
        assert!(plain.ends_with("0 without one left out"), "{plain}");
        let silent = of(&Tally { drawn_silent: 3, ..fine }, reading);
        assert!(silent.contains("judge those first that the console marks"), "{silent}");
        let other = of(&Tally { other_key: 7, unseen: 5, ..fine }, reading);
        assert!(other.contains("7 belong to another model") && other.contains("shorten --since"), "{other}");
        assert!(other.contains("5 were made in the stage shadow"), "{other}");
        let surplus = of(&fine, Reading { audit_share: 0.3, ..reading });
        assert!(surplus.contains("a share of 0.1") && surplus.contains("--audit-share is 0.3"), "{surplus}");
    }

    #[test]
    fn a_calibration_is_written_where_a_server_reads_it_or_is_told_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = default_path(Some(folder.path()), &sample());
        assert_eq!(path.parent(), Some(folder.path()));
        assert_eq!(use_of(&path, Some(folder.path())), "a server uses it from its next start on");
        let other = use_of(&path, Some(Path::new("elsewhere")));
        assert!(other.contains("`judgement.calibrations` is \"") && !other.contains("build"), "{other}");
        let path = default_path(None, &sample());
        let embedded = use_of(&path, None);
        assert!(
            path.starts_with(EMBEDDED) && embedded.contains("`judgement.calibrations` is \""),
            "{embedded}"
        );
        assert!(embedded.ends_with("the next build from this folder"), "{embedded}");
    }
}
