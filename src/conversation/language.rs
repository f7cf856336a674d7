//! Which language a text is written in: one of the four Ponto answers in, or, confidently, another one.
//!
//! Among the four, lingua's n-gram models give a probability each; for short lines the hub's locale and the customer's
//! earlier messages weigh in as a prior (Bayes: posterior ∝ likelihood · prior). Every other language is noticed by its
//! script and by its own function words and letters ([`foreign`]), because a detector that knows four languages calls
//! German English.

use std::sync::LazyLock;

use lingua::{LanguageDetector, LanguageDetectorBuilder};
use unicode_segmentation::UnicodeSegmentation;

use super::Language;

mod foreign;
mod words;

/// What else is known of the customer's language.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hint<'a> {
    /// The hub's guess, as BCP 47.
    pub locale: Option<&'a str>,
    /// The customer's earlier messages, oldest first.
    pub earlier: &'a [&'a str],
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// The language; `None` when it is confidently another one.
    pub language: Option<Language>,
    /// How sure, 0 to 1; 0.25 when nothing at all is known.
    pub confidence: f64,
}

/// A prior on the locale's language: hubs are right about as often.
const LOCALE_PRIOR: f64 = 0.80;
/// A prior on the language of the earlier messages, at most.
const EARLIER_PRIOR: f64 = 0.90;
/// Lingua's probabilities are flat on short lines: the exponent sharpens them. On 6,022 public subtitle lines and
/// tweets, by language, 3 keeps 99 to 100% right under a right locale and 78 to 99.8% under a wrong one; 1 keeps 99 to
/// 100% and 55 to 99.5%.
const SHARPNESS: f64 = 3.0;
/// Letters from which the full sharpness holds; "ok" and names are at home in every language.
const FULL_SHARPNESS_LETTERS: f64 = 18.0;
/// Natural-log odds that one function word of a language gives to it.
const WORD_WEIGHT: f64 = 1.0;
/// Natural-log odds that an opening question or exclamation mark gives to Spanish, the only language that has them.
const OPENING_MARK_WEIGHT: f64 = 3.0;
/// Characters of earlier messages that are read, the newest ones.
const EARLIER_CHARS: usize = 400;

static DETECTOR: LazyLock<LanguageDetector> = LazyLock::new(|| {
    LanguageDetectorBuilder::from_languages(&[
        lingua::Language::Portuguese,
        lingua::Language::Italian,
        lingua::Language::Spanish,
        lingua::Language::English,
    ])
    .build()
});

/// Detects the language of `text`. The models are loaded by the first call; [`warm_up`] does it ahead of time.
pub fn detect(text: &str, hint: Hint<'_>) -> Detection {
    let text = words_only(text);
    let prior = prior(hint);
    let own = likelihood(&text);
    let foreign_locale =
        hint.locale.is_some_and(|locale| !locale.is_empty() && Language::from_locale(locale).is_none());
    if let Some(confidence) = foreign::confidence(&text, foreign_locale) {
        return Detection { language: None, confidence };
    }
    let mut posterior: Vec<(Language, f64)> =
        Language::ALL.into_iter().zip(own).zip(prior).map(|((l, own), prior)| (l, own * prior)).collect();
    let total: f64 = posterior.iter().map(|(_, weight)| weight).sum();
    posterior.sort_by(|a, b| b.1.total_cmp(&a.1));
    posterior.first().map_or(Detection { language: None, confidence: 0.0 }, |(language, weight)| Detection {
        language: Some(*language),
        confidence: if total > 0.0 { weight / total } else { 0.25 },
    })
}

/// Loads the language models now (a few tens of megabytes).
pub fn warm_up() {
    LazyLock::force(&DETECTOR);
    let _ = likelihood("Onde está a minha encomenda, where is my order");
}

/// Links, e-mail addresses, handles, hashtags and codes say nothing about the language.
fn words_only(text: &str) -> String {
    text.split_whitespace()
        .filter(|word| {
            !(word.contains("://")
                || word.contains('@')
                || word.starts_with('#')
                || word.starts_with("www.")
                || word.chars().any(|c| c.is_ascii_digit()))
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Probability of each language from lingua and from function words, in the order of [`Language::ALL`]; uniform for a
/// text without letters.
fn likelihood(text: &str) -> [f64; 4] {
    if !text.chars().any(char::is_alphabetic) {
        return [0.25; 4];
    }
    let values = DETECTOR.compute_language_confidence_values(text);
    let mut found = [0.0; 4];
    for (language, value) in values {
        let index = match language {
            lingua::Language::Portuguese => 0,
            lingua::Language::Italian => 1,
            lingua::Language::Spanish => 2,
            lingua::Language::English => 3,
        };
        found[index] = value;
    }
    let letters = text.chars().filter(|c| c.is_alphabetic()).count() as f64;
    let sharpness = (SHARPNESS * letters / FULL_SHARPNESS_LETTERS).clamp(1.0, SHARPNESS);
    let lower = text.to_lowercase().replace('’', "'");
    for (value, words) in found.iter_mut().zip(words::OWN.iter()) {
        let hits = lower.unicode_words().filter(|word| words.contains(word)).count();
        *value = value.max(1e-6).powf(sharpness) * (WORD_WEIGHT * hits as f64).exp();
    }
    if text.contains(['¿', '¡']) {
        found[2] *= OPENING_MARK_WEIGHT.exp();
    }
    let sum: f64 = found.iter().sum();
    // The shorter the line, the more it is nobody's and everybody's.
    let doubt = (-letters / 4.0).exp();
    found.map(|value| (1.0 - doubt) * (value / sum).max(1e-6) + doubt / 4.0)
}

fn prior(hint: Hint<'_>) -> [f64; 4] {
    let mut prior = [1.0; 4];
    if let Some(language) = hint.locale.and_then(Language::from_locale) {
        favour(&mut prior, language, LOCALE_PRIOR);
    }
    let mut earlier = String::new();
    for message in hint.earlier.iter().rev() {
        if earlier.chars().count() >= EARLIER_CHARS {
            break;
        }
        earlier = format!("{message} {earlier}");
    }
    let earlier = words_only(&earlier);
    if earlier.chars().any(char::is_alphabetic) {
        let likely = likelihood(&earlier);
        for (weight, share) in prior.iter_mut().zip(likely) {
            *weight *= (1.0 - EARLIER_PRIOR) / 3.0 + (EARLIER_PRIOR - (1.0 - EARLIER_PRIOR) / 3.0) * share;
        }
    }
    prior
}

fn favour(prior: &mut [f64; 4], language: Language, share: f64) {
    for (weight, candidate) in prior.iter_mut().zip(Language::ALL) {
        *weight *= if candidate == language { share } else { (1.0 - share) / 3.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Option<Language> {
        detect(text, Hint::default()).language
    }

    #[test]
    fn tells_the_four_languages_apart() {
        for (text, language) in [
            ("Em quanto tempo chega o meu pedido?", Language::Pt),
            ("vcs entregam no sábado?", Language::Pt),
            ("Quanto ci mette ad arrivare il pacco?", Language::It),
            ("posso pagare alla consegna", Language::It),
            ("¿Cuánto tarda en llegar mi pedido?", Language::Es),
            ("se puede pagar con bizum", Language::Es),
            ("how long does delivery take?", Language::En),
            ("can i pay when it arrives", Language::En),
        ] {
            assert_eq!(plain(text), Some(language), "{text}");
        }
    }

    #[test]
    fn an_opening_mark_is_spanish() {
        for text in ["¡No!", "¿Oregano?", "¿Carlos, en serio?"] {
            assert_eq!(plain(text), Some(Language::Es), "{text}");
        }
    }

    #[test]
    fn notices_other_languages() {
        for text in [
            "Guten Tag, wie lange dauert die Lieferung nach Österreich?",
            "Kann ich meine Bestellung noch ändern?",
            "Bonjour, combien de temps prend la livraison ?",
            "je n'ai pas reçu ma commande",
            "Hoe lang duurt de bezorging naar Utrecht?",
            "Ile kosztuje wysyłka do Krakowa?",
            "Bună ziua, cât durează livrarea?",
            "Hej, hur lång tid tar leveransen?",
            "Merhaba, siparişim nerede?",
            "Dobrý den, jak dlouho trvá doručení?",
            "Сколько стоит доставка?",
            "Πόσο κοστίζει η αποστολή;",
            "送料はいくらですか",
            "كم تكلفة الشحن؟",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    #[test]
    fn a_short_line_follows_the_conversation() {
        let ok = |locale, earlier: &[&str]| detect("ok", Hint { locale, earlier }).language;
        assert_eq!(ok(Some("it-IT"), &[]), Some(Language::It));
        assert_eq!(ok(Some("pt-BR"), &[]), Some(Language::Pt));
        assert_eq!(ok(None, &["quería saber cuándo llega mi paquete"]), Some(Language::Es));
        let thumbs = detect("👍 123", Hint { locale: Some("pt-PT"), earlier: &[] });
        assert_eq!(thumbs.language, Some(Language::Pt));
    }

    #[test]
    fn a_whole_sentence_overrules_the_locale() {
        let hint = Hint { locale: Some("pt-BR"), earlier: &[] };
        assert_eq!(
            detect("Can I change the delivery address of my order?", hint).language,
            Some(Language::En)
        );
        assert_eq!(detect("Vorrei sapere quanto costa la spedizione", hint).language, Some(Language::It));
        let german = Hint { locale: Some("de-DE"), earlier: &[] };
        assert_eq!(detect("Hallo", german).language, None);
        assert_eq!(detect("how much is shipping?", german).language, Some(Language::En));
    }

    #[test]
    fn knowing_nothing_is_said() {
        let nothing = detect("", Hint::default());
        assert!((nothing.confidence - 0.25).abs() < 1e-9);
        assert!(nothing.language.is_some());
    }

    /// At least 95% of the public subtitle lines and tweets are right without a hint, and hardly any is refused.
    #[test]
    fn public_short_messages() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/language_id/data.jsonl");
        let Ok(rows) = std::fs::read_to_string(path) else {
            println!("skipped: the public data sets are not here ({path})");
            return;
        };
        let (mut seen, mut right, mut refused) = ([0_usize; 4], [0_usize; 4], 0_usize);
        for row in rows.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
            let chat = matches!(row["kind"].as_str(), Some("subtitle_line" | "tweet"));
            if !chat || row["ambiguous"].as_bool() == Some(true) {
                continue;
            }
            let language = row["lang"].as_str().and_then(Language::from_locale).unwrap();
            let index = Language::ALL.iter().position(|other| *other == language).unwrap();
            let found = plain(row["text"].as_str().unwrap());
            seen[index] += 1;
            right[index] += usize::from(found == Some(language));
            refused += usize::from(found.is_none());
        }
        let total: usize = seen.iter().sum();
        for (language, (right, seen)) in Language::ALL.iter().zip(right.iter().zip(seen)) {
            let share = *right as f64 / seen as f64;
            assert!(share > 0.95, "{}: {share:.3} of {seen}", language.code());
        }
        assert!((refused as f64) < 0.005 * total as f64, "{refused} of {total} refused");
    }
}
