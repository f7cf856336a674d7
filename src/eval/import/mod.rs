//! Test files of other tools, turned into sets of ours. What cannot be said in a set is named, never dropped in silence.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::EvalError;
use crate::conversation::Language;
use crate::conversation::language::{Hint, detect};

mod promptfoo;
mod ragas;

/// A set, ready to be written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imported {
    /// Which tool's file it was.
    pub from: &'static str,
    /// Files by name: rows of JSON Lines.
    pub files: BTreeMap<&'static str, Vec<Value>>,
    /// The suite file, for sets that need one.
    pub suite: Option<String>,
    /// How many tests became rows.
    pub rows: usize,
    /// What was left out, with how often.
    pub skipped: BTreeMap<String, usize>,
}

/// How a file is read.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// Name of the set.
    pub name: &'a str,
    /// Folder of documents that the assistant answers from; for promptfoo tests.
    pub knowledge: Option<&'a Path>,
    /// The variable that holds the customer's message; for promptfoo tests.
    pub message: Option<&'a str>,
}

/// What is said of an import.
#[derive(Debug, Clone, Serialize)]
pub struct Told<'a> {
    /// Which tool's file it was.
    pub from: &'a str,
    /// How many tests became rows.
    pub rows: usize,
    /// What was left out, with how often.
    pub skipped: &'a BTreeMap<String, usize>,
}

/// Reads a promptfoo configuration or test list (YAML, JSON, JSON Lines), or a Ragas data set (JSON, JSON Lines, CSV).
pub fn read(path: &Path, options: &Options<'_>) -> Result<Imported, EvalError> {
    let failed = |message: &dyn std::fmt::Display| EvalError::io(path, message);
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let content = parse(path, &text).map_err(|message| failed(&message))?;
    let rows = match &content {
        Value::Object(file) => file.get("tests").unwrap_or(&content),
        other => other,
    };
    let Value::Array(rows) = rows else {
        return Err(failed(
            &"this is neither a list of tests nor a file with a list `tests`; tests in other files are not followed",
        ));
    };
    let rows: Vec<&Map<String, Value>> = rows.iter().filter_map(Value::as_object).collect();
    let imported = if rows.iter().any(|row| row.contains_key("vars") || row.contains_key("assert")) {
        promptfoo::import(&content, &rows, options)
    } else {
        ragas::import(&rows)
    };
    imported.map_err(|message| failed(&message))
}

fn parse(path: &Path, text: &str) -> Result<Value, String> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "jsonl" | "ndjson" => text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(at, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1)))
            .collect::<Result<Vec<Value>, String>>()
            .map(Value::Array),
        "csv" => csv::Reader::from_reader(text.as_bytes())
            .deserialize::<BTreeMap<String, String>>()
            .map(|row| {
                let row = row.map_err(|error| error.to_string())?;
                Ok(Value::Object(row.into_iter().map(|(name, cell)| (name, Value::String(cell))).collect()))
            })
            .collect::<Result<Vec<Value>, String>>()
            .map(Value::Array),
        "json" => serde_json::from_str(text).map_err(|error| error.to_string()),
        _ => serde_norway::from_str(text).map_err(|error| error.to_string()),
    }
}

/// The language that a row names, or that its text is written in.
fn language(named: Option<&str>, text: &str) -> Option<Language> {
    named.and_then(Language::from_locale).or_else(|| detect(text, Hint::default()).language)
}

/// A value that may be one string or several.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Number(number)) => vec![number.to_string()],
        Some(Value::Array(values)) => values.iter().flat_map(|value| strings(Some(value))).collect(),
        _ => Vec::new(),
    }
}
