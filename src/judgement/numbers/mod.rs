//! Numbers, times and dates of a text as values with units.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::claims::pattern;
use crate::conversation::Language;
use crate::text::fold;

mod written;

/// A value with its unit, in every reading: `1.000` may be a thousand or one, `13h` an hour of the day or a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quantity {
    readings: Vec<(String, Option<Unit>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Percent,
    Gram,
    Kilogram,
    Millimetre,
    Centimetre,
    Metre,
    Kilometre,
    Millilitre,
    Litre,
    Watt,
    Volt,
    Degree,
    Megabyte,
    Gigabyte,
    Second,
    Euro,
    Pound,
    Dollar,
    Real,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    /// Time of day; the value is minutes from midnight.
    Clock,
    /// The value is `month-day` or `year-month-day`.
    Date,
}

impl Unit {
    /// ISO 4217 code of a currency.
    fn currency(self) -> Option<&'static str> {
        Some(match self {
            Self::Euro => "EUR",
            Self::Pound => "GBP",
            Self::Dollar => "USD",
            Self::Real => "BRL",
            _ => return None,
        })
    }
}

impl Quantity {
    /// Whether this, found in a source, supports a claim.
    pub(super) fn supports(&self, claim: &Self) -> bool {
        self.readings.iter().any(|(value, unit)| {
            claim.readings.iter().any(|(other, wanted)| value == other && agree(*unit, *wanted))
        })
    }

    /// Whether both are first of all the same value with the same unit, however each is written.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.readings.first() == other.readings.first()
    }

    /// The largest value that it may be as money, with the currency's ISO 4217 code.
    pub(super) fn money(&self) -> Option<(f64, &'static str)> {
        let money = self
            .readings
            .iter()
            .filter_map(|(value, unit)| Some((value.parse().ok()?, unit.and_then(Unit::currency)?)));
        money.max_by(|(one, _), (other, _): &(f64, _)| one.total_cmp(other))
    }

    fn new(values: impl IntoIterator<Item = String>, unit: Option<Unit>) -> Self {
        Self { readings: values.into_iter().map(|value| (value, unit)).collect() }
    }
}

/// Equal units agree; a unit may be left out on one side, but a time or a date is no plain number.
fn agree(source: Option<Unit>, claim: Option<Unit>) -> bool {
    match (source, claim) {
        (Some(source), Some(claim)) => source == claim,
        (Some(unit), None) | (None, Some(unit)) => !matches!(unit, Unit::Clock | Unit::Date),
        (None, None) => true,
    }
}

static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b([01]?[0-9]|2[0-4])(?::([0-5][0-9])(?:\s?h)?|\s?h(?:([0-5][0-9])|oras?|rs|s)?)(?:\s?([ap])\.?m\b\.?)?(?:\b|$)|\b(1[0-2]|[1-9])(?:[:.]([0-5][0-9]))?\s?([ap])\.?m\b",
    )
});
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b([0-9]{4})-([0-9]{2})-([0-9]{2})\b|\b([0-9]{1,2})[/.]([0-9]{1,2})[/.]([0-9]{4}|[0-9]{2})\b")
});
static DAY_MONTH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?i)\b([0-9]{{1,2}})(?:st|nd|rd|th|º|°)?\s+(?:de\s+|of\s+)?({MONTHS})\b\.?(?:\s+(?:de\s+|del\s+)?([0-9]{{4}}))?\b|\b({MONTHS})\b\.?\s+([0-9]{{1,2}})(?:st|nd|rd|th)?(?:,?\s+([0-9]{{4}}))?\b"
    ))
});
/// Months in full and cut to what calendars print.
const MONTHS: &str = "jan(?:uary|eiro)?|gen(?:naio)?|ene(?:ro)?|feb(?:ruary|braio|rero)?|fev(?:ereiro)?|mar(?:ch|ço|co|zo)?|\
    apr(?:il|ile)?|abr(?:il)?|may(?:o)?|mai(?:o)?|mag(?:gio)?|jun(?:e|ho|io)?|giu(?:gno)?|jul(?:y|ho|io)?|lug(?:lio)?|\
    aug(?:ust)?|ago(?:sto)?|sep(?:t|tember|tiembre)?|set(?:t|embro|tembre|iembre)?|oct(?:ober|ubre)?|out(?:ubro)?|\
    ott(?:obre)?|nov(?:ember|embro|embre|iembre)?|dec(?:ember)?|dez(?:embro)?|dic(?:embre|iembre)?";
static WHOLE_MONTH: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?i)^(?:{MONTHS})$")));
/// Shorter months are other words too: *may*, *mar*, *set*.
const SHORTEST_MONTH: usize = 4;
/// Days of the week, folded.
const WEEKDAYS: [&str; 26] = [
    "segunda",
    "terca",
    "quarta",
    "quinta",
    "sexta",
    "sabado",
    "domingo",
    "lunedi",
    "martedi",
    "mercoledi",
    "giovedi",
    "venerdi",
    "sabato",
    "domenica",
    "lunes",
    "martes",
    "miercoles",
    "jueves",
    "viernes",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
/// Letters of a unit that is no sign.
const SHORTEST_UNIT: usize = 3;
/// Units that are other words too: *ora*, now; *second*, behind the first.
const HOMONYMS: [&str; 7] = ["ora", "real", "second", "seconds", "segundo", "segundos", "chili"];
/// Amount, with a currency sign before it.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?P<before>R\$|US\$|[€£$]|\b(?:EUR|BRL|GBP|USD)\b)?\s?(?P<number>[0-9]+(?:[.,\u{A0}\u{202F}][0-9]+)*)",
    )
});
/// A number that goes on behind a space, by three digits a time.
static GROUPS: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]{1,2})?\b"));
static PERCENT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^(?:%|(?:per\s?cento?|por\s(?:cento|ciento))\b)"));
/// What joins millions to their unit.
static OF: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\s(?:d[ei]\s|d['’])"));

/// Quantities of a text with the words they stand in, and their bytes. `None` reads number words of every language.
///
/// Number words count in a claim only with a unit behind them: *sei* is six and "you are" in Italian.
pub(super) fn quantities(
    text: &str,
    language: Option<Language>,
) -> (Vec<(String, Quantity)>, Vec<Range<usize>>) {
    let mut found = Vec::new();
    let mut taken: Vec<Range<usize>> = Vec::new();
    let free = |taken: &[Range<usize>], span: &Range<usize>| {
        !taken.iter().any(|other| other.start < span.end && span.start < other.end)
    };
    for hit in DATE.captures_iter(text).chain(DAY_MONTH.captures_iter(text)) {
        let Some(whole) = hit.get(0).filter(|whole| !is_word(whole.as_str(), language)) else { continue };
        if let Some(values) = date(&hit).filter(|_| free(&taken, &whole.range())) {
            found.push((whole.as_str().to_owned(), Quantity::new(values, Some(Unit::Date))));
            taken.push(whole.range());
        }
    }
    for hit in CLOCK.captures_iter(text) {
        let Some(whole) = hit.get(0).filter(|whole| free(&taken, &whole.range())) else { continue };
        let Some(minutes) = clock(&hit) else { continue };
        let shown = whole.as_str().trim().to_lowercase();
        let digits: String = shown.chars().take_while(char::is_ascii_digit).collect();
        let as_clock = (minutes.to_string(), Some(Unit::Clock));
        let as_hours = (normal(&digits), Some(Unit::Hour));
        let readings = if shown.contains(':') || shown.ends_with('m') || shown.ends_with("m.") {
            vec![as_clock]
        } else {
            vec![as_clock, as_hours]
        };
        found.push((whole.as_str().trim().to_owned(), Quantity { readings }));
        taken.push(whole.range());
    }
    for hit in NUMBER.captures_iter(text) {
        let Some(number) = hit.name("number") else { continue };
        let before = hit.name("before").and_then(|sign| currency(sign.as_str()));
        let start = hit.name("before").map_or(number.start(), |sign| sign.start());
        let figures = figures(text, &number.range(), before, language);
        if !free(&taken, &number.range()) || glued(text, &(number.start()..figures.end)) {
            continue;
        }
        let behind = match before {
            Some(unit) => Behind { unit: Some(unit), end: figures.end, thousands: None },
            None => unit_after(text, figures.end),
        };
        let shown = text.get(start..behind.end).unwrap_or(number.as_str()).trim().to_owned();
        let values = figures.values.into_iter();
        let values: Vec<String> = if figures.multiplied {
            values.collect()
        } else {
            values.map(|value| behind.shares(value)).collect()
        };
        found.push((shown, Quantity::new(values, behind.unit)));
        taken.push(start..figures.end);
    }
    for (value, span) in written::numbers(text, language) {
        let behind = unit_after(text, span.end);
        if behind.unit.is_some() && free(&taken, &span) {
            let shown = text.get(span.start..behind.end).unwrap_or_default().to_owned();
            found.push((shown, Quantity::new([behind.shares(value.to_string())], behind.unit)));
        }
    }
    (found, taken)
}

/// Weekdays, months, and units that no number stands before, folded and in the order of the text: what *segunda-feira*, *em
/// março* and *um mês* say of time without a number.
pub(super) fn unnumbered(text: &str, language: Language) -> Vec<String> {
    let (_, taken) = quantities(text, Some(language));
    let mut behind_number = false;
    let mut found = Vec::new();
    for hit in UNIT_WORD.find_iter(text) {
        let word = fold(hit.as_str());
        let names = WEEKDAYS.contains(&word.as_str())
            || is_month(hit.as_str(), language)
            || !behind_number
                && word.chars().count() >= SHORTEST_UNIT
                && !HOMONYMS.contains(&word.as_str())
                && unit_word(&word).is_some();
        behind_number = hit.as_str().starts_with(|c: char| c.is_ascii_digit())
            || !written::numbers(hit.as_str(), Some(language)).is_empty();
        if names && !taken.iter().any(|span| span.start < hit.end() && hit.start() < span.end) {
            found.push(word);
        }
    }
    found
}

/// Whether a word is a month in full. In English alone it begins with a capital: *we march*. *Julio* is a name.
fn is_month(word: &str, language: Language) -> bool {
    let small = word.starts_with(char::is_lowercase);
    word.chars().count() >= SHORTEST_MONTH
        && small == (language != Language::En)
        && WHOLE_MONTH.is_match(word)
}

/// Whether a day and a month are other words of the language, as in *3 out of 5*, *2 set di piatti* or *those of 12 may ask*; a
/// year tells, and *may 30* is a day.
fn is_word(date: &str, language: Option<Language>) -> bool {
    use Language::{En, Es, It};
    let year = date.split(|c: char| !c.is_ascii_digit()).any(|run| run.len() == 4);
    let day_first = date.starts_with(|c: char| c.is_ascii_digit());
    !year
        && date.split_whitespace().any(|word| {
            matches!(
                (language, word.trim_end_matches('.').to_lowercase().as_str()),
                (Some(En), "out" | "gen") | (Some(En | It | Es), "set") | (Some(It), "mai")
            ) || language == Some(En) && (word == "ago" || day_first && word == "may")
        })
}

/// A number with what belongs to it behind its digits.
struct Figures {
    values: Vec<String>,
    end: usize,
    /// Thousands or millions in letters are in it.
    multiplied: bool,
}

/// The number that begins with these digits: with thousands in letters behind it (*2 mil*, *1.5k*), and, with a unit, with
/// digits grouped by spaces (*1 500 €*, *3 000 km*); without one it may be a phone's.
fn figures(text: &str, digits: &Range<usize>, before: Option<Unit>, language: Option<Language>) -> Figures {
    if let Some(grouped) = GROUPS.find(&text[digits.start..]) {
        let end = digits.start + grouped.end();
        let behind =
            UNIT_WORD.find(&text[end..]).filter(|word| text[end..end + word.start()].trim().is_empty());
        let unit = before.or_else(|| behind.and_then(|word| unit_word(&fold(word.as_str()))));
        if unit.is_some() {
            let values = readings(&grouped.as_str().replace(' ', ""));
            return Figures { values, end, multiplied: false };
        }
    }
    let values = readings(&text[digits.clone()]);
    match written::multiplied(text, digits.end, language) {
        Some(found) => Figures {
            values: values.iter().map(|value| scaled(value, found.by, found.plus)).collect(),
            end: found.end,
            multiplied: true,
        },
        None => Figures { values, end: digits.end, multiplied: false },
    }
}

/// A value in its normal form times a power of ten, and what is added to it.
fn scaled(value: &str, by: u64, plus: u64) -> String {
    let places = by.ilog10() as usize;
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    let part = format!("{part:0<places$}");
    let (moved, part) = part.split_at(places);
    let scaled = normal(&format!("{whole}{moved}.{part}"));
    scaled.parse::<u64>().ok().and_then(|value| value.checked_add(plus)).map_or(scaled, |sum| sum.to_string())
}

/// Letters directly before or behind the digits make a code, not a number (`A4`, `3x`); `4º` and `2nd` are numbers.
fn glued(text: &str, span: &Range<usize>) -> bool {
    let before = text[..span.start].chars().next_back();
    let after: String = text[span.end..].chars().take_while(|c| c.is_alphanumeric()).collect();
    let ordinal = [
        "st", "nd", "rd", "th", "º", "ª", "h", "min", "kg", "g", "ml", "l", "cm", "mm", "m", "km", "w", "v",
        "gb", "mb",
    ];
    let prefix = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    prefix || (!after.is_empty() && !ordinal.contains(&after.to_lowercase().as_str()))
}

/// The normal forms a written number may have.
fn readings(number: &str) -> Vec<String> {
    let number: String = number.chars().filter(|c| !matches!(c, '\u{A0}' | '\u{202F}')).collect();
    let marks: Vec<char> = number.chars().filter(|c| !c.is_ascii_digit()).collect();
    let thousands: String = number.chars().filter(char::is_ascii_digit).collect();
    let decimal = |mark: char| {
        let (whole, part) = number.rsplit_once(mark).unwrap_or((&number, ""));
        let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
        format!("{whole}.{part}")
    };
    let Some(last) = marks.last().copied() else { return vec![normal(&number)] };
    let tail = number.rsplit(last).next().map_or(0, str::len);
    let first = number.find(last).unwrap_or(0);
    match marks.iter().filter(|mark| **mark == last).count() {
        1 if marks.len() > 1 => vec![normal(&decimal(last))],
        1 if tail == 3 && (1..=3).contains(&first) && !number.starts_with('0') => {
            vec![normal(&thousands), normal(&decimal(last))]
        }
        1 => vec![normal(&decimal(last))],
        _ => vec![normal(&thousands)],
    }
}

/// Without leading zeros of the whole part and trailing zeros of the fraction.
fn normal(number: &str) -> String {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let part = part.trim_end_matches('0');
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

/// What stands behind a number.
struct Behind {
    unit: Option<Unit>,
    /// The byte it ends at.
    end: usize,
    /// How many thousands the other end of a range has: the five of *3 to 5 thousand*.
    thousands: Option<f64>,
}

impl Behind {
    /// The value, in thousands as the other end of its range is: *3 to 5 thousand*, and not *500 to 2 thousand*.
    fn shares(&self, value: String) -> String {
        let smaller = self.thousands.zip(value.parse::<f64>().ok()).is_some_and(|(other, own)| own < other);
        if smaller { scaled(&value, 1_000, 0) } else { value }
    }
}

/// The unit behind a number, over the other end of a range and over "business".
fn unit_after(text: &str, from: usize) -> Behind {
    let none = Behind { unit: None, end: from, thousands: None };
    let start = past_of(text, from);
    let Some(rest) = text.get(start..) else { return none };
    let (mut words, mut last, mut thousands) = (0, None, None);
    for hit in UNIT_WORD.find_iter(rest) {
        let between = rest[..hit.start()].trim();
        if between.ends_with(['.', ';', '!', '?', ':', ',', '(', ')', '|', '\n'])
            && words == 0
            && !between.is_empty()
            || rest[..hit.start()].contains(['.', ';', '!', '?', '|', '\n'])
        {
            return none;
        }
        if let Some(percent) = PERCENT.find(&rest[hit.start()..]) {
            let end = start + hit.start() + percent.end();
            return Behind { unit: Some(Unit::Percent), end, thousands };
        }
        let word = fold(hit.as_str());
        if let Some(unit) = unit_word(&word) {
            return Behind { unit: Some(unit), end: start + hit.end(), thousands };
        }
        words += 1;
        let passes = BETWEEN.contains(&word.as_str()) || word.chars().all(|c| c.is_ascii_digit());
        if !passes || words > 3 {
            return none;
        }
        if THOUSANDS.contains(&word.as_str()) {
            thousands = last;
        }
        last = written::value(&word);
    }
    none
}

/// Over the *de* of *2 milhões de euros*.
fn past_of(text: &str, from: usize) -> usize {
    let before = text[..from].rsplit(|c: char| !c.is_alphabetic()).next().map(fold).unwrap_or_default();
    let millions =
        matches!(before.as_str(), "milhao" | "milhoes" | "milione" | "milioni" | "millon" | "millones");
    OF.find(&text[from..]).filter(|_| millions).map_or(from, |of| from + of.end())
}

static UNIT_WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{M}]+|[0-9]+(?:[.,][0-9]+)*|[€£$%°]"));

/// Words that may stand between a number and its unit.
const BETWEEN: &[&str] = &[
    "a",
    "e",
    "y",
    "o",
    "ou",
    "or",
    "to",
    "and",
    "ate",
    "al",
    "business",
    "working",
    "calendar",
    "full",
    "full-time",
    "uteis",
    "util",
    "corridos",
    "primeiros",
    "primeras",
    "primeros",
    "first",
    "primi",
    "prime",
    "whole",
    "more",
    "consecutive",
    "consecutivos",
    "piene",
    "lunghi",
    "six",
    "seis",
    "four",
    "quatro",
    "quattro",
    "cuatro",
    "cinco",
    "five",
    "cinque",
    "tre",
    "tres",
    "three",
    "dez",
    "ten",
    "dieci",
    "diez",
    "mil",
    "mila",
    "thousand",
    "k",
];
/// Those of them that multiply the number before them.
const THOUSANDS: [&str; 4] = ["mil", "mila", "thousand", "k"];

fn unit_word(word: &str) -> Option<Unit> {
    Some(match word {
        "€" | "euro" | "euros" | "eur" => Unit::Euro,
        "£" | "pound" | "pounds" | "gbp" | "libras" | "sterline" => Unit::Pound,
        "$" | "dollar" | "dollars" | "usd" | "dolares" | "dollari" => Unit::Dollar,
        "reais" | "real" | "brl" => Unit::Real,
        "minute" | "minutes" | "min" | "mins" | "minuto" | "minutos" | "minuti" => Unit::Minute,
        "hour" | "hours" | "hora" | "horas" | "ora" | "ore" | "h" | "hrs" => Unit::Hour,
        "day" | "days" | "dia" | "dias" | "giorno" | "giorni" => Unit::Day,
        "week" | "weeks" | "semana" | "semanas" | "settimana" | "settimane" => Unit::Week,
        "month" | "months" | "mes" | "meses" | "mese" | "mesi" => Unit::Month,
        "year" | "years" | "ano" | "anos" | "anni" | "anno" => Unit::Year,
        "second" | "seconds" | "segundo" | "segundos" | "secondi" => Unit::Second,
        "g" | "gram" | "grams" | "gramas" | "grammi" | "gramos" => Unit::Gram,
        "kg" | "kilo" | "kilos" | "kilogram" | "kilograms" | "quilo" | "quilos" | "chilo" | "chili" => {
            Unit::Kilogram
        }
        "mm" | "millimetres" | "millimeters" | "milimetros" | "millimetri" => Unit::Millimetre,
        "cm" | "centimetres" | "centimeters" | "centimetros" | "centimetri" => Unit::Centimetre,
        "m" | "metre" | "metres" | "meter" | "meters" | "metro" | "metros" | "metri" => Unit::Metre,
        "km" | "kilometres" | "kilometers" | "quilometros" | "kilometros" | "chilometri" => Unit::Kilometre,
        "ml" | "millilitres" | "milliliters" | "mililitros" | "millilitri" => Unit::Millilitre,
        "l" | "litre" | "litres" | "liter" | "liters" | "litro" | "litros" | "litri" => Unit::Litre,
        "w" | "watt" | "watts" => Unit::Watt,
        "v" | "volt" | "volts" => Unit::Volt,
        "°" | "degrees" | "graus" | "grados" | "gradi" => Unit::Degree,
        "mb" | "megabytes" => Unit::Megabyte,
        "gb" | "gigabytes" => Unit::Gigabyte,
        _ => return None,
    })
}

fn currency(sign: &str) -> Option<Unit> {
    Some(match sign.to_uppercase().as_str() {
        "R$" | "BRL" => Unit::Real,
        "€" | "EUR" => Unit::Euro,
        "£" | "GBP" => Unit::Pound,
        "$" | "US$" | "USD" => Unit::Dollar,
        _ => return None,
    })
}

fn clock(hit: &regex::Captures<'_>) -> Option<u32> {
    let number = |index: usize| hit.get(index).and_then(|part| part.as_str().parse::<u32>().ok());
    let (hour, minutes, half) = match number(1) {
        Some(hour) => (hour, number(2).or_else(|| number(3)).unwrap_or(0), hit.get(4)),
        None => (number(5)?, number(6).unwrap_or(0), hit.get(7)),
    };
    let hour = match half.map(|half| half.as_str().to_lowercase()).as_deref() {
        Some("p") if hour < 12 => hour + 12,
        Some("a") if hour == 12 => 0,
        _ => hour,
    };
    Some(hour * 60 + minutes)
}

fn date(hit: &regex::Captures<'_>) -> Option<Vec<String>> {
    let part = |index: usize| hit.get(index).map(|part| part.as_str());
    let number = |index: usize| part(index).and_then(|text| text.parse::<u32>().ok());
    if hit.len() == 7 && part(1).is_some_and(|text| text.len() == 4) {
        return forms(number(1), number(2)?, number(3)?);
    }
    // Of DATE, groups 4 to 6 are day, month, year; of DAY_MONTH, groups 1 to 3 are day, name, year and 4 to 6 name, day, year.
    if let (Some(day), Some(month), Some(year)) = (number(4), number(5), number(6)) {
        return forms(Some(if year < 100 { 2000 + year } else { year }), month, day);
    }
    if let (Some(day), Some(month)) = (number(1), part(2).and_then(month)) {
        return forms(number(3), month, day);
    }
    let (month, day) = (part(4).and_then(month)?, number(5)?);
    forms(number(6), month, day)
}

fn forms(year: Option<u32>, month: u32, day: u32) -> Option<Vec<String>> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(match year {
        Some(year) => vec![format!("{year}-{month}-{day}")],
        None => vec![format!("{month}-{day}")],
    })
}

fn month(name: &str) -> Option<u32> {
    let start: String = fold(name).chars().take(3).collect();
    Some(match start.as_str() {
        "jan" | "gen" | "ene" => 1,
        "fev" | "feb" => 2,
        "mar" => 3,
        "abr" | "apr" => 4,
        "mai" | "may" | "mag" => 5,
        "jun" | "giu" => 6,
        "jul" | "lug" => 7,
        "ago" | "aug" => 8,
        "set" | "sep" => 9,
        "out" | "oct" | "ott" => 10,
        "nov" => 11,
        "dez" | "dec" | "dic" => 12,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers_in_one_form() {
        for (written, values) in [
            ("1.000,50", vec!["1000.5"]),
            ("1,000.50", vec!["1000.5"]),
            ("1.000", vec!["1000", "1"]),
            ("1.000.000", vec!["1000000"]),
            ("4,90", vec!["4.9"]),
            ("0.125", vec!["0.125"]),
            ("007", vec!["7"]),
            ("10.00", vec!["10"]),
        ] {
            assert_eq!(readings(written), values, "{written}");
        }
    }

    #[test]
    fn a_day_needs_a_month_and_no_word_that_begins_like_one() {
        use Language::{En, Es, It, Pt};
        for (text, language, date) in [
            ("até 2 de setembro", Pt, Some("9-2")),
            ("no dia 3 out", Pt, Some("10-3")),
            ("em 15 mar. 2026", Pt, Some("2026-3-15")),
            ("entro il 1° maggio", It, Some("5-1")),
            ("il 3 sett.", It, Some("9-3")),
            ("el 5 de enero del 2027", Es, Some("2027-1-5")),
            ("on May 20", En, Some("5-20")),
            ("on may 30", En, Some("5-30")),
            ("on Sept. 3rd, 2026", En, Some("2026-9-3")),
            ("by 4 Aug", En, Some("8-4")),
            ("mais 15 dias", Pt, None),
            ("em 2 agosto-novembro", Pt, Some("8-2")),
            ("os 3 outros", Pt, None),
            ("entro 2 settimane", It, None),
            ("2 set di piatti, mai 2 volte", It, None),
            ("2 separate parcels", En, None),
            ("marked 20% off", En, None),
            ("3 out of 5 customers, and those of 12 may ask", En, None),
            ("in 5 decades, maybe 6 augmented", En, None),
            ("10 OUT OF 10", En, None),
            ("They sold out. 10 remain", En, None),
            ("Un solo set. 3 restano", It, None),
        ] {
            let found = quantities(text, Some(language)).0;
            let dates: Vec<&str> = found
                .iter()
                .flat_map(|(_, found)| &found.readings)
                .filter(|(_, unit)| *unit == Some(Unit::Date))
                .map(|(value, _)| value.as_str())
                .collect();
            assert_eq!(dates, Vec::from_iter(date), "{text}");
        }
    }

    #[test]
    fn digits_in_groups_are_one_number_where_a_unit_follows() {
        let values = |text: &str| -> Vec<(String, Option<Unit>)> {
            quantities(text, Some(Language::Pt)).0.into_iter().flat_map(|(_, found)| found.readings).collect()
        };
        for (text, value, unit) in [
            ("3 000 km", "3000", Unit::Kilometre),
            ("2 500 ml", "2500", Unit::Millilitre),
            ("1 200,5 kg", "1200.5", Unit::Kilogram),
            ("R$ 2 mil e 500", "2500", Unit::Real),
            ("2 mil 500 euros", "2500", Unit::Euro),
        ] {
            assert_eq!(values(text), [(value.to_owned(), Some(unit))], "{text}");
        }
        assert!(values("telefone 800 555 019").iter().all(|(value, _)| value != "800555019"));
    }

    #[test]
    fn both_ends_of_a_range_have_its_thousands() {
        for (text, ends) in [
            ("de 3 a 5 mil euros", ["3000", "5000"]),
            ("de três a cinco mil euros", ["3000", "5000"]),
            ("de 1,5 a 2 mil euros", ["1500", "2000"]),
            ("de 500 a 2 mil euros", ["500", "2000"]),
            ("2 mil e 3 mil euros", ["2000", "3000"]),
        ] {
            let found = quantities(text, Some(Language::Pt)).0;
            let found: Vec<_> = found.iter().map(|(_, found)| found.readings[0].0.as_str()).collect();
            assert_eq!(found, ends, "{text}");
        }
    }

    #[test]
    fn reads_units_over_ranges_and_adjectives() {
        let units = |text: &str| -> Vec<Option<Unit>> {
            let found = quantities(text, Some(Language::En)).0;
            found.into_iter().flat_map(|(_, found)| found.readings).map(|(_, unit)| unit).collect()
        };
        assert_eq!(units("2 to 4 business days"), [Some(Unit::Day), Some(Unit::Day)]);
        assert_eq!(units("within 14 days. 3 mugs"), [Some(Unit::Day), None]);
        assert_eq!(units("from 9:00 to 5 pm"), [Some(Unit::Clock), Some(Unit::Clock)]);
        assert_eq!(units("€5 or 10%"), [Some(Unit::Euro), Some(Unit::Percent)]);
        assert_eq!(units("24 horas"), [Some(Unit::Clock), Some(Unit::Hour)]);
        assert_eq!(units("48 hours"), [Some(Unit::Hour)]);
        assert_eq!(
            units("10 to 20 per cent or 3 to 5k €"),
            [Unit::Percent, Unit::Percent, Unit::Euro, Unit::Euro].map(Some)
        );
        assert_eq!(
            units("2.5 kg, 30cm or 90 °C"),
            [Some(Unit::Kilogram), Some(Unit::Centimetre), Some(Unit::Degree)]
        );
    }
}
