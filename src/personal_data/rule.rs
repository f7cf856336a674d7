//! A kind of identifier as data: its shape, its check, the words that name it, and what has to come together.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{Found, Kind, pattern};

/// How sure a shape and its check are, from little to much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// Any number of its length may fit: a word beside has to name it, or nothing else is said.
    Named,
    /// Few other numbers fit: found unless a word beside names something else, such as an order.
    Likely,
    /// Nothing else looks like it.
    Strong,
    /// A word beside names it.
    Certain,
}

/// A kind of identifier in one country.
pub(super) struct Rule {
    pub(super) kind: Kind,
    pub(super) region: &'static str,
    /// Its shape; case does not matter.
    pub(super) pattern: &'static str,
    /// Its check, on letters and digits alone, in upper case.
    pub(super) valid: fn(&str) -> bool,
    pub(super) certainty: Certainty,
    /// Words that name it.
    pub(super) words: &'static str,
}

impl Rule {
    pub(super) const fn new(
        kind: Kind,
        region: &'static str,
        pattern: &'static str,
        valid: fn(&str) -> bool,
        certainty: Certainty,
    ) -> Self {
        Self { kind, region, pattern, valid, certainty, words: "" }
    }
}

/// A rule whose patterns are compiled.
pub(super) struct Compiled {
    rule: &'static Rule,
    pattern: Regex,
    words: Regex,
}

impl Compiled {
    pub(super) fn of(rule: &'static Rule) -> Self {
        Self { rule, pattern: pattern(&format!("(?i:{})", rule.pattern)), words: naming(rule.words) }
    }

    pub(super) fn find(&self, text: &str, found: &mut Vec<Found>) {
        let mut from = 0;
        while let Some(hit) = self.pattern.find_at(text, from) {
            let span = hit.range();
            from = span.start + text[span.start..].chars().next().map_or(1, char::len_utf8);
            let normal = normal(hit.as_str());
            if !bounded(text, &span) || !(self.rule.valid)(&normal) {
                continue;
            }
            let neighbours = Neighbours::of(text, &span, &self.words);
            let fits = match self.rule.certainty {
                Certainty::Named => neighbours.named || neighbours.alone,
                Certainty::Likely => !neighbours.of_something_else(),
                Certainty::Strong | Certainty::Certain => true,
            };
            if fits {
                from = span.end;
                let region = Some(self.rule.region);
                found.push(neighbours.found(self.rule.kind, region, span, normal, self.rule.certainty));
            }
        }
    }
}

/// A pattern for words that name a kind.
pub(super) fn naming(words: &str) -> Regex {
    pattern(&format!(r"(?i)\b(?:{words})(?:\W|$)"))
}

/// Letters and digits alone, in upper case.
pub(super) fn normal(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// Before a number, in bytes, a word may name it.
const BEFORE: usize = 40;
/// Behind a number, in bytes, a word may name it.
const AFTER: usize = 24;

/// Numbers that are no identifiers of persons.
static SOMETHING_ELSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:\b(?:pedidos?|orders?|ordin[ei]|rastre\w*|tracking|tracciamento|seguimiento|env[íi]os?|protocolos?|protocollo|tickets?|chamados?|faturas?|fatture?|facturas?|invoices?|refer[êe]ncias?|reference|referenza|ref|sku|ean|isbn|serial|s[ée]rie|serie|model[oeis]?|modello|c[óo]digo de barras|barcode|lotes?|lotto|batch|nota fiscal|versions?|vers[ãa]o|imei|case|pratica)\b|#)[^.!?\n]*$",
    )
});
static MONEY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:[$€£]|\b(?:r\$|eur|euros?|usd|brl|gbp))\s?$"));

/// What stands around a number.
pub(super) struct Neighbours {
    /// A word names it.
    pub(super) named: bool,
    /// Nothing else is said.
    pub(super) alone: bool,
    other: bool,
}

impl Neighbours {
    pub(super) fn of(text: &str, span: &Range<usize>, words: &Regex) -> Self {
        let before = &text[boundary(text, span.start.saturating_sub(BEFORE))..span.start];
        let after = &text[span.end..boundary(text, (span.end + AFTER).min(text.len()))];
        let own = words.find_iter(before).last().map(|word| word.end());
        let other = SOMETHING_ELSE.find(before).map(|word| word.start());
        let said = |text: &str| text.chars().any(char::is_alphanumeric);
        // "… is my CPF": the sentence goes on about it.
        let sentence = after.split(['.', '!', '?', ',', ';', '\n']).next().unwrap_or_default();
        let behind = words.is_match(sentence);
        Self {
            named: own.is_some() && own >= other || behind && other.is_none(),
            alone: !said(&text[..span.start]) && !said(&text[span.end..]),
            other: other.is_some() || MONEY.is_match(before) || after.starts_with('%'),
        }
    }

    /// A word names something that is no identifier of a person.
    pub(super) fn of_something_else(&self) -> bool {
        self.other && !self.named
    }

    pub(super) fn found(
        &self,
        kind: Kind,
        region: Option<&'static str>,
        span: Range<usize>,
        normal: String,
        certainty: Certainty,
    ) -> Found {
        let certainty = if self.named { Certainty::Certain } else { certainty };
        Found { kind, region, span, normal, certainty }
    }
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Whether the stretch is not a part of a longer word or number.
pub(super) fn bounded(text: &str, span: &Range<usize>) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '@';
    let joint = |c: char| matches!(c, '-' | '.' | '/' | ',' | '+');
    let mut before = text[..span.start].chars().rev();
    let mut after = text[span.end..].chars();
    let left = match before.next() {
        Some(c) if joint(c) => c != '+' && !before.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => !word(c),
        None => true,
    };
    let right = match after.next() {
        Some(c) if joint(c) => !after.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => !word(c),
        None => true,
    };
    left && right
}
