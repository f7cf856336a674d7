//! A case to try checks on.

use chrono::{DateTime, Utc};

use super::human_took_over::SentDraft;
use super::opted_out::OptOut;
use super::{DecisionConfig, PolicyInput};
use crate::conversation::{Channel, Conversation, Language, Message, Role};
use crate::generation::Draft;
pub(in crate::decision) use crate::judgement::tests::{draft, hit};
use crate::judgement::{Confidence, Judgement, SentenceGrounding};
use crate::retrieval::Retrieved;
use crate::understanding::{MessageReader, Understanding};

pub(in crate::decision) struct Case {
    pub(in crate::decision) conversation: Conversation,
    pub(in crate::decision) language: Option<Language>,
    pub(in crate::decision) understanding: Understanding,
    pub(in crate::decision) now: DateTime<Utc>,
    pub(in crate::decision) retrieved: Vec<Retrieved>,
    pub(in crate::decision) lacking: usize,
    pub(in crate::decision) draft: Option<Draft>,
    pub(in crate::decision) judgement: Option<Judgement>,
    pub(in crate::decision) opt_outs: Vec<OptOut>,
    pub(in crate::decision) sent_draft: Option<SentDraft>,
    pub(in crate::decision) config: DecisionConfig,
    question: String,
}

impl Case {
    pub(in crate::decision) fn asking(text: &str) -> Self {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let conversation = Conversation::new(
            "c",
            Channel::WebChat,
            vec![Message { id: "m".into(), role: Role::Customer, text: text.into(), at: Some(now) }],
        );
        Self {
            understanding: MessageReader::by_phrases(text),
            question: conversation.pending_question(),
            conversation,
            language: Some(Language::En),
            now,
            retrieved: Vec::new(),
            lacking: 0,
            draft: None,
            judgement: None,
            opt_outs: Vec::new(),
            sent_draft: None,
            config: DecisionConfig::default(),
        }
    }

    pub(in crate::decision) fn input(&self) -> PolicyInput<'_> {
        PolicyInput {
            conversation: &self.conversation,
            question: &self.question,
            language: self.language,
            understanding: &self.understanding,
            now: self.now,
            retrieved: &self.retrieved,
            lacking: self.lacking,
            draft: self.draft.as_ref(),
            judgement: self.judgement.as_ref(),
            opt_outs: &self.opt_outs,
            sent_draft: self.sent_draft.as_ref(),
            config: &self.config,
        }
    }
}

pub(in crate::decision) fn judged(sentences: &[(f64, &[&str])]) -> Judgement {
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
