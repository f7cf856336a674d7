//! CPF and CNPJ. From July 2026 on a CNPJ may hold letters in its first twelve places.

use super::Kind;
use super::check_digits::{all_equal, digits, weighted};
use super::rule::{Certainty, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        words: "cpf|cadastro de pessoas? f[íi]sicas?",
        ..Rule::new(
            Kind::Cpf,
            "BR",
            r"\d{3}\.\d{3}\.\d{3}[-./]\d{2}|\d{3} ?\d{3} ?\d{3}[- ]?\d{2}",
            is_cpf,
            Certainty::Likely,
        )
    },
    Rule {
        words: "cnpj",
        ..Rule::new(
            Kind::Cnpj,
            "BR",
            r"(?:BR ?)?\d{2}\.?\d{3}\.?\d{3}[/ ]?\d{4}-?\d{2}",
            is_cnpj,
            Certainty::Likely,
        )
    },
    Rule {
        words: "cnpj",
        ..Rule::new(
            Kind::Cnpj,
            "BR",
            r"[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-\d{2}",
            is_cnpj,
            Certainty::Strong,
        )
    },
    Rule { words: "cnpj", ..Rule::new(Kind::Cnpj, "BR", r"[0-9A-Z]{12}\d{2}", is_cnpj, Certainty::Named) },
];

/// The check digit of both: weights 2 to 9 from the right, modulo 11.
fn check_digit(values: &[u32], weights: &[u32]) -> u32 {
    let rest = weighted(values, weights) % 11;
    if rest < 2 { 0 } else { 11 - rest }
}

fn is_cpf(number: &str) -> bool {
    let values = digits(number);
    values.len() == 11
        && !all_equal(&values)
        && check_digit(&values[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) == values[9]
        && check_digit(&values[..10], &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == values[10]
}

fn is_cnpj(number: &str) -> bool {
    let number = if number.len() == 16 { number.strip_prefix("BR").unwrap_or(number) } else { number };
    // The value of a character is its place in ASCII, counted from the digit 0.
    let values: Vec<u32> = number.bytes().map(|byte| u32::from(byte) - u32::from(b'0')).collect();
    let weights = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    values.len() == 14
        && !all_equal(&values)
        && check_digit(&values[..12], &weights[1..]) == values[12]
        && check_digit(&values[..13], &weights) == values[13]
}
