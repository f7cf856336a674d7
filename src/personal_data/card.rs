//! Payment cards: a check digit, and a number that an issuer gives out.

use std::sync::LazyLock;

use regex::Regex;

use super::check_digits::{all_equal, digits, luhn};
use super::rule::{Certainty, Neighbours, bounded, naming};
use super::{Found, Kind, pattern};

static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d(?:[ .-]?\d){11,18}"));
static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    naming(r"cards?|cart[ãa]o|cart[õo]es|carta|carte|tarjetas?|visa|mastercard|amex|elo|hipercard")
});

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    for hit in NUMBER.find_iter(text) {
        let normal: String = hit.as_str().chars().filter(char::is_ascii_digit).collect();
        let values = digits(&normal);
        let span = hit.range();
        if luhn(&values) && !all_equal(&values) && bounded(text, &span) {
            let neighbours = Neighbours::of(text, &span, &WORDS);
            // Issuers begin new ranges: a word for a card is enough.
            if neighbours.named || issued(&normal) && !neighbours.of_something_else() {
                found.push(neighbours.found(Kind::Card, None, span, normal, Certainty::Likely));
            }
        }
    }
}

/// Whether an issuer gives out numbers of this beginning and length.
fn issued(number: &str) -> bool {
    let length = number.len();
    let begins =
        |digits: usize| number.get(..digits).and_then(|start| start.parse::<u32>().ok()).unwrap_or(0);
    match (begins(1), begins(2), begins(4)) {
        // Visa.
        (4, ..) => matches!(length, 13 | 16 | 19),
        // Mastercard.
        (_, 51..=55, _) | (.., 2221..=2720) => length == 16,
        // American Express.
        (_, 34 | 37, _) => length == 15,
        // Diners Club.
        (_, 36 | 38 | 39, _) | (.., 3000..=3059 | 3095) => (14..=19).contains(&length),
        // JCB in its older form.
        (.., 1800 | 2131) => length == 15,
        // JCB, Discover, UnionPay, Elo, Hipercard, RuPay.
        (.., 3528..=3589) | (_, 60 | 62 | 64 | 65 | 81, _) => (16..=19).contains(&length),
        // Maestro, Elo.
        (_, 50 | 56..=59 | 61 | 63 | 66..=69, _) => (12..=19).contains(&length),
        _ => false,
    }
}
