//! Replies, several at once: prompts in chunks, then token after token, each within its own budget.
//!
//! Every step is one forward pass over whatever the replies need next, so that replies join and leave between steps.
//! What a reply says does not depend on the others: the decoder gives a token the same scores whatever is beside it (on a
//! device, up to their last digits).

use std::time::{Duration, Instant};

use super::cache::{BlockShape, PrefixCache, Sequence};
use super::constraint::{Constraint, Vocabulary};
use super::decoder::Part;
use super::error::LoadError;
use super::model::Model;
use super::repetition::circles;
use super::sampler::{Sampler, log_probability};
use super::speculation::propose;
use super::team::Team;
use super::template::ChatTemplate;
use super::text::TextStream;
use super::tokenizer::Tokenizer;
use crate::inference::{
    Budget, ChatMessage, ChatOptions, ChatRequest, Completion, FinishReason, InferenceError, ModelInfo,
    TokenUsage,
};

/// Tokens of prompts that are read in one step when nobody else waits for a token.
const CHUNK: usize = 256;
/// How long a step may take when somebody does: as many tokens of prompts are read as were read in that time before.
const PATIENCE: Duration = Duration::from_millis(500);
/// Fewest tokens of prompts in a step.
const LEAST: usize = 32;

/// A model with its tokenizer and the prefixes it knows.
pub struct Engine {
    model: Model,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    info: ModelInfo,
    team: Team,
    prefixes: PrefixCache,
    /// Made for the first reply that has a schema.
    vocabulary: Option<Vocabulary>,
    /// Tokens that are read in [`PATIENCE`], by the last step that read many.
    pace: usize,
    /// The sequence of [`Self::read`] and [`Self::step`].
    single: Sequence,
    /// Whether a lone draft guesses its next tokens from its prompt.
    prompt_lookup: bool,
}

/// What becomes of a reply while it is written.
pub trait Listener {
    /// Takes more text; `false` when nobody listens any more.
    fn delta(&mut self, text: String) -> bool;

    /// Whether somebody still listens.
    fn listening(&self) -> bool;
}

/// Nobody: whoever measures has no use for a reply as it is written.
impl Listener for () {
    fn delta(&mut self, _: String) -> bool {
        true
    }

    fn listening(&self) -> bool {
        true
    }
}

/// A reply that is being written.
pub struct Draft<L> {
    options: ChatOptions,
    budget: Budget,
    listener: L,
    /// The prompt, and the reply so far; the last one has not been read yet.
    tokens: Vec<u32>,
    prompt: usize,
    sequence: Sequence,
    sampler: Sampler,
    constraint: Option<Constraint>,
    text: TextStream,
    reply: String,
    logprobs: Vec<f32>,
    /// How it ended, once it has.
    end: Option<Result<FinishReason, InferenceError>>,
}

impl<L> Draft<L> {
    /// Gives up the draft.
    pub fn into_listener(self) -> L {
        self.listener
    }
}

/// A listener whose reply has ended, and how.
pub type Ended<L> = (L, Result<Completion, InferenceError>);

impl Engine {
    /// From loaded parts; `prefix_cache` is the memory for prompts that may come again, in bytes.
    pub fn new(
        model: Model,
        tokenizer: Tokenizer,
        template: ChatTemplate,
        info: ModelInfo,
        team: Team,
        prefix_cache: usize,
    ) -> Self {
        let limit = prefix_cache / BlockShape::new(model.hyperparameters()).bytes().max(1);
        Self {
            model,
            tokenizer,
            template,
            info,
            team,
            prefixes: PrefixCache::new(limit),
            vocabulary: None,
            pace: LEAST,
            single: Sequence::default(),
            prompt_lookup: true,
        }
    }

    /// Whether a lone draft guesses its next tokens from its prompt; it does unless told otherwise.
    #[must_use]
    pub fn with_prompt_lookup(self, prompt_lookup: bool) -> Self {
        Self { prompt_lookup, ..self }
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

    /// Whether a token ends a reply.
    pub fn is_end(&self, token: u32) -> bool {
        self.tokenizer.is_end(token)
    }

    /// Takes a request; what is known of its prompt's beginning is not read again.
    pub fn begin<L: Listener>(
        &mut self,
        request: &ChatRequest,
        budget: Budget,
        listener: L,
    ) -> Result<Draft<L>, Box<Ended<L>>> {
        let options = request.options.clone();
        let tokens = match self.prompt(&request.messages).and_then(|prompt| self.tokens(&prompt)) {
            Ok(tokens) => tokens,
            Err(error) => return Err(Box::new((listener, Err(error)))),
        };
        let limit = self.model.context().saturating_sub(options.max_tokens);
        if tokens.len() > limit || tokens.is_empty() {
            let error = InferenceError::ContextLengthExceeded { limit, actual: tokens.len() };
            return Err(Box::new((listener, Err(error))));
        }
        let constraint = match options.schema.as_ref().map(|schema| self.constraint(schema)).transpose() {
            Ok(constraint) => constraint,
            Err(error) => return Err(Box::new((listener, Err(error)))),
        };
        Ok(Draft {
            budget,
            listener,
            prompt: tokens.len(),
            sequence: self.prefixes.begin(&tokens),
            sampler: Sampler::new(&options),
            constraint,
            text: TextStream::new(&options.stop),
            reply: String::new(),
            logprobs: Vec::new(),
            end: (options.max_tokens == 0).then_some(Ok(FinishReason::Length)),
            tokens,
            options,
        })
    }

    fn constraint(&mut self, schema: &serde_json::Value) -> Result<Constraint, InferenceError> {
        let vocabulary = match self.vocabulary.take() {
            Some(vocabulary) => vocabulary,
            None => Vocabulary::new(&self.tokenizer, self.model.vocabulary())?,
        };
        self.vocabulary.insert(vocabulary).constraint(schema)
    }

    /// One forward pass for all drafts; those that ended are taken out. After an error, of which every draft hears,
    /// the engine can be used again.
    pub fn advance<L: Listener>(&mut self, drafts: &mut Vec<Draft<L>>) -> Vec<Ended<L>> {
        for draft in drafts.iter_mut() {
            if let Err(error) = check(&draft.budget, &draft.listener) {
                draft.end = Some(Err(error));
            }
        }
        let mut running: Vec<&mut Draft<L>> = drafts.iter_mut().filter(|draft| draft.end.is_none()).collect();
        if !running.is_empty() {
            self.read_more(&mut running);
        }
        drafts.extract_if(.., |draft| draft.end.is_some()).map(|draft| self.complete(draft)).collect()
    }

    /// One forward pass for drafts that have not ended, and what follows from it.
    fn read_more<L: Listener>(&mut self, drafts: &mut [&mut Draft<L>]) {
        let shares = choose(drafts, self.pace, self.prompt_lookup);
        let started = Instant::now();
        let mut parts: Vec<Part<'_>> = drafts
            .iter_mut()
            .zip(&shares)
            .map(|(draft, share)| Part {
                sequence: &mut draft.sequence,
                tokens: &share.tokens,
                scores: share.scores,
            })
            .collect();
        let Self { model, team, .. } = self;
        let scores = match team.run(|| model.forward(&mut parts)) {
            Ok(scores) => scores,
            Err(error) => {
                for draft in drafts {
                    draft.end = Some(Err(failure(&error)));
                }
                return;
            }
        };
        let read: usize = shares.iter().map(|share| share.tokens.len()).sum();
        if read >= LEAST {
            let taken = started.elapsed().as_secs_f64().max(1e-6);
            self.pace = (read as f64 / taken * PATIENCE.as_secs_f64()) as usize;
        }
        let mut rows = scores.chunks_exact(self.model.vocabulary());
        for (draft, share) in drafts.iter_mut().zip(&shares) {
            let rows: Vec<&[f32]> = rows.by_ref().take(share.scores).collect();
            let proposals = &share.tokens[share.tokens.len() - rows.len().saturating_sub(1)..];
            if draft.tokens.len() == draft.prompt && !rows.is_empty() {
                self.prefixes.keep(&draft.sequence, &draft.tokens);
            }
            let mut right = 0;
            if let Err(error) = self.write(draft, &rows, proposals, &mut right) {
                draft.end = Some(Err(error));
            }
            // Whatever came of it, only what the reply says may stay: a proposal that was wrong is not to be kept.
            draft.sequence.truncate(draft.sequence.len() - proposals.len() + right);
        }
    }

    /// Writes what the scores give: one token, and one more for each proposal that is `right`.
    fn write<L: Listener>(
        &self,
        draft: &mut Draft<L>,
        rows: &[&[f32]],
        proposals: &[u32],
        right: &mut usize,
    ) -> Result<(), InferenceError> {
        for row in rows {
            let scores = draft.constraint.as_mut().map_or(Ok(*row), |constraint| constraint.allowed(row))?;
            let choice = draft
                .sampler
                .pick(scores)
                .ok_or_else(|| InferenceError::Permanent("the model's scores are not numbers".into()))?;
            draft.logprobs.push(choice.logprob);
            draft.tokens.push(choice.token);
            let complete = match &mut draft.constraint {
                Some(constraint) => constraint.take(choice.token)?,
                None => false,
            };
            let stops = self.tokenizer.is_end(choice.token);
            if !stops {
                let text = draft.text.push(&self.tokenizer.bytes(choice.token));
                say(draft, text)?;
            }
            if stops || complete || draft.text.stopped() {
                draft.end = Some(Ok(FinishReason::Stop));
                break;
            }
            let reply = &draft.tokens[draft.prompt..];
            if reply.len() >= draft.options.max_tokens || circles(reply) {
                draft.end = Some(Ok(FinishReason::Length));
                break;
            }
            if proposals.get(*right) != Some(&choice.token) {
                break;
            }
            *right += 1;
        }
        Ok(())
    }

    fn complete<L: Listener>(&mut self, mut draft: Draft<L>) -> Ended<L> {
        self.prefixes.keep(&draft.sequence, &draft.tokens);
        let end = draft.end.take().unwrap_or(Ok(FinishReason::Length));
        let result = end.and_then(|finish| {
            let text = draft.text.finish();
            say(&mut draft, text)?;
            Ok(Completion {
                text: std::mem::take(&mut draft.reply),
                finish,
                usage: TokenUsage {
                    prompt_tokens: draft.prompt,
                    completion_tokens: draft.tokens.len() - draft.prompt,
                },
                logprobs: draft.options.logprobs.then(|| std::mem::take(&mut draft.logprobs)),
                model: self.info.clone(),
            })
        });
        (draft.listener, result)
    }

    /// Reads a prompt anew; the scores of what comes next.
    pub fn read(
        &mut self,
        prompt: &[u32],
        budget: &Budget,
        listener: &dyn Listener,
    ) -> Result<Vec<f32>, InferenceError> {
        self.single = Sequence::default();
        let mut scores = Vec::new();
        let mut rest = prompt.chunks(CHUNK).peekable();
        while let Some(chunk) = rest.next() {
            check(budget, listener)?;
            scores = self.step(chunk, rest.peek().is_none())?;
        }
        Ok(scores)
    }

    /// One forward pass behind what [`Self::read`] read; the scores of what comes next where `scores` is set.
    pub fn step(&mut self, tokens: &[u32], scores: bool) -> Result<Vec<f32>, InferenceError> {
        self.pass(tokens, usize::from(scores))
    }

    /// Natural-log probability of every token given those before it; 0 for the first.
    pub fn score(&mut self, tokens: &[u32]) -> Result<Vec<f32>, InferenceError> {
        self.single = Sequence::default();
        let mut out = vec![0.0];
        for (index, chunk) in tokens.chunks(CHUNK).enumerate() {
            let scores = self.pass(chunk, chunk.len())?;
            let next = &tokens[index * CHUNK + 1..];
            for (scores, token) in scores.chunks_exact(self.model.vocabulary()).zip(next) {
                out.push(log_probability(scores, *token as usize));
            }
        }
        out.truncate(tokens.len());
        Ok(out)
    }

    fn pass(&mut self, tokens: &[u32], scores: usize) -> Result<Vec<f32>, InferenceError> {
        let Self { model, team, single, .. } = self;
        let part = Part { sequence: single, tokens, scores };
        team.run(|| model.forward(&mut [part])).map_err(|error| failure(&error))
    }

    /// Forgets everything that was read.
    pub fn forget(&mut self) {
        self.prefixes = PrefixCache::new(self.prefixes.limit());
        self.single = Sequence::default();
    }
}

/// What one draft has read in a step; nothing where it waits for the others.
struct Share {
    tokens: Vec<u32>,
    /// How many of the last tokens scores are wanted for.
    scores: usize,
}

/// Every draft that writes reads its last token, and a lone one guesses at more of them where `lookup` allows; the rest of
/// the step goes to prompts, in the order of their arrival.
fn choose<L>(drafts: &[&mut Draft<L>], pace: usize, lookup: bool) -> Vec<Share> {
    let unread = |draft: &Draft<L>| draft.tokens.len() - draft.sequence.len();
    let writing = drafts.iter().any(|draft| unread(draft) == 1);
    let mut left = if writing { pace.clamp(LEAST, CHUNK) } else { CHUNK };
    drafts
        .iter()
        .map(|draft| {
            let rest = &draft.tokens[draft.sequence.len()..];
            if rest.len() > 1 {
                let tokens = rest[..rest.len().min(left)].to_vec();
                left -= tokens.len();
                return Share { scores: usize::from(tokens.len() == rest.len()), tokens };
            }
            let mut tokens = rest.to_vec();
            if lookup && drafts.len() == 1 {
                let room = draft.options.max_tokens.saturating_sub(draft.tokens.len() - draft.prompt + 1);
                tokens.extend_from_slice(propose(&draft.tokens, room));
            }
            Share { scores: tokens.len(), tokens }
        })
        .collect()
}

fn failure(error: &LoadError) -> InferenceError {
    InferenceError::Permanent(format!("the model could not compute: {error}"))
}

fn check(budget: &Budget, listener: &(impl Listener + ?Sized)) -> Result<(), InferenceError> {
    if budget.cancel.is_cancelled() || !listener.listening() {
        Err(InferenceError::Cancelled)
    } else if Instant::now() >= budget.deadline {
        Err(InferenceError::DeadlineExceeded)
    } else {
        Ok(())
    }
}

fn say<L: Listener>(draft: &mut Draft<L>, text: String) -> Result<(), InferenceError> {
    if text.is_empty() {
        return Ok(());
    }
    draft.reply.push_str(&text);
    if draft.listener.delta(text) { Ok(()) } else { Err(InferenceError::Cancelled) }
}
