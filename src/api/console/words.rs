//! The console's words in four languages, one TOML file each, all with the same keys.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderMap, header};
use rust_embed::RustEmbed;

use super::session::cookie;
use crate::conversation::Language;

#[derive(RustEmbed)]
#[folder = "src/api/console/words"]
struct Files;

static WORDS: LazyLock<BTreeMap<Language, toml::Table>> = LazyLock::new(|| {
    Language::ALL
        .into_iter()
        .map(|language| {
            let file = Files::get(&format!("{}.toml", language.code()));
            let text = file.map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default();
            (language, text.parse().unwrap_or_default())
        })
        .collect()
});

/// The words of a language; a test holds that every file parses and has the same keys.
pub(super) fn of(language: Language) -> &'static toml::Table {
    static EMPTY: LazyLock<toml::Table> = LazyLock::new(toml::Table::new);
    WORDS.get(&language).unwrap_or(&EMPTY)
}

/// The language that the browser asks for: the one chosen before, else the first it accepts, else English.
pub(super) fn language(headers: &HeaderMap) -> Language {
    let chosen = cookie(headers, "ponto_language").and_then(|code| Language::from_locale(&code));
    let accepted =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut accepted =
        accepted.split(',').filter_map(|tag| Language::from_locale(tag.split(';').next()?.trim()));
    chosen.or_else(|| accepted.next()).unwrap_or(Language::En)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(table: &toml::Table, prefix: &str, found: &mut Vec<String>) {
        for (key, value) in table {
            let path = format!("{prefix}{key}");
            match value {
                toml::Value::Table(inner) => keys(inner, &format!("{path}."), found),
                toml::Value::String(text) => {
                    assert!(!text.trim().is_empty(), "{path} is empty");
                    found.push(path);
                }
                other => panic!("{path} is not a text: {other}"),
            }
        }
    }

    #[test]
    fn every_language_has_the_same_keys() {
        let keys_of = |language| {
            let mut found = Vec::new();
            keys(of(language), "", &mut found);
            found
        };
        let english = keys_of(Language::En);
        assert!(english.len() > 50);
        for language in Language::ALL {
            assert_eq!(keys_of(language), english, "{}", language.code());
        }
    }

    #[test]
    fn the_cookie_goes_before_the_browser_and_english_is_the_last_resort() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>()
        };
        assert_eq!(language(&headers(&[])), Language::En);
        assert_eq!(language(&headers(&[("accept-language", "de, pt-BR;q=0.9, es;q=0.8")])), Language::Pt);
        let both = headers(&[("accept-language", "es"), ("cookie", "a=b; ponto_language=it")]);
        assert_eq!(language(&both), Language::It);
    }
}
