//! DNI, NIE, CIF and the old account number.

use super::Kind;
use super::check_digits::{digits, spanish_letter, weighted};
use super::rule::{Certainty, Rule};

const WORDS: &str = "dni|nie|nif|cif|documento|identificaci[óo]n fiscal";

pub(super) const RULES: &[Rule] = &[
    Rule {
        words: WORDS,
        ..Rule::new(Kind::Dni, "ES", r"\d{2}\.?\d{3}\.?\d{3}-?[A-Z]", is_dni, Certainty::Likely)
    },
    Rule {
        words: WORDS,
        ..Rule::new(
            Kind::Nie,
            "ES",
            r"[XYZ][- ]?\d\.?\d{3}\.?\d{3}[- ]?[A-Z]|[KLM]-?\d{7}-?[A-Z]",
            is_nie,
            Certainty::Likely,
        )
    },
    Rule {
        words: WORDS,
        ..Rule::new(
            Kind::Cif,
            "ES",
            r"(?:ES ?)?[ABCDEFGHJNPQRSUVW]-?\d{7}-?[0-9A-J]",
            is_cif,
            Certainty::Likely,
        )
    },
    Rule {
        words: "ccc|cuenta",
        ..Rule::new(
            Kind::BankAccount,
            "ES",
            r"\d{4}[- ]?\d{4}[- ]?\d{2}[- ]?\d{10}",
            is_account,
            Certainty::Likely,
        )
    },
];

fn is_dni(number: &str) -> bool {
    let (number, letter) = number.split_at(number.len().saturating_sub(1));
    number.len() == 8 && number.parse().ok().and_then(spanish_letter) == letter.chars().next()
}

fn is_nie(number: &str) -> bool {
    let Some(first) = number.chars().next() else { return false };
    let prefix = match first {
        'Y' => "1",
        'Z' => "2",
        'X' => "0",
        // Children, residents abroad and foreigners of older registers.
        'K' | 'L' | 'M' => "",
        _ => return false,
    };
    let Some(middle) = number.get(1..number.len() - 1) else { return false };
    let value = format!("{prefix}{middle}").parse().ok();
    middle.len() == 7 && value.and_then(spanish_letter) == number.chars().last()
}

fn is_cif(number: &str) -> bool {
    let number = if number.len() == 11 { number.strip_prefix("ES").unwrap_or(number) } else { number };
    let (Some(first), Some(middle), Some(last)) =
        (number.chars().next(), number.get(1..8), number.chars().nth(8))
    else {
        return false;
    };
    let values = digits(middle);
    if values.len() != 7 || number.len() != 9 {
        return false;
    }
    let odd: u32 = values.iter().step_by(2).map(|value| value * 2 / 10 + value * 2 % 10).sum();
    let even: u32 = values.iter().skip(1).step_by(2).sum();
    let check = (10 - (odd + even) % 10) % 10;
    let digit = last.to_digit(10) == Some(check);
    let letter = "JABCDEFGHI".chars().nth(check as usize) == Some(last);
    match first {
        'A' | 'B' | 'E' | 'H' => digit,
        'N' | 'P' | 'Q' | 'R' | 'S' | 'W' => letter,
        _ => digit || letter,
    }
}

fn is_account(number: &str) -> bool {
    let values = digits(number);
    let check = |part: &[u32]| match 11 - weighted(part, &[1, 2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 {
        10 => 1,
        11 => 0,
        other => other,
    };
    let mut bank = vec![0, 0];
    bank.extend(values.iter().take(8));
    values.len() == 20
        && values.iter().any(|value| *value != 0)
        && check(&bank) == values[8]
        && check(&values[10..]) == values[9]
}
