//! `ponto eval compare`: two runs against each other.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::WORSE;
use crate::cli::Printer;
use crate::eval::compare::{Comparison, Run, compare};
use crate::eval::metrics::bootstrap::Bootstrap;
use crate::eval::report::comparison_page;

/// Arguments of `ponto eval compare`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder that `ponto eval run --out` wrote, or the report.json in it: the run before
    before: PathBuf,
    /// The run after
    after: PathBuf,
    /// Write compare.json, compare.md and compare.html here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args, printer: Printer) -> anyhow::Result<ExitCode> {
    let (before, after) = (Run::read(&args.before)?, Run::read(&args.after)?);
    let comparison = compare(&before, &after, Bootstrap::default())?;
    let text = markdown(&comparison);
    if let Some(folder) = &args.out {
        let page = comparison_page(&comparison, &before, &after)?;
        let json = serde_json::to_string_pretty(&comparison)? + "\n";
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for (name, content) in [("compare.json", &json), ("compare.md", &text), ("compare.html", &page)] {
            let path = folder.join(name);
            std::fs::write(&path, content).with_context(|| path.display().to_string())?;
        }
        printer.note(format!("wrote compare.json, compare.md and compare.html into {}", folder.display()));
    }
    printer.line(text.trim_end());
    printer.json(&comparison)?;
    let worse = comparison.worse().next().is_some();
    Ok(if worse { ExitCode::from(WORSE) } else { ExitCode::SUCCESS })
}

/// A table for each slice.
fn markdown(comparison: &Comparison) -> String {
    let mut text = format!(
        "# {}: {}, {} cases in both runs\n",
        comparison.set,
        comparison.task.as_str(),
        comparison.paired
    );
    if comparison.unpaired != [0, 0] {
        let [before, after] = comparison.unpaired;
        let _ =
            writeln!(text, "\n{before} cases of the first run alone and {after} of the second are left out.");
    }
    for slice in comparison.slices() {
        let _ = writeln!(
            text,
            "\n## {slice}\n\n| metric | n | before | after | difference | McNemar p | after is |\n|---|---|---|---|---|---|---|"
        );
        for row in comparison.rows.iter().filter(|row| row.slice == slice) {
            let p = row.mcnemar.map_or("–".to_owned(), |test| format!("{:.3}", test.p_value));
            let more =
                row.more_cases.map_or(String::new(), |more| format!("; about {more} more cases would tell"));
            let difference = row.difference;
            let _ = writeln!(
                text,
                "| {} | {} | {:.3} | {:.3} | {:+.3} [{:+.3}, {:+.3}] | {p} | {}{more} |",
                row.metric,
                row.n,
                row.first,
                row.second,
                difference.value,
                difference.low,
                difference.high,
                row.verdict.words()
            );
        }
    }
    text
}
