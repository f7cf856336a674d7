//! Personal data in plain text: what identifies a person, found by shape, check digits and the words beside it.
//!
//! Every kind is a rule: a shape, a check, and how much else has to come together. A number whose check leaves few others
//! (a CPF, a card) is found anywhere but behind a word for something else, such as an order, whose numbers pass a check
//! digit by chance; one that any number of its length could be (a NIF, a passport) needs a word that names it, or a message
//! that says nothing else. Hyphens and spaces of any form separate digits, and what is not shown does not.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::text::Seen;

mod address;
mod birth;
mod brazil;
mod card;
mod check_digits;
mod config;
mod documents;
mod email;
mod english;
mod iban;
mod italy;
mod names;
mod phone;
mod placeholders;
mod portugal;
mod rule;
mod spain;
#[cfg(test)]
mod tests;

pub use config::{PrivacyConfig, StoredText};
pub use placeholders::{Placeholders, Restoring};

use rule::{Certainty, Compiled};

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// A bank account (ISO 13616).
    Iban,
    /// A Spanish bank account in its older form.
    BankAccount,
    /// A payment card.
    Card,
    /// Brazilian tax number of a person.
    Cpf,
    /// Brazilian tax number of a company.
    Cnpj,
    /// Portuguese tax number.
    Nif,
    /// Portuguese citizen's card.
    CitizenCard,
    /// Spanish identity number.
    Dni,
    /// Spanish identity number of a foreigner.
    Nie,
    /// Spanish tax number of a company.
    Cif,
    /// Italian tax code of a person.
    CodiceFiscale,
    /// Italian tax number of a company.
    PartitaIva,
    /// Italian identity card.
    IdentityCard,
    /// Social security number of the United States.
    Ssn,
    /// National insurance number of the United Kingdom.
    Nino,
    /// A tax number of the United States or the United Kingdom.
    TaxNumber,
    /// A VAT number of the United Kingdom.
    VatNumber,
    /// A passport.
    Passport,
    /// A number that only mobile phones have, or that any phone may have.
    Mobile,
    /// Any other phone number.
    Phone,
    /// A date of birth.
    BirthDate,
    /// A postal address.
    Address,
    /// A postal code.
    PostalCode,
    /// The name of the customer, as the hub tells it; never looked for.
    Name,
}

impl Kind {
    /// For people.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// The word of a placeholder.
    pub fn label(self) -> &'static str {
        self.names().1
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Email => ("an e-mail address", "EMAIL"),
            Self::Iban => ("an IBAN", "IBAN"),
            Self::BankAccount => ("a bank account", "ACCOUNT"),
            Self::Card => ("a card number", "CARD"),
            Self::Cpf => ("a CPF", "CPF"),
            Self::Cnpj => ("a CNPJ", "CNPJ"),
            Self::Nif => ("a NIF", "NIF"),
            Self::CitizenCard => ("the number of a citizen's card", "CC"),
            Self::Dni => ("a DNI", "DNI"),
            Self::Nie => ("a NIE", "NIE"),
            Self::Cif => ("a CIF", "CIF"),
            Self::CodiceFiscale => ("a codice fiscale", "CF"),
            Self::PartitaIva => ("a partita IVA", "PIVA"),
            Self::IdentityCard => ("the number of an identity card", "ID"),
            Self::Ssn => ("a social security number", "SSN"),
            Self::Nino => ("a national insurance number", "NINO"),
            Self::TaxNumber => ("a tax number", "TAX"),
            Self::VatNumber => ("a VAT number", "VAT"),
            Self::Passport => ("a passport number", "PASSPORT"),
            Self::Mobile | Self::Phone => ("a phone number", "PHONE"),
            Self::BirthDate => ("a date of birth", "BIRTH"),
            Self::Address => ("a postal address", "ADDRESS"),
            Self::PostalCode => ("a postal code", "POSTCODE"),
            Self::Name => ("a name", "NAME"),
        }
    }
}

/// Personal data at a place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Whose numbering it follows, as an ISO 3166 code, where it follows one country's.
    pub region: Option<&'static str>,
    /// Where, in bytes.
    pub span: Range<usize>,
    /// One form for every spelling.
    pub normal: String,
    certainty: Certainty,
}

static RULES: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    [brazil::RULES, portugal::RULES, spain::RULES, italy::RULES, english::RULES, documents::RULES]
        .into_iter()
        .flatten()
        .map(Compiled::of)
        .collect()
});

fn pattern(source: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants and a test compiles every one")]
    Regex::new(source).expect("a constant pattern compiles")
}

/// Every reading of every stretch, overlapping ones too: a bare number may be several things.
pub fn readings(text: &str) -> Vec<Found> {
    let seen = Seen::of(text);
    let mut found = readings_of(seen.text());
    for one in &mut found {
        one.span = seen.original(one.span.clone());
    }
    found
}

fn readings_of(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    email::find(text, &mut found);
    // Everything else has a digit.
    if text.bytes().any(|byte| byte.is_ascii_digit()) {
        iban::find(text, &mut found);
        card::find(text, &mut found);
        for rule in RULES.iter() {
            rule.find(text, &mut found);
        }
        phone::find(text, &mut found);
        birth::find(text, &mut found);
        address::find(text, &mut found);
    }
    found
}

/// The personal data of a text, in its order; of readings that overlap the surest counts, then the longest.
pub fn find(text: &str) -> Vec<Found> {
    let mut readings = readings(text);
    readings.sort_by_key(|found| {
        (
            std::cmp::Reverse(found.certainty),
            std::cmp::Reverse(found.span.len()),
            found.span.start,
            found.kind,
        )
    });
    let mut kept: Vec<Found> = Vec::new();
    for found in readings {
        if kept.iter().all(|other| found.span.end <= other.span.start || found.span.start >= other.span.end) {
            kept.push(found);
        }
    }
    kept.sort_by_key(|found| found.span.start);
    kept
}

/// The text with personal data, and every number that could be some, left out: for people who need the matter and not
/// the person. Rather too much than too little.
pub fn left_out(text: &str) -> String {
    static DIGITS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\+?\(?[0-9](?:[ .()/-]{0,2}[0-9]){7,18}"));
    static DATE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"^(?:[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2})$")
    });
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for found in find(text) {
        out.push_str(&text[end..found.span.start]);
        out.extend(["[", &found.kind.label().to_lowercase(), "]"]);
        end = found.span.end;
    }
    out.push_str(&text[end..]);
    let number = |hit: &regex::Captures<'_>| {
        if DATE.is_match(&hit[0]) { hit[0].to_owned() } else { "[number]".to_owned() }
    };
    DIGITS.replace_all(Seen::of(&out).text(), number).into_owned()
}

/// Compiles every pattern now; otherwise the first message waits for it.
pub fn warm_up() {
    let _ = find("compile 1");
}
