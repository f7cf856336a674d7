//! The wire, read leniently: compatible servers leave fields out, send `null`, empty strings and values of their own.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::inference::{ChatRequest, FinishReason, TokenUsage};

/// Parameters that a server may refuse; the call then goes out without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Optional {
    Logprobs,
    StreamOptions,
    /// Newer servers want `max_completion_tokens` instead.
    MaxTokens,
    Seed,
    Stop,
    TopP,
    Temperature,
    FrequencyPenalty,
    ResponseFormat,
}

impl Optional {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Logprobs, "logprobs"),
        (Self::StreamOptions, "stream_options"),
        (Self::MaxTokens, "max_tokens"),
        (Self::Seed, "seed"),
        (Self::Stop, "stop"),
        (Self::TopP, "top_p"),
        (Self::Temperature, "temperature"),
        (Self::FrequencyPenalty, "frequency_penalty"),
        (Self::ResponseFormat, "response_format"),
    ];

    /// The parameter that a refusal names, if it was sent.
    pub(super) fn refused_in(message: &str, left_out: &BTreeSet<Self>) -> Option<Self> {
        let words: Vec<&str> = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        Self::ALL
            .into_iter()
            .find(|(parameter, name)| words.contains(name) && !left_out.contains(parameter))
            .map(|(parameter, _)| parameter)
    }
}

/// The body of a streaming call.
pub(super) fn body(model: &str, request: &ChatRequest, left_out: &BTreeSet<Optional>) -> Value {
    let options = &request.options;
    let mut body = Map::new();
    body.insert("model".into(), json!(model));
    body.insert("messages".into(), json!(request.messages));
    body.insert("stream".into(), json!(true));
    let limit = if left_out.contains(&Optional::MaxTokens) { "max_completion_tokens" } else { "max_tokens" };
    body.insert(limit.into(), json!(options.max_tokens));
    let mut offer = |parameter: Optional, name: &str, value: Value| {
        if !left_out.contains(&parameter) {
            body.insert(name.into(), value);
        }
    };
    // Servers have defaults of their own for both.
    offer(Optional::Temperature, "temperature", json!(options.temperature));
    offer(Optional::TopP, "top_p", json!(options.top_p));
    offer(Optional::Seed, "seed", json!(options.seed));
    offer(Optional::StreamOptions, "stream_options", json!({ "include_usage": true }));
    if options.frequency_penalty != 0.0 {
        offer(Optional::FrequencyPenalty, "frequency_penalty", json!(options.frequency_penalty));
    }
    if let Some(schema) = &options.schema {
        let format = json!({ "name": "reply", "strict": true, "schema": schema });
        let format = json!({ "type": "json_schema", "json_schema": format });
        offer(Optional::ResponseFormat, "response_format", format);
    }
    if options.logprobs {
        offer(Optional::Logprobs, "logprobs", json!(true));
    }
    if !options.stop.is_empty() {
        offer(Optional::Stop, "stop", json!(options.stop));
    }
    Value::Object(body)
}

/// What one chunk of a stream, or a whole answer, says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chunk {
    pub(super) text: String,
    pub(super) finish: Option<FinishReason>,
    pub(super) usage: Option<TokenUsage>,
    pub(super) logprobs: Vec<f32>,
}

impl Chunk {
    pub(super) fn read(value: &Value) -> Self {
        let choice = &value["choices"][0];
        let message = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        let logprobs = choice["logprobs"]["content"]
            .as_array()
            .map(|tokens| {
                tokens
                    .iter()
                    .filter_map(|token| token["logprob"].as_f64())
                    .map(|value| value as f32)
                    .collect()
            })
            .unwrap_or_default();
        Self {
            text: text(&message["content"]),
            finish: finish(&choice["finish_reason"]),
            usage: usage(&value["usage"]),
            logprobs,
        }
    }
}

/// A string, or the text parts of a list.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// Any word but those for a limit is a natural end; `null` and `""` are none.
fn finish(reason: &Value) -> Option<FinishReason> {
    let reason = reason.as_str().filter(|reason| !reason.is_empty())?;
    match reason.to_ascii_lowercase().as_str() {
        "length" | "max_tokens" | "model_length" | "max_completion_tokens" => Some(FinishReason::Length),
        _ => Some(FinishReason::Stop),
    }
}

fn usage(usage: &Value) -> Option<TokenUsage> {
    let count = |name: &str| usage[name].as_u64().map(|count| count as usize);
    let prompt_tokens = count("prompt_tokens")?;
    Some(TokenUsage { prompt_tokens, completion_tokens: count("completion_tokens").unwrap_or(0) })
}

/// The error in a body or a chunk, whatever its shape.
#[derive(Debug, Default, PartialEq)]
pub(super) struct WireError {
    /// For recognising alone: a server may repeat the prompt in it.
    pub(super) message: String,
    /// Short names the server gives it, for people.
    pub(super) names: Vec<String>,
    pub(super) prompt_tokens: Option<usize>,
    pub(super) context_length: Option<usize>,
}

impl WireError {
    /// From an answer with an error status.
    pub(super) fn of_body(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        Self::of_chunk(&value).unwrap_or_else(|| Self {
            message: ["message", "detail"].iter().find_map(|name| value[*name].as_str()).map_or_else(
                || String::from_utf8_lossy(&body[..body.len().min(2_000)]).into_owned(),
                str::to_owned,
            ),
            ..Self::default()
        })
    }

    /// From a chunk that carries an error.
    pub(super) fn of_chunk(value: &Value) -> Option<Self> {
        let error = value.get("error").filter(|error| !error.is_null())?;
        let count = |name: &str| error[name].as_u64().map(|count| count as usize);
        let name = |name: &str| match &error[name] {
            Value::String(text) if !text.is_empty() && text.len() <= 60 => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Some(Self {
            message: error["message"].as_str().or(error.as_str()).unwrap_or_default().to_owned(),
            names: ["type", "code", "param"].into_iter().filter_map(name).collect(),
            prompt_tokens: count("n_prompt_tokens"),
            context_length: count("n_ctx"),
        })
    }

    pub(super) fn is_context_length(&self) -> bool {
        let all = format!("{} {}", self.names.join(" "), self.message).to_ascii_lowercase();
        [
            "context_length",
            "context length",
            "context size",
            "context_size",
            "context window",
            "maximum context",
            "prompt is too long",
        ]
        .iter()
        .any(|words| all.contains(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_read_leniently() {
        let odd = json!({"choices": [{"delta": {"content": [{"type": "text", "text": "Oi"}]}, "finish_reason": "eos"}],
            "service_tier": "on_demand", "usage": null});
        assert_eq!(Chunk::read(&odd).text, "Oi");
        assert_eq!(Chunk::read(&odd).finish, Some(FinishReason::Stop));
        assert_eq!(
            Chunk::read(&json!({"choices": [{"delta": {"content": null}, "finish_reason": ""}]})),
            Chunk::default()
        );
        for nothing in [json!(null), json!([]), json!({"choices": null}), json!({"choices": []}), json!("x")]
        {
            assert_eq!(Chunk::read(&nothing), Chunk::default());
        }
        let whole = json!({"choices": [{"message": {"content": "Sim"}, "finish_reason": "length",
            "logprobs": {"content": [{"token": "Sim", "logprob": -0.5}]}}], "usage": {"prompt_tokens": 7}});
        let whole = Chunk::read(&whole);
        assert_eq!(
            (whole.text.as_str(), whole.finish, whole.logprobs),
            ("Sim", Some(FinishReason::Length), vec![-0.5])
        );
        assert_eq!(whole.usage, Some(TokenUsage { prompt_tokens: 7, completion_tokens: 0 }));
    }

    #[test]
    fn refused_parameters_are_recognised_once() {
        let mut left_out = BTreeSet::new();
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.";
        assert_eq!(Optional::refused_in(message, &left_out), Some(Optional::MaxTokens));
        left_out.insert(Optional::MaxTokens);
        assert_eq!(Optional::refused_in(message, &left_out), None);
        let body = body("m", &ChatRequest::default(), &left_out);
        assert_eq!((&body["max_tokens"], &body["max_completion_tokens"]), (&Value::Null, &json!(256)));
    }

    #[test]
    fn errors_of_every_shape_are_read() {
        let llama = br#"{"error":{"code":400,"message":"too big","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}"#;
        let error = WireError::of_body(llama);
        assert!(error.is_context_length());
        assert_eq!((error.prompt_tokens, error.context_length), (Some(9), Some(8)));
        assert_eq!(WireError::of_body(br#"{"error":"no"}"#).message, "no");
        assert_eq!(WireError::of_body(br#"{"detail":"no"}"#).message, "no");
        assert_eq!(WireError::of_body(b"<html>").message, "<html>");
    }
}
