//! Arithmetic of check digits. Every function takes the identifier without separators, in upper case.

/// The decimal digits of a text that holds nothing else; empty otherwise.
pub(super) fn digits(text: &str) -> Vec<u32> {
    text.chars().map(|c| c.to_digit(10)).collect::<Option<_>>().unwrap_or_default()
}

/// Whether every digit is the same: such numbers pass many checks and belong to nobody.
pub(super) fn all_equal(values: &[u32]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// The weighted sum of as many values as there are weights.
pub(super) fn weighted(values: &[u32], weights: &[u32]) -> u32 {
    values.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

/// ISO/IEC 7812-1, annex B. Letters of a document number count as 10 to 35.
pub(super) fn luhn(values: &[u32]) -> bool {
    let sum: u32 = values
        .iter()
        .rev()
        .enumerate()
        .map(|(place, value)| if place % 2 == 1 { double(*value) } else { *value })
        .sum();
    !values.is_empty() && sum.is_multiple_of(10)
}

fn double(value: u32) -> u32 {
    let twice = value * 2;
    if twice > 9 { twice - 9 } else { twice }
}

/// The remainder of ISO/IEC 7064, modulo 97, with letters as 10 to 35; `None` where another character stands.
pub(super) fn modulo_97(characters: impl Iterator<Item = char>) -> Option<u32> {
    let mut rest = 0;
    for c in characters {
        let value = c.to_digit(36)?;
        rest = (rest * if value > 9 { 100 } else { 10 } + value) % 97;
    }
    Some(rest)
}

/// The letter that Spain puts behind a number of persons.
pub(super) fn spanish_letter(number: u32) -> Option<char> {
    "TRWAGMYFPDXBNJZSQVHLCKE".chars().nth((number % 23) as usize)
}
