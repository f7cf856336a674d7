//! Numbers of the United States and the United Kingdom.

use super::Kind;
use super::check_digits::digits;
use super::rule::{Certainty, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        words: "ssn|social security",
        ..Rule::new(Kind::Ssn, "US", r"\d{3}-\d{2}-\d{4}", is_ssn, Certainty::Likely)
    },
    Rule {
        words: "ssn|social security",
        ..Rule::new(Kind::Ssn, "US", r"\d{3} ?\d{2} ?\d{4}", is_ssn, Certainty::Named)
    },
    Rule {
        words: "ein|employer identification",
        ..Rule::new(Kind::TaxNumber, "US", r"\d{2}[- ]?\d{7}", is_ein, Certainty::Named)
    },
    Rule {
        words: "utr|taxpayer reference",
        ..Rule::new(Kind::TaxNumber, "GB", r"\d{5} ?\d{5}K?", |_| true, Certainty::Named)
    },
    Rule {
        words: "nino|national insurance",
        ..Rule::new(
            Kind::Nino,
            "GB",
            r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]",
            is_nino,
            Certainty::Likely,
        )
    },
    Rule {
        words: "vat",
        ..Rule::new(
            Kind::VatNumber,
            "GB",
            r"GB ?(?:\d{3} ?\d{4} ?\d{2}(?: ?\d{3})?)|GB(?:GD[0-4]\d{2}|HA[5-9]\d{2})",
            is_vat,
            Certainty::Likely,
        )
    },
];

fn is_ssn(number: &str) -> bool {
    let part = |range: std::ops::Range<usize>| number.get(range).and_then(|part| part.parse::<u32>().ok());
    number.len() == 9
        && part(0..3).is_some_and(|area| (1..900).contains(&area) && area != 666)
        && part(3..5).is_some_and(|group| group > 0)
        && part(5..9).is_some_and(|serial| serial > 0)
}

/// The first two digits name the office that gave the number; some were never used.
fn is_ein(number: &str) -> bool {
    let values = digits(number);
    values.len() == 9
        && !matches!(
            values[0] * 10 + values[1],
            0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97
        )
}

/// The two digits behind the first seven are what is left of 97.
fn is_vat(number: &str) -> bool {
    number.get(9..11).is_none_or(|check| check.parse::<u32>().is_ok_and(|check| check < 97))
}

fn is_nino(number: &str) -> bool {
    number.get(..2).is_some_and(|prefix| !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&prefix))
}
