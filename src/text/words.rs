//! Folding and words.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Lower case without diacritics. Other characters stay what they are: `²` is no `2`, `ﬁ` no `fi`.
pub fn fold(text: &str) -> String {
    text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// [`fold`] that also takes characters for what they stand for (Unicode's compatibility forms): `ﬁ` is `fi`, `№` is `no`.
pub fn fold_compatible(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// The words of a text as Unicode parts them: *3.50* is one. Elided articles stand alone: *l'ordine* is two words.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.unicode_words().flat_map(|word| word.split(['\'', '’'])).filter(|word| !word.is_empty())
}

/// The runs of letters and digits of a text: *3.50* is two.
pub fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty())
}

/// White space, line breaks included, as single spaces.
pub fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first `chars` characters, with an ellipsis where something was cut.
pub fn cut(text: &str, chars: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foldings_differ_in_compatibility_forms_alone() {
        assert_eq!([fold("DEVOLUÇÃO"), fold_compatible("DEVOLUÇÃO")], ["devolucao", "devolucao"]);
        assert_eq!([fold("ﬁle № 7"), fold_compatible("ﬁle № 7")], ["ﬁle № 7", "file no 7"]);
    }

    #[test]
    fn words_and_runs_differ_in_numbers() {
        assert_eq!(words("L'ordine: 3.50 €").collect::<Vec<_>>(), ["L", "ordine", "3.50"]);
        assert_eq!(runs("L'ordine: 3.50 €").collect::<Vec<_>>(), ["L", "ordine", "3", "50"]);
    }
}
