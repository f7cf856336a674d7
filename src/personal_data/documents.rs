//! Passports and postal codes: no check digit, so a word beside has to name them, or nothing else is said.

use super::Kind;
use super::rule::{Certainty, Rule};

const PASSPORT: &str = "passport|passaporte|pasaporte|passaporto";
const POSTAL: &str =
    r"cep|cap|c\.?p\.?|c[óo]d(?:igo|ice|\.) postal|codice postale|postal code|post ?code|zip(?: code)?";

const fn passport(region: &'static str, pattern: &'static str) -> Rule {
    Rule { words: PASSPORT, ..Rule::new(Kind::Passport, region, pattern, |_| true, Certainty::Named) }
}

const fn postal(region: &'static str, pattern: &'static str) -> Rule {
    Rule { words: POSTAL, ..Rule::new(Kind::PostalCode, region, pattern, |_| true, Certainty::Named) }
}

pub(super) const RULES: &[Rule] = &[
    passport("BR", r"[A-Z]{2}\d{6}"),
    passport("PT", r"[A-Z]{1,2}\d{6}"),
    passport("ES", r"[A-Z]{2,3}\d{6}"),
    passport("IT", r"[A-Z]{2}\d{7}"),
    passport("GB", r"\d{9}"),
    passport("US", r"\d{9}|[A-Z]\d{8}"),
    postal("BR", r"\d{2}\.?\d{3}-?\d{3}"),
    postal("PT", r"\d{4}-\d{3}"),
    postal("IT", r"\d{5}"),
    postal("ES", r"(?:0[1-9]|[1-4]\d|5[0-2])\d{3}"),
    postal(
        "GB",
        r"(?:GIR ?0AA|BFPO ?\d{1,4}|[A-PR-UWYZ](?:\d{1,2}|[A-HK-Y]\d{1,2}|\d[A-Z]|[A-HK-Y]\d[ABEHMNPRVWXY]) ?\d[ABD-HJLNP-UW-Z]{2})",
    ),
    postal("US", r"\d{5}(?:-\d{4})?"),
];
