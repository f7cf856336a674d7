//! From what a model writes to plain text: no Markdown, no HTML, no image, and no link that no cited passage holds.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use regex::{Captures, Regex};

use crate::retrieval::Passage;
use crate::text::is_host;

mod marks;
mod visible;

pub use marks::unformatted;
use visible::visible;

/// `[text][label]`, whose address is elsewhere.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| pattern(r"!?\[([^\[\]\n]*)\]\[[^\[\]\n]*\]"));
/// `[label]: address`.
static DEFINITION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^[ \t]*\[[^\[\]\n]+\]:[ \t]*\S.*$"));
static TAG: LazyLock<Regex> = LazyLock::new(|| pattern(r"</?[A-Za-z!?][^<>]*>"));
/// Anything that a phone or a mail program turns into a link.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)[^\s<>"'`\[\]{}]*|\b(?:javascript|data|vbscript|file|blob|intent|sms|view-source|about):[^\s<>"'`\[\]{}]+|(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?\.)+(?:xn--[a-z0-9-]+|\p{L}{2,})(?::\d+)?(?:[/?#][^\s<>"'`\[\]{}]*)?"#,
    )
});
/// An address of mail, whose parts look like hosts.
static MAIL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[\p{L}\p{N}_.+-]*[\p{L}\p{N}_+-]@(?:[\p{L}\p{N}-]+\.)+[\p{L}\p{N}-]+"));
/// `mailto:` and `tel:`, whose address or number says enough.
static SPOKEN_SCHEME: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:mailto|tel):(?://)?"));
/// A sentence that begins without a space: `30 days.It` is an address to a phone.
static UNSPACED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(\p{Ll})\.(\p{Lu}\p{Ll}+)"));
static EMPTY_BRACKETS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s*[(\[]\s*[)\]]"));
static SPACES: LazyLock<Regex> = LazyLock::new(|| pattern(r"[ \t]{2,}"));
static SPACE_BEFORE_STOP: LazyLock<Regex> = LazyLock::new(|| pattern(r" +([.,;!?])(\s|$)"));
static BLANK_LINES: LazyLock<Regex> = LazyLock::new(|| pattern(r"\n{3,}"));

pub(super) fn pattern(source: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants and a test compiles every one")]
    Regex::new(source).expect("a constant pattern compiles")
}

/// The links a reply may hold.
#[derive(Debug, Default)]
pub struct AllowedLinks {
    addresses: HashSet<String>,
    hosts: HashSet<String>,
}

impl AllowedLinks {
    /// Those of the cited passages: their own addresses, and every address in their text.
    pub fn of<'a>(passages: impl IntoIterator<Item = &'a Passage>) -> Self {
        let mut allowed = Self::default();
        for passage in passages {
            for found in ADDRESS.find_iter(&passage.text) {
                allowed.add(found.as_str());
            }
            if let Some(url) = &passage.url {
                allowed.add(url);
            }
        }
        allowed
    }

    fn add(&mut self, address: &str) {
        let address = normal(address);
        self.hosts.insert(host_of(&address).to_owned());
        self.addresses.insert(address);
    }

    /// Whether this address, or this bare host, may stand in a reply.
    pub fn holds(&self, address: &str) -> bool {
        if !scheme_is_harmless(address) {
            return false;
        }
        // `https://good.example@evil.example`: what stands before the sign is a user's name.
        if host_of(address).contains(['@', '\\', '%']) {
            return false;
        }
        let address = normal(address);
        self.addresses.contains(&address) || self.hosts.contains(&address)
    }
}

fn scheme_is_harmless(address: &str) -> bool {
    match address.split_once("://") {
        Some((scheme, _)) => matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https"),
        None => !address.split(['/', '?', '#']).next().unwrap_or_default().contains(':') || has_port(address),
    }
}

/// `shop.example:8080` is a host with a port, `javascript:…` is none.
fn has_port(address: &str) -> bool {
    address
        .split_once(':')
        .is_some_and(|(host, rest)| host.contains('.') && rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// An address without scheme, `www.`, and what only ends a sentence; the host in lower case.
fn normal(address: &str) -> String {
    let address = trim_end(address);
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (host, path) = rest.split_at(host_of(rest).len());
    let host = host.to_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    format!("{host}{}", path.trim_end_matches('/'))
}

fn trim_end(address: &str) -> &str {
    let mut address = address;
    loop {
        let before = address;
        address = address.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '~', '’', '»', '”']);
        if address.ends_with(')') && address.matches(')').count() > address.matches('(').count() {
            address = &address[..address.len() - 1];
        }
        if address == before {
            return address;
        }
    }
}

/// Undoes links by reference, whose `[1]` would be taken for the number of a source.
pub fn without_references(markdown: &str) -> String {
    let text = DEFINITION.replace_all(markdown, "");
    REFERENCE
        .replace_all(&text, |found: &Captures<'_>| {
            // `[1][2]` are two sources, and `![…][…]` is an image.
            let label = &found[1];
            match (found[0].starts_with('!'), label.chars().all(|c| c.is_ascii_digit())) {
                (true, _) => String::new(),
                (false, true) => found[0].to_owned(),
                (false, false) => label.to_owned(),
            }
        })
        .into_owned()
}

/// The plain text of a Markdown reply, with the allowed links alone.
pub fn plain(markdown: &str, allowed: &AllowedLinks) -> String {
    let mut text = flatten(&visible(markdown), allowed);
    // Entities, escapes and what is taken out can spell a tag or an address that was none before. Every pass shortens
    // the text, so this ends.
    loop {
        let pass = tidy(&without_links(&TAG.replace_all(&visible(&text), ""), allowed));
        if pass.len() >= text.len() {
            return pass;
        }
        text = pass;
    }
}

fn flatten(markdown: &str, allowed: &AllowedLinks) -> String {
    let mut text = String::new();
    let mut lists: Vec<Option<u64>> = Vec::new();
    let mut link: Option<(String, usize)> = None;
    let mut image = 0_usize;
    for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(Tag::Image { .. }) => image += 1,
            Event::End(TagEnd::Image) => image = image.saturating_sub(1),
            _ if image > 0 => {}
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::SoftBreak | Event::HardBreak | Event::Rule => text.push('\n'),
            Event::Start(Tag::Link { dest_url, .. }) => link = Some((dest_url.into_string(), text.len())),
            Event::End(TagEnd::Link) => {
                if let Some((address, start)) = link.take()
                    && allowed.holds(&address)
                    && !text[start..].contains(&address)
                {
                    text.extend([" (", &address, ")"]);
                }
            }
            Event::Start(Tag::List(first)) => {
                new_line(&mut text);
                lists.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                lists.pop();
                new_line(&mut text);
            }
            Event::Start(Tag::Item) => {
                new_line(&mut text);
                match lists.last_mut() {
                    Some(Some(number)) => {
                        text.push_str(&number.to_string());
                        text.push_str(". ");
                        *number += 1;
                    }
                    _ => text.push_str("- "),
                }
            }
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock) => {
                text.push_str(if lists.is_empty() { "\n\n" } else { "\n" });
            }
            _ => {}
        }
    }
    text
}

fn new_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

fn without_links(text: &str, allowed: &AllowedLinks) -> String {
    let text = SPOKEN_SCHEME.replace_all(text, "");
    let text = spaced(&text);
    let mails: Vec<Range<usize>> = MAIL.find_iter(&text).map(|mail| mail.range()).collect();
    ADDRESS
        .replace_all(&text, |found: &Captures<'_>| {
            let whole = &found[0];
            let start = found.get(0).map_or(0, |it| it.start());
            let address = trim_end(whole);
            let rest = &whole[address.len()..];
            let end = start + host_of(address).len();
            let mail = is_bare(address) && mails.iter().any(|mail| mail.start <= start && end <= mail.end);
            if mail || !is_link(address) || allowed.holds(address) {
                whole.to_owned()
            } else {
                rest.to_owned()
            }
        })
        .into_owned()
}

/// Parts sentences that stand together without a space, unless they are an address with a path.
fn spaced(text: &str) -> String {
    UNSPACED
        .replace_all(text, |found: &Captures<'_>| {
            let end = found.get(0).map_or(0, |it| it.end());
            let goes_on = text[end..].starts_with(['.', '/', ':', '-', '_', '@', '?', '#'])
                && text[end..].chars().nth(1).is_some_and(char::is_alphanumeric);
            if goes_on { found[0].to_owned() } else { format!("{}. {}", &found[1], &found[2]) }
        })
        .into_owned()
}

fn is_link(address: &str) -> bool {
    let lower = address.to_lowercase();
    if lower.contains("://") || lower.starts_with("www.") || lower.contains('/') {
        return true;
    }
    let host = lower.split([':', '?', '#']).next().unwrap_or_default();
    !host.contains('.') || is_host(host)
}

/// Whether it may belong to an address of mail: it has no scheme, port or path.
fn is_bare(address: &str) -> bool {
    !address.contains([':', '/']) && !address.to_lowercase().starts_with("www.")
}

fn tidy(text: &str) -> String {
    let text = EMPTY_BRACKETS.replace_all(text, "");
    let text = SPACES.replace_all(&text, " ");
    let text = SPACE_BEFORE_STOP.replace_all(&text, "$1$2");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    BLANK_LINES.replace_all(lines.join("\n").trim(), "\n\n").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::fixtures;

    fn passage(text: &str, url: Option<&str>) -> Passage {
        Passage { url: url.map(Into::into), ..fixtures::passage("p", text) }
    }

    fn clean(markdown: &str) -> String {
        let cited =
            [passage("Track at https://track.example/now.", Some("https://shop.example/help/delivery"))];
        plain(&without_references(markdown), &AllowedLinks::of(&cited))
    }

    #[test]
    fn markdown_becomes_plain_text() {
        insta::assert_snapshot!(
            clean("# Hello\n**Two** _days_ and `code`.\n\n* one\n* two\n\n1. a\n2. b\n\nPrice < 5 kg, 2 * 3 * 4, R$ 19.90"),
            @"
        Hello

        Two days and code.

        - one
        - two
        1. a
        2. b
        Price < 5 kg, 2 * 3 * 4, R$ 19.90
        "
        );
    }

    #[test]
    fn what_is_struck_through_is_plain_text_too() {
        assert_eq!(clean("~~R$ 10~~ *R$ 8*, ~today~"), "R$ 10 R$ 8, today");
        let approximate = "~5 to ~10 days, about ~7";
        assert_eq!(clean(approximate), approximate);
    }

    #[test]
    fn links_of_cited_passages_stay() {
        for kept in [
            "See https://shop.example/help/delivery.",
            "See shop.example for more.",
            "See https://www.track.example/now, please.",
        ] {
            assert_eq!(clean(kept), kept);
        }
        assert_eq!(
            clean("See [delivery](https://shop.example/help/delivery)."),
            "See delivery (https://shop.example/help/delivery)."
        );
    }

    #[test]
    fn every_other_link_goes() {
        for gone in [
            "See [this](https://evil.example/x).",
            "See [this][1].\n\n[1]: https://evil.example/x",
            "See <https://evil.example/x> this.",
            "See this https://evil.example/x",
            "See this evil.com",
            "See this evil.com/path?a=b",
            "See this www.evil.example",
            "See this ftp://evil.example",
            "See this javascript:alert(1)",
            "See ![this](https://evil.example/x.png)this",
            "See <img src=https://evil.example/x.png>this",
            "See <a href=\"https://evil.example\">this</a>",
            "See \\[this\\](https://evil.example)",
            "See &lt;a href=evil.com&gt;this",
            "See this https://track.example/now/../x",
            "See this HTTPS://EVIL.EXAMPLE",
            "See this shop.example.evil.com",
            "See this ht[]tps://ev()il.com/x <[]b>",
            "See this [ok][evil].\n\n  [evil]: <https://evil.example/x> 'title'",
            "See ![][evil]this\n\n[evil]: https://evil.example/x.png",
            "See this https://shop.example@evil.example/x",
            "See this https://shop.example%2fhelp@evil.example",
            "See this https://shop.example\\@evil.example",
            "See this https://track.example.evil.example/now",
            "See this https://track.example/now?next=https://evil.example",
            "See this track.example/now#evil",
            "See this shop.example?q=evil",
            "See this ev\u{200b}il.com and www.ev\u{ad}il.net",
            "See this \u{202e}https://evil.example\u{202c}",
            "See this ｅｖｉｌ．ｃｏｍ",
            "See this evil。com/x",
            "See this xn--evil-53d.com",
            "See this evil.xn--p1ai",
            "See this evil.рф",
            "See this EVIL.ZIP, evil.icu; (evil.top)",
            "See this [here](javascript:evil)",
            "See this data:text/html,evil",
            "See this vbscript:evil or file:///evil or intent:evil",
            "See this &#104;ttps&#58;//evil&#46;com",
            "See this <https://evil.example>",
            "See this https://\nevil.com",
            "See this **https://evil.example**, _evil.com_ and `evil.com`",
            "See this http://evil.example:8080/x",
            "See this //evil.example/x",
            "See this HtTpS://EVIL.example/%61",
            "See this: @https://evil.example/x",
            "See this @evil.com/login, @www.evil.com or @evil.com",
            "See this evil.com@ or evil.com @x",
            "See this x@https://evil.example and x@evil.com:8080/y",
            "See this evil.lat, evil.makeup or evil.com.ng",
        ] {
            let text = clean(gone);
            assert!(text.contains("See") && text.contains("this"), "{gone} → {text}");
            assert!(
                !text.to_lowercase().contains("evil") && !text.contains("://") && !text.contains('<'),
                "{gone} → {text}"
            );
            assert!(!text.to_lowercase().contains("javascript:"), "{gone} → {text}");
        }
    }

    #[test]
    fn sentences_without_a_space_and_addresses_of_mail_are_no_links() {
        for kept in [
            "Escreva para ajuda@shop.example, por favor.",
            "às 10.30h",
            "v2.0, p.ex. isto, e.g. that, p.es. questo, n.ro 5, Gent.li clienti, c.ca 5 giorni",
            "Escreva para ana.it@shop.example ou ana+1@shop.example.",
            "It is written in node.js.",
            "1.299,90",
        ] {
            assert_eq!(clean(kept), kept);
        }
        assert_eq!(clean("São 5 dias.Até logo"), "São 5 dias. Até logo");
        assert_eq!(clean("It takes 30 days.It is free"), "It takes 30 days. It is free");
        assert_eq!(
            clean("Write to [us](mailto:ajuda@shop.example) or mailto:ajuda@shop.example"),
            "Write to us or ajuda@shop.example"
        );
        assert_eq!(clean("Call tel:+351210000111."), "Call +351210000111.");
    }

    #[test]
    fn a_file_whose_name_is_an_address_stays_where_a_passage_names_it() {
        let text = "Read README.md first.";
        assert_eq!(plain(text, &AllowedLinks::of(&[passage("All is in README.md.", None)])), text);
        assert_eq!(plain(text, &AllowedLinks::of(&[passage("All is there.", None)])), "Read first.");
    }

    #[test]
    fn letters_of_another_script_are_another_address() {
        let text =
            clean("See https://tr\u{430}ck.example/now and trаck.example, not https://track.example/now.");
        assert_eq!(text, "See and, not https://track.example/now.");
    }

    proptest::proptest! {
        #[test]
        fn no_tag_and_no_foreign_address_survives(text in r#"[a-z<>/\[\]()!&;:. "=*#`\n-]{0,80}(https://evil\.example/x)?[a-z<>\[\]()!. ]{0,20}"#) {
            let text = clean(&text);
            proptest::prop_assert!(!TAG.is_match(&text), "{text}");
            proptest::prop_assert!(!text.contains("evil.example"), "{text}");
        }
    }
}
