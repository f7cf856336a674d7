//! Perplexity of a GGUF model on a text, counted as `llama-perplexity -c 512` counts it.
//!
//! ```text
//! cargo bench --bench perplexity -- MODEL.gguf TEXT [THREADS] [--json]
//! ```
//!
//! The text is parted into windows of 512 tokens; each is read alone, begins with the mark of the beginning where the
//! vocabulary wants one, and counts from the second token of its second half. What is left at the end is not read.
//! `tests/benches/inference.py` compares it with `llama-perplexity` on the same file and text.

use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{Content, Value};
use ponto::inference::candle::CandleOptions;
use ponto::inference::candle::chat::load_engine;
use ponto::inference::candle::threads;
use serde_json::json;

use arguments::{Arguments, say};

mod arguments;

/// Tokens of a window.
const WINDOW: usize = 512;

fn main() {
    let arguments = Arguments::read();
    let (Some(model), Some(text)) = (arguments.at(0).map(PathBuf::from), arguments.at(1)) else {
        say("perplexity: name a GGUF file and a text: cargo bench --bench perplexity -- MODEL.gguf TEXT");
        return;
    };
    // SAFETY: this is the first thing the process does, on its only thread.
    unsafe { threads::configure(arguments.number(2, 0)) };
    let text = std::fs::read_to_string(text).expect("the text is readable");
    let options =
        CandleOptions { context_length: WINDOW, threads: arguments.number(2, 0), ..CandleOptions::default() };
    let mut engine = load_engine("bench", &model, "", options).expect("the model loads");
    let mut tokens = engine.tokens(&text).expect("text becomes tokens");
    let beginning = beginning(&model);
    let mut surprise = 0.0;
    let mut counted = 0;
    for window in tokens.chunks_exact_mut(WINDOW) {
        if let Some(beginning) = beginning {
            window[0] = beginning;
        }
        let scores = engine.score(window).expect("the window is read");
        let scored = &scores[WINDOW / 2 + 1..];
        surprise -= scored.iter().map(|logprob| f64::from(*logprob)).sum::<f64>();
        counted += scored.len();
    }
    assert!(counted > 0, "the text has fewer than {WINDOW} tokens");
    let perplexity = (surprise / counted as f64).exp();
    if arguments.json {
        say(json!({"perplexity": perplexity, "tokens": tokens.len(), "counted": counted}));
    } else {
        say(format_args!("perplexity {perplexity:.4} over {counted} of {} tokens", tokens.len()));
    }
}

/// The mark of the beginning, where the vocabulary says that every text is to begin with it.
fn beginning(model: &Path) -> Option<u32> {
    let mut file = File::open(model).expect("the model is readable");
    let metadata = Content::read(&mut file).expect("the model is a GGUF file").metadata;
    let wanted = matches!(metadata.get("tokenizer.ggml.add_bos_token"), Some(Value::Bool(true)));
    let id = metadata.get("tokenizer.ggml.bos_token_id").and_then(|value| value.to_u32().ok());
    id.filter(|_| wanted)
}
