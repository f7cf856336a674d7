//! What an evaluation says: metrics by language, for programs (JSON), for a terminal or a page (Markdown), and for a
//! browser (one HTML file without anything from elsewhere).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::EvalError;
use super::metrics::Estimate;

mod by_language;
mod html;
mod markdown;

pub use by_language::ByLanguage;

/// Metrics of a set; the documented JSON of `ponto eval run --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the set.
    pub set: String,
    /// Its kind.
    pub kind: String,
    /// Hash of the settings and models that shape the outcome.
    pub config_hash: String,
    /// By ISO 639-1 code.
    pub by_language: BTreeMap<String, Slice>,
    /// All languages together.
    pub all: Slice,
}

/// Metrics of some rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Slice {
    /// Questions.
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
    /// Names of the metrics in the order in which they are shown.
    #[serde(skip)]
    pub order: Vec<String>,
    /// Further tables.
    pub tables: Vec<Table>,
    /// Questions that went worst.
    pub worst: Vec<Worst>,
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

/// A question that went badly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worst {
    /// Its id.
    pub id: String,
    /// Its language.
    pub language: String,
    /// What went wrong.
    pub what: String,
    /// The question itself, for sets that allow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Summary {
    /// Slices in the order in which they are shown: languages, then all.
    pub fn slices(&self) -> impl Iterator<Item = (&str, &Slice)> {
        self.by_language
            .iter()
            .map(|(language, slice)| (language.as_str(), slice))
            .chain(std::iter::once(("all", &self.all)))
    }
}

impl Report {
    /// The metrics as a Markdown table.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// Writes `report.json`, `report.md` and `report.html`.
    pub fn write(&self, folder: &Path) -> Result<(), EvalError> {
        std::fs::create_dir_all(folder).map_err(|error| EvalError::io(folder, &error))?;
        let json = serde_json::to_string_pretty(self).map_err(|error| EvalError::io(folder, &error))?;
        let html = html::render(self).map_err(|error| EvalError::io(folder.join("report.html"), &error))?;
        for (name, text) in
            [("report.json", json + "\n"), ("report.md", self.markdown()), ("report.html", html)]
        {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|error| EvalError::io(&path, &error))?;
        }
        Ok(())
    }
}

/// Sixteen hexadecimal digits that stand for the settings and models that shape an outcome.
pub fn config_hash(parts: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut hash = hex::encode(Sha256::digest(serde_json::to_vec(parts)?));
    hash.truncate(16);
    Ok(hash)
}

/// Up to three decimals for shares, fewer for larger numbers.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size > 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// Value and interval on one line.
fn with_interval(estimate: &Estimate) -> String {
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
                config_hash: "c0ffee".into(),
                by_language: BTreeMap::from([("pt".to_owned(), slice.clone())]),
                all: slice,
            },
            method: vec!["Bootstrap.".into()],
            order: vec!["hit@5".into(), "answerable_auroc".into()],
            tables: vec![Table {
                title: "Counts".into(),
                columns: vec!["what".into(), "n".into()],
                rows: vec![vec!["a|b".into(), "1".into()]],
            }],
            worst: vec![Worst {
                id: "q-1".into(),
                language: "pt".into(),
                what: "not found".into(),
                text: None,
            }],
        }
    }

    #[test]
    fn the_summary_has_the_documented_shape() {
        insta::assert_json_snapshot!(report().summary, @r#"
        {
          "set": "<set>",
          "kind": "retrieval",
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
    }

    #[test]
    fn html_is_escaped_and_loads_nothing() {
        let folder = tempfile::tempdir().unwrap();
        report().write(folder.path()).unwrap();
        let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
        assert!(page.contains("&lt;set&gt;") && !page.contains("<set>"));
        assert!(page.contains("<svg") && page.contains("q-1"));
        for loader in ["<script", "src=", "@import", "<link", "url("] {
            assert!(!page.contains(loader), "{loader}");
        }
        assert!(folder.path().join("report.md").is_file());
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("report.json")).unwrap()).unwrap();
        assert_eq!(json["all"]["metrics"]["hit@5"]["low"], 0.25);
    }
}
