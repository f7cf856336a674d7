//! Notices languages Ponto does not answer in, by script, letters and function words.
//!
//! Deliberately cautious: a false alarm sends an answerable question to a person, so one foreign word in a sentence of
//! a supported language ("quero um bon voyage mug") is not enough.

use unicode_segmentation::UnicodeSegmentation;

use super::words::{FOREIGN, OWN};

/// How surely the text is in a language that is not supported; `None` when it is not sure enough.
///
/// `expected` lowers the bar: the hub itself says that the customer's locale is another one.
pub(super) fn confidence(text: &str, expected: bool) -> Option<f64> {
    if let Some(confidence) = script(text) {
        return Some(confidence);
    }
    let lower = text.to_lowercase().replace('’', "'");
    let words: Vec<&str> = lower.unicode_words().collect();
    if words.is_empty() {
        return None;
    }
    let own = words.iter().filter(|word| OWN.iter().any(|list| list.contains(*word))).count();
    let (hits, letters) = FOREIGN
        .iter()
        .map(|profile| {
            let hits = words.iter().filter(|word| profile.words.contains(*word)).count();
            let letters =
                words.iter().filter(|word| word.chars().any(|c| profile.letters.contains(c))).count();
            (hits, letters)
        })
        .max_by_key(|(hits, letters)| 2 * hits + letters)?;
    let evidence = hits as f64 + 0.5 * letters as f64;
    let needed = if expected { 1.0 } else { 2.0 };
    let share = evidence / words.len() as f64;
    (evidence >= needed && evidence > 1.5 * own as f64 && share >= 0.2)
        .then(|| (0.5 + share / 2.0 + 0.1 * (evidence - own as f64)).clamp(0.5, 0.99))
}

/// Most letters in another script.
fn script(text: &str) -> Option<f64> {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let other = text.chars().filter(|c| c.is_alphabetic() && !is_latin(*c)).count();
    (other >= 2 && 2 * other > letters).then(|| other as f64 / letters as f64)
}

fn is_latin(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | 'ª' | 'º' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' | '\u{FF21}'..='\u{FF5A}')
}
