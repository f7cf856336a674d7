//! The turns of a prompt. A prompt only grows: that of a later turn begins as that of the turn before, and adds the reply
//! that was given, the sentences that no turn has shown yet, and the new question. A model that keeps what it has read
//! reads the new part alone.

use std::collections::BTreeSet;
use std::time::Duration;

use super::excerpt::{Excerpt, excerpts};
use super::prompts::{PromptSource, ReplyTurn, harmless, harmless_attribute};
use super::{DraftRequest, Drafter};
use crate::conversation::{Conversation, Language};
use crate::inference::extractive::rank::{Ranking, rank};
use crate::inference::{Budget, Source};
use crate::retrieval::{Passage, Retrieved};
use crate::text::cut;

/// Longest question in a prompt, in characters.
const LONGEST_QUESTION: usize = 2_000;
/// Part of the first turn's characters that the passages of a later one may take: the nearest sentences were mostly shown
/// already.
const LATER: usize = 2;
/// Characters that a token of a model is sure to hold, on average.
const CHARS_PER_TOKEN: usize = 2;
/// Longest wait for the vectors of sentences; past it shared words choose what a prompt holds.
const LONGEST_RANKING: Duration = Duration::from_secs(2);

/// An answered turn before the question.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierTurn {
    /// The conversation up to what the customer asked.
    pub conversation: Conversation,
    /// What the customer asked.
    pub question: String,
    /// What was found for it, best first.
    pub retrieved: Vec<Retrieved>,
}

/// What a turn's prompt would hold if nothing had been shown before.
struct Selection<'a> {
    passages: Vec<&'a Passage>,
    sources: Vec<Source>,
    ranking: Ranking,
    excerpts: Vec<Excerpt>,
}

impl Drafter {
    /// The turns of the prompt, and the passages that they show by their numbers: what it leaves out supports no reply of
    /// a model.
    pub(super) async fn turns<'a>(
        &self,
        request: &DraftRequest<'a>,
        budget: &Budget,
    ) -> (Vec<ReplyTurn>, Vec<&'a Passage>) {
        let mut shown = Shown::default();
        let mut turns = Vec::new();
        let mut told = 0;
        let asked = self
            .fitting(request)
            .iter()
            .map(|turn| (&turn.conversation, turn.question.as_str(), turn.retrieved.as_slice()))
            .chain([(request.conversation, request.question, request.retrieved)]);
        for (conversation, question, retrieved) in asked {
            let chars = self.config.prompt_chars / if turns.is_empty() { 1 } else { LATER };
            let selection = self.select((question, request.language), retrieved, chars, budget).await;
            turns.push(ReplyTurn {
                said: self.history(conversation, told),
                sources: shown.add(selection),
                question: harmless(&cut(question, LONGEST_QUESTION)),
            });
            told = conversation.messages.len();
        }
        (turns, shown.passages)
    }

    /// The earlier turns that fit beside the question by a careful count, without the oldest where not all do.
    fn fitting<'a>(&self, request: &DraftRequest<'a>) -> &'a [EarlierTurn] {
        let config = &self.config;
        let tokens = self.chat.info().context_length.saturating_sub(config.max_tokens);
        let size = |question: &str| {
            let said = config.history_messages * config.history_chars;
            config.prompt_chars + said + question.chars().count().min(LONGEST_QUESTION)
        };
        let mut taken = size(request.question) + config.instructions.chars().count();
        let fit = request.earlier.iter().rev().take_while(|turn| {
            taken += size(&turn.question);
            taken <= tokens.saturating_mul(CHARS_PER_TOKEN)
        });
        &request.earlier[request.earlier.len() - fit.count()..]
    }

    /// What a prompt holds for a question, in so many characters, where nothing was shown before.
    async fn select<'a>(
        &self,
        (question, language): (&str, Language),
        retrieved: &'a [Retrieved],
        chars: usize,
        budget: &Budget,
    ) -> Selection<'a> {
        let passages: Vec<&Passage> = self.readable(retrieved).iter().map(|hit| &hit.passage).collect();
        let sources: Vec<Source> = passages.iter().map(|passage| passage.as_source()).collect();
        let ranking = self.rank(question, language, &sources, budget).await;
        let excerpts = excerpts(&ranking, &sources, chars);
        Selection { passages, sources, ranking, excerpts }
    }

    /// The sentences of the sources by how well they answer; by words alone where the embedder fails.
    async fn rank(&self, question: &str, language: Language, sources: &[Source], budget: &Budget) -> Ranking {
        let by_words = rank(question, language.code(), sources);
        let Some(embedder) = &self.embedder else { return by_words };
        let mut ranking = by_words.clone();
        let weighing = ranking.weigh_meaning(embedder.as_ref(), question, sources);
        match tokio::time::timeout(budget.remaining().min(LONGEST_RANKING), weighing).await {
            Ok(Ok(())) => ranking,
            Ok(Err(_)) | Err(_) => by_words,
        }
    }
}

/// The passages that the turns of a prompt show, in the order of their numbers, and the units that are shown of each.
#[derive(Default)]
struct Shown<'a> {
    passages: Vec<&'a Passage>,
    units: Vec<BTreeSet<usize>>,
}

impl<'a> Shown<'a> {
    /// The sources of the next turn: what its selection holds that was not shown before.
    fn add(&mut self, selection: Selection<'a>) -> Vec<PromptSource> {
        let Selection { passages, sources, ranking, excerpts } = selection;
        excerpts
            .into_iter()
            .filter_map(|excerpt| {
                let at = excerpt.source;
                let place = self.place(passages[at]);
                let fresh = excerpt.beyond(&self.units[place], &ranking.units[at], &sources[at])?;
                self.units[place].extend(fresh.units);
                Some(PromptSource {
                    number: place + 1,
                    title: harmless_attribute(&sources[at].title),
                    text: harmless(&fresh.text),
                })
            })
            .collect()
    }

    fn place(&mut self, passage: &'a Passage) -> usize {
        self.passages.iter().position(|known| known.id == passage.id).unwrap_or_else(|| {
            self.passages.push(passage);
            self.units.push(BTreeSet::new());
            self.passages.len() - 1
        })
    }
}
