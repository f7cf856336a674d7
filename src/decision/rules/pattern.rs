//! Patterns of rules: regular expressions that see neither case nor accents nor typography, within a size.

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{fold, seen};

/// Largest compiled pattern in bytes: a rule's file must not be able to take the memory of the server.
const SIZE: usize = 1 << 20;

/// A regular expression. Letters match in upper and lower case, with and without their accents, a hyphen and a space in any
/// form; what is not shown is not there.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Pattern {
    written: String,
    regex: Regex,
}

impl Pattern {
    /// The first place in a text that matches, as bytes of the text.
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        let folded = Folded::new(text);
        self.regex.find(&folded.text).map(|found| folded.span(found.range()))
    }

    /// The text with every match replaced; `None` where nothing matches.
    pub fn replaced(&self, text: &str, with: &str) -> Option<String> {
        let folded = Folded::new(text);
        let (mut out, mut from) = (String::new(), 0);
        for found in self.regex.find_iter(&folded.text).filter(|found| !found.is_empty()) {
            let span = folded.span(found.range());
            if span.start < from {
                continue;
            }
            out.push_str(&text[from..span.start]);
            out.push_str(with);
            from = span.end;
        }
        (from > 0).then(|| out + &text[from..])
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        // Accents go; what is ASCII may be syntax (`\S`, `\p{L}`) and stays.
        let folded: String = written
            .chars()
            .map(|c| match seen(c) {
                None => String::new(),
                Some(_) if c.is_ascii() => c.to_string(),
                // Between brackets a hyphen would stand for a range.
                Some('-') => r"\-".to_owned(),
                Some(c) => fold(&c.to_string()),
            })
            .collect();
        let regex = RegexBuilder::new(&folded)
            .case_insensitive(true)
            .multi_line(true)
            .size_limit(SIZE)
            .dfa_size_limit(SIZE)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(limit) => {
                    format!("the pattern is larger than {limit} bytes once compiled; repeat less in it, or split it")
                }
                other => format!("the pattern does not parse: {other}; its syntax: https://docs.rs/regex/#syntax"),
            })?;
        if regex.is_match("") {
            return Err(format!(
                "the pattern {written:?} matches every text; ask for at least one character"
            ));
        }
        Ok(Self { written, regex })
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.written
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

/// A text without case and accents, and where each of its bytes comes from.
struct Folded {
    text: String,
    /// For each byte of `text` and its end: the byte of the original text.
    origins: Vec<usize>,
}

impl Folded {
    fn new(original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut origins = Vec::with_capacity(original.len() + 1);
        let mut buffer = [0; 4];
        for (at, c) in original.char_indices() {
            let Some(c) = seen(c) else { continue };
            if c.is_ascii() {
                text.push(c.to_ascii_lowercase());
            } else {
                text.push_str(&fold(c.encode_utf8(&mut buffer)));
            }
            origins.resize(text.len(), at);
        }
        origins.push(original.len());
        Self { text, origins }
    }

    fn span(&self, found: Range<usize>) -> Range<usize> {
        self.origins[found.start]..self.origins[found.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn case_and_accents_do_not_matter_and_spans_are_of_the_text() {
        let text = "Quero a DEVOLUÇÃO já, não amanhã";
        for written in ["devolução", "DEVOLUCAO", r"devolu\w+"] {
            let span = pattern(written).find(text).unwrap();
            assert_eq!(&text[span], "DEVOLUÇÃO", "{written}");
        }
        let decomposed = "devoluc\u{327}a\u{303}o";
        assert_eq!(pattern("devolução$").find(decomposed).unwrap(), 0..decomposed.len());
        assert!(pattern(r"\bnao\b").find("nãos").is_none());
    }

    #[test]
    fn typography_does_not_matter() {
        for (written, text, place) in [
            (r"\bTK-\d+\b", "o TK\u{2011}12.", "TK\u{2011}12"),
            ("TK–12", "o TK-12.", "TK-12"),
            ("TK[–/]12", "o TK-12.", "TK-12"),
            ("devolução", "a devolu\u{ad}ção", "devolu\u{ad}ção"),
            ("10 kg", "10\u{a0}kg", "10\u{a0}kg"),
        ] {
            let span = pattern(written).find(text).unwrap();
            assert_eq!(&text[span], place, "{written}");
        }
    }

    #[test]
    fn what_matches_is_replaced() {
        let ticket = pattern(r"\bTK-\d+\b");
        assert_eq!(ticket.replaced("É o tk-12 e o TK-9.", "[…]").as_deref(), Some("É o […] e o […]."));
        assert_eq!(ticket.replaced("nothing", "[…]"), None);
    }

    #[test]
    fn patterns_that_cannot_be_used_say_why() {
        for (wrong, why) in
            [("(", "does not parse"), ("a*", "every text"), (r"(\w{500}){500}", "larger than")]
        {
            let error = Pattern::try_from(wrong.to_owned()).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
