//! Stable placeholders in place of personal data, and the way back.
//!
//! `[CPF_1]` stands for the first CPF of a conversation in every text that is masked with the same [`Placeholders`]. A
//! model may write it in another case, without its brackets or in pieces; the value comes back all the same. A name has one for
//! each way it is written, so that what comes back is what was there.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::names::{Names, whole};
use super::{Kind, find, pattern};

/// A value that a cut text shows less of tells nothing.
const SHORTEST_CUT: usize = 3;

/// `[CPF_1]` as models write it: in any brackets but round ones, or in none where the underscore is there.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)[\[【<{]\s*([a-z]{2,8})[ \\_-]{0,3}(\d{1,3})\s*[\]】>}]?|\b([a-z]{2,8})\\?_(\d{1,3})(?:[\]】>}]|\b)",
    )
});
/// What may be the beginning of a placeholder, at the end of a text.
static OPEN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:[\[【<{]\s*)?([a-z]{0,8})(?:[ \\_-]{0,3}\d{0,3}\s?)?$"));

/// A value and the name that stands for it.
#[derive(Debug, Clone)]
struct Entry {
    kind: Kind,
    label: String,
    normal: String,
    /// How it was written, first spelling first.
    spellings: Vec<String>,
}

/// The values of one conversation, in the order in which they came up.
#[derive(Debug, Clone, Default)]
pub struct Placeholders {
    entries: Vec<Entry>,
    counts: BTreeMap<&'static str, usize>,
    names: Names,
    published: HashSet<String>,
}

impl Placeholders {
    /// Values that stand in this text are public and stay as they are, and its words are no names.
    pub fn publish(&mut self, text: &str) {
        self.published.extend(find(text).into_iter().map(|found| found.normal));
        self.read_words(text);
    }

    /// The words of this text are no names: for where no value is looked for in it.
    pub fn read_words(&mut self, text: &str) {
        self.names.read(text);
    }

    /// Takes in the values of a message, so that they keep their numbers whatever is masked later.
    pub fn learn(&mut self, message: &str) {
        for found in find(message) {
            self.add(found.kind, &found.normal, &message[found.span]);
        }
        for span in self.names.find(message) {
            self.add_name(&message[span]);
        }
    }

    /// Takes in a person's name: the whole, and each part that names.
    pub fn learn_name(&mut self, name: &str) {
        for form in self.names.learn(name) {
            self.add_name(&form);
        }
    }

    fn add_name(&mut self, written: &str) -> Option<String> {
        self.add(Kind::Name, written, written)
    }

    fn add(&mut self, kind: Kind, normal: &str, spelling: &str) -> Option<String> {
        if self.published.contains(normal) {
            return None;
        }
        if let Some(known) = self
            .entries
            .iter_mut()
            .find(|entry| (entry.kind == Kind::Name) == (kind == Kind::Name) && entry.normal == normal)
        {
            if !known.spellings.iter().any(|own| own == spelling) {
                known.spellings.push(spelling.to_owned());
            }
            return Some(known.label.clone());
        }
        let count = self.counts.entry(kind.label()).or_default();
        *count += 1;
        let label = format!("{}_{count}", kind.label());
        self.entries.push(Entry {
            kind,
            label: label.clone(),
            normal: normal.to_owned(),
            spellings: vec![spelling.to_owned()],
        });
        Some(label)
    }

    /// The text with a placeholder for every value that is known or found in it.
    pub fn mask(&mut self, text: &str) -> String {
        let mut stretches: Vec<(Range<usize>, String)> = Vec::new();
        for found in find(text) {
            if let Some(label) = self.add(found.kind, &found.normal, &text[found.span.clone()]) {
                stretches.push((found.span, label));
            }
        }
        for span in self.names.find(text) {
            if let Some(label) = self.add_name(&text[span.clone()]) {
                stretches.push((span, label));
            }
        }
        for span in self.cut_names(text) {
            if let Some(label) = self.add_name(&text[span.clone()]) {
                stretches.push((span, label));
            }
        }
        for entry in self.entries.iter().filter(|entry| entry.kind != Kind::Name) {
            for spelling in &entry.spellings {
                let spans = whole(text, spelling).chain(cut(text, spelling));
                stretches.extend(spans.map(|span| (span, entry.label.clone())));
            }
        }
        stretches.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for (span, label) in stretches {
            if span.start >= end {
                out.extend([&text[end..span.start], "[", &label, "]"]);
                end = span.end;
            }
        }
        out.push_str(&text[end..]);
        out
    }

    /// Where a text was shortened in the middle of a name that is no word, to what is none: *Bom Dia…* names no *João Dias*.
    fn cut_names(&self, text: &str) -> Vec<Range<usize>> {
        let names = self.entries.iter().filter(|entry| entry.kind == Kind::Name);
        names
            .flat_map(|entry| &entry.spellings)
            .filter(|spelling| !self.names.is_word(spelling))
            .flat_map(|spelling| cut(text, spelling))
            .filter(|span| !text[..span.start].ends_with(char::is_alphanumeric))
            .filter(|span| !self.names.is_word(&text[span.clone()]))
            .collect()
    }

    /// The text with the values in place of their placeholders.
    pub fn restore(&self, text: &str) -> String {
        PLACEHOLDER
            .replace_all(text, |hit: &Captures<'_>| {
                let (Some(word), Some(number)) = (hit.get(1).or(hit.get(3)), hit.get(2).or(hit.get(4)))
                else {
                    return hit[0].to_owned();
                };
                let label = format!("{}_{}", word.as_str().to_uppercase(), number.as_str());
                match self.entries.iter().find(|entry| entry.label == label) {
                    Some(entry) => entry.spellings[0].clone(),
                    None => hit[0].to_owned(),
                }
            })
            .into_owned()
    }

    /// Whether the letters can begin a placeholder that is in use.
    fn may_begin(&self, letters: &str) -> bool {
        let letters = letters.to_uppercase();
        self.counts.keys().any(|label| label.starts_with(&letters))
    }
}

/// Where a text was shortened in the middle of a value.
fn cut<'a>(text: &'a str, spelling: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    text.match_indices('…').filter_map(move |(at, _)| {
        let shown = text[..at].trim_end();
        let part = spelling
            .char_indices()
            .map(|(end, _)| spelling[..end].trim_end())
            .rev()
            .take_while(|part| part.chars().count() >= SHORTEST_CUT)
            .find(|part| shown.ends_with(part))?;
        Some(shown.len() - part.len()..shown.len())
    })
}

/// Restores a text that comes in pieces: what may be a part of a placeholder is held back until the next piece.
#[derive(Debug)]
pub struct Restoring {
    placeholders: Placeholders,
    held: String,
}

impl Restoring {
    /// A new text.
    pub fn with(placeholders: Placeholders) -> Self {
        Self { placeholders, held: String::new() }
    }

    /// The placeholders.
    pub fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    /// What is certain once this piece has come.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let certain = OPEN
            .captures(&self.held)
            .filter(|open| !open[0].trim().is_empty() && self.placeholders.may_begin(&open[1]))
            .and_then(|open| open.get(0))
            .map_or(self.held.len(), |open| open.start());
        let rest = self.held.split_off(certain);
        let text = self.placeholders.restore(&self.held);
        self.held = rest;
        text
    }

    /// What was held back.
    pub fn finish(&mut self) -> String {
        self.placeholders.restore(&std::mem::take(&mut self.held))
    }

    /// The text begins anew.
    pub fn restart(&mut self) {
        self.held.clear();
    }
}
