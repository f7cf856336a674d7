//! Web pages into the library: a page that did not change costs a request with its validators, and no page is lost to a
//! stop, for each is staged before the next is asked for.

use url::Url;

use super::fetch::{Crawl, FetchError, Fetched, Page, Target, Validators};
use super::identity::reading_of;
use super::ingest::{FileChange, Run};
use super::{KnowledgeError, LoadError};
use crate::store::Visit;

impl Run<'_> {
    /// Reads an address and what it leads to.
    pub(super) async fn web(&mut self, address: &str) -> Result<(), KnowledgeError> {
        let mut config = self.library.config.fetch.clone();
        config.depth = self.request.depth.unwrap_or(config.depth);
        config.max_pages = self.request.max_pages.unwrap_or(config.max_pages);
        let mut crawl = match Crawl::new(&config, &self.library.config.parsing, address) {
            Ok(crawl) => crawl,
            Err(error) => {
                self.fail(address, None, error.to_string());
                return Ok(());
            }
        };
        let before = self.total - 1;
        let mut done = 0;
        while let Some(target) = crawl.next() {
            let visit = self.visit(&target.url).await?;
            let known = visit.as_ref().map(|visit| Validators {
                etag: visit.etag.clone(),
                last_modified: visit.last_modified.clone(),
            });
            let known = known.unwrap_or_default();
            let fetched = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                fetched = crawl.fetch(&target, &known) => fetched,
            };
            self.fetched(&mut crawl, &target, visit, fetched).await?;
            done += 1;
            self.total = before + done + crawl.waiting();
            self.progress.start(self.total);
            self.index_batch().await?;
        }
        // Where something was left out, nobody knows whether it is gone.
        if self.request.prune && crawl.is_whole() {
            for prefix in crawl.prefixes() {
                self.prune_where(&prefix, |source| crawl.holds(source)).await?;
            }
        }
        Ok(())
    }

    async fn fetched(
        &mut self,
        crawl: &mut Crawl,
        target: &Target,
        visit: Option<Visit>,
        fetched: Result<Fetched, FetchError>,
    ) -> Result<(), KnowledgeError> {
        let source = target.url.as_str();
        let change = match (fetched, visit) {
            (Ok(Fetched::Page(page)), _) => {
                crawl.follow(target, &page.links);
                if self.looked.insert(source.to_owned()) {
                    self.page(target, page).await?
                } else {
                    FileChange::Unchanged
                }
            }
            (Ok(Fetched::Unchanged), Some(visit)) => {
                let links: Vec<Url> = visit.links.iter().filter_map(|link| Url::parse(link).ok()).collect();
                crawl.follow(target, &links);
                self.unchanged(source)
            }
            (Ok(Fetched::Elsewhere), _) => FileChange::Unchanged,
            (Err(FetchError::Gone(_) | FetchError::Robots) | Ok(Fetched::Nothing(_)), _)
                if !target.wanted =>
            {
                self.report.skipped += 1;
                FileChange::Unchanged
            }
            (Err(error), _) => {
                if !matches!(error, FetchError::Gone(_)) {
                    self.kept.push(source.to_owned());
                }
                self.fail(source, None, error.to_string());
                FileChange::Failed
            }
            (Ok(Fetched::Nothing(why)), _) => {
                self.fail(source, None, why.to_owned());
                FileChange::Failed
            }
            (Ok(Fetched::Unchanged), None) => {
                self.kept.push(source.to_owned());
                self.fail(
                    source,
                    None,
                    "the server calls it unchanged, and was not asked whether it is".into(),
                );
                FileChange::Failed
            }
        };
        self.progress.file(source, change);
        Ok(())
    }

    /// Stores a page, and what its server said of it.
    async fn page(&mut self, target: &Target, page: Page) -> Result<FileChange, KnowledgeError> {
        let source = target.url.as_str();
        let taken = match self.take(source, page.content, Some(source.to_owned())).await {
            Ok(taken) if taken.foreign => {
                self.report.skipped += 1;
                return Ok(FileChange::Unchanged);
            }
            Ok(taken) => taken,
            Err(KnowledgeError::Invalid(LoadError { line, message })) => {
                self.kept.push(source.to_owned());
                self.fail(source, line, message);
                return Ok(FileChange::Failed);
            }
            Err(error @ KnowledgeError::Refused { .. }) => return Ok(self.refuse(source, &error)),
            Err(error) => return Err(error),
        };
        self.seen.extend(taken.sources);
        let Validators { etag, last_modified } = page.validators;
        // A page of several documents is read again each time; so is one whose server says nothing of its version.
        if let Some(hash) = taken.hash
            && (etag.is_some() || last_modified.is_some())
        {
            let visit = Visit {
                url: source.to_owned(),
                etag,
                last_modified,
                links: page.links.iter().map(ToString::to_string).collect(),
                reading: self.reading_of(&hash),
            };
            self.library.store.visited(self.workspace, &visit).await?;
        }
        Ok(taken.change.unwrap_or(FileChange::Failed))
    }

    /// The last visit of a page, if what it brought is still what is stored.
    async fn visit(&self, url: &Url) -> Result<Option<Visit>, KnowledgeError> {
        let Some(visit) = self.library.store.visit(self.workspace, url.as_str()).await? else {
            return Ok(None);
        };
        let state = self.library.state(self.workspace, url.as_str()).await?;
        let is_current = state.is_some_and(|state| self.reading_of(&state.content_hash) == visit.reading);
        Ok(is_current.then_some(visit))
    }

    fn reading_of(&self, hash: &str) -> String {
        reading_of(hash, (self.request.audience, &self.request.labels), &self.library.config)
    }

    /// Counts a page that is stored as it is.
    fn unchanged(&mut self, source: &str) -> FileChange {
        self.seen.insert(source.to_owned());
        self.report.unchanged += 1;
        FileChange::Unchanged
    }
}
