//! Phrase patterns over normalised text: how the first form of the policies reads a message in four languages.
//!
//! A pattern is a regular expression over words in lower case, without accents and punctuation, with two short forms:
//! `<3>` stands for a space with at most three words before it, `<name>` for an alternative from the lexicon's words.

use regex::RegexSet;

use crate::text::fold_compatible;

/// The words and patterns of one language.
pub(super) struct Lexicon {
    /// Alternatives by name.
    pub(super) words: &'static [(&'static str, &'static str)],
    /// Patterns; each matches whole words.
    pub(super) patterns: &'static [&'static str],
}

/// Compiled patterns of every language: customers mix them, and a language may be misdetected.
pub(super) struct Phrases {
    set: RegexSet,
}

impl Phrases {
    /// Compiles the lexicons; a pattern that does not compile is a bug that the module's tests find.
    pub(super) fn new(lexicons: &[Lexicon]) -> Self {
        let patterns: Vec<String> = lexicons
            .iter()
            .flat_map(|lexicon| lexicon.patterns.iter().map(|pattern| expand(pattern, lexicon.words)))
            .collect();
        Self { set: RegexSet::new(patterns).expect("the built-in phrase patterns compile") }
    }

    /// Whether the text holds one of the phrases.
    pub(super) fn found(&self, text: &str) -> bool {
        self.set.is_match(&normalise(text))
    }

    /// The patterns found, by position; for tests and tuning.
    #[cfg(test)]
    pub(super) fn which(&self, text: &str) -> Vec<&str> {
        let matches = self.set.matches(&normalise(text));
        matches.iter().map(|index| self.set.patterns()[index].as_str()).collect()
    }
}

/// Lower case, without accents; everything but letters and digits becomes one space; letters typed more than twice in
/// a row are cut to one ("hellooo").
pub(super) fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = 0;
    for c in fold_compatible(text).chars() {
        let c = if c.is_alphanumeric() { c } else { ' ' };
        if out.ends_with(c) {
            run += 1;
            if c == ' ' {
                continue;
            }
            if c.is_alphabetic() && run >= 2 {
                while out.ends_with(c) {
                    out.pop();
                }
            }
        } else {
            run = 0;
        }
        out.push(c);
    }
    out.trim().to_owned()
}

fn expand(pattern: &str, words: &[(&str, &str)]) -> String {
    let mut out = pattern.to_owned();
    for (name, alternatives) in words {
        out = out.replace(&format!("<{name}>"), &format!("(?:{alternatives})"));
    }
    for gap in 1..=9 {
        out = out.replace(&format!("<{gap}>"), &format!(r"(?: \w+){{0,{gap}}} "));
    }
    format!(r"\b(?:{out})\b")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_what_people_type() {
        assert_eq!(normalise("  Olá!! NÃO é   isso… "), "ola nao e isso");
        assert_eq!(normalise("pleeeease, I'd like"), "please i d like");
        assert_eq!(normalise("all good"), "all good");
    }

    #[test]
    fn gaps_and_names_expand() {
        let phrases = Phrases::new(&[Lexicon {
            words: &[("who", "human|agent")],
            patterns: &["talk<2><who>", "^<who>$"],
        }]);
        assert!(phrases.found("Can I talk to a human?"));
        assert!(phrases.found("agent"));
        assert!(!phrases.found("talk to one of your human resources' agents"));
        assert!(!phrases.found("an agent"));
    }
}
