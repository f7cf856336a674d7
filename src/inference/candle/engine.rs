//! Replies, several at once: prompts in chunks, then token after token, each within its own budget.
//!
//! Every step is one forward pass over whatever the replies need next, so that replies join and leave between steps.
//! What a reply says does not depend on the others: the decoder gives a token the same scores whatever is beside it.

use std::time::{Duration, Instant};

use super::cache::{BlockShape, PrefixCache, Sequence};
use super::decoder::{Decoder, Part, Scratch};
use super::error::LoadError;
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
const PATIENCE: Duration = Duration::from_millis(250);
/// Fewest tokens of prompts in a step.
const LEAST: usize = 32;

/// A model with its tokenizer and the prefixes it knows.
pub struct Engine {
    decoder: Decoder,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    info: ModelInfo,
    team: Team,
    scratch: Scratch,
    prefixes: PrefixCache,
    /// Tokens that are read in [`PATIENCE`], by the last step that read many.
    pace: usize,
    /// The sequence of [`Self::read`] and [`Self::step`].
    single: Sequence,
}

/// What becomes of a reply while it is written.
pub trait Listener {
    /// Takes more text; `false` when nobody listens any more.
    fn delta(&mut self, text: String) -> bool;

    /// Whether somebody still listens.
    fn listening(&self) -> bool;
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
    text: TextStream,
    reply: String,
    logprobs: Vec<f32>,
    finish: Option<FinishReason>,
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
        decoder: Decoder,
        tokenizer: Tokenizer,
        template: ChatTemplate,
        info: ModelInfo,
        team: Team,
        prefix_cache: usize,
    ) -> Self {
        let limit = prefix_cache / BlockShape::new(decoder.hyperparameters()).bytes().max(1);
        Self {
            decoder,
            tokenizer,
            template,
            info,
            team,
            scratch: Scratch::default(),
            prefixes: PrefixCache::new(limit),
            pace: LEAST,
            single: Sequence::default(),
        }
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
        let limit = self.decoder.context().saturating_sub(options.max_tokens);
        if tokens.len() > limit || tokens.is_empty() {
            let error = InferenceError::ContextLengthExceeded { limit, actual: tokens.len() };
            return Err(Box::new((listener, Err(error))));
        }
        Ok(Draft {
            budget,
            listener,
            prompt: tokens.len(),
            sequence: self.prefixes.begin(&tokens),
            sampler: Sampler::new(&options),
            text: TextStream::new(&options.stop),
            reply: String::new(),
            logprobs: Vec::new(),
            finish: (options.max_tokens == 0).then_some(FinishReason::Length),
            tokens,
            options,
        })
    }

    /// One forward pass for all drafts; those that ended are taken out. After an error, of which every draft hears,
    /// the engine can be used again.
    pub fn advance<L: Listener>(&mut self, drafts: &mut Vec<Draft<L>>) -> Vec<Ended<L>> {
        let mut ended = Vec::new();
        for index in (0..drafts.len()).rev() {
            if let Err(error) = check(&drafts[index].budget, &drafts[index].listener) {
                let draft = drafts.remove(index);
                self.prefixes.keep(&draft.sequence, &draft.tokens);
                ended.push((draft.listener, Err(error)));
            }
        }
        let chosen = choose(drafts, self.pace);
        let started = Instant::now();
        let before: Vec<usize> = chosen.iter().map(|share| drafts[share.draft].sequence.len()).collect();
        let scores = {
            let mut open: Vec<Option<&mut Draft<L>>> = drafts.iter_mut().map(Some).collect();
            let mut parts: Vec<Part<'_>> = Vec::with_capacity(chosen.len());
            for share in &chosen {
                if let Some(draft) = open[share.draft].take() {
                    parts.push(Part {
                        sequence: &mut draft.sequence,
                        tokens: &share.tokens,
                        scores: share.scores,
                    });
                }
            }
            let (decoder, scratch) = (&self.decoder, &mut self.scratch);
            if parts.is_empty() {
                Ok(Vec::new())
            } else {
                self.team.run(|| decoder.forward(&mut parts, scratch))
            }
        };
        let scores = match scores {
            Ok(scores) => scores,
            Err(error) => {
                let failed = |draft: Draft<L>| (draft.listener, Err(failure(&error)));
                ended.extend(drafts.drain(..).map(failed));
                return ended;
            }
        };
        let read: usize = chosen.iter().map(|share| share.tokens.len()).sum();
        if read >= LEAST {
            let taken = started.elapsed().as_secs_f64().max(1e-6);
            self.pace = (read as f64 / taken * PATIENCE.as_secs_f64()) as usize;
        }
        let mut rows = scores.chunks_exact(self.decoder.vocabulary());
        let mut errors: Vec<(usize, InferenceError)> = Vec::new();
        for (share, before) in chosen.iter().zip(before) {
            let draft = &mut drafts[share.draft];
            let rows: Vec<&[f32]> = rows.by_ref().take(share.scores).collect();
            let whole = draft.tokens.len() == draft.prompt && share.scores > 0;
            if let Err(error) = self.take(draft, share, before, &rows) {
                errors.push((share.draft, error));
            } else if whole {
                self.prefixes.keep(&draft.sequence, &draft.tokens);
            }
        }
        for index in (0..drafts.len()).rev() {
            let error = errors.iter().position(|(draft, _)| *draft == index);
            if error.is_none() && drafts[index].finish.is_none() {
                continue;
            }
            let mut draft = drafts.remove(index);
            self.prefixes.keep(&draft.sequence, &draft.tokens);
            let result = match error {
                Some(error) => Err(errors.swap_remove(error).1),
                None => self.complete(&mut draft),
            };
            ended.push((draft.listener, result));
        }
        ended
    }

    /// Takes the tokens that the scores of a draft's last rows give: one, and one more for each proposal that was
    /// right.
    fn take<L: Listener>(
        &self,
        draft: &mut Draft<L>,
        share: &Share,
        before: usize,
        rows: &[&[f32]],
    ) -> Result<(), InferenceError> {
        let proposals = &share.tokens[share.tokens.len() - share.scores.saturating_sub(1)..];
        let mut read = before + share.tokens.len() - proposals.len();
        for (index, row) in rows.iter().enumerate() {
            let choice = draft
                .sampler
                .pick(row)
                .ok_or_else(|| InferenceError::Permanent("the model's scores are not numbers".into()))?;
            draft.logprobs.push(choice.logprob);
            draft.tokens.push(choice.token);
            let written = draft.tokens.len() - draft.prompt;
            if self.tokenizer.is_end(choice.token) {
                draft.finish = Some(FinishReason::Stop);
                break;
            }
            say(draft, |text, tokenizer| text.push(&tokenizer.bytes(choice.token)), &self.tokenizer)?;
            if draft.text.stopped() {
                draft.finish = Some(FinishReason::Stop);
                break;
            }
            if written >= draft.options.max_tokens {
                draft.finish = Some(FinishReason::Length);
                break;
            }
            if proposals.get(index) != Some(&choice.token) {
                break;
            }
            read += 1;
        }
        draft.sequence.truncate(read);
        Ok(())
    }

    fn complete<L: Listener>(&self, draft: &mut Draft<L>) -> Result<Completion, InferenceError> {
        say(draft, |text, _| text.finish(), &self.tokenizer)?;
        Ok(Completion {
            text: std::mem::take(&mut draft.reply),
            finish: draft.finish.unwrap_or(FinishReason::Length),
            usage: TokenUsage {
                prompt_tokens: draft.prompt,
                completion_tokens: draft.tokens.len() - draft.prompt,
            },
            logprobs: draft.options.logprobs.then(|| std::mem::take(&mut draft.logprobs)),
            model: self.info.clone(),
        })
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
            for (scores, token) in scores.chunks_exact(self.decoder.vocabulary()).zip(next) {
                out.push(log_probability(scores, *token as usize));
            }
        }
        out.truncate(tokens.len());
        Ok(out)
    }

    fn pass(&mut self, tokens: &[u32], scores: usize) -> Result<Vec<f32>, InferenceError> {
        let Self { decoder, scratch, team, single, .. } = self;
        let part = Part { sequence: single, tokens, scores };
        team.run(|| decoder.forward(&mut [part], scratch)).map_err(|error| failure(&error))
    }

    /// Forgets everything that was read.
    pub fn forget(&mut self) {
        self.prefixes = PrefixCache::new(self.prefixes.limit());
        self.single = Sequence::default();
    }
}

/// What one draft has read in a step.
struct Share {
    draft: usize,
    tokens: Vec<u32>,
    /// How many of the last tokens scores are wanted for.
    scores: usize,
}

/// Every draft that writes reads its last token; the rest of the step goes to prompts, in the order of their arrival.
fn choose<L>(drafts: &[Draft<L>], pace: usize) -> Vec<Share> {
    let unread = |draft: &Draft<L>| draft.tokens.len() - draft.sequence.len();
    let writing = drafts.iter().filter(|draft| unread(draft) == 1).count();
    let mut left = if writing > 0 { pace.clamp(LEAST, CHUNK) } else { CHUNK };
    let mut chosen = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let rest = &draft.tokens[draft.sequence.len()..];
        if let [last] = rest {
            let mut tokens = vec![*last];
            if drafts.len() == 1 {
                let room = draft.options.max_tokens.saturating_sub(draft.tokens.len() - draft.prompt + 1);
                tokens.extend_from_slice(propose(&draft.tokens, room));
            }
            chosen.push(Share { draft: index, scores: tokens.len(), tokens });
        } else if left > 0 {
            let tokens = rest[..rest.len().min(left)].to_vec();
            left -= tokens.len();
            chosen.push(Share { draft: index, scores: usize::from(tokens.len() == rest.len()), tokens });
        }
    }
    chosen
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

fn say<L: Listener>(
    draft: &mut Draft<L>,
    text: impl FnOnce(&mut TextStream, &Tokenizer) -> String,
    tokenizer: &Tokenizer,
) -> Result<(), InferenceError> {
    let text = text(&mut draft.text, tokenizer);
    if text.is_empty() {
        return Ok(());
    }
    draft.reply.push_str(&text);
    if draft.listener.delta(text) { Ok(()) } else { Err(InferenceError::Cancelled) }
}
