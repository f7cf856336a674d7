//! Stems, and keys: what makes the forms of a word equal.

use std::collections::HashSet;

use rust_stemmers::{Algorithm, Stemmer};

use super::stop_words::filler_words;
use super::words::{fold, words};

/// Longest key of a word in characters. Cutting stems joins forms that Snowball parts when accents are missing
/// (*devolução*, *devolucao*, *devoluções*).
const KEY_CHARS: usize = 6;

/// The Snowball stemmer of a language, by ISO 639-1 code; it reads lower-case words. `None` for another than the four.
pub fn stemmer(language: &str) -> Option<Stemmer> {
    let algorithm = match language {
        "pt" => Algorithm::Portuguese,
        "it" => Algorithm::Italian,
        "es" => Algorithm::Spanish,
        "en" => Algorithm::English,
        _ => return None,
    };
    Some(Stemmer::create(algorithm))
}

/// Turns words into keys that equal each other across inflections and missing accents: coarse, for comparing a sentence
/// with a sentence. The index has finer terms.
pub struct Keys {
    stemmer: Option<Stemmer>,
    stop: &'static HashSet<&'static str>,
}

impl Keys {
    /// By ISO 639-1 code; another language than the four keeps words as they are and knows no stop words.
    pub fn of(language: &str) -> Self {
        Self { stemmer: stemmer(language), stop: filler_words(language) }
    }

    /// The key of one word; `None` for a stop word.
    pub fn key(&self, word: &str) -> Option<String> {
        let folded = fold(word);
        if folded.is_empty() || self.stop.contains(folded.as_str()) {
            return None;
        }
        let digits = folded.chars().any(|c| c.is_ascii_digit());
        if !digits && folded.chars().count() < 2 {
            return None;
        }
        if digits {
            return Some(folded);
        }
        let stem = self
            .stemmer
            .as_ref()
            .map_or_else(|| folded.clone(), |stemmer| fold(&stemmer.stem(&word.to_lowercase())));
        Some(stem.chars().take(KEY_CHARS).collect())
    }

    /// The distinct keys of a text, in order of first appearance.
    pub fn all(&self, text: &str) -> Vec<String> {
        let mut seen = HashSet::new();
        words(text).filter_map(|word| self.key(word)).filter(|key| seen.insert(key.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflections_and_missing_accents_share_a_key() {
        let keys = Keys::of("pt");
        for form in ["devolucao", "devoluções", "Devoluçoes"] {
            assert_eq!(keys.key(form), keys.key("devolução"), "{form}");
        }
        assert_eq!(keys.key("não"), None);
        assert_eq!(Keys::of("it").all("L'ordine è in ritardo: ordini?"), ["ordin", "ritard"]);
    }
}
