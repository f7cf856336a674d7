//! A case to try checks on.

use chrono::{DateTime, Utc};

use super::{DecisionConfig, PolicyInput};
use crate::conversation::{Channel, Conversation, Labels, Language, Message, Role};
use crate::generation::Draft;
pub(super) use crate::judgement::tests::{draft, hit};
use crate::judgement::{Confidence, Judgement, SentenceGrounding};
use crate::retrieval::Retrieved;

pub(super) struct Case {
    pub(super) conversation: Conversation,
    pub(super) language: Option<Language>,
    pub(super) now: DateTime<Utc>,
    pub(super) retrieved: Vec<Retrieved>,
    pub(super) draft: Option<Draft>,
    pub(super) judgement: Option<Judgement>,
    pub(super) config: DecisionConfig,
    question: String,
}

impl Case {
    pub(super) fn asking(text: &str) -> Self {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let conversation = Conversation {
            id: "c".into(),
            channel: Channel::WebChat,
            locale: None,
            customer: None,
            labels: Labels::default(),
            messages: vec![Message {
                id: "m".into(),
                role: Role::Customer,
                text: text.into(),
                at: Some(now),
            }],
        };
        Self {
            question: conversation.pending_question(),
            conversation,
            language: Some(Language::En),
            now,
            retrieved: Vec::new(),
            draft: None,
            judgement: None,
            config: DecisionConfig::default(),
        }
    }

    pub(super) fn input(&self) -> PolicyInput<'_> {
        PolicyInput {
            conversation: &self.conversation,
            question: &self.question,
            language: self.language,
            now: self.now,
            retrieved: &self.retrieved,
            draft: self.draft.as_ref(),
            judgement: self.judgement.as_ref(),
            config: &self.config,
        }
    }
}

pub(super) fn judged(sentences: &[(f64, &[&str])]) -> Judgement {
    Judgement {
        sentences: sentences
            .iter()
            .map(|(support, unsupported)| SentenceGrounding {
                text: String::new(),
                support: *support,
                passage_id: None,
                unsupported: unsupported.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        confidence: Confidence { value: 0.5, ..Confidence::default() },
    }
}
