//! Tokens per second and peak memory of the GGUF decoder, to stand beside `llama-bench -p 512 -n 64` on the same file.
//!
//! ```text
//! cargo bench --bench decode -- MODEL.gguf [PROMPT_TOKENS] [REPLY_TOKENS] [REPEATS] [THREADS] [--json]
//! ```
//!
//! Reading a prompt and writing a reply are timed apart, after one round that is not counted.
//! `tests/benches/inference.py` runs it and `llama-bench` alternately.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ponto::inference::Budget;
use ponto::inference::candle::CandleOptions;
use ponto::inference::candle::chat::load_engine;
use ponto::inference::candle::engine::Engine;
use ponto::inference::candle::threads;
use serde_json::json;

use arguments::{Arguments, say};

mod arguments;

fn main() {
    let arguments = Arguments::read();
    let Some(model) = arguments.at(0).map(PathBuf::from) else {
        say("decode: name a GGUF file: cargo bench --bench decode -- MODEL.gguf");
        return;
    };
    let (prompt, reply, repeats) =
        (arguments.number(1, 512), arguments.number(2, 64), arguments.number(3, 3).max(1));
    // SAFETY: this is the first thing the process does, on its only thread.
    unsafe { threads::configure(arguments.number(4, 0)) };

    let started = Instant::now();
    let options = CandleOptions {
        context_length: prompt + reply,
        threads: arguments.number(4, 0),
        ..CandleOptions::default()
    };
    let mut engine = load_engine("bench", &model, "", options).expect("the model loads");
    let loaded = started.elapsed().as_secs_f64();
    let tokens = tokens(&engine, prompt);
    let mut rounds: Vec<(f64, f64)> = (0..=repeats).map(|_| round(&mut engine, &tokens, reply)).collect();
    rounds.remove(0);
    let read: Vec<f64> = rounds.iter().map(|round| prompt as f64 / round.0).collect();
    let written: Vec<f64> = rounds.iter().map(|round| reply as f64 / round.1).collect();
    if arguments.json {
        say(json!({"load_s": loaded, "prompt_per_s": read, "reply_per_s": written}));
        return;
    }
    say(format_args!(
        "{}\n  load            {loaded:>8.2} s\n  prompt  {prompt:>5}   {:>8.1} tok/s (median of {repeats})\n  reply   {reply:>5}   {:>8.1} tok/s\n  peak memory     {:>8} MB",
        model.display(),
        median(read),
        median(written),
        peak_memory().map_or_else(|| "?".into(), |bytes| (bytes / 1_000_000).to_string()),
    ));
}

/// Seconds for the prompt and for the reply.
fn round(engine: &mut Engine, prompt: &[u32], reply: usize) -> (f64, f64) {
    engine.forget();
    let started = Instant::now();
    let mut logits =
        engine.read(prompt, &Budget::of(Duration::from_hours(1)), &()).expect("the prompt is read");
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The largest resident set of the process so far, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
