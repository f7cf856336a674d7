//! One reply: prompt in chunks, then token after token, within a budget.

use std::time::Instant;

use super::cache::KvCache;
use super::decoder::Decoder;
use super::sampler::Sampler;
use super::template::ChatTemplate;
use super::text::TextStream;
use super::tokenizer::Tokenizer;
use crate::inference::{
    Budget, ChatMessage, ChatRequest, Completion, FinishReason, InferenceError, ModelInfo, TokenUsage,
};

/// Tokens of a prompt that are read at once, between two looks at the budget.
///
/// Only whole chunks are taken over from the last prompt. The kernels round differently for other numbers of rows,
/// so that any other cut would make a reply depend, in its last digits, on what was asked before.
const CHUNK: usize = 128;

/// A model with its tokenizer and the cache of the last sequence.
pub struct Engine {
    decoder: Decoder,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    info: ModelInfo,
    cache: KvCache,
    /// The tokens of the whole chunks at the beginning of the cache.
    chunks: Vec<u32>,
}

/// What becomes of a reply while it is written.
pub trait Listener {
    /// Takes more text; `false` when nobody listens any more.
    fn delta(&mut self, text: String) -> bool;

    /// Whether somebody still listens.
    fn listening(&self) -> bool;
}

impl Engine {
    /// From loaded parts.
    pub fn new(decoder: Decoder, tokenizer: Tokenizer, template: ChatTemplate, info: ModelInfo) -> Self {
        let cache = decoder.cache();
        Self { decoder, tokenizer, template, info, cache, chunks: Vec::new() }
    }

    /// What this is.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The prompt of `messages`, in which no message can speak for another.
    pub fn prompt(&self, messages: &[ChatMessage]) -> Result<String, InferenceError> {
        let messages: Vec<ChatMessage> = messages
            .iter()
            .map(|message| ChatMessage {
                role: message.role,
                content: self.tokenizer.defuse(&message.content),
            })
            .collect();
        Ok(self.template.render(&messages)?)
    }

    /// Tokens of a prompt.
    pub fn tokens(&self, prompt: &str) -> Result<Vec<u32>, InferenceError> {
        Ok(self.tokenizer.encode(prompt)?)
    }

    /// Writes one reply. After an error the engine can be used again.
    pub fn reply(
        &mut self,
        request: &ChatRequest,
        budget: &Budget,
        listener: &mut dyn Listener,
    ) -> Result<Completion, InferenceError> {
        check(budget, listener)?;
        let prompt = self.tokens(&self.prompt(&request.messages)?)?;
        let options = &request.options;
        let limit = self.decoder.context().saturating_sub(options.max_tokens);
        if prompt.len() > limit || prompt.is_empty() {
            return Err(InferenceError::ContextLengthExceeded { limit, actual: prompt.len() });
        }
        let mut logits = self.read(&prompt, budget, listener)?;
        let mut sampler = Sampler::new(options);
        let mut text = TextStream::new(&options.stop);
        let mut reply = String::new();
        let mut logprobs = Vec::new();
        let mut written = 0;
        let mut finish = FinishReason::Length;
        while written < options.max_tokens {
            let choice = sampler
                .pick(&logits)
                .ok_or_else(|| InferenceError::Permanent("the model's scores are not numbers".into()))?;
            written += 1;
            logprobs.push(choice.logprob);
            if self.tokenizer.is_end(choice.token) {
                finish = FinishReason::Stop;
                break;
            }
            say(&mut reply, text.push(&self.tokenizer.bytes(choice.token)), listener)?;
            if text.stopped() {
                finish = FinishReason::Stop;
                break;
            }
            if written < options.max_tokens {
                check(budget, listener)?;
                logits = self.step(&[choice.token], true)?;
            }
        }
        say(&mut reply, text.finish(), listener)?;
        Ok(Completion {
            text: reply,
            finish,
            usage: TokenUsage { prompt_tokens: prompt.len(), completion_tokens: written },
            logprobs: options.logprobs.then_some(logprobs),
            model: self.info.clone(),
        })
    }

    /// Reads the prompt behind the chunks it shares with the last one; scores of what comes next.
    pub fn read(
        &mut self,
        prompt: &[u32],
        budget: &Budget,
        listener: &dyn Listener,
    ) -> Result<Vec<f32>, InferenceError> {
        // The last token is always read: its scores are wanted.
        let known = self.chunks.iter().zip(&prompt[..prompt.len().saturating_sub(1)]);
        let shared = known.take_while(|(known, token)| known == token).count() / CHUNK * CHUNK;
        self.cache.truncate(shared);
        self.chunks.truncate(shared);
        let mut logits = Vec::new();
        let mut rest = prompt[shared..].chunks(CHUNK).peekable();
        while let Some(chunk) = rest.next() {
            check(budget, listener)?;
            logits = self.step(chunk, rest.peek().is_none())?;
            if chunk.len() == CHUNK {
                self.chunks.extend_from_slice(chunk);
            }
        }
        Ok(logits)
    }

    /// One forward pass behind what was read; the scores of what comes next where `logits` is set.
    pub fn step(&mut self, tokens: &[u32], logits: bool) -> Result<Vec<f32>, InferenceError> {
        let scores = self
            .decoder
            .forward(tokens, &mut self.cache, logits)
            .map_err(|error| InferenceError::Permanent(format!("the model could not compute: {error}")))?;
        Ok(scores.unwrap_or_default())
    }

    /// Forgets the last prompt.
    pub fn forget(&mut self) {
        self.cache.truncate(0);
        self.chunks.clear();
    }

    /// Whether a token ends a reply.
    pub fn is_end(&self, token: u32) -> bool {
        self.tokenizer.is_end(token)
    }
}

fn check(budget: &Budget, listener: &dyn Listener) -> Result<(), InferenceError> {
    if budget.cancel.is_cancelled() || !listener.listening() {
        Err(InferenceError::Cancelled)
    } else if Instant::now() >= budget.deadline {
        Err(InferenceError::DeadlineExceeded)
    } else {
        Ok(())
    }
}

fn say(reply: &mut String, text: String, listener: &mut dyn Listener) -> Result<(), InferenceError> {
    if text.is_empty() {
        return Ok(());
    }
    reply.push_str(&text);
    if listener.delta(text) { Ok(()) } else { Err(InferenceError::Cancelled) }
}
