//! Tokens per second and peak memory of the GGUF decoder, to stand beside `llama-bench -p 512 -n 64` on the same file.
//!
//! ```text
//! cargo bench --bench decode -- MODEL.gguf [PROMPT_TOKENS] [REPLY_TOKENS] [REPEATS] [THREADS] [DEVICE] [BATCHES] [GB_PER_S] [--json]
//! ```
//!
//! Reading a prompt and writing a reply are timed apart, after one round that is not counted. `DEVICE` is `cpu` or `cuda`
//! (with `--features cuda`). `BATCHES` are numbers of sequences that are written at once, `1,8,64` say, each measured by
//! itself. Every step of a reply reads the weights once; how many GB/s that is comes out too, and where the memory's
//! bandwidth is named, the share of it (3350 GB/s for an H100 SXM, 4800 for an H200). Keys and values, which grow with
//! the batch, are not counted, and weights count as large as in the file.
//! `tests/benches/inference.py` runs it and `llama-bench` alternately.

use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::quantized::gguf_file::Content;
use ponto::inference::candle::cache::Sequence;
use ponto::inference::candle::decoder::Part;
use ponto::inference::candle::gguf::Gguf;
use ponto::inference::candle::model::Model;
use ponto::inference::candle::team::Team;
use ponto::inference::candle::threads;
use ponto::inference::candle::tokenizer::Tokenizer;
use serde_json::json;

use arguments::{Arguments, say};

mod arguments;

/// Tokens of a prompt that are read in one pass, as the engine does.
const CHUNK: usize = 256;

fn main() {
    let arguments = Arguments::read();
    let Some(path) = arguments.at(0).map(PathBuf::from) else {
        say("decode: name a GGUF file: cargo bench --bench decode -- MODEL.gguf");
        return;
    };
    let (prompt, reply, repeats) =
        (arguments.number(1, 512), arguments.number(2, 64), arguments.number(3, 3).max(1));
    let device = serde_json::from_value(json!(arguments.at(5).unwrap_or("cpu"))).expect("`cpu` or `cuda`");
    let batches: Vec<usize> = arguments
        .at(6)
        .unwrap_or("1")
        .split(',')
        .map(|batch| batch.parse().expect("batches are whole numbers, as in 1,8,64"))
        .collect();
    let bandwidth = arguments.number(7, 0);
    // SAFETY: this is the first thing the process does, on its only thread.
    unsafe { threads::configure(arguments.number(4, 0)) };

    let started = Instant::now();
    let team = Team::new("bench", arguments.number(4, 0)).expect("threads start");
    let file = Gguf::open(&path).expect("the file is a GGUF file");
    let model = team.run(|| Model::load(&file, prompt + reply, device)).expect("the model loads");
    let tokenizer = Tokenizer::load(file).expect("the tokenizer loads");
    let loaded = started.elapsed().as_secs_f64();
    let mut bench = Bench { model, team, prompt: tokens(&tokenizer, prompt), reply };
    if !arguments.json {
        say(format_args!("{}\n  load            {loaded:>8.2} s", path.display()));
    }
    let weights = weights(&path);
    for batch in batches {
        let mut rounds: Vec<(f64, f64)> = (0..=repeats).map(|_| bench.round(batch)).collect();
        rounds.remove(0);
        let read: Vec<f64> = rounds.iter().map(|round| (batch * prompt) as f64 / round.0).collect();
        let written: Vec<f64> = rounds.iter().map(|round| (batch * reply) as f64 / round.1).collect();
        if arguments.json {
            say(json!({"batch": batch, "load_s": loaded, "prompt_per_s": read, "reply_per_s": written}));
            continue;
        }
        let (read, written) = (median(read), median(written));
        let rate = written / batch as f64 * weights / 1e9;
        let share = if bandwidth == 0 {
            String::new()
        } else {
            format!(", {:.0}% of {bandwidth}", 100.0 * rate / bandwidth as f64)
        };
        say(format_args!(
            "  batch {batch}\n  prompt  {prompt:>5}   {read:>8.1} tok/s (median of {repeats})\n  reply   {reply:>5}   {written:>8.1} tok/s ({rate:.0} GB/s of weights{share})"
        ));
    }
    if !arguments.json {
        say(format_args!(
            "  peak memory     {:>8} MB",
            peak_memory().map_or_else(|| "?".into(), |bytes| (bytes / 1_000_000).to_string())
        ));
    }
}

struct Bench {
    model: Model,
    team: Team,
    prompt: Vec<u32>,
    reply: usize,
}

impl Bench {
    /// Seconds for the prompts, one after the other, and for the replies, all at once.
    fn round(&mut self, batch: usize) -> (f64, f64) {
        let mut sequences: Vec<Sequence> = (0..batch).map(|_| Sequence::default()).collect();
        let Self { model, team, prompt, reply } = self;
        let started = Instant::now();
        let mut next = Vec::with_capacity(batch);
        for sequence in &mut sequences {
            let mut scores = Vec::new();
            let mut rest = prompt.chunks(CHUNK).peekable();
            while let Some(tokens) = rest.next() {
                let wanted = usize::from(rest.peek().is_none());
                let part = Part { sequence: &mut *sequence, tokens, scores: wanted };
                scores = team.run(|| model.forward(&mut [part])).expect("the prompt is read");
            }
            next.push(best(&scores));
        }
        let read = started.elapsed();
        let started = Instant::now();
        for _ in 0..*reply {
            let mut parts: Vec<Part<'_>> = sequences
                .iter_mut()
                .zip(&next)
                .map(|(sequence, token)| Part { sequence, tokens: std::slice::from_ref(token), scores: 1 })
                .collect();
            let scores = team.run(|| model.forward(&mut parts)).expect("a token is written");
            next = scores.chunks_exact(model.vocabulary()).map(best).collect();
        }
        (read.as_secs_f64(), started.elapsed().as_secs_f64())
    }
}

fn best(scores: &[f32]) -> u32 {
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(0) as u32
}

/// Bytes of the matrices that every step reads; of an embedding that is not the output too, it reads rows alone.
fn weights(path: &Path) -> f64 {
    let mut file = std::fs::File::open(path).expect("the file can be opened");
    let content = Content::read(&mut file).expect("the file is a GGUF file");
    let tied = !content.tensor_infos.contains_key("output.weight");
    let read = content
        .tensor_infos
        .iter()
        .filter(|(name, info)| info.shape.rank() == 2 && (tied || *name != "token_embd.weight"));
    let size = |dtype: candle_core::quantized::GgmlDType, elements: usize| {
        elements / dtype.block_size() * dtype.type_size()
    };
    read.map(|(_, info)| size(info.ggml_dtype, info.shape.elem_count()) as f64).sum()
}

/// Ordinary text, cut to length.
fn tokens(tokenizer: &Tokenizer, length: usize) -> Vec<u32> {
    let text = "The parcel left the warehouse on Monday and should arrive within three working days. "
        .repeat(length);
    let mut tokens = tokenizer.encode(&text).expect("text becomes tokens");
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
