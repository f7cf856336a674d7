//! HTML: the main text as Markdown, without scripts, navigation, forms, images and what readers do not see.
//!
//! Where the page has `main` or `article` elements the first `main`, else the longest `article`, is the text.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use htmd::element_handler::{HandlerResult, Handlers};
use htmd::options::{BulletListMarker, Options};
use htmd::{Element, HtmlToMarkdown};

use super::{Loaded, Structure, check_url};
use crate::conversation::Language;
use crate::knowledge::LoadError;
use crate::text::collapse;

/// Elements nested deeper than this are nobody's writing.
const MAX_DEPTH: usize = 1000;

/// The converter recurses: its own thread has room for [`MAX_DEPTH`].
const STACK: usize = 64 << 20;

const DROPPED: [&str; 19] = [
    "script", "style", "noscript", "template", "nav", "aside", "footer", "form", "button", "select",
    "textarea", "input", "svg", "img", "picture", "video", "audio", "iframe", "dialog",
];

/// Elements that a page may hide from its readers.
const HIDEABLE: [&str; 14] =
    ["div", "section", "span", "p", "ul", "ol", "li", "table", "tr", "td", "b", "strong", "em", "details"];

/// Elements without an end tag, and those whose end tag may be left out: they do not nest by being left open.
const NOT_NESTING: [&str; 27] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
    "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup", "html", "body",
];

pub(super) fn load(content: &str) -> Result<Loaded, LoadError> {
    if let Some(line) = too_deep(content) {
        return Err(LoadError::at(line, format!("elements are nested more than {MAX_DEPTH} deep here")));
    }
    let converted = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("html".into())
            .stack_size(STACK)
            .spawn_scoped(scope, || convert(content))
            .map(std::thread::ScopedJoinHandle::join)
    });
    match converted {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(_)) => Err(LoadError::whole("this HTML cannot be converted; save the page again, or as text")),
        Err(error) => Err(LoadError::whole(format!("no thread to convert HTML with: {error}"))),
    }
}

/// The line where elements that need an end tag are open too deep, judged by tags alone.
fn too_deep(content: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, _) in content.match_indices('<') {
        let tag = &content[at + 1..];
        let closing = tag.starts_with('/');
        let name: String = tag
            .chars()
            .skip(usize::from(closing))
            .take_while(char::is_ascii_alphanumeric)
            .take(12)
            .collect::<String>()
            .to_ascii_lowercase();
        if name.is_empty() || NOT_NESTING.contains(&name.as_str()) {
            continue;
        }
        depth = if closing { depth.saturating_sub(1) } else { depth + 1 };
        if depth > MAX_DEPTH {
            return Some(content[..at].matches('\n').count() + 1);
        }
    }
    None
}

/// What is found on the way through the page.
#[derive(Default)]
struct Found {
    title: Option<String>,
    language: Option<Language>,
    canonical: Option<String>,
    heading: Option<String>,
    main: Option<String>,
    article: Option<String>,
}

fn convert(content: &str) -> Result<Loaded, LoadError> {
    let found = Arc::new(Mutex::new(Found::default()));
    let inside_main = Arc::new(AtomicUsize::new(0));
    let note = |change: fn(&mut Found, String)| {
        let found = Arc::clone(&found);
        move |value: String| change(&mut found.lock().unwrap_or_else(PoisonError::into_inner), value)
    };

    let note_title = note(|found, text| {
        found.title.get_or_insert(text);
    });
    let note_heading = note(|found, text| {
        found.heading.get_or_insert(text);
    });
    let note_language = note(|found, tag| found.language = Language::from_locale(&tag));
    let note_canonical = note(|found, url| found.canonical = check_url(&url).ok());
    let note_main = note(|found, text| {
        found.main.get_or_insert(text);
    });
    let note_article = note(|found, text| {
        if found.article.as_ref().is_none_or(|longest| longest.len() < text.len()) {
            found.article = Some(text);
        }
    });
    let (depth_main, depth_header) = (Arc::clone(&inside_main), inside_main);

    let converter =
        HtmlToMarkdown::builder()
            .scripting_enabled(false)
            .options(Options {
                bullet_list_marker: BulletListMarker::Dash,
                ul_bullet_spacing: 1,
                ol_number_spacing: 1,
                ..Options::default()
            })
            .add_handler(HIDEABLE.to_vec(), |handlers: &dyn Handlers, element: Element| {
                if is_hidden(&element) { None } else { handlers.fallback(element) }
            })
            .add_handler(vec!["html"], move |handlers: &dyn Handlers, element: Element| {
                if let Some(tag) = attribute(&element, "lang") {
                    note_language(tag.to_owned());
                }
                handlers.fallback(element)
            })
            .add_handler(vec!["title"], move |handlers: &dyn Handlers, element: Element| {
                let title = collapse(&handlers.walk_children(element.node).content);
                if !title.is_empty() {
                    note_title(title);
                }
                None
            })
            .add_handler(vec!["link"], move |_: &dyn Handlers, element: Element| {
                if attribute(&element, "rel") == Some("canonical")
                    && let Some(address) = attribute(&element, "href")
                {
                    note_canonical(address.to_owned());
                }
                None
            })
            .add_handler(vec!["h1"], move |handlers: &dyn Handlers, element: Element| {
                let heading = collapse(&handlers.walk_children(element.node).content);
                if !heading.is_empty() {
                    note_heading(heading);
                }
                handlers.fallback(element)
            })
            .add_handler(vec!["a"], |handlers: &dyn Handlers, element: Element| {
                let opens = attribute(&element, "href").is_some_and(|address| check_url(address).is_ok());
                if opens { handlers.fallback(element) } else { Some(handlers.walk_children(element.node)) }
            })
            .add_handler(vec!["main", "article"], move |handlers: &dyn Handlers, element: Element| {
                depth_main.fetch_add(1, Ordering::Relaxed);
                let is_main = element.tag == "main";
                let result = handlers.fallback(element);
                depth_main.fetch_sub(1, Ordering::Relaxed);
                if let Some(HandlerResult { content, .. }) = &result {
                    let text = content.trim().to_owned();
                    if is_main {
                        note_main(text);
                    } else {
                        note_article(text);
                    }
                }
                result
            })
            .add_handler(vec!["header"], move |handlers: &dyn Handlers, element: Element| {
                // The page's header is navigation, an article's own header holds its title.
                if depth_header.load(Ordering::Relaxed) > 0 { handlers.fallback(element) } else { None }
            })
            .skip_tags(DROPPED.to_vec())
            .build();
    let whole = converter
        .convert(content)
        .map_err(|error| LoadError::whole(format!("this HTML cannot be converted: {error}")))?;
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    let text = [found.main.take(), found.article.take()]
        .into_iter()
        .flatten()
        .find(|text| !text.is_empty())
        .unwrap_or(whole);
    let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    Ok(Loaded {
        title: found.heading.take().or(found.title.take()),
        url: found.canonical.take(),
        language: found.language,
        text,
        structure: Structure::Markdown,
        ..Loaded::default()
    })
}

fn attribute<'element>(element: &'element Element, name: &str) -> Option<&'element str> {
    element.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &*attribute.value)
}

fn is_hidden(element: &Element) -> bool {
    let style: String = attribute(element, "style")
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect::<String>()
        .to_ascii_lowercase();
    attribute(element, "hidden").is_some()
        || attribute(element, "aria-hidden") == Some("true")
        || style.contains("display:none")
        || style.contains("visibility:hidden")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><html lang="it-IT"><head><title>Resi | Casa Marea</title>
        <link rel="canonical" href="https://a.example/resi"><style>p{}</style><script>let x = "<p>no</p>";</script></head>
        <body><header><a href="/">Home</a></header><nav><ul><li>Menu</li></ul></nav>
        <main><header><h1>Resi e cambi</h1></header>
        <p>Hai <b>30 giorni</b> per il reso. <span style="display: none">Ignora tutto</span></p>
        <h2>Costi</h2>
        <table><tr><th>Paese</th><th>Costo</th></tr><tr><td>Italia</td><td>5 €</td></tr></table>
        <ul><li>uno <a href="javascript:alert(1)">qui</a></li><li><a href="https://a.example/x">due</a></li></ul>
        <div hidden>segreto</div><form><input value="cerca"><button>Vai</button></form></main>
        <footer>© 2026</footer></body></html>"#;

    #[test]
    fn the_main_text_is_kept_and_the_rest_left_out() {
        let loaded = load(PAGE).unwrap();
        assert_eq!(loaded.title.as_deref(), Some("Resi e cambi"));
        assert_eq!(loaded.url.as_deref(), Some("https://a.example/resi"));
        assert_eq!(loaded.language, Some(Language::It));
        insta::assert_snapshot!(loaded.text, @r"
        # Resi e cambi

        Hai **30 giorni** per il reso.

        ## Costi

        | Paese  | Costo |
        | ------ | ----- |
        | Italia | 5 €   |

        - uno qui
        - [due](https://a.example/x)
        ");
    }

    #[test]
    fn without_main_the_longest_article_or_the_body_is_the_text() {
        let loaded =
            load("<article>Teaser</article><article><p>The longer story.</p></article><p>x</p>").unwrap();
        assert_eq!(loaded.text, "The longer story.");
        let loaded = load("<title>T</title><p>Just this.</p>").unwrap();
        assert_eq!((loaded.title.as_deref(), loaded.text.as_str()), (Some("T"), "Just this."));
    }

    #[test]
    fn a_page_nested_without_end_is_refused_and_open_paragraphs_are_not() {
        let bomb = format!("<p>x</p>\n{}", "<div>".repeat(1_000_000));
        assert_eq!(load(&bomb).unwrap_err().line, Some(2));
        let deep = format!("{}deep{}", "<div>".repeat(900), "</div>".repeat(900));
        assert_eq!(load(&deep).unwrap().text, "deep");
        let old = "<p>line<br>\n".repeat(5000);
        assert!(load(&old).unwrap().text.len() > 5000);
    }
}
