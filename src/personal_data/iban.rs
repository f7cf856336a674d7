//! Bank accounts of ISO 13616: the length belongs to the country, and the whole is 1 modulo 97.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::check_digits::modulo_97;
use super::rule::{Certainty, Neighbours, bounded, naming};
use super::{Found, Kind, pattern};

/// Countries and the characters of their numbers, from the register of ISO 13616. Behind it, `a` where the bank is named
/// by four letters, and `n` where all is digits.
const COUNTRIES: &str = "AD24 AE23 AL28 AT20n AZ28a BA20n BE16n BG22a BH22a BI27 BR29 BY28 CH21 CR22n CY28 CZ24n DE22n DJ27 DK18n \
    DO28 EE20n EG29 ES24n FI18n FK18 FO18n FR27 GB22a GE22 GI23a GL18n GR27 GT28 HN28 HR21n HU28n IE22a IL23n \
    IQ23a IS26n IT27 JO30a KW30a KZ20 LB28 LC32a LI21 LT20n LU20 LV21a LY25n MC27 MD24 ME22n MK19 MN20 MR27n \
    MT31a MU30a NI28a NL18a NO15n OM23 PK24a PL28n PS29a PT25n QA29a RO24a RS22n RU33 SA24 SC31a SD18 SE24n \
    SI19n SK24n SM27 SO23 ST25 SV28a TL23n TN24n TR26 UA29 VA22n VG24a XK20n YE30 AO25 BF28 BJ28 CF27 CG27 \
    CI28 CM27 CV25 DZ26 GA27 GQ27 GW25 IR26 KM27 MA28 MG27 ML28 MZ25 NE28 SN28 TD27 TG28";

static START: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)[A-Z]{2} ?\d{2}"));

static WORDS: LazyLock<Regex> = LazyLock::new(|| naming("iban"));

/// The length of a country's numbers, and what else is known of them.
fn form_of(country: &str) -> Option<(usize, &'static str)> {
    let entry = COUNTRIES.split_whitespace().find_map(|entry| entry.strip_prefix(country))?;
    let (length, form) = entry.split_at_checked(2)?;
    Some((length.parse().ok()?, form))
}

fn has_form(normal: &str, form: &str) -> bool {
    match form {
        "a" => normal.bytes().skip(4).take(4).all(|byte| byte.is_ascii_alphabetic()),
        "n" => normal.bytes().skip(4).all(|byte| byte.is_ascii_digit()),
        _ => true,
    }
}

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let mut from = 0;
    while let Some(start) = START.find_at(text, from) {
        from = start.start() + 1;
        while !text.is_char_boundary(from) {
            from += 1;
        }
        if let Some((span, normal)) = read(text, start.start()) {
            from = span.end;
            let neighbours = Neighbours::of(text, &span, &WORDS);
            found.push(neighbours.found(Kind::Iban, None, span, normal, Certainty::Strong));
        }
    }
}

/// The number that begins here: as many letters and digits as its country has, with single separators between them.
fn read(text: &str, start: usize) -> Option<(Range<usize>, String)> {
    let country = text.get(start..start + 2)?.to_ascii_uppercase();
    let (length, form) = form_of(&country)?;
    let mut normal = String::with_capacity(length);
    let mut separators = 0;
    for (at, c) in text[start..].char_indices() {
        if c.is_ascii_alphanumeric() {
            separators = 0;
            normal.push(c.to_ascii_uppercase());
        } else if matches!(c, ' ' | '-' | '.') && separators == 0 {
            separators = 1;
        } else {
            return None;
        }
        if normal.len() == length {
            let span = start..start + at + c.len_utf8();
            let rest = modulo_97(normal[4..].chars().chain(normal[..4].chars()))?;
            return (rest == 1 && has_form(&normal, form) && bounded(text, &span)).then_some((span, normal));
        }
    }
    None
}
