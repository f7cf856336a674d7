//! What an evaluation says: metrics by language, for programs (JSON), for a terminal or a page (Markdown), and for a
//! browser (one HTML file without anything from elsewhere).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::EvalError;
use super::case::{self, Case};
use super::dataset::Dataset;
use super::metrics::Estimate;
use super::metrics::bootstrap::Bootstrap;
use super::metrics::statistic::{Metric, Statistic};
use super::task::Task;

mod by_language;
mod charts;
mod html;
pub(super) mod markdown;

pub use by_language::ByLanguage;
pub use html::comparison as comparison_page;

/// Most rows that are listed as worst.
const WORST: usize = 40;

/// Metrics of a set; the documented JSON of `ponto eval run --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the set.
    pub set: String,
    /// What its rows are.
    pub kind: String,
    /// What was measured.
    pub task: Task,
    /// Hash of the settings and models that shape the outcome.
    pub config_hash: String,
    /// By ISO 639-1 code.
    pub by_language: BTreeMap<String, Slice>,
    /// By channel, for sets that say where the customer writes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_channel: BTreeMap<String, Slice>,
    /// All rows together.
    pub all: Slice,
}

/// Metrics of some rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Rows.
    pub n: usize,
    /// By name; a metric that is undefined on these rows is absent.
    pub metrics: BTreeMap<String, Estimate>,
}

/// A summary with what a reader needs to trust it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The metrics.
    #[serde(flatten)]
    pub summary: Summary,
    /// How the numbers were made.
    pub method: Vec<String>,
    /// What is of this one run, and not of what was asked: the cache, conversations at a time. In no JSON, which the same
    /// set, configuration, models and seed make again byte for byte.
    #[serde(skip)]
    pub circumstances: Vec<String>,
    /// Names of the metrics in the order in which they are shown.
    #[serde(skip)]
    pub order: Vec<String>,
    /// Further tables.
    pub tables: Vec<Table>,
    /// Every row.
    #[serde(skip)]
    pub cases: Vec<Case>,
}

/// A table of plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Slice {
    /// The metrics of some cases.
    pub fn of(cases: &[&Case], metrics: &[Metric], bootstrap: Bootstrap) -> Self {
        let estimates = metrics
            .iter()
            .filter_map(|metric| Some((metric.name.clone(), metric.estimate(cases, bootstrap)?)));
        Self { n: cases.len(), metrics: estimates.collect() }
    }
}

impl Summary {
    /// The metrics of cases, without the names of the run.
    pub fn of(cases: &[Case], metrics: &[Metric], bootstrap: Bootstrap) -> Self {
        let by = |key: &dyn Fn(&Case) -> Option<String>| {
            let mut groups: BTreeMap<String, Vec<&Case>> = BTreeMap::new();
            for case in cases {
                if let Some(key) = key(case) {
                    groups.entry(key).or_default().push(case);
                }
            }
            groups.into_iter().map(|(key, cases)| (key, Slice::of(&cases, metrics, bootstrap))).collect()
        };
        Self {
            set: String::new(),
            kind: String::new(),
            task: Task::Assistant,
            config_hash: String::new(),
            by_language: by(&|case| Some(case.language.clone())),
            by_channel: by(&|case| case.channel.clone()),
            all: Slice::of(&cases.iter().collect::<Vec<_>>(), metrics, bootstrap),
        }
    }

    /// Slices in the order in which they are shown: languages, then all.
    pub fn slices(&self) -> impl Iterator<Item = (&str, &Slice)> {
        let languages = self.by_language.iter().map(|(language, slice)| (language.as_str(), slice));
        languages.chain(std::iter::once(("all", &self.all)))
    }

    /// Reads a `report.json`, or what `ponto eval run --json` wrote.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let bytes = std::fs::read(path).map_err(|error| EvalError::io(path, &error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| EvalError::io(path, &format!("this is no report of an evaluation: {error}")))
    }
}

impl Report {
    /// A report of the cases of a set. `tables` and `method` come from the task.
    pub fn of(
        dataset: &Dataset,
        config_hash: String,
        cases: Vec<Case>,
        mut tables: Vec<Table>,
        mut method: Vec<String>,
    ) -> Self {
        let bootstrap = Bootstrap::default();
        let metrics = dataset.task.metrics_of(&cases);
        let summary = Summary {
            set: dataset.name.clone(),
            kind: dataset.kind.as_str().to_owned(),
            task: dataset.task,
            config_hash,
            ..Summary::of(&cases, &metrics, bootstrap)
        };
        let shown = |metric: &&Metric| summary.all.metrics.contains_key(&metric.name);
        let metrics: Vec<&Metric> = metrics.iter().filter(shown).collect();
        if !summary.by_channel.is_empty() {
            tables.push(by("channel", summary.by_channel.iter(), &metrics));
        }
        tables.extend(groups(&cases, &metrics, bootstrap));
        if metrics.iter().any(|metric| metric.statistic == Statistic::Rate) {
            method.push("Rates of yes and no have exact 95% intervals (Clopper and Pearson 1934).".into());
        }
        method.push(format!(
            "Every other metric has a 95% percentile bootstrap interval: {} resamples of the rows, seed {}.",
            bootstrap.resamples, bootstrap.seed
        ));
        let order = metrics.into_iter().map(|metric| metric.name.clone()).collect();
        Self { summary, method, circumstances: Vec::new(), order, tables, cases }
    }

    /// The metrics as a Markdown table.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// Writes `report.json`, `report.md`, `report.html`, `cases.jsonl` and `cases.csv`.
    pub fn write(&self, folder: &Path) -> Result<(), EvalError> {
        let failed = |error: &dyn std::fmt::Display| EvalError::io(folder, error);
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let json = serde_json::to_string_pretty(self).map_err(|error| failed(&error))? + "\n";
        let html = html::report(self).map_err(|error| failed(&error))?;
        let rows = case::jsonl(&self.cases).map_err(|error| failed(&error))?;
        let table = case::csv(&self.cases).map_err(|error| failed(&error))?;
        for (name, bytes) in [
            ("report.json", json.into_bytes()),
            ("report.md", self.markdown().into_bytes()),
            ("report.html", html.into_bytes()),
            ("cases.jsonl", rows.into_bytes()),
            ("cases.csv", table),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, bytes).map_err(|error| EvalError::io(&path, &error))?;
        }
        Ok(())
    }
}

/// A table of the metrics of some slices; what there is less of stands in the columns.
fn by<'a>(title: &str, slices: impl Iterator<Item = (&'a String, &'a Slice)>, metrics: &[&Metric]) -> Table {
    let slices: Vec<(&String, &Slice)> = slices.collect();
    let value = |slice: &Slice, metric: &Metric| {
        slice.metrics.get(&metric.name).map_or("–".to_owned(), with_interval)
    };
    let (columns, rows): (Vec<String>, Vec<Vec<String>>) = if slices.len() <= metrics.len() {
        let heads = slices.iter().map(|(name, slice)| format!("{name} (n = {})", slice.n));
        let row = |metric: &&Metric| {
            let values = slices.iter().map(|(_, slice)| value(slice, metric));
            std::iter::once(metric.name.clone()).chain(values).collect()
        };
        (std::iter::once("metric".to_owned()).chain(heads).collect(), metrics.iter().map(row).collect())
    } else {
        let heads = metrics.iter().map(|metric| metric.name.clone());
        let row = |(name, slice): &(&String, &Slice)| {
            let values = metrics.iter().map(|metric| value(slice, metric));
            [(*name).clone(), slice.n.to_string()].into_iter().chain(values).collect()
        };
        ([title.to_owned(), "n".into()].into_iter().chain(heads).collect(), slices.iter().map(row).collect())
    };
    Table { title: format!("By {title}"), columns, rows }
}

/// The metrics by group, where the set parts its rows and some metric is defined there.
fn groups(cases: &[Case], metrics: &[&Metric], bootstrap: Bootstrap) -> Option<Table> {
    let names: BTreeSet<&String> = cases.iter().filter_map(|case| case.group.as_ref()).collect();
    // Bootstrap tables of dozens of groups would take longer than the run.
    let quick = Bootstrap { resamples: bootstrap.resamples.min(1000), ..bootstrap };
    let metrics: Vec<Metric> =
        metrics.iter().filter(|metric| !metric.timed).map(|metric| (*metric).clone()).collect();
    let slices: Vec<(&String, Slice)> = names
        .into_iter()
        .map(|name| {
            let own: Vec<&Case> = cases.iter().filter(|case| case.group.as_ref() == Some(name)).collect();
            (name, Slice::of(&own, &metrics, quick))
        })
        .collect();
    let defined: Vec<&Metric> = metrics
        .iter()
        .filter(|metric| slices.iter().any(|(_, slice)| slice.metrics.contains_key(&metric.name)))
        .collect();
    (slices.len() > 1).then(|| by("group", slices.iter().map(|(name, slice)| (*name, slice)), &defined))
}

/// Sixteen hexadecimal digits that stand for the settings and models that shape an outcome.
pub fn config_hash(parts: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut hash = hex::encode(Sha256::digest(serde_json::to_vec(parts)?));
    hash.truncate(16);
    Ok(hash)
}

/// Up to three decimals for shares, fewer for larger numbers.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size > 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// Value and interval on one line.
pub(super) fn with_interval(estimate: &Estimate) -> String {
    format!("{} [{}, {}]", number(estimate.value), number(estimate.low), number(estimate.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let slice = Slice {
            n: 3,
            metrics: BTreeMap::from([("hit@5".to_owned(), Estimate { value: 0.5, low: 0.25, high: 0.75 })]),
        };
        Report {
            summary: Summary {
                set: "<set>".into(),
                kind: "retrieval".into(),
                task: Task::Retrieval,
                config_hash: "c0ffee".into(),
                by_language: BTreeMap::from([("pt".to_owned(), slice.clone())]),
                by_channel: BTreeMap::new(),
                all: slice,
            },
            method: vec!["Bootstrap.".into()],
            circumstances: vec!["Three at a time.".into()],
            order: vec!["hit@5".into(), "answerable_auroc".into()],
            tables: vec![Table {
                title: "Counts".into(),
                columns: vec!["what".into(), "n".into()],
                rows: vec![vec!["a|b".into(), "1".into()]],
            }],
            cases: vec![
                Case { id: "q-1".into(), language: "pt".into(), ..Case::default() }
                    .with("answerability", 0.5)
                    .with("answerable", 1.0)
                    .at_fault(true, 1, "not found")
                    .traced("closest passage", "cosine <0.5>"),
                Case { id: "q-2".into(), language: "pt".into(), ..Case::default() }
                    .with("answerability", 0.4)
                    .with("answerable", 0.0),
            ],
        }
    }

    #[test]
    fn the_summary_has_the_documented_shape() {
        insta::assert_json_snapshot!(report().summary, @r#"
        {
          "set": "<set>",
          "kind": "retrieval",
          "task": "retrieval",
          "config_hash": "c0ffee",
          "by_language": {
            "pt": {
              "n": 3,
              "metrics": {
                "hit@5": {
                  "value": 0.5,
                  "low": 0.25,
                  "high": 0.75
                }
              }
            }
          },
          "all": {
            "n": 3,
            "metrics": {
              "hit@5": {
                "value": 0.5,
                "low": 0.25,
                "high": 0.75
              }
            }
          }
        }
        "#);
    }

    #[test]
    fn markdown_shows_values_with_intervals_and_a_dash_for_what_is_undefined() {
        let text = report().markdown();
        assert!(text.contains("| hit@5 | 0.500 [0.250, 0.750] | 0.500 [0.250, 0.750] |"), "{text}");
        assert!(text.contains("| answerable_auroc | – | – |"), "{text}");
        assert!(text.contains("a\\|b"), "{text}");
        assert!(text.contains("- Bootstrap.\n- Three at a time.\n"), "{text}");
    }

    #[test]
    fn html_is_escaped_and_loads_nothing() {
        let folder = tempfile::tempdir().unwrap();
        report().write(folder.path()).unwrap();
        let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
        assert!(page.contains("&lt;set&gt;") && !page.contains("<set>"));
        assert!(page.contains("<svg") && page.contains("q-1") && page.contains("cosine &lt;0.5&gt;"));
        for loader in ["<script", "src=", "@import", "<link", "url("] {
            assert!(!page.contains(loader), "{loader}");
        }
        assert!(folder.path().join("report.md").is_file());
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("report.json")).unwrap()).unwrap();
        assert_eq!(json["all"]["metrics"]["hit@5"]["low"], 0.25);
        assert!(page.contains("Three at a time.") && json.get("circumstances").is_none());
        assert_eq!(Summary::read(&folder.path().join("report.json")).unwrap(), report().summary);
        assert_eq!(case::read(&folder.path().join("cases.jsonl")).unwrap(), report().cases);
    }
}
