//! Personal identifiers in a text: e-mail addresses, phones, and numbers whose check digits are right.

use std::sync::LazyLock;

use regex::Regex;

/// What kind of identifier was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// Brazilian tax number of a person.
    Cpf,
    /// Brazilian tax number of a company.
    Cnpj,
    /// Bank account (ISO 13616).
    Iban,
    /// Payment card.
    Card,
}

impl Kind {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Email => "an e-mail address",
            Self::Phone => "a phone number",
            Self::Cpf => "a CPF",
            Self::Cnpj => "a CNPJ",
            Self::Iban => "an IBAN",
            Self::Card => "a card number",
        }
    }
}

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}").expect("the pattern compiles")
});
static IBAN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b[a-z]{2} ?[0-9]{2}(?: ?[a-z0-9]{1,4}){3,8}\b").expect("the pattern compiles")
});
/// Runs of digits with the separators people use, from eight digits on.
static DIGITS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\+?\(?[0-9](?:[ .()/-]{0,2}[0-9]){7,18}").expect("the pattern compiles"));
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2})$")
        .expect("the pattern compiles")
});

/// Every identifier of a text, in a normal form (lower case, digits alone), so that spellings compare equal.
pub(super) fn find(text: &str) -> Vec<(Kind, String)> {
    let mut found: Vec<(Kind, String)> =
        EMAIL.find_iter(text).map(|hit| (Kind::Email, hit.as_str().to_lowercase())).collect();
    let mut rest = text.to_owned();
    for hit in IBAN.find_iter(text) {
        let normal: String =
            hit.as_str().chars().filter(|c| *c != ' ').flat_map(char::to_uppercase).collect();
        // The greedy tail may hold the next words: the longest valid prefix is the number.
        if let Some(length) = (15..=normal.len().min(34)).rev().find(|length| is_iban(&normal[..*length])) {
            found.push((Kind::Iban, normal[..length].to_owned()));
            rest = rest.replace(hit.as_str(), " ");
        }
    }
    for hit in DIGITS.find_iter(&rest) {
        let raw = hit.as_str();
        if DATE.is_match(raw) {
            continue;
        }
        let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
        if let Some(kind) = classify(raw, &digits) {
            found.push((kind, digits));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The text with e-mail addresses, account numbers and long numbers left out, for people who need the matter and not the
/// person. Rather too much than too little: the check digits do not count here.
pub fn masked(text: &str) -> String {
    let text = EMAIL.replace_all(text, "[e-mail]");
    let text = IBAN.replace_all(&text, |hit: &regex::Captures<'_>| {
        let digits = hit[0].chars().filter(char::is_ascii_digit).count();
        if digits >= 10 { "[account]".to_owned() } else { hit[0].to_owned() }
    });
    let number = |hit: &regex::Captures<'_>| {
        if DATE.is_match(&hit[0]) { hit[0].to_owned() } else { "[number]".to_owned() }
    };
    DIGITS.replace_all(&text, number).into_owned()
}

fn classify(raw: &str, digits: &str) -> Option<Kind> {
    let values: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(10)).collect();
    let international = raw.starts_with('+') || digits.starts_with("00");
    match values.len() {
        11 if !international && is_cpf(&values) => Some(Kind::Cpf),
        14 if !international && is_cnpj(&values) => Some(Kind::Cnpj),
        13..=19 if !international && luhn(&values) => Some(Kind::Card),
        8..=15 if international || raw.contains(['(', ' ', '-', '.']) || values.len() >= 9 => {
            Some(Kind::Phone)
        }
        _ => None,
    }
}

fn all_equal(values: &[u32]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Weighted sum modulo 11, the check digit of CPF and CNPJ.
fn mod11(values: &[u32], weights: impl Iterator<Item = u32>) -> u32 {
    let rest = values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<u32>() % 11;
    if rest < 2 { 0 } else { 11 - rest }
}

fn is_cpf(values: &[u32]) -> bool {
    values.len() == 11
        && !all_equal(values)
        && mod11(&values[..9], (2..=10).rev()) == values[9]
        && mod11(&values[..10], (2..=11).rev()) == values[10]
}

fn is_cnpj(values: &[u32]) -> bool {
    let weights = || [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2].into_iter();
    values.len() == 14
        && !all_equal(values)
        && mod11(&values[..12], weights().skip(1)) == values[12]
        && mod11(&values[..13], weights()) == values[13]
}

/// ISO/IEC 7812-1, annex B.
fn luhn(values: &[u32]) -> bool {
    let sum: u32 = values
        .iter()
        .rev()
        .enumerate()
        .map(|(place, value)| if place % 2 == 1 { (value * 2) / 10 + (value * 2) % 10 } else { *value })
        .sum();
    !all_equal(values) && sum.is_multiple_of(10)
}

/// ISO 13616: the first four characters moved to the end, letters as 10 to 35, the remainder modulo 97 is 1.
fn is_iban(normal: &str) -> bool {
    normal.is_ascii()
        && normal.len() >= 15
        && normal[4..]
            .chars()
            .chain(normal[..4].chars())
            .try_fold(0_u32, |rest, c| {
                let value = c.to_digit(36)?;
                let shift = if value > 9 { 100 } else { 10 };
                Some((rest * shift + value) % 97)
            })
            .is_some_and(|rest| rest == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_leaves_the_matter() {
        for (text, left) in [
            ("write to Ana.Lu@mail.example.com now", "write to [e-mail] now"),
            ("IBAN ES91 2100 0418 4502 0005 1332?", "IBAN [account]?"),
            ("call +351 210 000 111 on 12/03/2026", "call [number] on 12/03/2026"),
            ("5 dias para 2 pedidos de R$ 299", "5 dias para 2 pedidos de R$ 299"),
        ] {
            assert_eq!(masked(text), left);
        }
    }

    fn kinds(text: &str) -> Vec<Kind> {
        find(text).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn finds_identifiers_with_right_check_digits() {
        for (text, kind) in [
            ("escreva para ana.b@mail.example.com", Kind::Email),
            ("CPF 529.982.247-25", Kind::Cpf),
            ("CNPJ 11.222.333/0001-81", Kind::Cnpj),
            ("conto IT60 X054 2811 1010 0000 0123 456 grazie", Kind::Iban),
            ("card 4111 1111 1111 1111", Kind::Card),
            ("ligue +55 11 91234-5678", Kind::Phone),
            ("llame al 912 345 678", Kind::Phone),
        ] {
            assert_eq!(kinds(text), [kind], "{text}");
        }
    }

    #[test]
    fn leaves_other_numbers_alone() {
        for text in ["R$ 1.299,90", "2026-11-22", "22/11/2026", "30 days", "ref 4471902", "13:00-17:30"] {
            assert!(kinds(text).is_empty(), "{text}: {:?}", kinds(text));
        }
        assert!(!kinds("529.982.247-26").contains(&Kind::Cpf));
        assert!(!kinds("4111 1111 1111 1112").contains(&Kind::Card));
        assert!(!is_iban("IT60X0542811101000000123457"));
    }

    #[test]
    fn spellings_compare_equal() {
        assert_eq!(find("52998224725"), find("529.982.247-25"));
        assert_eq!(find("Ana@Mail.Example.com"), find("ana@mail.example.com"));
    }

    /// Every public identifier of the kinds above that is marked valid is found; those marked invalid are not.
    #[test]
    fn public_identifiers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/pii_identifiers/data.jsonl");
        let Ok(rows) = std::fs::read_to_string(path) else {
            println!("skipped: the public data sets are not here ({path})");
            return;
        };
        let (mut seen, mut wrong) = (0, Vec::new());
        for row in rows.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
            let kind = match row["kind"].as_str().unwrap() {
                "cpf" => Kind::Cpf,
                "cnpj" => Kind::Cnpj,
                "iban" => Kind::Iban,
                "card" | "credit_card" => Kind::Card,
                _ => continue,
            };
            let text = row["text"].as_str().unwrap();
            let valid = row["label"] == "valid";
            seen += 1;
            if kinds(text).contains(&kind) != valid {
                wrong.push(format!("{kind:?} {text} {valid}"));
            }
        }
        assert!(seen > 0);
        assert!(wrong.len() * 20 <= seen, "{} of {seen} wrong: {wrong:#?}", wrong.len());
    }
}
