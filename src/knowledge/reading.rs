//! What a file or a page becomes: one document, or several.

use super::identity::{content_hash, file_hash};
use super::ingest::{FileChange, Run, below};
use super::library::title_of;
use super::loaders::export;
use super::parsing::{self, Binary, Part};
use super::{Change, Format, KnowledgeError, LoadError, NewDocument};

/// What a file or a page holds.
#[derive(Debug)]
pub(super) enum Content {
    /// One document.
    Text(Format, String),
    /// What has to be parsed first.
    Binary(Binary, Vec<u8>),
    /// JSON: the articles of a help centre, if anything.
    Export(String),
}

/// What became of the documents of one source.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Their sources.
    pub(super) sources: Vec<String>,
    /// The hash of the document, where the source is one.
    pub(super) hash: Option<String>,
    /// The most that happened to one of them.
    pub(super) change: Option<FileChange>,
    /// It holds nothing that is meant for a knowledge base.
    pub(super) foreign: bool,
}

/// A source's documents are named after it.
pub(super) fn part_source(source: &str, name: &str) -> String {
    format!("{source}#{name}")
}

impl Run<'_> {
    /// Stores what a source holds. `address` is what its documents get that name none themselves.
    pub(super) async fn take(
        &mut self,
        source: &str,
        content: Content,
        address: Option<String>,
    ) -> Result<Taken, KnowledgeError> {
        let config = &self.library.config;
        let is_export = matches!(content, Content::Export(_));
        let parts = match content {
            Content::Text(format, content) => {
                let document = document(source, Part::of(format, content));
                let hash = content_hash(&document, address.as_deref(), config);
                return self.whole(document, address, hash).await;
            }
            Content::Binary(kind, bytes) => {
                // A workbook is several documents, and which of them changed is seen only when it has been parsed.
                let hash =
                    (kind != Binary::Sheets).then(|| file_hash(kind, &bytes, address.as_deref(), config));
                if let Some(hash) = &hash
                    && self.is_known(source, hash).await?
                {
                    return Ok(self.taken(source, hash, FileChange::Unchanged));
                }
                let mut parts = tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return Ok(Taken::default()),
                    parts = parsing::parse(&config.parsing, kind, bytes) => parts?,
                };
                if let (Some(hash), Some(part)) = (hash, parts.pop_if(|part| part.name.is_none())) {
                    return self.whole(document(source, part), address, hash).await;
                }
                parts
            }
            Content::Export(text) => match export::load(&text)? {
                Some(articles) => articles,
                None => return Ok(Taken { foreign: true, ..Taken::default() }),
            },
        };
        let mut taken = Taken::default();
        for mut part in parts {
            let name = part.name.take().unwrap_or_default();
            part.title = part.title.or_else(|| Some(format!("{}: {name}", title_of(source))));
            let source = part_source(source, &name);
            let document = document(&source, part);
            let address = match (&address, &self.request.url_prefix) {
                // Articles stand below the prefix, and not below the file that they were exported to.
                (_, Some(prefix)) if is_export => Some(below(prefix, &name)),
                (_, None) if is_export => None,
                (address, _) => address.clone(),
            };
            let hash = content_hash(&document, address.as_deref(), &self.library.config);
            taken.sources.push(source.clone());
            match self.whole(document, address, hash).await {
                Ok(part) => {
                    if taken.change.is_none() || part.change != Some(FileChange::Unchanged) {
                        taken.change = part.change;
                    }
                }
                Err(KnowledgeError::Invalid(LoadError { line, message })) => {
                    self.fail(&source, line, message);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Stores one document, unless it is there already.
    async fn whole(
        &mut self,
        document: NewDocument,
        address: Option<String>,
        hash: String,
    ) -> Result<Taken, KnowledgeError> {
        let source = document.source.clone();
        if self.is_known(&source, &hash).await? {
            return Ok(self.taken(&source, &hash, FileChange::Unchanged));
        }
        let known = self.library.state(self.workspace, &source).await?;
        let change = if known.is_some() { Change::Changed } else { Change::Added };
        let prepared = self.library.prepare(self.workspace, document, address, hash.clone()).await?;
        self.pending += self.library.store_prepared(prepared).await?;
        let change = if change == Change::Added { FileChange::Added } else { FileChange::Changed };
        Ok(self.taken(&source, &hash, change))
    }

    /// Whether the document of this source is stored with this hash. What the index lacks of it waits with the rest.
    async fn is_known(&mut self, source: &str, hash: &str) -> Result<bool, KnowledgeError> {
        let known = self.library.state(self.workspace, source).await?;
        let known = known.filter(|known| known.content_hash == hash);
        self.pending += known.as_ref().map_or(0, |known| known.not_indexed);
        Ok(known.is_some())
    }

    /// Counts a document.
    pub(super) fn taken(&mut self, source: &str, hash: &str, change: FileChange) -> Taken {
        match change {
            FileChange::Added => self.report.added += 1,
            FileChange::Changed => self.report.changed += 1,
            FileChange::Unchanged => self.report.unchanged += 1,
            FileChange::Failed | FileChange::Removed => {}
        }
        Taken {
            sources: vec![source.to_owned()],
            hash: Some(hash.to_owned()),
            change: Some(change),
            foreign: false,
        }
    }
}

impl Part {
    /// A whole file that says nothing about itself outside its content.
    fn of(format: Format, content: String) -> Self {
        Self { name: None, title: None, url: None, language: None, format, content }
    }
}

fn document(source: &str, part: Part) -> NewDocument {
    let Part { title, url, language, format, content, .. } = part;
    NewDocument { source: source.to_owned(), title, url, language, format, content }
}
