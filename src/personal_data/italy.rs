//! Codice fiscale (also where digits were replaced by letters, *omocodia*), partita IVA and the electronic identity card.

use super::Kind;
use super::check_digits::{all_equal, digits, luhn};
use super::rule::{Certainty, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        words: "codice fiscale|c\\.? ?f\\.?",
        ..Rule::new(
            Kind::CodiceFiscale,
            "IT",
            r"[A-Z]{3} ?[A-Z]{3} ?[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2} ?[A-Z][0-9LMNPQRSTUV]{3}[A-Z]",
            is_codice_fiscale,
            Certainty::Strong,
        )
    },
    Rule {
        words: r"p\.? ?iva|partita iva|codice fiscale|vat",
        ..Rule::new(Kind::PartitaIva, "IT", r"(?:IT[ -]?)?\d{11}", is_partita_iva, Certainty::Named)
    },
    Rule {
        words: "carta d.identit[àa]|identity card",
        ..Rule::new(Kind::IdentityCard, "IT", r"C[A-Z]\d{5}[A-Z]{2}", is_identity_card, Certainty::Likely)
    },
];

/// Letters that stand for digits 0 to 9 where two persons would have the same code.
const OMOCODIA: &str = "LMNPQRSTUV";
const MONTHS: &str = "ABCDEHLMPRST";
/// Values of the digits and letters in odd places; digits count as the first ten letters.
const ODD: [u32; 26] =
    [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

fn digit(c: char) -> Option<u32> {
    c.to_digit(10).or_else(|| OMOCODIA.find(c).and_then(|place| u32::try_from(place).ok()))
}

fn is_codice_fiscale(code: &str) -> bool {
    let characters: Vec<char> = code.chars().collect();
    if characters.len() != 16 {
        return false;
    }
    let number =
        |places: [usize; 2]| Some(digit(characters[places[0]])? * 10 + digit(characters[places[1]])?);
    let Some(day) = number([9, 10]) else { return false };
    // Women's days count from 41.
    let day = if day > 40 { day - 40 } else { day };
    let longest = match MONTHS.find(characters[8]) {
        Some(1) => 29,
        Some(3 | 5 | 8 | 10) => 30,
        Some(_) => 31,
        None => return false,
    };
    (1..=longest).contains(&day)
        && whole_name(&characters[..6])
        && check_letter(&characters) == Some(characters[15])
}

/// Surname and name are consonants, then vowels, then filled up with `X`: no consonant follows a vowel.
fn whole_name(letters: &[char]) -> bool {
    letters.chunks(3).all(|part| {
        let rest: Vec<&char> = part.iter().skip_while(|c| !"AEIOU".contains(**c)).collect();
        rest.iter().all(|c| "AEIOUX".contains(**c))
    })
}

fn check_letter(characters: &[char]) -> Option<char> {
    let mut sum = 0;
    for (place, c) in characters[..15].iter().enumerate() {
        let value = c.to_digit(10).or_else(|| c.to_digit(36).map(|value| value - 10))?;
        sum += if place % 2 == 0 { ODD[value as usize] } else { value };
    }
    char::from_u32('A' as u32 + sum % 26)
}

fn is_partita_iva(number: &str) -> bool {
    let values = digits(number.strip_prefix("IT").unwrap_or(number));
    values.len() == 11 && !all_equal(&values) && luhn(&values)
}

fn is_identity_card(number: &str) -> bool {
    number.get(2..7).is_some_and(|serial| serial != "00000")
}
