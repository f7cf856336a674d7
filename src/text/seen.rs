//! Typography that a reader does not notice: characters that are not shown, and the many forms of a hyphen and of a space.

use std::borrow::Cow;
use std::ops::Range;

/// Format characters of Unicode: of no width, of direction, of languages by tags, and fillers that look like nothing. Not the
/// joiner U+200D, which pictures are made with.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A character in the form that keyboards have, a hyphen or a space; `None` where it is not shown.
pub fn seen(c: char) -> Option<char> {
    match c {
        _ if c.is_ascii() => Some(c),
        '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' => Some('-'),
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        '\u{200d}' => None,
        c => (!is_hidden(c)).then_some(c),
    }
}

/// A text with every character as it is [`seen`], and the way back to where it stands.
#[derive(Debug)]
pub struct Seen<'a> {
    original: &'a str,
    text: Cow<'a, str>,
    /// For each byte of `text`, where its character begins in the original; empty where both are the same.
    origins: Vec<usize>,
}

impl<'a> Seen<'a> {
    /// Copies nothing where every character is seen as it is.
    pub fn of(original: &'a str) -> Self {
        if original.is_ascii() || original.chars().all(|c| seen(c) == Some(c)) {
            return Self { original, text: Cow::Borrowed(original), origins: Vec::new() };
        }
        let mut text = String::with_capacity(original.len());
        let mut origins = Vec::with_capacity(original.len());
        for (at, c) in original.char_indices() {
            if let Some(c) = seen(c) {
                text.push(c);
                origins.resize(text.len(), at);
            }
        }
        Self { original, text: Cow::Owned(text), origins }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A stretch of the text as bytes of the original: from its first character to its last.
    pub fn original(&self, span: Range<usize>) -> Range<usize> {
        if matches!(self.text, Cow::Borrowed(_)) {
            return span;
        }
        let start = self.origins.get(span.start).copied().unwrap_or(self.original.len());
        if span.is_empty() {
            return start..start;
        }
        let last = self.origins[span.end - 1];
        let width = self.original[last..].chars().next().map_or(0, char::len_utf8);
        start..last + width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_does_not_notice_is_one_form() {
        for (text, expected) in [
            ("529.982.247–25", "529.982.247-25"),
            ("ST\u{200b}O\u{ad}P", "STOP"),
            ("R$\u{a0}10 \u{2011} \u{202f}é", "R$ 10 -  é"),
            ("olá — não", "olá — não"),
            ("plain", "plain"),
        ] {
            let seen = Seen::of(text);
            assert_eq!(seen.text(), expected);
            assert_eq!(matches!(seen.text, Cow::Borrowed(_)), text == expected, "{text}");
        }
    }

    #[test]
    fn a_stretch_is_found_again() {
        for (text, stretch, place) in [
            ("é o 12\u{2011}34\u{200b}.", "12-34", "12\u{2011}34"),
            ("é o \u{200b}12\u{200b}34\u{200b}.", "1234", "12\u{200b}34"),
            ("o 12-34.", "12-34", "12-34"),
        ] {
            let seen = Seen::of(text);
            let start = seen.text().find(stretch).unwrap();
            assert_eq!(&text[seen.original(start..start + stretch.len())], place);
        }
        let seen = Seen::of("12\u{200b}");
        assert_eq!(seen.original(seen.text().len()..seen.text().len()), 5..5);
    }
}
