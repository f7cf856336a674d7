//! A conversation in short, for the person who takes over.

use std::collections::HashSet;
use std::time::Duration;

use super::Drafter;
use super::drafter::{persons, speaker};
use super::plain::{AllowedLinks, plain};
use super::prompts::{PromptMessage, SummaryPrompt, harmless};
use super::refusal::is_refusal;
use crate::conversation::{Channel, Conversation, Language, Role};
use crate::inference::{Budget, ChatOptions, ChatRequest, FinishReason};
use crate::text::{collapse, cut};

/// Messages a model reads.
const MESSAGES: usize = 12;
/// Characters of one message a model reads.
const MESSAGE_CHARS: usize = 400;
const MAX_TOKENS: usize = 100;
/// Characters of the customer's words that a composed summary quotes.
const QUOTED_CHARS: usize = 240;
/// With less time than this no model is asked.
const LEAST: Duration = Duration::from_secs(2);

impl Drafter {
    /// The conversation in short, in the agents' language: by a model where the budget allows, otherwise composed from
    /// who wrote, where, how much, and the customer's last words. A model's summary that names a number which no
    /// message holds is not used.
    pub async fn summarize(&self, conversation: &Conversation, agents: Language, budget: Budget) -> String {
        match self.model_summary(conversation, agents, budget).await {
            Some(summary) => summary,
            None => compose(conversation, agents),
        }
    }

    async fn model_summary(
        &self,
        conversation: &Conversation,
        agents: Language,
        budget: Budget,
    ) -> Option<String> {
        let budget = budget.at_most(Duration::from_secs_f64(self.config.summary_s));
        if budget.remaining() < LEAST || conversation.messages.len() < 2 {
            return None;
        }
        let said: Vec<_> =
            conversation.messages.iter().filter(|message| message.role != Role::System).collect();
        let prompt = SummaryPrompt {
            language: agents.english_name(),
            messages: said[said.len().saturating_sub(MESSAGES)..]
                .iter()
                .map(|message| PromptMessage {
                    from: speaker(message.role),
                    text: harmless(&cut(&message.text, MESSAGE_CHARS)),
                })
                .collect(),
        };
        let request = ChatRequest {
            messages: self.prompts.summary(&prompt).ok()?,
            grounding: None,
            persons: persons(conversation, &[]),
            options: ChatOptions { max_tokens: MAX_TOKENS, ..ChatOptions::default() },
        };
        let completion = self.chat.complete(request, budget).await.ok()?;
        let summary = plain(&completion.text, &AllowedLinks::default());
        let usable = completion.finish == FinishReason::Stop
            && !is_refusal(&summary)
            && numbers(&summary).is_subset(&said.iter().flat_map(|message| numbers(&message.text)).collect());
        usable.then_some(summary)
    }
}

fn numbers(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).map(str::to_owned).collect()
}

/// A summary without a model.
pub fn compose(conversation: &Conversation, agents: Language) -> String {
    let count = |role: Role| conversation.messages.iter().filter(|message| message.role == role).count();
    let (customer, agent, bot) = (count(Role::Customer), count(Role::Agent), count(Role::Bot));
    let name = conversation
        .customer
        .as_ref()
        .and_then(|customer| customer.name.as_deref())
        .map(|name| cut(name, 60))
        .filter(|name| !name.is_empty());
    let channel = channel_name(conversation.channel, agents);
    let quoted =
        conversation.last_customer_message().map(|message| cut(&collapse(&message.text), QUOTED_CHARS));
    let (who, last) = match agents {
        Language::Pt => (name.unwrap_or_else(|| "O cliente".into()), "Última mensagem"),
        Language::It => (name.unwrap_or_else(|| "Il cliente".into()), "Ultimo messaggio"),
        Language::Es => (name.unwrap_or_else(|| "El cliente".into()), "Último mensaje"),
        Language::En => (name.unwrap_or_else(|| "The customer".into()), "Last message"),
    };
    let wrote = match (agents, customer) {
        (Language::Pt, 1) => format!("{who} escreveu 1 mensagem ({channel})"),
        (Language::Pt, n) => format!("{who} escreveu {n} mensagens ({channel})"),
        (Language::It, 1) => format!("{who} ha scritto 1 messaggio ({channel})"),
        (Language::It, n) => format!("{who} ha scritto {n} messaggi ({channel})"),
        (Language::Es, 1) => format!("{who} escribió 1 mensaje ({channel})"),
        (Language::Es, n) => format!("{who} escribió {n} mensajes ({channel})"),
        (Language::En, 1) => format!("{who} wrote 1 message ({channel})"),
        (Language::En, n) => format!("{who} wrote {n} messages ({channel})"),
    };
    let answered = match agents {
        Language::Pt => format!("respostas até agora: {agent} da equipe, {bot} automáticas"),
        Language::It => format!("risposte finora: {agent} del team, {bot} automatiche"),
        Language::Es => format!("respuestas hasta ahora: {agent} del equipo, {bot} automáticas"),
        Language::En => format!("replies so far: {agent} by the team, {bot} automatic"),
    };
    match quoted {
        Some(quoted) => format!("{wrote}; {answered}. {last}: “{quoted}”"),
        None => format!("{wrote}; {answered}."),
    }
}

fn channel_name(channel: Channel, agents: Language) -> &'static str {
    match (channel, agents) {
        (Channel::Whatsapp, _) => "WhatsApp",
        (Channel::Instagram, _) => "Instagram",
        (Channel::Api, _) => "API",
        (Channel::Email, Language::Es) => "correo electrónico",
        (Channel::Email, _) => "e-mail",
        (Channel::WebChat, Language::Pt) => "chat do site",
        (Channel::WebChat, Language::It) => "chat del sito",
        (Channel::WebChat, Language::Es) => "chat de la web",
        (Channel::WebChat, Language::En) => "web chat",
    }
}
