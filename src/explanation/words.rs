//! The words of an explanation in four languages, one TOML file each, all with the same keys.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::conversation::Language;

type Words = BTreeMap<String, BTreeMap<String, String>>;

static WORDS: LazyLock<BTreeMap<Language, Words>> = LazyLock::new(|| {
    [
        (Language::Pt, include_str!("words/pt.toml")),
        (Language::It, include_str!("words/it.toml")),
        (Language::Es, include_str!("words/es.toml")),
        (Language::En, include_str!("words/en.toml")),
    ]
    .into_iter()
    .map(|(language, text)| (language, toml::from_str(text).unwrap_or_default()))
    .collect()
});

/// One text; its key where no file has it, which a test rules out for those that the crate asks for.
pub(super) fn word(language: Language, section: &str, key: &str) -> String {
    let text = WORDS.get(&language).and_then(|words| words.get(section)).and_then(|words| words.get(key));
    text.map_or(key, String::as_str).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_the_same_keys() {
        let keys = |language: Language| {
            let section = |(name, words): (&String, &BTreeMap<String, String>)| {
                words.keys().map(|key| format!("{name}.{key}")).collect::<Vec<_>>()
            };
            WORDS[&language].iter().flat_map(section).collect::<Vec<_>>()
        };
        assert!(keys(Language::En).len() > 50);
        for language in Language::ALL {
            assert_eq!(keys(language), keys(Language::En), "{}", language.code());
            assert!(WORDS[&language].values().flat_map(BTreeMap::values).all(|text| !text.trim().is_empty()));
        }
    }
}
