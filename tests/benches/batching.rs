//! Replies to several prompts that come at once: seconds to the first token and to the end of each.
//!
//! ```text
//! cargo bench --bench batching -- MODEL.gguf PROMPTS [REPLY_TOKENS] [THREADS] [DEVICE] [--json]
//! ```
//!
//! `PROMPTS` is a file of JSON strings, one a line, each a user's message. Replies are JSON strings too long for
//! `REPLY_TOKENS`, so that none ends before. A short reply beforehand is not counted.
//! `DEVICE` is `cpu` or `cuda` (with `--features cuda`).
//! `tests/benches/inference.py` makes the prompts and sends the same ones to `llama-server`, alternately.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use ponto::inference::candle::chat::{CandleChat, CandleOptions};
use ponto::inference::candle::threads;
use ponto::inference::{
    Budget, ChatEvent, ChatMessage, ChatModel, ChatOptions, ChatRequest, ChatRole, TokenUsage,
};
use serde_json::json;

use arguments::{Arguments, say};

mod arguments;

/// Characters that a token stands for, at most on average.
const LONG_TOKEN: usize = 16;

struct Reply {
    first: Duration,
    last: Duration,
    usage: TokenUsage,
}

fn main() {
    let arguments = Arguments::read();
    let (Some(model), Some(prompts)) = (arguments.at(0).map(PathBuf::from), arguments.at(1)) else {
        say(
            "batching: name a GGUF file and a file of prompts: cargo bench --bench batching -- MODEL.gguf PROMPTS",
        );
        return;
    };
    // SAFETY: this is the first thing the process does, on its only thread.
    unsafe { threads::configure(arguments.number(3, 0)) };
    let lines = std::fs::read_to_string(prompts).expect("the file of prompts is readable");
    let prompts: Vec<String> =
        lines.lines().map(|line| serde_json::from_str(line).expect("every line is a JSON string")).collect();
    let device = serde_json::from_value(json!(arguments.at(4).unwrap_or("cpu"))).expect("`cpu` or `cuda`");
    let options = CandleOptions {
        device,
        threads: arguments.number(3, 0),
        parallel: prompts.len(),
        queue: prompts.len(),
        ..CandleOptions::default()
    };
    let model = CandleChat::load("bench", &model, "", options).expect("the model loads");
    let tokens = arguments.number(2, 64);

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(reply(&model, "Hello!", 4));
    let replies = runtime.block_on(join_all(prompts.iter().map(|prompt| reply(&model, prompt, tokens))));
    for Reply { first, last, usage } in &replies {
        let (first, last) = (first.as_secs_f64(), last.as_secs_f64());
        let TokenUsage { prompt_tokens, completion_tokens } = usage;
        if arguments.json {
            say(
                json!({"first_s": first, "last_s": last, "prompt_tokens": prompt_tokens, "reply_tokens": completion_tokens}),
            );
        } else {
            say(format_args!(
                "{prompt_tokens:>5} tokens read, the first of {completion_tokens:>3} after {first:>6.2} s, the last after {last:>6.2} s"
            ));
        }
    }
    if !arguments.json {
        let written: usize = replies.iter().map(|reply| reply.usage.completion_tokens).sum();
        let last = replies.iter().map(|reply| reply.last).max().unwrap_or_default();
        say(format_args!("{:.1} tokens/s together", written as f64 / last.as_secs_f64()));
    }
}

/// A text too long for so many tokens: a reply with this schema ends at its limit and not before.
fn long_text(tokens: usize) -> serde_json::Value {
    json!({"type": "string", "minLength": LONG_TOKEN * tokens})
}

async fn reply(model: &CandleChat, prompt: &str, tokens: usize) -> Reply {
    let request = ChatRequest {
        messages: vec![ChatMessage { role: ChatRole::User, content: prompt.into() }],
        options: ChatOptions {
            max_tokens: tokens,
            schema: Some(long_text(tokens)),
            ..ChatOptions::default()
        },
        ..ChatRequest::default()
    };
    let started = Instant::now();
    let mut events =
        model.stream(request, Budget::of(Duration::from_hours(1))).await.expect("the model takes the call");
    let mut first = None;
    while let Some(event) = events.next().await {
        if let ChatEvent::Done(completion) = event.expect("the model answers") {
            let last = started.elapsed();
            return Reply { first: first.unwrap_or(last), last, usage: completion.usage };
        }
        first.get_or_insert_with(|| started.elapsed());
    }
    panic!("the stream ended without a reply")
}
