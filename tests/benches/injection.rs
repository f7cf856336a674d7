//! Fits the weights of the injection score on one half of labelled rows and checks them on the other half.
//!
//! ```text
//! cargo bench --bench injection -- ROWS
//! ```
//!
//! `ROWS` is a file of JSON Lines with `id`, `text` and `label`; every label but `benign` is an attack. The weights go by
//! hand into `src/understanding/injection/signs.toml`, so that a person sees what changed.

use std::io::Write;
use std::sync::Arc;

use ponto::inference::candle::CandleEmbedder;
use ponto::inference::models::{ModelsConfig, Registry, Silent};
use ponto::understanding::{MessageReader, UnderstandingConfig};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Strength of the ridge.
const RIDGE: f64 = 1.0;
/// Steps of the descent; the rows are few, and the measures of like size.
const STEPS: usize = 20_000;
/// Weights that public rows cannot tell, because they are prompts and not messages of customers: at least this much.
const AT_LEAST: [(&str, f64); 3] = [("override", 3.5), ("steering", 3.5), ("markup", 2.5)];

struct Row {
    measures: Vec<f64>,
    attack: bool,
    half: bool,
}

#[tokio::main]
async fn main() {
    let path = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let mut out = std::io::stdout();
    let Some(path) = path else {
        let _ = writeln!(out, "name a file of rows: cargo bench --bench injection -- ROWS");
        return;
    };
    let registry = Registry::open(&ModelsConfig::default()).expect("the manifests are readable");
    let manifest = registry.find("multilingual-e5-small").expect("the model is known");
    let files = registry.ensure(&manifest, &Silent).await.expect("the model's files");
    let embedder = CandleEmbedder::load(&manifest, &files).expect("the model loads");
    let reader = MessageReader::new(&UnderstandingConfig::default(), Some(Arc::new(embedder)), None);

    let mut names = Vec::new();
    let mut rows = Vec::new();
    for line in std::fs::read_to_string(&path).expect("the rows are readable").lines() {
        let row: Value = serde_json::from_str(line).expect("a row of JSON");
        let text = row["text"].as_str().expect("a row has a text");
        let measures = reader.injection_measures(text).await.expect("the embedder answers");
        names = measures.iter().map(|(name, _)| *name).collect();
        rows.push(Row {
            measures: measures.into_iter().map(|(_, value)| value).collect(),
            attack: row["label"].as_str() != Some("benign"),
            half: Sha256::digest(row["id"].as_str().unwrap_or(text))[0].is_multiple_of(2),
        });
    }
    let floors: Vec<f64> = names
        .iter()
        .map(|name| AT_LEAST.iter().find(|(other, _)| other == name).map_or(0.0, |(_, least)| *least))
        .collect();
    let (weights, intercept) = fit(&rows.iter().filter(|row| row.half).collect::<Vec<_>>(), &floors);
    let _ = writeln!(out, "intercept = {intercept:.2}");
    for (name, weight) in names.iter().zip(&weights) {
        let _ = writeln!(out, "{name} = {weight:.2}");
    }
    for lowered in [0.0, 0.3, 0.6] {
        let share = |attack: bool| {
            let of: Vec<&Row> = rows.iter().filter(|row| !row.half && row.attack == attack).collect();
            let said = of.iter().filter(|row| sum(&row.measures, &weights) + intercept - lowered > 0.0);
            said.count() as f64 / of.len() as f64
        };
        let _ = writeln!(
            out,
            "held out, intercept lowered by {lowered}: recall {:.3}, false alarms {:.3}",
            share(true),
            share(false)
        );
    }
}

fn sum(measures: &[f64], weights: &[f64]) -> f64 {
    measures.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

/// Projected gradient descent on the ridge logistic loss; no weight falls below its floor.
fn fit(rows: &[&Row], floors: &[f64]) -> (Vec<f64>, f64) {
    let (mut weights, mut intercept) = (floors.to_vec(), 0.0);
    let count = rows.len() as f64;
    for _ in 0..STEPS {
        let mut gradient: Vec<f64> = weights.iter().map(|weight| RIDGE * weight).collect();
        let mut slope = 0.0;
        for row in rows {
            let chance = 1.0 / (1.0 + (-(sum(&row.measures, &weights) + intercept)).exp());
            let wrong = chance - f64::from(u8::from(row.attack));
            for (gradient, value) in gradient.iter_mut().zip(&row.measures) {
                *gradient += wrong * value;
            }
            slope += wrong;
        }
        for ((weight, gradient), floor) in weights.iter_mut().zip(&gradient).zip(floors) {
            *weight = (*weight - gradient / count).max(*floor);
        }
        intercept -= slope / count;
    }
    (weights, intercept)
}
