//! A passage for unit tests to start from.

use super::Passage;
use crate::conversation::{Audience, Labels, WorkspaceId};

/// A passage of no known language, under no heading and with no address.
pub(crate) fn passage(id: &str, text: &str) -> Passage {
    Passage {
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
        version: 0,
        audience: Audience::Public,
        labels: Labels::default(),
    }
}
