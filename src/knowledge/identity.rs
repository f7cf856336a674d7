//! Ids and hashes: what makes a document the same document, and an unchanged one unchanged.

use sha2::{Digest, Sha256};

use super::parsing::Confined;
use super::{KnowledgeConfig, NewDocument};
use crate::conversation::{Audience, Labels, Language, WorkspaceId};
use crate::retrieval::Passage;

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

/// Id of a passage: everything that the index holds of it. A passage that differs in anything is another one, so a point
/// of the index never changes under its readers.
pub(super) fn passage_id(passage: &Passage) -> String {
    let Passage {
        id: _,
        workspace: _,
        document_id,
        title,
        heading_path,
        text,
        language,
        url,
        span,
        ordinal,
        version: _,
        audience,
        labels,
    } = passage;
    let headings = heading_path.join("\u{1f}");
    let labels = labels.iter().collect::<Vec<_>>().join("\u{1f}");
    uuid(&[
        b"passage",
        document_id.as_bytes(),
        title.as_bytes(),
        headings.as_bytes(),
        text.as_bytes(),
        optional(language.map(Language::code)).as_bytes(),
        optional(url.as_deref()).as_bytes(),
        &span.0.to_le_bytes(),
        &span.1.to_le_bytes(),
        &ordinal.to_le_bytes(),
        audience.as_str().as_bytes(),
        labels.as_bytes(),
    ])
}

/// Hash of a text, whatever the document, the format and the metadata it comes in.
pub(super) fn text_hash(text: &str) -> String {
    hex::encode(digest(&[b"text", text.trim().as_bytes()]))
}

/// Hash of everything that decides what a document becomes.
pub(super) fn content_hash(
    document: &NewDocument,
    fallback_url: Option<&str>,
    config: &KnowledgeConfig,
) -> String {
    let (format, language) =
        (format!("{:?}", document.format), optional(document.language.map(Language::code)));
    let (title, url, fallback) =
        (optional(document.title.as_deref()), optional(document.url.as_deref()), optional(fallback_url));
    let (reading, chars) = (READING.to_le_bytes(), config.passage_chars.to_le_bytes());
    let mut parts: Vec<&[u8]> = vec![
        &reading,
        &chars,
        format.as_bytes(),
        title.as_bytes(),
        url.as_bytes(),
        fallback.as_bytes(),
        language.as_bytes(),
        document.content.as_bytes(),
    ];
    parts.extend(document.audience.map(|audience| audience.as_str().as_bytes()));
    parts.extend(document.labels.iter().map(str::as_bytes));
    hex::encode(digest(&parts))
}

/// Hash of everything that decides what a file that has to be parsed becomes; so an unchanged one need not be.
pub(super) fn file_hash(
    kind: Confined,
    bytes: &[u8],
    fallback_url: Option<&str>,
    marks: (Option<Audience>, &Labels),
    config: &KnowledgeConfig,
) -> String {
    hex::encode(digest(&[
        &READING.to_le_bytes(),
        &config.passage_chars.to_le_bytes(),
        format!("{kind:?}").as_bytes(),
        optional(fallback_url).as_bytes(),
        marked(marks).as_bytes(),
        bytes,
    ]))
}

/// What a stored document must still be, and be called, for a page that its server calls unchanged to be so.
pub(super) fn reading_of(
    content_hash: &str,
    marks: (Option<Audience>, &Labels),
    config: &KnowledgeConfig,
) -> String {
    hex::encode(digest(&[
        &READING.to_le_bytes(),
        &config.passage_chars.to_le_bytes(),
        marked(marks).as_bytes(),
        content_hash.as_bytes(),
    ]))
}

/// What a caller says of documents, beside their content.
fn marked((audience, labels): (Option<Audience>, &Labels)) -> String {
    let labels = labels.iter().collect::<Vec<_>>().join("\u{1f}");
    format!("{}\u{1f}{labels}", optional(audience.map(Audience::as_str)))
}

fn optional(value: Option<&str>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("+{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::fixtures;

    #[test]
    fn ids_part_tenants_sources_places_and_words() {
        let (a, b) = (WorkspaceId("a".into()), WorkspaceId("b".into()));
        assert_eq!(document_id(&a, "x"), document_id(&a, "x"));
        assert_ne!(document_id(&a, "x"), document_id(&b, "x"));
        assert_ne!(document_id(&WorkspaceId("ab".into()), "c"), document_id(&a, "bc"));
        let one = fixtures::passage("", "x");
        assert_eq!(passage_id(&one), passage_id(&Passage { id: "other".into(), version: 7, ..one.clone() }));
        for other in [
            Passage { ordinal: 1, ..one.clone() },
            Passage { text: "y".into(), ..one.clone() },
            Passage { span: (0, 2), ..one.clone() },
            Passage { url: Some("https://a.example".into()), ..one.clone() },
            Passage { audience: Audience::Agents, ..one.clone() },
            Passage { labels: Labels::parse(["a=b"]).unwrap(), ..one.clone() },
        ] {
            assert_ne!(passage_id(&one), passage_id(&other), "{other:?}");
        }
    }
}
