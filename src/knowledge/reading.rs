//! What a file or a page becomes: one document, or several.

use super::identity::{content_hash, document_id, file_hash};
use super::ingest::{FileChange, Run, below};
use super::loaders::export;
use super::parsing::{self, Confined, Part};
use super::prepare::title_of;
use super::{Format, KnowledgeError, LoadError, NewDocument};

/// What a file or a page holds.
#[derive(Debug)]
pub(super) enum Content {
    /// One document.
    Text(Format, String),
    /// What has to be parsed first.
    Binary(Confined, Vec<u8>),
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
    /// Stages what a source holds. `address` is what its documents get that name none themselves.
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
                let document = self.document(source, Part::of(format, content));
                let hash = content_hash(&document, address.as_deref(), config);
                return self.whole(document, address, hash).await;
            }
            Content::Binary(kind, bytes) => {
                // A workbook is several documents, and which of them changed is seen only when it has been parsed.
                let marks = (self.request.audience, &self.request.labels);
                let hash = (kind != Confined::Sheets)
                    .then(|| file_hash(kind, &bytes, address.as_deref(), marks, config));
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
                    return self.whole(self.document(source, part), address, hash).await;
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
            let document = self.document(&source, part);
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
                Err(error @ KnowledgeError::Refused { .. }) => {
                    let refused = self.refuse(&source, &error);
                    taken.change.get_or_insert(refused);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Stages one document, unless it is there already.
    async fn whole(
        &mut self,
        document: NewDocument,
        address: Option<String>,
        hash: String,
    ) -> Result<Taken, KnowledgeError> {
        let source = document.source.clone();
        let known = self.library.state(self.workspace, &source).await?;
        if known.as_ref().is_some_and(|known| known.content_hash == hash) {
            return Ok(self.taken(&source, &hash, FileChange::Unchanged));
        }
        let came = if known.is_some() { FileChange::Changed } else { FileChange::Added };
        if !self.is_staged(&source, &hash).await? {
            let staged = self.library.prepare(self.workspace, document, address, hash.clone()).await?;
            let change = self.change().await?;
            self.library.store.stage(change, &staged).await?;
            self.pending += staged.passages.len();
        }
        Ok(self.taken(&source, &hash, came))
    }

    /// Whether the document of this source is stored with this hash.
    async fn is_known(&self, source: &str, hash: &str) -> Result<bool, KnowledgeError> {
        let known = self.library.state(self.workspace, source).await?;
        Ok(known.is_some_and(|known| known.content_hash == hash))
    }

    /// Whether an interrupted run had come this far with the document of this source already.
    async fn is_staged(&mut self, source: &str, hash: &str) -> Result<bool, KnowledgeError> {
        let Some(change) = self.change else { return Ok(false) };
        let (id, embedder) = (document_id(self.workspace, source), &self.library.embedder.info().fingerprint);
        let staged = self.library.store.staged(change, self.workspace, &id, embedder).await?;
        let Some(staged) = staged.filter(|staged| staged.content_hash == hash) else { return Ok(false) };
        self.library.store.see(self.workspace, &id).await?;
        self.pending += staged.not_indexed;
        Ok(true)
    }

    /// What the request says of every document, with what a part says of itself.
    fn document(&self, source: &str, part: Part) -> NewDocument {
        let Part { title, url, language, format, content, .. } = part;
        let (audience, labels) = (self.request.audience, self.request.labels.clone());
        NewDocument { source: source.to_owned(), title, url, language, audience, labels, format, content }
    }

    /// Counts a document.
    pub(super) fn taken(&mut self, source: &str, hash: &str, change: FileChange) -> Taken {
        match change {
            FileChange::Added => self.report.added += 1,
            FileChange::Changed => self.report.changed += 1,
            FileChange::Unchanged => self.report.unchanged += 1,
            FileChange::Failed | FileChange::Refused | FileChange::Removed => {}
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
