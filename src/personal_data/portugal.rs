//! NIF and the number of a citizen's card.

use super::Kind;
use super::check_digits::{digits, luhn, weighted};
use super::rule::{Certainty, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        words: "nif|nipc|contribuinte|n[úu]mero fiscal|tax (?:number|id)",
        ..Rule::new(Kind::Nif, "PT", r"(?:PT ?)?\d{3}[ .]?\d{3}[ .]?\d{3}", is_nif, Certainty::Named)
    },
    Rule {
        words: r"cart[ãa]o d[eo] cidad[ãa]o|\bcc|citizen card",
        ..Rule::new(Kind::CitizenCard, "PT", r"\d{8} ?\d ?[A-Z0-9]{2} ?\d", is_card, Certainty::Likely)
    },
];

fn is_nif(number: &str) -> bool {
    let values = digits(number.strip_prefix("PT").unwrap_or(number));
    if values.len() != 9 || values[0] == 0 {
        return false;
    }
    let rest = weighted(&values[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    values[8] == if rest < 2 { 0 } else { 11 - rest }
}

fn is_card(number: &str) -> bool {
    let values: Option<Vec<u32>> = number.chars().map(|c| c.to_digit(36)).collect();
    // Without a letter it would be any number of twelve digits.
    number.bytes().any(|byte| byte.is_ascii_uppercase()) && values.is_some_and(|values| luhn(&values))
}
