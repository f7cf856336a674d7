//! Passages and drafts to try measures on.

use crate::conversation::Language;
use crate::generation::{Citation, Draft, Production};
use crate::inference::{FinishReason, ModelInfo, TokenUsage};
use crate::retrieval::fixtures::passage;
use crate::retrieval::{Retrieved, Scores};

pub(crate) fn hit(id: &str, text: &str, dense: f32, coverage: f32) -> Retrieved {
    Retrieved {
        passage: passage(id, text),
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
            version: 1,
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
