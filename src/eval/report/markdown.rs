//! The report as Markdown.

use std::fmt::Write;

use super::{Report, WORST, with_interval};
use crate::eval::case;

/// Metrics as rows, languages as columns, then the other tables, the worst cases, the method, and what is of this run alone.
pub(super) fn render(report: &Report) -> String {
    let summary = &report.summary;
    let mut text = format!(
        "# {}: {}\n\nConfiguration {}. Values with 95% intervals.\n\n",
        cell(&summary.set),
        summary.task.as_str(),
        summary.config_hash
    );
    let heads = summary.slices().map(|(name, slice)| format!("{name} (n = {})", slice.n));
    let columns: Vec<String> = std::iter::once("metric".to_owned()).chain(heads).collect();
    let rows = report.order.iter().map(|metric| {
        let cells =
            summary.slices().map(|(_, slice)| slice.metrics.get(metric).map_or("–".into(), with_interval));
        std::iter::once(metric.clone()).chain(cells).collect::<Vec<_>>()
    });
    table(&mut text, &columns, rows);
    for extra in &report.tables {
        let _ = write!(text, "\n## {}\n\n", cell(&extra.title));
        table(&mut text, &extra.columns, extra.rows.iter().cloned());
    }
    let worst = case::worst(&report.cases, WORST);
    if !worst.is_empty() {
        text.push_str("\n## Worst cases\n\n");
        for case in worst {
            let what = case.fault.as_ref().map_or("", |fault| fault.what.as_str());
            let _ = write!(text, "- `{}` ({}): {what}", case.id, case.language);
            if let Some(question) = &case.text {
                let _ = write!(text, " — {}", cell(question));
            }
            text.push('\n');
        }
    }
    text.push_str("\n## Method\n\n");
    for line in report.method.iter().chain(&report.circumstances) {
        let _ = writeln!(text, "- {line}");
    }
    text
}

pub(in crate::eval) fn table(text: &mut String, columns: &[String], rows: impl Iterator<Item = Vec<String>>) {
    line(text, columns);
    line(text, &vec!["---".to_owned(); columns.len()]);
    for row in rows {
        line(text, &row);
    }
}

fn line(text: &mut String, cells: &[String]) {
    text.push('|');
    for value in cells {
        let _ = write!(text, " {} |", cell(value));
    }
    text.push('\n');
}

pub(in crate::eval) fn cell(value: &str) -> String {
    value.replace('|', "\\|").replace(['\n', '\r'], " ")
}
