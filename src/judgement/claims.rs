//! What a sentence claims that can be checked letter by letter: numbers with their units, times, dates, percentages,
//! phone numbers, links, e-mail addresses, codes and names.
//!
//! Spellings are compared by value: 1.000,50 is 1,000.50; "cinco dias" is 5 days; 13h is 1 pm; 30 is not 3. A number
//! with a unit is supported only by the same number with the same unit, or with none that is known.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::numbers::{self, Quantity};
use crate::conversation::Language;
use crate::text::{fold, is_host};

/// One checkable claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// As it stands in the text.
    pub(super) text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Quantity(Quantity),
    Literal(String),
    /// Digits alone.
    Phone(String),
    Name(Vec<String>),
}

impl Claim {
    /// Whether it is a name.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Name(_))
    }

    /// Whether two of them say the same, however each is written.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Quantity(one), Kind::Quantity(other)) => one.equals(other),
            (Kind::Phone(one), Kind::Phone(other)) => same_phone(one, other),
            (one, other) => one == other,
        }
    }

    /// Whether it is a number, an amount, a time or a date.
    pub(super) fn is_figure(&self) -> bool {
        matches!(self.kind, Kind::Quantity(_))
    }
}

/// Everything of some sources that claims are compared with.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    quantities: Vec<Quantity>,
    literals: BTreeSet<String>,
    phones: BTreeSet<String>,
    words: BTreeSet<String>,
}

static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:https?://|www\.)[^\s<>()\[\]]+|[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+|\b(?P<host>(?:[\p{L}\p{N}-]+\.)+(?:xn--[a-z0-9-]+|\p{L}{2,}))\b(?:/[^\s<>()\[\]]*)?",
    )
});
/// Letters and digits in one word: `BR4471902`, `AB-12`, `3x`.
static CODE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:[A-Za-z]+[-_/]?[0-9]+[A-Za-z0-9]*|[0-9]+[-_]?[A-Z]{2,}[0-9]*)\b"));
/// A word with a capital inside a sentence, and those that follow it.
static NAME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\p{Lu}[\p{L}\p{M}'’]{2,}(?:[ ](?:\p{Lu}[\p{L}\p{M}'’]+))*"));
/// Nine digits and more, however they are grouped.
static PHONE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:\+|\b)\(?[0-9](?:[ ()\u{A0}-]{0,2}[0-9]){8,14}\b"));
/// Digits of the shortest number that is the same with and without a code of the country or the area.
const NATIONAL: usize = 8;
static LIST_MARK: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:[-*•]|[0-9]{1,2}[.)])\s+"));

pub(super) fn pattern(source: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants and the tests compile every one")]
    Regex::new(source).expect("a constant pattern compiles")
}

/// The claims of one sentence, in the language it is written in.
pub(super) fn claims(sentence: &str, language: Language) -> Vec<Claim> {
    let sentence = LIST_MARK.replace(sentence, "");
    let mut found = Vec::new();
    let mut rest = sentence.to_string();
    for hit in literals(&sentence) {
        rest = blank(&rest, hit);
        found.push(Claim { text: hit.to_owned(), kind: Kind::Literal(literal(hit)) });
    }
    for hit in PHONE.find_iter(&rest.clone()) {
        rest = blank(&rest, hit.as_str());
        found.push(Claim { text: hit.as_str().trim().to_owned(), kind: Kind::Phone(digits(hit.as_str())) });
    }
    let (quantities, spoken_for) = numbers::quantities(&rest, Some(language));
    for (text, quantity) in quantities {
        found.push(Claim { text, kind: Kind::Quantity(quantity) });
    }
    let mut without_codes = rest.clone();
    for hit in CODE.find_iter(&rest) {
        if !spoken_for.iter().any(|span| span.start < hit.end() && hit.start() < span.end) {
            let code: String = hit.as_str().chars().filter(|c| c.is_alphanumeric()).collect();
            without_codes = blank(&without_codes, hit.as_str());
            found.push(Claim { text: hit.as_str().to_owned(), kind: Kind::Literal(code.to_lowercase()) });
        }
    }
    for (text, words) in names(&without_codes) {
        found.push(Claim { text, kind: Kind::Name(words) });
    }
    found
}

fn blank(text: &str, part: &str) -> String {
    text.replacen(part, &" ".repeat(part.len()), 1)
}

/// Without what groups them, and without the zeros that stand for "from abroad" or "long distance".
fn digits(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').to_owned()
}

/// Links and addresses, as they stand in a text.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    LITERAL
        .captures_iter(text)
        .filter(|hit| hit.name("host").is_none_or(|host| is_host(host.as_str())))
        .filter_map(|hit| hit.get(0).map(|whole| whole.as_str()))
}

/// Whether two numbers, as [`digits`] makes them, are one, with a code of the country or the area or without.
fn same_phone(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    short.len() >= NATIONAL && long.ends_with(short)
}

/// A link or an address without what differs by habit: scheme, `www.`, case, and punctuation at the end.
fn literal(text: &str) -> String {
    let lower = text.to_lowercase();
    let bare = lower.trim_start_matches("https://").trim_start_matches("http://").trim_start_matches("www.");
    bare.trim_end_matches(['.', ',', ';', ':', '!', '?', '/', '"', '\'', ')']).to_owned()
}

/// Runs of capitalised words that do not open the sentence or a quotation.
fn names(sentence: &str) -> Vec<(String, Vec<String>)> {
    let letters = sentence.chars().filter(|c| c.is_alphabetic()).count();
    let capitals = sentence.chars().filter(|c| c.is_uppercase()).count();
    if 2 * capitals > letters {
        return Vec::new(); // shouting
    }
    NAME.find_iter(sentence)
        .filter(|hit| {
            let before = sentence[..hit.start()].trim_end();
            // What opens a sentence, a quotation or an item is capitalised anyway.
            !(before.is_empty()
                || before.ends_with([
                    '.', '!', '?', ':', '"', '“', '«', '(', '>', '-', '–', '•', '¿', '¡', '*', '‘', '»', ';',
                ]))
        })
        .map(|hit| (hit.as_str().to_owned(), words(hit.as_str())))
        .filter(|(_, words)| !words.is_empty())
        .collect()
}

fn words(text: &str) -> Vec<String> {
    fold(text)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() > 2 && !CALENDAR.contains(word))
        .map(str::to_owned)
        .collect()
}

/// English writes these with a capital; dates are compared as numbers.
const CALENDAR: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl Evidence {
    /// Adds a source; its words count as names wherever they stand.
    pub(super) fn add(&mut self, text: &str, language: Option<Language>) {
        self.literals.extend(literals(text).map(literal));
        for hit in CODE.find_iter(text) {
            let code: String = hit.as_str().chars().filter(|c| c.is_alphanumeric()).collect();
            self.literals.insert(code.to_lowercase());
        }
        self.phones.extend(PHONE.find_iter(text).map(|hit| digits(hit.as_str())));
        self.quantities.extend(numbers::quantities(text, language).0.into_iter().map(|(_, found)| found));
        self.add_words(text);
    }

    /// Adds words that names may come from, but no numbers: what the customer said proves nothing.
    pub(super) fn add_words(&mut self, text: &str) {
        self.words.extend(words(text));
    }

    /// Whether a claim is in the sources.
    pub(super) fn supports(&self, claim: &Claim) -> bool {
        match &claim.kind {
            Kind::Quantity(quantity) => self.quantities.iter().any(|known| known.supports(quantity)),
            // A link to a page under a known site is another link.
            Kind::Literal(literal) => self.literals.contains(literal),
            Kind::Phone(phone) => self.phones.iter().any(|known| same_phone(phone, known)),
            Kind::Name(words) => words.iter().all(|word| {
                self.words.contains(word)
                    // Plural and possessive.
                    || word.strip_suffix('s').is_some_and(|stem| self.words.contains(stem))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsupported(sentence: &str, language: Language, source: &str) -> Vec<String> {
        let mut evidence = Evidence::default();
        evidence.add(source, Some(language));
        claims(sentence, language)
            .into_iter()
            .filter(|claim| !evidence.supports(claim))
            .map(|claim| claim.text)
            .collect()
    }

    #[test]
    fn equal_values_support_each_other() {
        use Language::{En, Es, It, Pt};
        for (sentence, language, source) in [
            ("Custa R$ 1.000,50.", Pt, "O valor é 1,000.50 BRL"),
            ("São cinco dias úteis.", Pt, "entrega em 5 dias úteis"),
            ("Sono 30 giorni.", It, "entro trenta giorni"),
            ("La consegna costa 4,90 €.", It, "Consegna: € 4.90"),
            ("Tarda entre 2 y 4 días.", Es, "de 2 a 4 días laborables"),
            ("Tienes treinta días.", Es, "plazo: 30 días"),
            ("We are open until 1 pm.", En, "open 9:00 to 13:00"),
            ("It takes two business days.", En, "2 business days"),
            ("A 10% discount applies.", En, "a discount of 10 %"),
            ("Orders close at 13h.", En, "before 13:00"),
            ("See https://shop.example/help.", En, "help: shop.example/help"),
            ("It is in our London store.", En, "The London store"),
            ("Até 22 de novembro de 2026.", Pt, "válido até 22/11/2026"),
            ("São cinco dias úteis.", Pt, "It takes 5 business days."),
            ("Aspetta quarantotto ore.", It, "within 48 hours"),
            ("Ligue para +351 21 123 4567.", Pt, "telefone: 21 1234567"),
            ("Pesa 2,5 kg.", Es, "peso: 2.5 kg"),
            ("Pronto entro 2 settimane.", It, "entro due settimane"),
            ("Vinte por cento de desconto.", Pt, "desconto de 20%"),
            ("There is 20 per cent off.", En, "20% off"),
            ("We refund two hundred euros.", En, "€200"),
            ("Custa R$ 2 mil.", Pt, "R$ 2.000,00"),
            ("Costa 1 500 €.", It, "€ 1.500"),
            ("Read main.rs of shop.lat.", En, "shop.lat/main.rs, main.rs and shop.lat"),
        ] {
            assert!(unsupported(sentence, language, source).is_empty(), "{sentence}: {source}");
        }
    }

    #[test]
    fn other_values_do_not() {
        use Language::{En, Es, It, Pt};
        for (sentence, language, source, claim) in [
            ("You have 30 days.", En, "3 days, 300 days", "30 days"),
            ("Tem 30 dias.", Pt, "em 30 horas", "30 dias"),
            ("Costa 50 €.", It, "costa 50 £", "50 €"),
            ("Son siete días.", Es, "son 5 días", "siete días"),
            ("Write to a@b.example.", En, "write to c@b.example", "a@b.example"),
            ("We refund two hundred euros.", En, "€100", "two hundred euros"),
            ("Custa R$ 2 mil.", Pt, "R$ 2", "R$ 2 mil"),
            ("Há vinte por cento de desconto.", Pt, "10% de desconto", "vinte por cento"),
            ("C'è il venti per cento di sconto.", It, "10% di sconto", "venti per cento"),
            ("Hay un veinte por ciento de descuento.", Es, "10%", "veinte por ciento"),
            ("There is twenty percent off.", En, "10% off", "twenty percent"),
            ("There is 20 per cent off.", En, "10% off", "20 per cent"),
            ("See shop.lat for it.", En, "shop.com", "shop.lat"),
            ("See shop.example/other for it.", En, "shop.example/help", "shop.example/other"),
            ("Use the code SAVE20 now.", En, "no code", "SAVE20"),
            ("It ships to Brazil and Angola.", En, "We ship to Brazil.", "Angola"),
            ("Open until 18:00.", En, "until 17:00", "18:00"),
            ("A 15% discount.", En, "15 days", "15%"),
            ("Pesa 2,5 kg.", Es, "pesa 2,5 g", "2,5 kg"),
            ("Call 800 555 0199.", En, "call 800 555 0198", "800 555 0199"),
            ("Aguarde setenta e duas horas.", Pt, "em 48 horas", "setenta e duas horas"),
        ] {
            assert_eq!(unsupported(sentence, language, source), [claim], "{sentence}");
        }
    }

    #[test]
    fn sentences_without_claims_have_none() {
        for (sentence, language) in [
            ("You can return it at any time.", Language::En),
            ("1. Open the page of your account.", Language::En),
            ("Entre na sua conta e siga os passos.", Language::Pt),
            ("Puoi fare il reso quando vuoi, sei sicuro?", Language::It),
            ("Una vez hecho, espera un momento.", Language::Es),
            ("It takes some days.It uses node.js", Language::En),
            ("Isto é o fim.Ou não?", Language::Pt),
            ("Preg.mo cliente, ci scriva pure.", Language::It),
            ("Arriva in c.ca una settimana.", Language::It),
        ] {
            assert!(claims(sentence, language).is_empty(), "{sentence}: {:?}", claims(sentence, language));
        }
    }
}
