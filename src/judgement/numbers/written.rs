//! Written-out numbers in the four languages: *trinta e cinco*, *trentacinque*, *treinta y cinco*, *thirty-five*, and *dois mil*
//! up to the millions, with the thousands in letters behind figures: *2 mil*, *1.5k*.
//!
//! Alone, they count in a claim only with a unit behind them (the caller sees to that): *sei* is six and "you are" in
//! Italian. "One" is an article everywhere but in English, and counts only inside a number (*trinta e um*).

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::conversation::Language;
use crate::judgement::claims::pattern;
use crate::text::fold;

const HUNDRED: u64 = 100;
const THOUSAND: u64 = 1_000;
const MILLION: u64 = 1_000_000;

/// Bytes of an Italian number in one word, at most: *quattrocentocinquantaquattromilaquattrocentocinquantaquattro* has sixty.
const ONE_WORD: usize = 64;

/// Words of a number behind its figures, at most.
const BEHIND_FIGURES: usize = 8;

static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{M}]+"));
static MULTIPLIER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:k\b|[ \u{A0}\u{202F}]?(?:(?P<mil>mila?)|thousand|(?P<million>milh(?:ão|ões|ao|oes)|milion[ei]|mill[óo]n(?:es)?|million|mln))\b)",
    )
});
static ADDED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^[ \u{A0}](?:[ey] )?([0-9]{1,3})\b"));
/// What makes figures another number than the hundreds behind *mil*: decimals, a date, a time, a code, a percentage.
static MORE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:[.,/:-][0-9]|[ \u{A0}][0-9]|\s?%|[º°ª])"));

/// The numbers of a text with their bytes. `None` reads the words of every language.
pub(super) fn numbers(text: &str, language: Option<Language>) -> Vec<(u64, Range<usize>)> {
    let languages = language.map_or_else(|| Language::ALL.to_vec(), |language| vec![language]);
    let mut found: Vec<(u64, Range<usize>)> = Vec::new();
    let spans: Vec<Range<usize>> = WORD.find_iter(text).map(|hit| hit.range()).collect();
    let mut at = 0;
    while at < spans.len() {
        let longest = languages
            .iter()
            .filter(|_| at == 0 || !is_percent(&text[spans[at - 1].clone()], &text[spans[at].clone()]))
            .filter_map(|language| Reader::new(text, &spans[at..], *language).read(Parts::default(), 0))
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

/// The *hundred* of a percentage is no number.
fn is_percent(before: &str, word: &str) -> bool {
    matches!((fold(before).as_str(), fold(word).as_str()), ("por" | "per", "cento" | "ciento" | "cent"))
}

/// What multiplies figures that end here.
pub(super) struct Multiplied {
    /// A thousand, or a million.
    pub(super) by: u64,
    /// What is added: the five hundred of *2 mil e quinhentos*.
    pub(super) plus: u64,
    /// The byte it ends at.
    pub(super) end: usize,
}

/// Reads the thousands or millions behind figures. `None` for a language reads the words of every one.
pub(super) fn multiplied(text: &str, from: usize, language: Option<Language>) -> Option<Multiplied> {
    let rest = text.get(from..)?;
    let hit = MULTIPLIER.captures(rest)?;
    let by = if hit.name("million").is_some() { MILLION } else { THOUSAND };
    let first = hit.get(0)?.range();
    if let Some((plus, end)) = added(&rest[first.end..]).filter(|_| hit.name("mil").is_some()) {
        return Some(Multiplied { by, plus, end: from + first.end + end });
    }
    let behind =
        WORD.find_iter(&rest[first.end..]).map(|word| first.end + word.start()..first.end + word.end());
    let spans: Vec<Range<usize>> =
        std::iter::once(first.clone()).chain(behind.take(BEHIND_FIGURES)).collect();
    let languages = language.map_or_else(|| Language::ALL.to_vec(), |language| vec![language]);
    let started = Parts { total: by, group: 0, smallest: by };
    let (value, words) = languages
        .into_iter()
        .filter_map(|language| Reader::new(rest, &spans, language).read(started, 1))
        .max_by_key(|(_, words)| *words)?;
    Some(Multiplied { by, plus: value.saturating_sub(by), end: from + spans[words - 1].end })
}

/// The hundreds in figures behind *mil*, and the byte they end at: *2 mil e 500*, *2 mil 500*. No other number goes on there.
fn added(rest: &str) -> Option<(u64, usize)> {
    let hit = ADDED.captures(rest)?;
    let (value, end) = (hit.get(1)?.as_str().parse().ok()?, hit.get(0)?.end());
    let behind = &rest[end..];
    let goes_on = MORE.is_match(behind) || MULTIPLIER.is_match(behind);
    (!goes_on).then_some((value, end))
}

/// A number as far as it was read.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    /// What was multiplied by a thousand or a million.
    total: u64,
    /// Hundreds, tens and units since then.
    group: u64,
    /// The last thousand or million; 0 before the first.
    smallest: u64,
}

impl Parts {
    fn value(self) -> u64 {
        self.total + self.group
    }

    /// With what stands behind it, smaller than what stands before.
    fn and(self, value: u64) -> Option<Self> {
        if value >= THOUSAND {
            // Italian writes thousands as one word.
            let fits = self.group == 0 && self.smallest != THOUSAND;
            let total = self.total + value - value % THOUSAND;
            return fits.then_some(Self { total, group: value % THOUSAND, smallest: THOUSAND });
        }
        // Ten takes nothing behind it; twenty takes units, a hundred takes both.
        let room = match self.group {
            0 => THOUSAND,
            group if group.is_multiple_of(HUNDRED) => HUNDRED,
            group if group.is_multiple_of(10) && group % HUNDRED >= 20 => 10,
            _ => 1,
        };
        (value < room).then_some(Self { group: self.group + value, ..self })
    }

    /// Multiplied by what follows. Millions come once, and a thousand before them multiplies them.
    fn times(self, by: u64) -> Option<Self> {
        if by == HUNDRED {
            return (self.group < HUNDRED).then_some(Self { group: self.group.max(1) * by, ..self });
        }
        let total = match self.smallest {
            smallest if smallest == by || by == MILLION && self.total >= MILLION => return None,
            THOUSAND => self.value() * by,
            _ => self.total + self.group.max(1) * by,
        };
        Some(Self { total, group: 0, smallest: by })
    }
}

/// Reads a number from the words of a text.
struct Reader<'a> {
    text: &'a str,
    spans: &'a [Range<usize>],
    language: Language,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, spans: &'a [Range<usize>], language: Language) -> Self {
        Self { text, spans, language }
    }

    fn word(&self, at: usize) -> Option<String> {
        self.spans.get(at).map(|span| fold(&self.text[span.clone()]))
    }

    /// The number that begins here, and its words, of which some were read.
    fn read(&self, mut parts: Parts, mut words: usize) -> Option<(u64, usize)> {
        // Where a multiplier proves that it belongs to a number of its own (*one hundred and two hundred*), that begins here.
        let mut end = (words > 0).then_some((parts.value(), words));
        loop {
            let skip = usize::from(words > 0 && self.joins(words, parts));
            let at = words + skip;
            let Some(word) = self.word(at).filter(|_| words == 0 || self.adjoins(words)) else { break };
            let multiplier = multiplier(&word, self.language)
                .filter(|(_, after)| skip == 0 && (!after || words > 0))
                .map(|(by, _)| by);
            if let Some(by) = multiplier {
                let Some(next) = parts.times(by) else { return end };
                parts = next;
                words += 1;
                end = Some((parts.value(), words));
                continue;
            }
            let value = word_value(&word, self.language)
                .filter(|value| *value > 1 || self.language == Language::En || skip > 0);
            let Some(next) = value.and_then(|value| parts.and(value)) else { break };
            parts = next;
            words = at + 1;
        }
        (words > 0).then(|| (parts.value(), words))
    }

    /// A space or a hyphen parts the word from the one before.
    fn adjoins(&self, at: usize) -> bool {
        self.spans.get(at).is_some_and(|span| {
            matches!(&self.text[self.spans[at - 1].end..span.start], " " | "-" | "\u{A0}")
        })
    }

    /// Whether the word joins the parts of a number: *e* in Portuguese, *y* behind tens, *and* behind hundreds.
    fn joins(&self, at: usize, parts: Parts) -> bool {
        let hundreds = parts.value().is_multiple_of(HUNDRED);
        let (joiner, fits) = match self.language {
            Language::Pt => ("e", true),
            Language::It => ("e", hundreds),
            Language::Es => ("y", !hundreds),
            Language::En => ("and", hundreds),
        };
        fits && self.word(at).as_deref() == Some(joiner) && self.adjoins(at) && self.adjoins(at + 1)
    }
}

/// What a word multiplies by, and whether it needs something to multiply: *mil* alone is a thousand, *milhões* alone no number.
fn multiplier(word: &str, language: Language) -> Option<(u64, bool)> {
    Some(match (language, word) {
        (Language::En, "hundred") => (HUNDRED, false),
        (Language::Pt | Language::Es, "mil") | (Language::It, "mille") | (Language::En, "thousand") => {
            (THOUSAND, false)
        }
        (Language::It, "mila") => (THOUSAND, true),
        (Language::Pt, "milhao")
        | (Language::It, "milione")
        | (Language::Es, "millon")
        | (Language::En, "million") => (MILLION, false),
        (Language::Pt, "milhoes") | (Language::It, "milioni") | (Language::Es, "millones") => (MILLION, true),
        _ => return None,
    })
}

/// The value of one folded word, or of figures, in any language.
pub(super) fn value(word: &str) -> Option<f64> {
    let named = || Language::ALL.iter().find_map(|language| word_value(word, *language));
    word.replace(',', ".").parse().ok().or_else(|| named().map(|value| value as f64))
}

/// The value of one folded word. Italian writes a number as one.
fn word_value(word: &str, language: Language) -> Option<u64> {
    let names = names(language);
    let exact =
        names.iter().find(|(name, _)| name.split('/').any(|name| name == word)).map(|(_, value)| *value);
    if exact.is_some() || language != Language::It {
        return exact;
    }
    italian(word)
}

/// *Duemilacinquecento*, *seicentotrenta*, *ventuno*: what is before a part multiplies it, what is behind is added.
fn italian(word: &str) -> Option<u64> {
    if word.len() > ONE_WORD {
        return None;
    }
    let value = |word: &str| word_value(word, Language::It);
    let added = |rest: &str| if rest.is_empty() { Some(0) } else { value(rest) };
    if let Some((thousands, rest)) = word.split_once("mila") {
        let (thousands, rest) = (value(thousands)?, added(rest)?);
        return (thousands < THOUSAND && rest < THOUSAND).then_some(thousands * THOUSAND + rest);
    }
    if let Some(rest) = word.strip_prefix("mille") {
        return value(rest).filter(|rest| *rest < THOUSAND).map(|rest| THOUSAND + rest);
    }
    // The hundreds lose their vowel before *otto* and *ottanta*, the tens before *uno* and *otto*.
    if let Some((times, rest)) = word.split_once("cent") {
        let times =
            if times.is_empty() { 1 } else { value(times).filter(|times| (2..10).contains(times))? };
        let rest = rest.strip_prefix('o').and_then(added).or_else(|| value(rest))?;
        return (rest < HUNDRED).then_some(times * HUNDRED + rest);
    }
    IT.iter().filter(|(_, value)| (20..HUNDRED).contains(value)).find_map(|(tens, value)| {
        let rest = word.strip_prefix(tens).or_else(|| word.strip_prefix(&tens[..tens.len() - 1]))?;
        word_value(rest, Language::It).filter(|unit| (1..10).contains(unit)).map(|unit| value + unit)
    })
}

type Names = &'static [(&'static str, u64)];

fn names(language: Language) -> Names {
    match language {
        Language::Pt => PT,
        Language::It => IT,
        Language::Es => ES,
        Language::En => EN,
    }
}

const PT: Names = &[
    ("um/uma", 1),
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
    ("quatrocentos/quatrocentas", 400),
    ("quinhentos/quinhentas", 500),
    ("seiscentos/seiscentas", 600),
    ("setecentos/setecentas", 700),
    ("oitocentos/oitocentas", 800),
    ("novecentos/novecentas", 900),
];
const IT: Names = &[
    ("uno/un/una", 1),
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
];
const ES: Names = &[
    ("un/uno/una", 1),
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
    ("cuatrocientos/cuatrocientas", 400),
    ("quinientos/quinientas", 500),
    ("seiscientos/seiscientas", 600),
    ("setecientos/setecientas", 700),
    ("ochocientos/ochocientas", 800),
    ("novecientos/novecientas", 900),
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
            ("vinte e um dias", Pt, &[21]),
            ("treinta y un días", Es, &[31]),
            ("um cupom, un cupón, un buono", Pt, &[]),
            ("seiscentos euros", Pt, &[600]),
            ("quattrocento, seicento, settecento, ottocento, novecento", It, &[400, 600, 700, 800, 900]),
            (
                "cuatrocientos, seiscientas, setecientos, ochocientos, novecientos",
                Es,
                &[400, 600, 700, 800, 900],
            ),
            ("two hundred euros", En, &[200]),
            ("a hundred and twenty euros", En, &[120]),
            ("one hundred and two hundred", En, &[100, 200]),
            ("between twenty and five hundred", En, &[20, 500]),
            ("two hundred and fifty thousand", En, &[250_000]),
            ("dois mil e quinhentos euros", Pt, &[2_500]),
            ("mil e duzentos euros", Pt, &[1_200]),
            ("dois mil e três mil", Pt, &[2_000, 3_000]),
            ("dois milhões trezentos mil e cinco", Pt, &[2_300_005]),
            ("milhões de euros", Pt, &[]),
            ("mil milhões", Pt, &[1_000_000_000]),
            ("duemila, tremilacinquecento, milleduecento", It, &[2_000, 3_500, 1_200]),
            ("centotto, centottanta, duecentoventuno, centouno", It, &[108, 180, 221, 101]),
            ("accento, centesimo, millesimo, centro, recente", It, &[]),
            ("due milioni e duecento", It, &[2_000_200]),
            ("due milioni trecentomila", It, &[2_300_000]),
            ("mil milhões mil milhões mil milhões", Pt, &[1_000_001_000, 1_000_000_000]),
            ("dos mil quinientos", Es, &[2_500]),
            ("entre cien y doscientos", Es, &[100, 200]),
            ("un millón", Es, &[1_000_000]),
            ("three thousand two hundred and one", En, &[3_201]),
            ("cinquenta por cento e duas horas", Pt, &[50, 2]),
            ("nothing of the kind", En, &[]),
        ] {
            let found: Vec<u64> = numbers(text, Some(language)).into_iter().map(|(value, _)| value).collect();
            assert_eq!(found, values, "{text}");
        }
        assert_eq!(numbers("in trenta giorni", None), [(30, 3..9)]);
    }

    #[test]
    fn a_word_of_any_length_is_read_at_no_depth() {
        let longest = "quattrocentocinquantaquattromilaquattrocentocinquantaquattro";
        assert_eq!(numbers(longest, Some(Language::It)), [(454_454, 0..longest.len())]);
        assert!(numbers(&"mille".repeat(100_000), Some(Language::It)).is_empty());
    }

    #[test]
    fn figures_take_thousands_and_millions_behind_them() {
        for (text, expected) in [
            ("2 mil euros", Some((THOUSAND, 0, "2 mil"))),
            ("2k", Some((THOUSAND, 0, "2k"))),
            ("2 mil e quinhentos euros", Some((THOUSAND, 500, "2 mil e quinhentos"))),
            ("2 thousand and five", Some((THOUSAND, 5, "2 thousand and five"))),
            ("2 milhões de euros", Some((MILLION, 0, "2 milhões"))),
            ("2 mil e 3 mil", Some((THOUSAND, 0, "2 mil"))),
            ("2 mil e 500", Some((THOUSAND, 500, "2 mil e 500"))),
            ("2 mil 500 euros", Some((THOUSAND, 500, "2 mil 500"))),
            ("2 mil y 50.", Some((THOUSAND, 50, "2 mil y 50"))),
            ("2 mil e 500 mil", Some((THOUSAND, 0, "2 mil"))),
            ("2 mil e 5,5 kg", Some((THOUSAND, 0, "2 mil"))),
            ("2 mil e 5% de juros", Some((THOUSAND, 0, "2 mil"))),
            ("2 mil e 5000", Some((THOUSAND, 0, "2 mil"))),
            ("2k 500", Some((THOUSAND, 0, "2k"))),
            ("2 kg", None),
            ("2 k", None),
            ("2 milho", None),
        ] {
            let found = multiplied(text, 1, None);
            assert_eq!(found.map(|it| (it.by, it.plus, &text[..it.end])), expected, "{text}");
        }
    }
}
