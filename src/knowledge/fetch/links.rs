//! What a page links to, and which of it belongs to the same site.

use std::cell::{Cell, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use serde::{Deserialize, Serialize};
use url::Url;

/// Links of one page that are kept.
const MAX_LINKS: usize = 10_000;

/// Endings of what is never a document.
const NO_DOCUMENTS: [&str; 25] = [
    "avi", "bmp", "css", "dmg", "exe", "gif", "gz", "ico", "iso", "jpeg", "jpg", "js", "mov", "mp3", "mp4",
    "ogg", "png", "rss", "svg", "tar", "ttf", "webm", "webp", "woff", "zip",
];

/// What the tags of a page say about it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::knowledge) struct Tags {
    /// Whole addresses that it links to, in order.
    pub(super) links: Vec<String>,
    /// Its author wants it in no index.
    pub(super) noindex: bool,
    /// The charset that it names.
    pub(super) charset: Option<String>,
}

/// Reads the tags of a page at `at`; its nesting does not matter. For a process of its own, or a few kilobytes: a tag with
/// very many attributes takes long.
pub(in crate::knowledge) fn read(html: &str, at: &Url) -> Tags {
    let sink = Sink { base: RefCell::new(at.clone()), found: RefCell::default(), nofollow: Cell::new(false) };
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let Sink { found, nofollow, .. } = tokenizer.sink;
    let mut tags = found.into_inner();
    if nofollow.get() {
        tags.links.clear();
    }
    tags
}

struct Sink {
    base: RefCell<Url>,
    found: RefCell<Tags>,
    nofollow: Cell<bool>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        if let TagToken(tag) = token
            && tag.kind == StartTag
        {
            self.tag(&tag);
            // Up to their end tags these hold text, whatever it looks like.
            return match &*tag.name {
                "script" => TokenSinkResult::RawData(RawKind::ScriptData),
                "style" | "iframe" | "noembed" => TokenSinkResult::RawData(RawKind::Rawtext),
                "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
                _ => TokenSinkResult::Continue,
            };
        }
        TokenSinkResult::Continue
    }
}

impl Sink {
    fn tag(&self, tag: &Tag) {
        let attribute = |name: &str| {
            tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|found| found.value.trim())
        };
        match &*tag.name {
            "base" => {
                if let Some(base) = attribute("href").and_then(|href| self.base.borrow().join(href).ok()) {
                    self.base.replace(base);
                }
            }
            "a" | "area" => {
                let followed = !attribute("rel")
                    .is_some_and(|rel| rel.split_whitespace().any(|word| word == "nofollow"));
                let link = attribute("href").and_then(|href| self.base.borrow().join(href).ok());
                let mut found = self.found.borrow_mut();
                if let Some(link) = link.filter(|_| followed)
                    && found.links.len() < MAX_LINKS
                {
                    found.links.push(link.into());
                }
            }
            "meta" => {
                let name = attribute("name").unwrap_or_default().to_ascii_lowercase();
                if matches!(name.as_str(), "robots" | "ponto") {
                    let content = attribute("content").unwrap_or_default().to_ascii_lowercase();
                    let says = |word: &str| {
                        content.split(',').any(|part| matches!(part.trim(), "none") || part.trim() == word)
                    };
                    self.found.borrow_mut().noindex |= says("noindex");
                    self.nofollow.set(self.nofollow.get() || says("nofollow"));
                }
                let equivalent =
                    attribute("http-equiv").is_some_and(|name| name.eq_ignore_ascii_case("content-type"));
                let charset = attribute("charset")
                    .map(str::to_owned)
                    .or_else(|| attribute("content").filter(|_| equivalent).and_then(charset_of));
                if let Some(charset) = charset {
                    self.found.borrow_mut().charset.get_or_insert(charset);
                }
            }
            _ => {}
        }
    }
}

/// The charset of a content type.
pub(super) fn charset_of(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// The address of a page without what makes no other page of it.
pub(super) fn normal(mut url: Url) -> Url {
    url.set_fragment(None);
    if url.query().is_some() {
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| !name.starts_with("utm_") && !matches!(&**name, "gclid" | "fbclid"))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let before = url.query_pairs().count();
        if kept.is_empty() {
            url.set_query(None);
        } else if kept.len() < before {
            url.query_pairs_mut().clear().extend_pairs(kept);
        }
    }
    url
}

/// The pages that belong to an address: on the same server, and below its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    host: String,
    port: Option<u16>,
    /// The path itself, and all that goes on with a slash.
    path: String,
}

impl Scope {
    /// Of a page: its folder where its name has an ending, else itself.
    pub(super) fn of(url: &Url) -> Self {
        let path = url.path();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let path = if name.contains('.') || name.is_empty() { folder } else { path };
        Self { path: path.to_owned(), ..Self::server(url) }
    }

    /// Everything on the server of an address.
    pub(super) fn server(url: &Url) -> Self {
        Self {
            host: url.host_str().unwrap_or_default().to_owned(),
            // The page may link to itself by http and be served by https.
            port: url.port(),
            path: String::new(),
        }
    }

    /// Whether an address lies in it.
    pub(super) fn covers(&self, url: &Url) -> bool {
        matches!(url.scheme(), "http" | "https")
            && url.host_str() == Some(&self.host)
            && url.port() == self.port
            && url
                .path()
                .strip_prefix(&self.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether an address lies in it and may be a document's.
    pub(super) fn holds(&self, url: &Url) -> bool {
        let ending = url.path().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        self.covers(url) && !ending.is_some_and(|ending| NO_DOCUMENTS.contains(&ending.as_str()))
    }

    /// What the addresses in it start with.
    pub(super) fn prefixes(&self) -> [String; 2] {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        ["http", "https"].map(|scheme| format!("{scheme}://{}{port}{}", self.host, self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn links_are_found_wherever_they_stand() {
        let page = r#"<base href="/kb/"><nav><a href='a.html'>A</a></nav><!-- <a href="no"> --><div><a href=../b?x=1&amp;y=2#z>
            <script>let s = "<a href='no'>";</script><a rel="nofollow" href="no">n</a><a href="mailto:x@y.example">m</a>"#;
        assert_eq!(
            read(page, &url("https://a.example/x/")).links,
            ["https://a.example/kb/a.html", "https://a.example/b?x=1&y=2#z", "mailto:x@y.example"]
        );
    }

    #[test]
    fn authors_are_heard() {
        let tags =
            read("<meta name=Robots content='noindex, nofollow'><a href=x>", &url("https://a.example/"));
        assert!(tags.noindex && tags.links.is_empty());
        let tags = read(
            "<meta http-equiv=Content-Type content='text/html; charset=ISO-8859-1'>",
            &url("https://a.example/"),
        );
        assert_eq!(tags.charset.as_deref(), Some("ISO-8859-1"));
    }

    #[test]
    fn a_scope_is_a_folder_of_a_server() {
        let scope = Scope::of(&url("https://a.example/hc/pt"));
        for inside in ["https://a.example/hc/pt", "https://a.example/hc/pt/x", "http://a.example/hc/pt/x?p=2"]
        {
            assert!(scope.holds(&url(inside)), "{inside}");
        }
        for outside in [
            "https://a.example/hc/pt-br",
            "https://a.example/hc/en",
            "https://b.example/hc/pt/x",
            "https://a.example:8443/hc/pt/x",
            "ftp://a.example/hc/pt/x",
            "https://a.example/hc/pt/x.PNG",
        ] {
            assert!(!scope.holds(&url(outside)), "{outside}");
        }
        assert_eq!(
            Scope::of(&url("https://a.example/docs/index.html")),
            Scope::of(&url("https://a.example/docs/"))
        );
        assert!(Scope::of(&url("https://a.example")).holds(&url("https://a.example/x")));
    }

    #[test]
    fn addresses_of_one_page_are_one() {
        for (text, same) in [
            ("https://a.example/x#top", "https://a.example/x"),
            ("https://a.example/x?utm_source=y", "https://a.example/x"),
            ("https://a.example/x?id=1&utm_source=y", "https://a.example/x?id=1"),
            ("https://A.example:443/x?b=2&a=1", "https://a.example/x?b=2&a=1"),
        ] {
            assert_eq!(normal(url(text)).as_str(), same);
        }
    }
}
