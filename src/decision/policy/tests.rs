//! A case to try checks on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{DecisionConfig, PolicyInput};
use crate::conversation::{Channel, Conversation, Language, Message, Role, WorkspaceId};
use crate::generation::{Citation, Draft, Production};
use crate::inference::{FinishReason, ModelInfo, TokenUsage};
use crate::judgement::{Confidence, Judgement, SentenceGrounding};
use crate::retrieval::{Passage, Retrieved, Scores};

pub(crate) struct Case {
    pub(crate) conversation: Conversation,
    pub(crate) language: Option<Language>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) retrieved: Vec<Retrieved>,
    pub(crate) draft: Option<Draft>,
    pub(crate) judgement: Option<Judgement>,
    pub(crate) config: DecisionConfig,
    question: String,
}

impl Case {
    pub(crate) fn asking(text: &str) -> Self {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let conversation = Conversation {
            id: "c".into(),
            channel: Channel::WebChat,
            locale: None,
            customer: None,
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

    pub(crate) fn input(&self) -> PolicyInput<'_> {
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

pub(crate) fn hit(id: &str, text: &str, dense: f32, coverage: f32) -> Retrieved {
    Retrieved {
        passage: Passage {
            id: id.into(),
            workspace: WorkspaceId("w".into()),
            document_id: "d".into(),
            title: String::new(),
            heading_path: Vec::new(),
            text: text.into(),
            language: None,
            url: None,
            span: (0, text.chars().count()),
            ordinal: 0,
        },
        scores: Scores { dense: Some(dense), sparse: None, coverage, fused: 1.0 },
    }
}

/// A draft that cites the passage `p1`.
pub(crate) fn draft(text: &str) -> Draft {
    Draft {
        text: text.into(),
        language: Language::En,
        ai_generated: true,
        citations: vec![Citation {
            passage_id: "p1".into(),
            document_id: "d".into(),
            title: String::new(),
            url: None,
            quote: String::new(),
        }],
        production: Production {
            model: ModelInfo {
                backend: "test".into(),
                model: "test".into(),
                fingerprint: "f".into(),
                context_length: 4096,
            },
            usage: TokenUsage::default(),
            finish: FinishReason::Stop,
            logprobs: None,
            prompt_version: "p".into(),
            refused: false,
        },
    }
}

pub(crate) fn judged(sentences: &[(f64, &[&str])]) -> Judgement {
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
        confidence: Confidence { value: 0.5, calibrated: false, signals: BTreeMap::new() },
    }
}
