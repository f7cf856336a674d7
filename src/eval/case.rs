//! What was measured of one row of a set. Metrics, comparisons and reports are made of nothing else, so two runs can be
//! compared row by row later.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::EvalError;

/// One row of a run; a line of `cases.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Id of the row.
    pub id: String,
    /// ISO 639-1 code; `any` where the row names none.
    pub language: String,
    /// Where the customer writes, for rows that say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What kind of row it is, where the set parts its rows: a source, a kind of identifier, why a person is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Measures by name; one that is undefined for the row is absent.
    pub measures: BTreeMap<String, f64>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// What was asked, for sets that allow it in reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How the outcome came about: names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<(String, String)>,
}

/// What went wrong in a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// How bad it is; reports show the highest first.
    pub severity: u8,
    /// In words.
    pub what: String,
}

impl Case {
    /// A measure by name.
    pub fn measure(&self, name: &str) -> Option<f64> {
        self.measures.get(name).copied()
    }

    /// Adds a measure.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.measures.insert(name.to_owned(), value);
        self
    }

    /// Adds a yes or a no.
    #[must_use]
    pub fn with_yes(self, name: &str, yes: bool) -> Self {
        self.with(name, f64::from(u8::from(yes)))
    }

    /// Says what went wrong; a second fault does not replace the first.
    #[must_use]
    pub fn at_fault(mut self, wrong: bool, severity: u8, what: &str) -> Self {
        if wrong && self.fault.is_none() {
            self.fault = Some(Fault { severity, what: what.to_owned() });
        }
        self
    }

    /// Adds a line to the trace.
    #[must_use]
    pub fn traced(mut self, name: &str, value: impl Into<String>) -> Self {
        self.trace.push((name.to_owned(), value.into()));
        self
    }
}

/// The rows that went wrong, worst first, in the order of the set among equals; at most `most`.
pub fn worst(cases: &[Case], most: usize) -> Vec<&Case> {
    let mut found: Vec<&Case> = cases.iter().filter(|case| case.fault.is_some()).collect();
    found.sort_by_key(|case| Reverse(case.fault.as_ref().map(|fault| fault.severity)));
    found.truncate(most);
    found
}

/// Reads `cases.jsonl`.
pub fn read(path: &Path) -> Result<Vec<Case>, EvalError> {
    let text = std::fs::read_to_string(path).map_err(|error| EvalError::io(path, &error))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line)
                .map_err(|error| EvalError::io(path, &format!("line {}: {error}", index + 1)))
        })
        .collect()
}

/// `cases.jsonl`: a line a case.
pub fn jsonl(cases: &[Case]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for case in cases {
        text.push_str(&serde_json::to_string(case)?);
        text.push('\n');
    }
    Ok(text)
}

/// `cases.csv`: a line a case, a column a measure.
pub fn csv(cases: &[Case]) -> Result<Vec<u8>, csv::Error> {
    let names: std::collections::BTreeSet<&String> =
        cases.iter().flat_map(|case| case.measures.keys()).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fixed = ["id", "language", "channel", "group", "fault"];
    writer.write_record(fixed.into_iter().chain(names.iter().map(|name| name.as_str())))?;
    for case in cases {
        let own = |value: &Option<String>| value.clone().unwrap_or_default();
        let fault = case.fault.as_ref().map(|fault| fault.what.clone()).unwrap_or_default();
        let first = [case.id.clone(), case.language.clone(), own(&case.channel), own(&case.group), fault];
        let measures = names.iter().map(|name| case.measure(name).map_or(String::new(), |v| v.to_string()));
        writer.write_record(first.into_iter().chain(measures))?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(std::io::Error::other(error.error().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(id: &str, severity: Option<u8>) -> Case {
        let case = Case { id: id.into(), language: "pt".into(), ..Case::default() }.with_yes("right", true);
        case.at_fault(severity.is_some(), severity.unwrap_or(0), "a, \"b\"")
    }

    #[test]
    fn the_worst_come_first_and_equals_keep_their_order() {
        let cases = [case("a", Some(1)), case("b", None), case("c", Some(2)), case("d", Some(1))];
        let ids: Vec<&str> = worst(&cases, 3).into_iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids, ["c", "a", "d"]);
    }

    #[test]
    fn cases_are_written_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.jsonl");
        let cases = vec![case("a", Some(1)).traced("query", "x"), case("b", None).with("score", 0.25)];
        std::fs::write(&path, jsonl(&cases).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), cases);
        let table = String::from_utf8(csv(&cases).unwrap()).unwrap();
        assert_eq!(
            table,
            "id,language,channel,group,fault,right,score\na,pt,,,\"a, \"\"b\"\"\",1,\nb,pt,,,,1,0.25\n"
        );
    }
}
