//! Which page comes next, and what it holds.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use url::{Position, Url};

use super::address::{Resolve, SystemResolver};
use super::client::{Body, FetchError, MAX_REDIRECTS, Response, Validators, Web};
use super::links::{self, Scope};
use super::{FetchConfig, sitemap};
use crate::knowledge::Format;
use crate::knowledge::kind::Kind;
use crate::knowledge::parsing::{self, ParsingConfig};
use crate::knowledge::reading::Content;

/// Sitemaps that are read for one address.
const MAX_SITEMAPS: usize = 500;

/// Requests in a row that a server may leave without an answer.
const MAX_SILENCES: usize = 5;

/// Bytes of a page in which its charset is looked for.
const CHARSET_BYTES: usize = 4096;

/// A page to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::knowledge) struct Target {
    pub(in crate::knowledge) url: Url,
    /// Somebody asked for this page, and wants to know when it cannot be read.
    pub(in crate::knowledge) wanted: bool,
    /// Links between the first page and this one.
    depth: usize,
    redirects: usize,
    /// Stands for the address that was given.
    first: bool,
    /// Other pages are known by this one alone: a sitemap.
    list: bool,
}

/// What came of asking for a page.
#[derive(Debug)]
pub(in crate::knowledge) enum Fetched {
    /// It is as it was.
    Unchanged,
    /// A document, with what it links to.
    Page(Page),
    /// It led to other pages, which come next.
    Elsewhere,
    /// It is not to be kept: nothing that is read, or not wanted in an index by its author.
    Nothing(&'static str),
}

/// A document of the web.
#[derive(Debug)]
pub(in crate::knowledge) struct Page {
    pub(in crate::knowledge) content: Content,
    pub(in crate::knowledge) links: Vec<Url>,
    pub(in crate::knowledge) validators: Validators,
}

/// A walk from one address.
pub(in crate::knowledge) struct Crawl {
    web: Web,
    parsing: ParsingConfig,
    scope: Scope,
    queue: VecDeque<Target>,
    seen: HashSet<String>,
    depth: usize,
    /// Pages that may still be read, and sitemaps.
    pages: usize,
    sitemaps: usize,
    silences: usize,
    most: u64,
    /// Something was left out that may be there.
    cut: bool,
}

impl Crawl {
    /// From an address, over the system's resolver.
    pub(in crate::knowledge) fn new(
        config: &FetchConfig,
        parsing: &ParsingConfig,
        address: &str,
    ) -> Result<Self, FetchError> {
        Self::over(config, parsing, address, Arc::new(SystemResolver))
    }

    pub(super) fn over(
        config: &FetchConfig,
        parsing: &ParsingConfig,
        address: &str,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, FetchError> {
        let url = Url::parse(address)
            .map_err(|error| FetchError::Refused(format!("{address:?} is not an address: {error}")))?;
        let url = links::normal(url);
        let mut crawl = Self {
            web: Web::new(config.clone(), resolver),
            parsing: parsing.clone(),
            scope: Scope::of(&url),
            queue: VecDeque::new(),
            seen: HashSet::new(),
            depth: config.depth,
            pages: config.max_pages,
            sitemaps: MAX_SITEMAPS,
            silences: 0,
            most: config.max_page_bytes,
            cut: false,
        };
        crawl.push(Target { url, wanted: true, depth: 0, redirects: 0, first: true, list: false });
        Ok(crawl)
    }

    /// The next page; `None` at the end.
    pub(in crate::knowledge) fn next(&mut self) -> Option<Target> {
        let target = self.queue.pop_front()?;
        if self.pages == 0 {
            self.cut = true;
            self.queue.clear();
            return None;
        }
        Some(target)
    }

    /// Pages that are known and not asked for yet.
    pub(in crate::knowledge) fn waiting(&self) -> usize {
        self.queue.len().min(self.pages)
    }

    /// Whether everything that is there was looked at.
    pub(in crate::knowledge) fn is_whole(&self) -> bool {
        !self.cut && self.queue.is_empty()
    }

    /// What the addresses of its pages start with.
    pub(in crate::knowledge) fn prefixes(&self) -> [String; 2] {
        self.scope.prefixes()
    }

    /// Whether a document from this address belongs to it.
    pub(in crate::knowledge) fn holds(&self, address: &str) -> bool {
        Url::parse(address).is_ok_and(|url| self.scope.covers(&url))
    }

    /// Asks for a page; `known` is what its server said of the version that is kept.
    pub(in crate::knowledge) async fn fetch(
        &mut self,
        target: &Target,
        known: &Validators,
    ) -> Result<Fetched, FetchError> {
        let result = match self.web.get(&target.url, known).await {
            Ok(Response::Unchanged) => Ok(Fetched::Unchanged),
            Ok(Response::Moved(next)) => self.redirect(target, next),
            Ok(Response::Body(body)) => self.read(target, body).await,
            Err(error) => Err(error),
        };
        match &result {
            Ok(Fetched::Unchanged | Fetched::Page(_)) => self.pages -= 1,
            Err(_) if target.first || target.list => self.cut = true,
            Ok(_) | Err(FetchError::Gone(_) | FetchError::Robots | FetchError::Unreadable(_)) => {}
            Err(_) => self.cut = true,
        }
        self.silences = match &result {
            Err(FetchError::TimedOut(_) | FetchError::Unreachable(_)) => self.silences + 1,
            _ => 0,
        };
        if self.silences == MAX_SILENCES {
            self.queue.clear();
        }
        result
    }

    /// Takes the links of a page as pages to come.
    pub(in crate::knowledge) fn follow(&mut self, from: &Target, links: &[Url]) {
        if from.depth >= self.depth {
            return;
        }
        for link in links {
            let url = links::normal(link.clone());
            if self.scope.holds(&url) {
                let depth = from.depth + 1;
                self.push(Target { url, wanted: false, depth, redirects: 0, first: false, list: false });
            }
        }
    }

    fn push(&mut self, target: Target) {
        if self.seen.insert(key(&target.url)) {
            self.queue.push_back(target);
        }
    }

    fn redirect(&mut self, from: &Target, next: Url) -> Result<Fetched, FetchError> {
        if from.redirects == MAX_REDIRECTS {
            return Err(FetchError::Unreadable(format!("it redirects more than {MAX_REDIRECTS} times")));
        }
        let url = links::normal(next);
        if from.first {
            // The site is where its address leads to.
            self.scope = Scope::of(&url);
        } else if !self.scope.covers(&url) {
            return Ok(Fetched::Nothing("it leads out of the site"));
        }
        // From http to https a page keeps its place.
        let upgraded = key(&url) == key(&from.url) && url != from.url;
        if self.seen.insert(key(&url)) || upgraded {
            self.queue.push_front(Target { url, redirects: from.redirects + 1, ..from.clone() });
        }
        Ok(Fetched::Elsewhere)
    }

    async fn read(&mut self, target: &Target, body: Body) -> Result<Fetched, FetchError> {
        let path = target.url.path();
        let kind = Kind::of_type(body.content_type.as_deref(), path);
        if kind.is_none() && target.wanted {
            let bytes = sitemap::unpacked(body.bytes, self.most)?;
            let text = decoded(&bytes, body.content_type.as_deref());
            if !sitemap::is_sitemap(&text) {
                return Err(FetchError::Unreadable(format!(
                    "{} is nothing that is read",
                    body.content_type.as_deref().unwrap_or("a page without a type")
                )));
            }
            return self.list(target, &text);
        }
        let Some(kind) = kind else { return Ok(Fetched::Nothing("it is nothing that is read")) };
        let (mut found, mut noindex) = (Vec::new(), false);
        let content = match kind {
            Kind::Binary(binary) => Content::Binary(binary, body.bytes),
            Kind::Export => Content::Export(decoded(&body.bytes, body.content_type.as_deref())),
            Kind::Text(format) => {
                let text = decoded(&body.bytes, body.content_type.as_deref());
                if format == Format::Html {
                    let tags = parsing::tags(&self.parsing, &text, &target.url).await;
                    let tags = tags.map_err(|error| {
                        // Nobody knows what it leads to.
                        self.cut = true;
                        FetchError::Unreadable(error.to_string())
                    })?;
                    found = tags.links.iter().filter_map(|link| Url::parse(link).ok()).collect();
                    noindex = tags.noindex;
                }
                Content::Text(format, text)
            }
        };
        if noindex {
            self.follow(target, &found);
            return Ok(Fetched::Nothing("its author wants it in no index"));
        }
        Ok(Fetched::Page(Page { content, links: found, validators: body.validators }))
    }

    /// The pages of a sitemap, all on its server, whose links are not followed.
    fn list(&mut self, from: &Target, text: &str) -> Result<Fetched, FetchError> {
        let found = sitemap::read(text)?;
        if found.pages.is_empty() && found.sitemaps.is_empty() {
            return Err(FetchError::Unreadable("this sitemap names no page".into()));
        }
        let server = Scope::server(&from.url);
        if from.first {
            self.scope = server.clone();
        }
        for url in found.sitemaps.into_iter().filter(|url| server.covers(url)) {
            if self.sitemaps == 0 {
                self.cut = true;
                break;
            }
            self.sitemaps -= 1;
            self.push(Target {
                url,
                wanted: true,
                depth: self.depth,
                redirects: 0,
                first: false,
                list: true,
            });
        }
        for url in found.pages {
            let url = links::normal(url);
            if server.holds(&url) {
                let depth = self.depth;
                self.push(Target { url, wanted: true, depth, redirects: 0, first: false, list: false });
            }
        }
        Ok(Fetched::Elsewhere)
    }
}

/// The address of a page, whichever way it is asked for.
fn key(url: &Url) -> String {
    url[Position::BeforeHost..].to_owned()
}

/// Text from the bytes of a page: the charset that its server names, or the page itself, or UTF-8, or the one of old pages.
fn decoded(bytes: &[u8], content_type: Option<&str>) -> String {
    let named = content_type.and_then(links::charset_of).or_else(|| {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(CHARSET_BYTES)]);
        let nowhere = Url::parse("http://page/").ok()?;
        links::read(&start, &nowhere).charset
    });
    let encoding = named
        .and_then(|label| Encoding::for_label(label.as_bytes()))
        .unwrap_or_else(|| if std::str::from_utf8(bytes).is_ok() { UTF_8 } else { WINDOWS_1252 });
    encoding.decode(bytes).0.into_owned()
}
