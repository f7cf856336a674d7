//! Passages per second and milliseconds a question of an embedder, to stand beside ONNX Runtime on the same texts.
//!
//! ```text
//! cargo bench --bench embed -- [MODEL] [REPEATS] [THREADS] [TEXTS] [--json]
//! ```
//!
//! Passages have 64 and 256 tokens, the model's prefix and marks included, and come in calls of 32. Where `TEXTS` is
//! given, a file of JSON strings, one a line, these are the only passages, in calls of as many as an ingest makes.
//! With `--json` it also prints the vectors of a few questions. `tests/benches/inference.py` runs it and ONNX Runtime
//! alternately.

use std::num::NonZeroUsize;
use std::time::Instant;

use ponto::inference::candle::{CandleEmbedder, EmbedderOptions};
use ponto::inference::models::{ModelsConfig, Registry, Silent};
use ponto::inference::{Embedder, Purpose};
use ponto::knowledge::KnowledgeConfig;
use serde_json::json;

use arguments::{Arguments, say};

mod arguments;

/// Passages in a call.
const BATCH: usize = 32;
/// Tokens of one measurement.
const TOKENS: usize = 16_384;
/// One of them is timed, and all are compared with a peer's.
const QUESTIONS: [&str; 4] = [
    "Em quanto tempo chega o meu pedido?",
    "Posso cambiare la taglia di una giacca comprata ieri?",
    "¿Cómo pido la factura de mi última compra?",
    "Which parts of the coffee machine may go into the dishwasher?",
];

#[tokio::main]
async fn main() {
    let arguments = Arguments::read();
    let name = arguments.at(0).unwrap_or("multilingual-e5-small");
    let repeats = arguments.number(1, 5).max(1);
    let registry = Registry::open(&ModelsConfig::default()).expect("the manifests are readable");
    let manifest = registry.find(name).expect("the model is known");
    let files = registry.ensure(&manifest, &Silent).await.expect("the model's files");
    let threads = NonZeroUsize::new(arguments.number(2, 0));
    let options = EmbedderOptions { threads, ..EmbedderOptions::default() };
    let embedder = CandleEmbedder::load_with(&manifest, &files, options).expect("the model loads");
    let report = |what: String, key: &str, mut values: Vec<f64>, unit: &str| {
        if arguments.json {
            say(json!({"what": what, key: values}));
        } else {
            say(format_args!("{name}  {what}  {}", spread(&mut values, unit)));
        }
    };

    if let Some(path) = arguments.at(3) {
        let lines = std::fs::read_to_string(path).expect("the file of texts is readable");
        let texts =
            lines.lines().map(|line| serde_json::from_str(line).expect("every line is a JSON string"));
        let rates =
            rates(&embedder, &texts.collect::<Vec<_>>(), KnowledgeConfig::default().batch, repeats).await;
        report("the given texts".into(), "passages_per_s", rates, "passages/s");
        return;
    }
    let prefix = manifest.embedder.as_ref().map_or("", |spec| spec.passage_prefix.as_str());
    // The prefix takes three tokens ("passage", ":" and the space before the text), the marks two.
    let taken = if prefix.is_empty() { 2 } else { 5 };
    for tokens in [64, 256] {
        let passages = vec!["casa ".repeat(tokens - taken); TOKENS / tokens];
        let rates = rates(&embedder, &passages, BATCH, repeats).await;
        report(format!("{tokens} tokens"), "passages_per_s", rates, "passages/s");
    }
    let mut times = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        embedder.embed(vec![QUESTIONS[0].into()], Purpose::Query).await.expect("a vector");
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    report("one question".into(), "ms", times, "ms");
    if arguments.json {
        for question in QUESTIONS {
            let vectors = embedder.embed(vec![question.into()], Purpose::Query).await.expect("a vector");
            say(json!({"what": "vector", "question": question, "vector": vectors[0]}));
        }
    }
}

/// Passages per second of every repeat, after one that is not counted.
async fn rates(embedder: &CandleEmbedder, passages: &[String], batch: usize, repeats: usize) -> Vec<f64> {
    let mut rates = Vec::new();
    for _ in 0..=repeats {
        let started = Instant::now();
        for batch in passages.chunks(batch) {
            embedder.embed(batch.to_vec(), Purpose::Passage).await.expect("vectors");
        }
        rates.push(passages.len() as f64 / started.elapsed().as_secs_f64());
    }
    rates.remove(0);
    rates
}

fn spread(values: &mut [f64], unit: &str) -> String {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    format!("median {:.1} {unit} ({:.1} to {:.1})", values[last / 2], values[0], values[last])
}
