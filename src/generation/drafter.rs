//! From a conversation and passages to a [`Draft`].

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use futures::StreamExt;
use regex::Regex;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::UnboundedSender;

use super::citations::{Attributed, attribute};
use super::config::GenerationConfig;
use super::deltas::Deltas;
use super::letter::letter;
use super::plain::{AllowedLinks, pattern, plain, unformatted, without_references};
use super::prompts::{PromptMessage, Prompts, ReplyPrompt, ReplyTurn, harmless};
use super::refusal::is_refusal;
use super::turns::EarlierTurn;
use super::{Draft, GenerationError, Production};
use crate::conversation::{Audience, Channel, Conversation, Language, Role};
use crate::inference::extractive::NO_ANSWER;
use crate::inference::{
    Budget, ChatEvent, ChatModel, ChatOptions, ChatRequest, Completion, Embedder, FinishReason, Grounding,
    InferenceError, ModelInfo, Persons, TokenUsage,
};
use crate::retrieval::{Passage, Retrieved};
use crate::text::{cut, sentences};

/// Characters of the shortest sentence that is said once alone; shorter ones (*Sim.*) may be meant.
const SHORTEST_REPEAT: usize = 12;
/// How a prompt is made of turns, for its version: raise it when that changes.
const TURNS: &str = "turns-1";
/// A model that begins to write the marks of the prompt has ended its reply.
const STOP: [&str; 2] = ["<message", "<source"];

/// `Reply:` and its like before a reply.
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^\s*(?:reply|answer|response|resposta|risposta|respuesta)(?: in \w+)?\s*:\s*")
});
/// `[Your name]` and its like.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\[[^\[\]\n\d][^\[\]\n]{1,40}\]"));

/// Writes drafts and summaries with one chat model.
pub struct Drafter {
    pub(super) chat: Arc<dyn ChatModel>,
    pub(super) config: GenerationConfig,
    pub(super) prompts: Prompts,
    pub(super) embedder: Option<Arc<dyn Embedder>>,
    version: String,
    quoting: String,
}

/// What a draft is made of.
#[derive(Debug, Clone, Copy)]
pub struct DraftRequest<'a> {
    /// The conversation, for what was said before the question.
    pub conversation: &'a Conversation,
    /// What has to be answered, in the customer's words.
    pub question: &'a str,
    /// The language of the reply.
    pub language: Language,
    /// Passages, best first.
    pub retrieved: &'a [Retrieved],
    /// Answered turns in the same language right before the question, oldest first: the prompt goes on from theirs.
    pub earlier: &'a [EarlierTurn],
}

impl Drafter {
    /// Compiles the templates. With an embedder the sentences of a prompt are chosen by meaning; without, by words.
    pub fn new(
        chat: Arc<dyn ChatModel>,
        embedder: Option<Arc<dyn Embedder>>,
        config: GenerationConfig,
    ) -> Result<Self, GenerationError> {
        let prompts = Prompts::load()?;
        let version = version(&prompts, &config)?;
        let quoting = format!("quotes-of-{}-passages", config.max_passages);
        Ok(Self { chat, config, prompts, embedder, version, quoting })
    }

    /// Identity of the preferred model's prompt, for a calibration's key: the hash of its template and of the settings
    /// that shape it. Quoting reads no prompt; for it the number of passages is all that counts.
    pub fn prompt_version(&self) -> &str {
        self.version_for(self.chat.info())
    }

    fn version_for(&self, model: &ModelInfo) -> &str {
        if model.quotes() { &self.quoting } else { &self.version }
    }

    /// The reply as the channel sends it: by e-mail as a letter, elsewhere without what the channel would take for formatting.
    pub fn dressed(&self, mut draft: Draft, conversation: &Conversation) -> Draft {
        draft.text = match conversation.channel {
            Channel::Email => {
                let name = conversation.customer.as_ref().and_then(|customer| customer.name.as_deref());
                letter(&draft.text, draft.language, name, &self.config.email_signature)
            }
            channel => unformatted(&draft.text, channel),
        };
        draft
    }

    /// Whether its prompts go on from those of earlier turns. Quoting reads no prompt.
    pub fn reads_earlier_turns(&self) -> bool {
        !self.chat.info().quotes() && self.config.history_messages > 0
    }

    /// Those of the passages found that a draft may rest on.
    pub fn readable<'a>(&self, retrieved: &'a [Retrieved]) -> &'a [Retrieved] {
        &retrieved[..retrieved.len().min(self.config.max_passages)]
    }

    /// Drafts a reply. Without passages the draft refuses and no model is asked.
    ///
    /// Text goes to `deltas` as it is written, without citation marks; [`super::RESTART`] there voids what came before.
    /// Only the draft returned has been cleaned.
    pub async fn draft(
        &self,
        request: DraftRequest<'_>,
        budget: Budget,
        deltas: Option<UnboundedSender<String>>,
    ) -> Result<Draft, InferenceError> {
        let found: Vec<&Passage> = self.readable(request.retrieved).iter().map(|hit| &hit.passage).collect();
        if found.is_empty() {
            let nothing = Completion {
                text: NO_ANSWER.to_owned(),
                finish: FinishReason::Stop,
                usage: TokenUsage::default(),
                logprobs: None,
                model: self.chat.info().clone(),
            };
            return Ok(self.finish(&request, &found, nothing));
        }
        let (turns, passages) = self.turns(&request, &budget).await;
        let chat_request = self
            .chat_request(&request, turns, &found, &passages)
            .map_err(|error| InferenceError::Permanent(format!("the prompt cannot be rendered: {error}")))?;
        let mut stream = self.chat.stream(chat_request, budget).await?;
        let mut deltas = Deltas::to(deltas);
        while let Some(event) = stream.next().await {
            match event? {
                ChatEvent::Delta(text) => deltas.push(&text),
                ChatEvent::Restart => deltas.restart(),
                ChatEvent::Done(completion) => {
                    deltas.finish();
                    let quoted = completion.model.quotes();
                    return Ok(self.finish(&request, if quoted { &found } else { &passages }, completion));
                }
            }
        }
        Err(InferenceError::Malformed("the stream ended without a completion".into()))
    }

    fn chat_request(
        &self,
        request: &DraftRequest<'_>,
        turns: Vec<ReplyTurn>,
        found: &[&Passage],
        shown: &[&Passage],
    ) -> Result<ChatRequest, GenerationError> {
        let prompt = ReplyPrompt {
            language: request.language.into(),
            instructions: self.config.instructions.trim().to_owned(),
            turns,
            no_answer: NO_ANSWER,
        };
        // Quoting cannot translate: it sees the passages of the reply's language alone.
        let quotable = found
            .iter()
            .filter(|passage| passage.language.is_none_or(|language| language == request.language))
            .map(|passage| passage.as_source())
            .collect();
        Ok(ChatRequest {
            messages: self.prompts.reply(&prompt)?,
            grounding: Some(Grounding {
                question: request.question.to_owned(),
                language: request.language.code().to_owned(),
                sources: quotable,
            }),
            persons: persons(request.conversation, shown),
            options: ChatOptions {
                max_tokens: self.config.max_tokens,
                temperature: self.config.temperature,
                top_p: self.config.top_p,
                frequency_penalty: self.config.frequency_penalty,
                stop: STOP.map(str::to_owned).to_vec(),
                logprobs: true,
                ..ChatOptions::default()
            },
        })
    }

    /// What was said before the customer's last words, shortened; the first `told` messages are left out.
    pub(super) fn history(&self, conversation: &Conversation, told: usize) -> Vec<PromptMessage> {
        let messages = conversation.messages[told..].iter();
        let said: Vec<_> = messages.filter(|message| message.role != Role::System).collect();
        let before = &said[..said.len().saturating_sub(conversation.pending().len())];
        before[before.len().saturating_sub(self.config.history_messages)..]
            .iter()
            .map(|message| PromptMessage {
                from: speaker(message.role),
                text: harmless(&cut(&message.text, self.config.history_chars)),
            })
            .collect()
    }

    fn finish(&self, request: &DraftRequest<'_>, passages: &[&Passage], completion: Completion) -> Draft {
        let cleaned = if is_refusal(&completion.text) {
            None
        } else {
            Some(clean(&completion, request.language, passages)).filter(|cleaned| !cleaned.text.is_empty())
        };
        let refused = cleaned.is_none();
        let prompt_version = self.version_for(&completion.model).to_owned();
        let Attributed { text, citations } =
            cleaned.unwrap_or_else(|| Attributed { text: String::new(), citations: Vec::new() });
        Draft {
            text,
            language: request.language,
            ai_generated: true,
            citations,
            production: Production {
                model: completion.model,
                usage: completion.usage,
                finish: completion.finish,
                logprobs: completion.logprobs,
                prompt_version,
                refused,
            },
        }
    }
}

/// Citations out, links checked, Markdown flattened, leftovers of the prompt dropped.
fn clean(completion: &Completion, language: Language, passages: &[&Passage]) -> Attributed {
    let unlabelled = LABEL.replace(&completion.text, "");
    let Attributed { text, citations } = attribute(&without_references(&unlabelled), language, passages);
    let cited = passages
        .iter()
        .copied()
        .filter(|passage| citations.iter().any(|citation| citation.passage_id == passage.id));
    let mut text = plain(&text, &AllowedLinks::of(cited));
    text = without_placeholders(&text, passages);
    text = without_repeats(&text);
    if completion.finish == FinishReason::Length {
        text = whole_sentences(&text);
    }
    Attributed { text, citations }
}

/// Drops sentences that hold a blank to be filled in, unless a passage holds it too.
fn without_placeholders(text: &str, passages: &[&Passage]) -> String {
    let blank = |sentence: &str| {
        PLACEHOLDER
            .find_iter(sentence)
            .any(|found| !passages.iter().any(|passage| passage.text.contains(found.as_str())))
    };
    if !blank(text) {
        return text.to_owned();
    }
    let kept: Vec<&str> =
        sentences(text).into_iter().map(|span| &text[span]).filter(|sentence| !blank(sentence)).collect();
    kept.join(" ")
}

/// Says nothing twice: models that go round in circles do.
fn without_repeats(text: &str) -> String {
    let spans = sentences(text);
    let starts = spans.iter().skip(1).map(|span| span.start).chain([text.len()]);
    let mut said = HashSet::new();
    let mut kept = String::new();
    for (span, next) in spans.iter().zip(starts) {
        let sentence = text[span.clone()].trim().to_lowercase();
        if sentence.chars().count() < SHORTEST_REPEAT || said.insert(sentence) {
            kept.push_str(&text[span.start..next]);
        }
    }
    kept.trim_end().to_owned()
}

/// A reply that the token limit cut, without its broken last sentence where a whole one comes before.
fn whole_sentences(text: &str) -> String {
    let spans = sentences(text);
    match spans.as_slice() {
        [.., before, last] if !text[last.clone()].ends_with(['.', '!', '?']) => text[..before.end].to_owned(),
        _ => text.to_owned(),
    }
}

/// Whom a prompt speaks of. What customers may read is no secret.
pub fn persons(conversation: &Conversation, passages: &[&Passage]) -> Persons {
    let public = passages.iter().filter(|passage| passage.audience == Audience::Public);
    Persons {
        name: conversation.customer.as_ref().and_then(|customer| customer.name.clone()),
        said: conversation.messages.iter().map(|message| message.text.clone()).collect(),
        published: public.map(|passage| passage.text.clone()).collect(),
    }
}

pub(super) fn speaker(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Agent => "agent",
        Role::Bot => "bot",
        Role::System => "system",
    }
}

fn version(prompts: &Prompts, config: &GenerationConfig) -> Result<String, GenerationError> {
    let shaping = GenerationConfig {
        agents_language: Language::En,
        summary_s: 0.0,
        email_signature: String::new(),
        ..config.clone()
    };
    let settings =
        serde_json::to_vec(&shaping).map_err(|error| GenerationError::Template(error.to_string()))?;
    let mut hash = Sha256::new();
    hash.update(prompts.reply_version());
    hash.update(TURNS);
    hash.update(settings);
    Ok(hex::encode(hash.finalize()))
}
