//! Passages per second and milliseconds a question of an embedder, to stand beside ONNX Runtime on texts of the same
//! length.
//!
//! ```text
//! cargo bench --bench embed -- [MODEL] [REPEATS] [THREADS]
//! ```
//!
//! Passages have 64 and 256 tokens, the model's prefix and marks included, and come in calls of 32.

use std::io::Write;
use std::num::NonZeroUsize;
use std::time::Instant;

use ponto::inference::candle::{CandleEmbedder, EmbedderOptions};
use ponto::inference::models::{ModelsConfig, Registry, Silent};
use ponto::inference::{Embedder, Purpose};

/// Passages in a call.
const BATCH: usize = 32;
/// Tokens of one measurement.
const TOKENS: usize = 16_384;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let name = arguments.first().map_or("multilingual-e5-small", String::as_str);
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<usize>().ok());
    let repeats = number(1).unwrap_or(5);
    let registry = Registry::open(&ModelsConfig::default()).expect("the manifests are readable");
    let manifest = registry.find(name).expect("the model is known");
    let files = registry.ensure(&manifest, &Silent).await.expect("the model's files");
    let options =
        EmbedderOptions { threads: number(2).and_then(NonZeroUsize::new), ..EmbedderOptions::default() };
    let embedder = CandleEmbedder::load_with(&manifest, &files, options).expect("the model loads");

    let prefix = manifest.embedder.as_ref().map_or("", |spec| spec.passage_prefix.as_str());
    // The prefix takes three tokens ("passage", ":" and the space before the text), the marks two.
    let taken = if prefix.is_empty() { 2 } else { 5 };
    let mut out = std::io::stdout();
    for tokens in [64, 256] {
        let passages = vec!["casa ".repeat(tokens - taken); TOKENS / tokens];
        let mut rates = Vec::new();
        for round in 0..=repeats {
            let started = Instant::now();
            for batch in passages.chunks(BATCH) {
                embedder.embed(batch.to_vec(), Purpose::Passage).await.expect("vectors");
            }
            if round > 0 {
                rates.push(passages.len() as f64 / started.elapsed().as_secs_f64());
            }
        }
        let _ = writeln!(out, "{name}  {tokens:>3} tokens  {}", spread(&mut rates, "passages/s"));
    }
    let mut times = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        embedder
            .embed(vec!["Em quanto tempo chega o meu pedido?".into()], Purpose::Query)
            .await
            .expect("a vector");
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    let _ = writeln!(out, "{name}  one question  {}", spread(&mut times, "ms"));
}

fn spread(values: &mut [f64], unit: &str) -> String {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    format!("median {:.1} {unit} ({:.1} to {:.1})", values[last / 2], values[0], values[last])
}
