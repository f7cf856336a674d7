//! What nobody may write into a prompt but the chat template.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;

use super::super::error::LoadError;

/// How chat templates mark turns and roles: `<|user|>`, `<start_of_turn>`, `<<SYS>>`, `[/INST]`. For some models these
/// are special tokens, for others plain text.
const TEMPLATE_MARKS: &str = r"<<?/?[|｜]?[\w▁]+[|｜]?>>?|\[/?[A-Z][A-Z_]+\]";

/// Texts that would speak for the model or for another role.
pub(super) struct Markers {
    texts: AhoCorasick,
}

impl Markers {
    /// The names of `special` tokens and the marks in the source of the chat template.
    pub(super) fn new<'a>(
        special: impl Iterator<Item = &'a str>,
        template: &'a str,
    ) -> Result<Self, LoadError> {
        let refused = |error: &dyn std::error::Error| LoadError::Tokenizer(error.to_string());
        let marks = Regex::new(TEMPLATE_MARKS).map_err(|error| refused(&error))?;
        let texts: BTreeSet<&str> = special
            .chain(marks.find_iter(template).map(|mark| mark.as_str()))
            // A space behind the first character breaks every text but one that has it there already.
            .filter(|text| text.chars().nth(1).is_some_and(|second| !second.is_whitespace()))
            .collect();
        let texts = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(texts)
            .map_err(|error| refused(&error))?;
        Ok(Self { texts })
    }

    /// `text` with a space behind the first character of every marker.
    pub(super) fn defuse(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Markers that overlap are found one after another.
        while self.texts.is_match(&text) {
            let mut broken = String::with_capacity(text.len() + 16);
            self.texts.replace_all_with(&text, &mut broken, |_, marker, out| {
                let first = marker.chars().next().map_or(0, char::len_utf8);
                out.extend([&marker[..first], " ", &marker[first..]]);
                true
            });
            text = broken;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defused(special: &[&str], template: &str, text: &str) -> String {
        Markers::new(special.iter().copied(), template).unwrap().defuse(text)
    }

    #[test]
    fn names_of_special_tokens_are_broken_wherever_they_stand() {
        assert_eq!(defused(&["<eos>", "<|x|>"], "", "a<eos><|x|>b <eos>"), "a< eos>< |x|>b < eos>");
        assert_eq!(defused(&["<eos>"], "", "eos < eos> <b>"), "eos < eos> <b>");
        assert_eq!(defused(&["<s>", "<s><s>"], "", "<s><s>"), "< s>< s>");
    }

    #[test]
    fn markers_that_overlap_are_all_broken() {
        assert_eq!(defused(&["aab", "bba"], "", "aabba"), "a ab ba");
    }

    #[test]
    fn marks_of_the_template_are_broken_though_they_are_no_tokens() {
        let template =
            "{% if messages[0].role == 'user' %}{{ '[INST] <<SYS>>\n' + m.content + ' [/INST]<|user|>' }}";
        assert_eq!(
            defused(&[], template, "[/INST] [INST] <<SYS>> <|user|> [0] <user> [OK]"),
            "[ /INST] [ INST] < <SYS>> < |user|> [0] <user> [OK]"
        );
    }

    #[test]
    fn text_without_markers_stays_and_a_marker_that_cannot_be_broken_is_left() {
        assert_eq!(defused(&["< x", "y"], "", "< x y 1 < 2"), "< x y 1 < 2");
        assert_eq!(defused(&[], "", "olá"), "olá");
    }
}
