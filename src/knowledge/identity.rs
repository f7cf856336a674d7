//! Ids and hashes: what makes a document the same document, and an unchanged one unchanged.

use sha2::{Digest, Sha256};

use super::parsing::Binary;
use super::{KnowledgeConfig, NewDocument};
use crate::conversation::{Language, WorkspaceId};

/// Raised whenever loading or chunking changes, so that stored documents are read anew.
const READING: u32 = 2;

/// Parts are hashed with their lengths, so that no two lists of parts collide.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn uuid(parts: &[&[u8]]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(parts)[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().to_string()
}

/// Id of the document that came from `source`.
pub(super) fn document_id(workspace: &WorkspaceId, source: &str) -> String {
    uuid(&[b"document", workspace.0.as_bytes(), source.as_bytes()])
}

/// Id of a passage: the same words at the same place of the same document keep it.
pub(super) fn passage_id(document_id: &str, ordinal: u32, content: &str) -> String {
    uuid(&[b"passage", document_id.as_bytes(), &ordinal.to_le_bytes(), content.as_bytes()])
}

/// Hash of everything that decides what a document becomes.
pub(super) fn content_hash(
    document: &NewDocument,
    fallback_url: Option<&str>,
    config: &KnowledgeConfig,
) -> String {
    hex::encode(digest(&[
        &READING.to_le_bytes(),
        &config.passage_chars.to_le_bytes(),
        format!("{:?}", document.format).as_bytes(),
        optional(document.title.as_deref()).as_bytes(),
        optional(document.url.as_deref()).as_bytes(),
        optional(fallback_url).as_bytes(),
        optional(document.language.map(Language::code)).as_bytes(),
        document.content.as_bytes(),
    ]))
}

/// Hash of everything that decides what a file that has to be parsed becomes; so an unchanged one need not be.
pub(super) fn file_hash(
    kind: Binary,
    bytes: &[u8],
    fallback_url: Option<&str>,
    config: &KnowledgeConfig,
) -> String {
    hex::encode(digest(&[
        &READING.to_le_bytes(),
        &config.passage_chars.to_le_bytes(),
        format!("{kind:?}").as_bytes(),
        optional(fallback_url).as_bytes(),
        bytes,
    ]))
}

/// What a stored document must still be for a page that its server calls unchanged to be so.
pub(super) fn reading_of(content_hash: &str, config: &KnowledgeConfig) -> String {
    hex::encode(digest(&[
        &READING.to_le_bytes(),
        &config.passage_chars.to_le_bytes(),
        content_hash.as_bytes(),
    ]))
}

fn optional(value: Option<&str>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("+{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_part_tenants_sources_places_and_words() {
        let (a, b) = (WorkspaceId("a".into()), WorkspaceId("b".into()));
        assert_eq!(document_id(&a, "x"), document_id(&a, "x"));
        assert_ne!(document_id(&a, "x"), document_id(&b, "x"));
        assert_ne!(document_id(&WorkspaceId("ab".into()), "c"), document_id(&a, "bc"));
        assert_ne!(passage_id("d", 0, "x"), passage_id("d", 1, "x"));
        assert_ne!(passage_id("d", 0, "x"), passage_id("d", 0, "y"));
    }
}
