//! Tokens per second and peak memory of the GGUF decoder, to stand beside `llama-bench -p 512 -n 64` on the same file.
//!
//! ```text
//! cargo bench --bench decode -- MODEL.gguf [PROMPT_TOKENS] [REPLY_TOKENS] [REPEATS] [THREADS]
//! ```
//!
//! Reading a prompt and writing a reply are timed apart, after one round that is not counted.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ponto::inference::Budget;
use ponto::inference::candle::chat::load_engine;
use ponto::inference::candle::engine::{Engine, Listener};
use ponto::inference::candle::threads;

struct Nobody;

impl Listener for Nobody {
    fn delta(&mut self, _: String) -> bool {
        true
    }

    fn listening(&self) -> bool {
        true
    }
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mut out = std::io::stdout();
    let Some(model) = arguments.first().map(PathBuf::from) else {
        let _ = writeln!(out, "decode: name a GGUF file: cargo bench --bench decode -- MODEL.gguf");
        return;
    };
    let number =
        |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (prompt, reply, repeats) = (number(1, 512), number(2, 64), number(3, 3));
    // SAFETY: this is the first thing the process does, on its only thread.
    unsafe { threads::configure(number(4, 0)) };

    let started = Instant::now();
    let mut engine = load_engine("bench", &model, "", prompt + reply).expect("the model loads");
    let loaded = started.elapsed();
    let tokens = tokens(&engine, prompt);
    let mut rounds: Vec<(f64, f64)> = (0..=repeats).map(|_| round(&mut engine, &tokens, reply)).collect();
    rounds.remove(0);
    let _ = writeln!(
        out,
        "{}\n  load            {:>8.2} s\n  prompt  {prompt:>5}   {:>8.1} tok/s (median of {repeats})\n  reply   {reply:>5}   {:>8.1} tok/s\n  peak memory     {:>8} MB",
        model.display(),
        loaded.as_secs_f64(),
        prompt as f64 / median(rounds.iter().map(|round| round.0)),
        reply as f64 / median(rounds.iter().map(|round| round.1)),
        peak_memory().map_or_else(|| "?".into(), |bytes| (bytes / 1_000_000).to_string()),
    );
}

/// Seconds for the prompt and for the reply.
fn round(engine: &mut Engine, prompt: &[u32], reply: usize) -> (f64, f64) {
    engine.forget();
    let started = Instant::now();
    let mut logits =
        engine.read(prompt, &Budget::of(Duration::from_hours(1)), &Nobody).expect("the prompt is read");
    let read = started.elapsed();
    let started = Instant::now();
    for _ in 0..reply {
        let next = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0);
        logits = engine.step(&[next as u32], true).expect("a token is written");
    }
    (read.as_secs_f64(), started.elapsed().as_secs_f64())
}

/// Ordinary text, cut to length.
fn tokens(engine: &Engine, length: usize) -> Vec<u32> {
    let text = "The parcel left the warehouse on Monday and should arrive within three working days. "
        .repeat(length);
    let mut tokens = engine.tokens(&text).expect("text becomes tokens");
    tokens.truncate(length);
    tokens
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The largest resident set of the process so far, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
