//! From bytes to a text with what is known about it: one file a format.

use std::ops::Range;

use unicode_normalization::{UnicodeNormalization, is_nfc};
use url::Url;

use super::parsing::Part;
use super::{Format, LoadError};
use crate::conversation::{Audience, Labels, Language};

pub(super) mod export;
mod html;
mod markdown;
pub(super) mod qa;
mod text;

/// A document's text, and what it says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Loaded {
    /// Its own title.
    pub(super) title: Option<String>,
    /// Its own address.
    pub(super) url: Option<String>,
    /// Its own word on its language.
    pub(super) language: Option<Language>,
    /// Its own word on whom it is for.
    pub(super) marks: Marks,
    /// What passages are cut from.
    pub(super) text: String,
    /// How `text` is structured.
    pub(super) structure: Structure,
}

impl From<Part> for Loaded {
    /// A page, as the process that parsed it answers; nothing of it is taken on trust.
    fn from(page: Part) -> Self {
        Self {
            title: page.title,
            url: page.url.and_then(|url| check_url(&url).ok()),
            language: page.language,
            text: page.content,
            structure: Structure::Markdown,
            ..Self::default()
        }
    }
}

/// Whom a document, or a row of it, says it is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Marks {
    pub(super) audience: Option<Audience>,
    pub(super) labels: Labels,
}

/// How a text is structured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Structure {
    /// Headings, lists and tables.
    Markdown,
    /// Paragraphs.
    #[default]
    Plain,
    /// Questions with their answers.
    Pairs(Vec<Pair>),
}

/// A question with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// The question, which becomes the heading.
    pub(super) question: String,
    /// Where the answer stands in the text, in bytes.
    pub(super) answer: Range<usize>,
    /// Overrides the document's.
    pub(super) title: Option<String>,
    /// Overrides the document's.
    pub(super) url: Option<String>,
    /// Overrides the document's.
    pub(super) language: Option<Language>,
    /// Overrides the document's audience, and adds to its labels.
    pub(super) marks: Marks,
}

/// Reads a document. Fails on one that holds no text.
pub(super) fn load(format: Format, content: &str) -> Result<Loaded, LoadError> {
    if let Some(line) = content.lines().position(|line| line.contains('\0')) {
        return Err(LoadError::at(line + 1, "a NUL character: this is not a text file"));
    }
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let content = content.replace("\r\n", "\n").replace('\r', "\n");
    // Composed letters, whatever system the file comes from: searches compare them.
    let content = if is_nfc(&content) { content } else { content.nfc().collect() };
    let loaded = match format {
        Format::Markdown => markdown::load(&content)?,
        Format::Html => html::load(&content)?,
        Format::Text => text::load(content),
        Format::Csv => qa::load_csv(&content)?,
        Format::Jsonl => qa::load_jsonl(&content)?,
    };
    if loaded.text.trim().is_empty() {
        return Err(LoadError::whole("the document holds no text"));
    }
    Ok(loaded)
}

/// Text from bytes, with the line that is not UTF-8.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, LoadError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        LoadError::at(line, "this is not UTF-8; save the file as UTF-8 and try again")
    })
}

/// A link that people can open: `http` and `https` alone.
pub(super) fn check_url(url: &str) -> Result<String, String> {
    match Url::parse(url.trim()) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Ok(url.trim().to_owned()),
        _ => Err(format!("{url:?} is not an address; write one that starts with https:// or http://")),
    }
}

/// A supported language from a tag such as `pt-BR`.
fn check_language(tag: &str) -> Result<Language, String> {
    Language::from_locale(tag.trim()).ok_or_else(|| {
        format!("language {tag:?} is not one of pt, it, es, en; leave it out to have it detected")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_is_not_utf8_is_named() {
        let error = decode(b"um\ndois\nan\xe1lise\n".to_vec()).unwrap_err();
        assert_eq!(error.line, Some(3));
        assert!(error.to_string().contains("UTF-8"), "{error}");
        assert_eq!(decode("ção".into()).unwrap(), "ção");
    }

    #[test]
    fn marks_line_ends_and_accents_are_made_alike() {
        let loaded = load(Format::Text, "\u{feff}devoluc\u{327}a\u{303}o\r\nfim\r").unwrap();
        assert_eq!(loaded.text, "devolução\nfim\n");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(load(Format::Text, "a\nb\0").unwrap_err().line, Some(2));
        for format in [Format::Markdown, Format::Html, Format::Text] {
            let error = load(format, " \n\n").unwrap_err();
            assert!(error.to_string().contains("no text"), "{format:?}: {error}");
        }
    }

    #[test]
    fn addresses_that_run_code_are_refused() {
        assert!(check_url(" https://a.example/b ").is_ok());
        for wrong in ["javascript:alert(1)", "data:text/html,x", "/relative", "file:///etc/passwd"] {
            assert!(check_url(wrong).is_err(), "{wrong}");
        }
    }
}
