//! Written-out numbers up to 999 in the four languages: *trinta e cinco*, *trentacinque*, *treinta y cinco*, *thirty-five*.
//!
//! Alone, they count in a claim only with a unit behind them (the caller sees to that): *sei* is six and "you are" in
//! Italian. "One" is an article everywhere but in English.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::conversation::Language;
use crate::judgement::claims::pattern;
use crate::text::fold;

static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{M}]+"));

/// The numbers of a text with their bytes. `None` reads the words of every language.
pub(super) fn numbers(text: &str, language: Option<Language>) -> Vec<(u32, Range<usize>)> {
    let languages = language.map_or_else(|| Language::ALL.to_vec(), |language| vec![language]);
    let mut found: Vec<(u32, Range<usize>)> = Vec::new();
    let spans: Vec<Range<usize>> = WORD.find_iter(text).map(|hit| hit.range()).collect();
    let mut at = 0;
    while at < spans.len() {
        let longest = languages
            .iter()
            .filter_map(|language| number_at(text, &spans[at..], *language))
            .max_by_key(|(_, words)| *words);
        match longest {
            Some((value, words)) => {
                found.push((value, spans[at].start..spans[at + words - 1].end));
                at += words;
            }
            None => at += 1,
        }
    }
    found
}

/// The number that begins here, and its words: hundreds, then tens, then units, each smaller than what stands before.
fn number_at(text: &str, spans: &[Range<usize>], language: Language) -> Option<(u32, usize)> {
    let word = |at: usize| spans.get(at).map(|span| fold(&text[span.clone()]));
    let mut value = word_value(&word(0)?, language)?;
    let mut words = 1;
    loop {
        // What joins the parts: a space, a hyphen, or a word.
        let joined = spans.get(words).is_some_and(|next| {
            let between = &text[spans[words - 1].end..next.start];
            between.chars().all(|c| c == ' ' || c == '-') && between.chars().count() == 1
        });
        let skip = usize::from(joined && word(words).as_deref() == Some(joiner(language)));
        let next = word(words + skip).filter(|_| joined).and_then(|word| word_value(&word, language));
        // Ten takes nothing behind it; twenty takes units, a hundred takes both.
        let room = if value.is_multiple_of(100) {
            100
        } else if value.is_multiple_of(10) && value % 100 >= 20 {
            10
        } else {
            1
        };
        match next.filter(|next| *next < room) {
            Some(next) => {
                value += next;
                words += 1 + skip;
            }
            None => return Some((value, words)),
        }
    }
}

fn joiner(language: Language) -> &'static str {
    match language {
        Language::Pt | Language::It => "e",
        Language::Es => "y",
        Language::En => "and",
    }
}

/// The value of one folded word. Italian writes tens and units as one.
fn word_value(word: &str, language: Language) -> Option<u32> {
    let names = names(language);
    let exact =
        names.iter().find(|(name, _)| name.split('/').any(|name| name == word)).map(|(_, value)| *value);
    if exact.is_some() || language != Language::It {
        return exact;
    }
    // "ventuno", "trentacinque": the tens lose their vowel before uno and otto.
    names.iter().filter(|(_, value)| (20..100).contains(value)).find_map(|(tens, value)| {
        let stem = &tens[..tens.len() - 1];
        let rest = word.strip_prefix(tens).or_else(|| word.strip_prefix(stem))?;
        let unit = if rest == "uno" || rest == "un" { Some(1) } else { word_value(rest, language) };
        unit.filter(|unit| (1..10).contains(unit)).map(|unit| value + unit)
    })
}

type Names = &'static [(&'static str, u32)];

fn names(language: Language) -> Names {
    match language {
        Language::Pt => PT,
        Language::It => IT,
        Language::Es => ES,
        Language::En => EN,
    }
}

const PT: Names = &[
    ("dois/duas", 2),
    ("tres", 3),
    ("quatro", 4),
    ("cinco", 5),
    ("seis", 6),
    ("sete", 7),
    ("oito", 8),
    ("nove", 9),
    ("dez", 10),
    ("onze", 11),
    ("doze", 12),
    ("treze", 13),
    ("catorze/quatorze", 14),
    ("quinze", 15),
    ("dezesseis/dezasseis", 16),
    ("dezessete/dezassete", 17),
    ("dezoito", 18),
    ("dezenove/dezanove", 19),
    ("vinte", 20),
    ("trinta", 30),
    ("quarenta", 40),
    ("cinquenta", 50),
    ("sessenta", 60),
    ("setenta", 70),
    ("oitenta", 80),
    ("noventa", 90),
    ("cem/cento", 100),
    ("duzentos/duzentas", 200),
    ("trezentos/trezentas", 300),
    ("quinhentos/quinhentas", 500),
];
const IT: Names = &[
    ("due", 2),
    ("tre", 3),
    ("quattro", 4),
    ("cinque", 5),
    ("sei", 6),
    ("sette", 7),
    ("otto", 8),
    ("nove", 9),
    ("dieci", 10),
    ("undici", 11),
    ("dodici", 12),
    ("tredici", 13),
    ("quattordici", 14),
    ("quindici", 15),
    ("sedici", 16),
    ("diciassette", 17),
    ("diciotto", 18),
    ("diciannove", 19),
    ("venti", 20),
    ("trenta", 30),
    ("quaranta", 40),
    ("cinquanta", 50),
    ("sessanta", 60),
    ("settanta", 70),
    ("ottanta", 80),
    ("novanta", 90),
    ("cento", 100),
    ("duecento", 200),
    ("trecento", 300),
    ("cinquecento", 500),
];
const ES: Names = &[
    ("dos", 2),
    ("tres", 3),
    ("cuatro", 4),
    ("cinco", 5),
    ("seis", 6),
    ("siete", 7),
    ("ocho", 8),
    ("nueve", 9),
    ("diez", 10),
    ("once", 11),
    ("doce", 12),
    ("trece", 13),
    ("catorce", 14),
    ("quince", 15),
    ("dieciseis", 16),
    ("diecisiete", 17),
    ("dieciocho", 18),
    ("diecinueve", 19),
    ("veinte", 20),
    ("veintiuno/veintiun", 21),
    ("veintidos", 22),
    ("veintitres", 23),
    ("veinticuatro", 24),
    ("veinticinco", 25),
    ("veintiseis", 26),
    ("veintisiete", 27),
    ("veintiocho", 28),
    ("veintinueve", 29),
    ("treinta", 30),
    ("cuarenta", 40),
    ("cincuenta", 50),
    ("sesenta", 60),
    ("setenta", 70),
    ("ochenta", 80),
    ("noventa", 90),
    ("cien/ciento", 100),
    ("doscientos/doscientas", 200),
    ("trescientos/trescientas", 300),
    ("quinientos/quinientas", 500),
];
const EN: Names = &[
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("hundred", 100),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compounds_are_one_number() {
        use Language::{En, Es, It, Pt};
        for (text, language, values) in [
            ("trinta e cinco dias", Pt, &[35][..]),
            ("quarenta e oito horas", Pt, &[48]),
            ("cento e vinte euros", Pt, &[120]),
            ("dois e três", Pt, &[2, 3]),
            ("ventiquattro ore", It, &[24]),
            ("trentuno giorni, ventotto minuti", It, &[31, 28]),
            ("veinticuatro horas", Es, &[24]),
            ("treinta y cinco días", Es, &[35]),
            ("twenty-four hours", En, &[24]),
            ("seventy five pounds", En, &[75]),
            ("ten five-litre bottles", En, &[10, 5]),
            ("nothing of the kind", En, &[]),
        ] {
            let found: Vec<u32> = numbers(text, Some(language)).into_iter().map(|(value, _)| value).collect();
            assert_eq!(found, values, "{text}");
        }
        assert_eq!(numbers("in trenta giorni", None), [(30, 3..9)]);
    }
}
