//! From a document as it is handed in to passages ready for the store.

use super::chunking::{Limits, chunk};
use super::identity::{document_id, passage_id, text_hash};
use super::loaders::{self, Loaded};
use super::{Format, KnowledgeError, Library, LoadError, NewDocument, parsing};
use crate::conversation::language::{Hint, detect};
use crate::conversation::{Audience, Language, WorkspaceId};
use crate::retrieval::Passage;
use crate::store::Document;
use crate::store::versions::Staged;

/// Bytes of a document that its language is detected from.
const DETECTED_BYTES: usize = 4000;

impl Library {
    /// Reads and cuts a document, off the async workers. Fails on a text that was rolled back.
    pub(super) async fn prepare(
        &self,
        workspace: &WorkspaceId,
        mut document: NewDocument,
        fallback_url: Option<String>,
        content_hash: String,
    ) -> Result<Staged, KnowledgeError> {
        let tenant = workspace.clone();
        let updated_at = self.clock.now();
        let limits =
            Limits { passage_chars: self.config.passage_chars, max_tokens: self.embedder.info().max_tokens };
        check(&document, self.config.max_document_bytes)?;
        let page = match document.format {
            // A page comes from anybody.
            Format::Html => {
                let html = std::mem::take(&mut document.content);
                Some(parsing::page(&self.config.parsing, html).await?)
            }
            _ => None,
        };
        let work = move || -> Result<Staged, LoadError> {
            let loaded = match page {
                Some(page) => Loaded::from(page),
                None => loaders::load(document.format, &document.content)?,
            };
            let url = match document.url.as_deref() {
                Some(url) => Some(loaders::check_url(url).map_err(LoadError::whole)?),
                None => loaded.url.clone().or(fallback_url),
            };
            let language = document.language.or(loaded.language);
            let given = document.audience;
            let document = Document {
                id: document_id(&tenant, &document.source),
                workspace: tenant,
                title: document
                    .title
                    .or_else(|| loaded.title.clone())
                    .unwrap_or_else(|| title_of(&document.source)),
                url,
                language: language.or_else(|| language_of(&loaded.text, &document.source)),
                source: document.source,
                content_hash,
                text: String::new(),
                updated_at,
                version: 0,
                audience: given.or(loaded.marks.audience).unwrap_or_default(),
                labels: document.labels.and(&loaded.marks.labels),
            };
            let passages = passages(&document, &loaded, language.is_some(), given, limits);
            let text_hash = text_hash(&loaded.text);
            let document = Document { text: loaded.text, ..document };
            Ok(Staged { document, passages, text_hash, restores: None, refuses: Vec::new() })
        };
        let prepared = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| KnowledgeError::Internal(error.to_string()))?;
        let prepared = prepared?;
        match self.store.refused(workspace, &prepared.text_hash).await? {
            Some(refused) => Err(KnowledgeError::Refused {
                source_name: refused.source,
                version: refused.version,
                at: refused.at,
            }),
            None => Ok(prepared),
        }
    }
}

/// Refuses what cannot be kept, whatever it holds.
fn check(document: &NewDocument, max_bytes: usize) -> Result<(), LoadError> {
    if document.content.len() > max_bytes {
        return Err(too_large(document.content.len(), max_bytes));
    }
    if document.source.trim().is_empty() {
        return Err(LoadError::whole("the source is empty; give the document a path, an address or an id"));
    }
    Ok(())
}

pub(super) fn too_large(bytes: usize, limit: usize) -> LoadError {
    LoadError::whole(format!(
        "{bytes} bytes, and documents may have {limit}; part the document, or raise knowledge.max_document_bytes"
    ))
}

/// Passages of a document, with character spans.
fn passages(
    document: &Document,
    loaded: &Loaded,
    language_given: bool,
    audience_given: Option<Audience>,
    limits: Limits,
) -> Vec<Passage> {
    let text = &loaded.text;
    // Chunks come in order, so characters are counted once over the whole text.
    let (mut byte, mut character) = (0, 0);
    let mut position = |at: usize| {
        character += text[byte..at].chars().count();
        byte = at;
        character
    };
    chunk(loaded, &document.title, limits)
        .into_iter()
        .zip(0_u32..)
        .map(|(chunk, ordinal)| {
            let span = (position(chunk.bytes.start), position(chunk.bytes.end));
            let words = text[chunk.bytes].to_owned();
            // Rows of questions and answers may come in several languages.
            let is_row = matches!(loaded.structure, loaders::Structure::Pairs(_));
            let detected = || {
                if is_row && !language_given {
                    language_of(&format!("{} {words}", chunk.headings.join(" ")), &document.source)
                } else {
                    document.language
                }
            };
            let mut passage = Passage {
                id: String::new(),
                workspace: document.workspace.clone(),
                document_id: document.id.clone(),
                title: chunk.own.title.unwrap_or_else(|| document.title.clone()),
                language: chunk.own.language.or_else(detected),
                heading_path: chunk.headings,
                text: words,
                url: chunk.own.url.or_else(|| document.url.clone()),
                span,
                ordinal,
                version: 0,
                audience: audience_given.or(chunk.own.marks.audience).unwrap_or(document.audience),
                labels: document.labels.clone().and(&chunk.own.marks.labels),
            };
            passage.id = passage_id(&passage);
            passage
        })
        .collect()
}

/// The name of the file, for documents that say no title.
pub(super) fn title_of(source: &str) -> String {
    let name = source.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or(source);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
    stem.replace(['-', '_'], " ")
}

/// Detected from the first words; a folder or an ending such as `pt` or `pt-BR` in the source helps.
fn language_of(text: &str, source: &str) -> Option<Language> {
    let hint = source
        .rsplit(['/', '\\', '.'])
        .find(|part| (part.len() == 2 || part.len() == 5) && Language::from_locale(part).is_some());
    let end = text.floor_char_boundary(DETECTED_BYTES.min(text.len()));
    detect(&text[..end], Hint { locale: hint, earlier: &[] }).language
}
