//! Phone numbers: international ones, and those of the countries that Ponto speaks to as people write them at home.
//!
//! A number that begins with `+` or `00` is found by its calling code. A national one is found by the numbering plan of a
//! country, or, when it is written in groups as phones are, as a number of no known country.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::rule::{Certainty, Neighbours, naming};
use super::{Found, Kind, pattern};

/// Runs of digits with the separators people use, and an extension.
static RUN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\+?\(?[0-9](?:[ .()-]{0,3}[0-9]){5,16}(?:\ ?(?:x|ext\.?|ramal|int\.?)\ ?[0-9]{1,6})?")
});
static EXTENSION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\ ?(?:x|ext\.?|ramal|int\.?)\ ?[0-9]{1,6}$"));
static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    naming(
        r"tel(?:\.|efone|[eé]fono|efono|ephone)?|(?:tele)?phone|fone|celular|cel\.?|cellulare|cell\.?|whats(?:app)?|zap|m[óo]vil|mobile|ligu\w*|liga\w*|llam\w*|chiam\w*|call(?:ed|ing)?|contat\w*|contact\w*|ring|sms|text|fax|office|desk|ufficio|escrit[óo]rio|oficina",
    )
});
/// What the groups of digits look like where they are something else: a date, a range of years, a number of another kind.
static NO_PHONE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^(?:
            \d{1,2}[.\ -]\d{1,2}[.\ -]\d{4}(?:\ .*)? | \d{4}[.-]\d{1,2}[.-]\d{1,2}(?:\ .*)? |
            (?:19|20)\d{2}\D+\d{3,6} | .*\b(?:19|20)\d{2}\b.*\b(?:19|20)\d{2}\b.* | .*\ \d+\.\d{2} |
            \d{3}-\d{2}-\d{4} | \d{1,3}(?:\.\d{1,3}){3} | (?:\d{4}[ -]){3}\d{4}
        )$",
    )
});
/// Thousands, or from so many to so many, unless a word says that it is a phone.
static THOUSANDS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:\d{1,3}(?:\.\d{3})+(?: ?- ?\d{1,3}(?:\.\d{3})+)?|\d{1,2}(?: \d{3})+)$"));

/// A country's numbers, without calling code and trunk prefix.
struct Plan {
    region: &'static str,
    code: &'static str,
    /// Dialled before a number inside the country.
    trunk: &'static str,
    /// Nobody leaves it out at home.
    trunk_is_written: bool,
    mobile: &'static str,
    other: &'static str,
}

const PLANS: [Plan; 14] = [
    plan(
        "BR",
        "55",
        "0",
        r"[1-9]{2}(?:9[1-9]\d{7}|[6-9]\d{7})",
        r"[1-9]{2}[2-5]\d{7}|[3589]00\d{6,7}|400[34]\d{4}",
    ),
    plan("PT", "351", "", r"9[1236]\d{7}", r"[236-8]\d{8}"),
    plan("ES", "34", "", r"6\d{8}|7[1-4]\d{7}", r"[89]\d{8}|70\d{7}|51\d{7}"),
    plan("IT", "39", "", r"3\d{8,9}", r"0\d{5,10}|8\d{5,9}|1\d{5,9}|55\d{8}|3\d{10,11}"),
    plan("GB", "44", "0", r"7[1-57-9]\d{8}", r"[1-35689]\d{8,9}|7[06]\d{8}"),
    plan("US", "1", "1", r"[2-9]\d{9}", r""),
    plan("MX", "52", "01", r"(?:0?1|04[45])?[1-9]\d{9}", r""),
    plan("AR", "54", "0", r"9(?:11\d{8}|[23]\d{9})", r"11\d{8}|[23]\d{9}"),
    plan("FR", "33", "0", r"[67]\d{8}", r"[1-589]\d{8}"),
    plan("DE", "49", "0", r"1[5-7]\d{8,9}", r"[2-9]\d{5,10}"),
    plan("CH", "41", "0", r"7[4-9]\d{7}", r"[2-9]\d{8}"),
    plan("CL", "56", "", r"9\d{8}", r"2\d{8}"),
    plan("CO", "57", "", r"3\d{9}", r"60\d{8}"),
    plan("AO", "244", "", r"9\d{8}", r"2\d{8}"),
];

const fn plan(
    region: &'static str,
    code: &'static str,
    trunk: &'static str,
    mobile: &'static str,
    other: &'static str,
) -> Plan {
    let trunk_is_written = matches!(trunk.as_bytes(), b"0") && !matches!(region.as_bytes(), b"BR");
    Plan { region, code, trunk, trunk_is_written, mobile, other }
}

/// Plans whose bare numbers are looked for; those of other countries need `+`.
const AT_HOME: usize = 8;

struct Compiled {
    plan: &'static Plan,
    mobile: Regex,
    other: Option<Regex>,
}

static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    let whole = |source: &str| pattern(&format!("^(?:{source})$"));
    PLANS
        .iter()
        .map(|plan| Compiled {
            plan,
            mobile: whole(plan.mobile),
            other: (!plan.other.is_empty()).then(|| whole(plan.other)),
        })
        .collect()
});

/// Calling codes of the world, by their first digits.
const CODES: &str = "1 7 20 211 212 213 216 218 22 23 24 25 26 27 290 291 297 298 299 30 31 32 33 34 350 351 352 353 354 355 \
    356 357 358 359 36 37 38 39 40 41 420 421 423 43 44 45 46 47 48 49 500 501 502 503 504 505 506 507 508 509 51 52 53 54 \
    55 56 57 58 59 60 61 62 63 64 65 66 67 68 690 691 692 81 82 84 850 852 853 855 856 86 880 886 90 91 92 93 94 95 960 961 \
    962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 98 99";

/// What a run of digits is as a phone.
struct Reading {
    region: Option<&'static str>,
    kind: Kind,
    national: String,
}

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    for hit in RUN.find_iter(text) {
        let before = found.len();
        let span = trimmed(text, hit.range());
        read(text, &span, false, found);
        if found.len() == before {
            apart_in(text, span, found);
        }
    }
}

/// Numbers of known countries side by side, which one run takes together: from each group of digits on the longest.
fn apart_in(text: &str, run: Range<usize>, found: &mut Vec<Found>) {
    let breaks: Vec<usize> =
        text[run.clone()].match_indices(' ').map(|(at, _)| run.start + at).chain([run.end]).collect();
    let mut start = run.start;
    for (place, end) in breaks.iter().enumerate() {
        if start >= *end {
            continue;
        }
        let next = breaks[place..].iter().rev().find(|end| {
            let before = found.len();
            let stretch = text[start..**end].trim_end_matches(|c: char| !c.is_ascii_digit());
            read(text, &(start..start + stretch.len()), true, found);
            found.len() > before
        });
        start = next.unwrap_or(end) + 1;
    }
}

/// Takes in what one stretch is as a phone; `known` leaves out what follows no country's plan.
fn read(text: &str, span: &Range<usize>, known: bool, found: &mut Vec<Found>) {
    let raw = &text[span.clone()];
    if !apart(text, span) || NO_PHONE.is_match(raw) {
        return;
    }
    let neighbours = Neighbours::of(text, span, &WORDS);
    if THOUSANDS.is_match(raw) && !neighbours.named {
        return;
    }
    let certainty = if raw.starts_with('+') { Certainty::Strong } else { Certainty::Likely };
    if certainty == Certainty::Likely && neighbours.of_something_else() {
        return;
    }
    for reading in readings(raw, &neighbours) {
        if reading.region.is_some() || !known {
            let Reading { region, kind, national } = reading;
            found.push(neighbours.found(kind, region, span.clone(), national, certainty));
        }
    }
}

/// Without a bracket that is not closed.
fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let raw = &text[span.clone()];
    if raw.starts_with('(') && !raw.contains(')') { span.start + 1..span.end } else { span }
}

/// Whether no letter and no digit touches the run.
fn apart(text: &str, span: &Range<usize>) -> bool {
    let touches =
        |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '@' | '=' | '&'));
    let mut before = text[..span.start].chars().rev();
    let last = before.next();
    let decimal = matches!(last, Some(',' | '.' | '/')) && before.next().is_some_and(|c| c.is_ascii_digit());
    let mut after = text[span.end..].chars();
    let next = after.next();
    let goes_on = matches!(next, Some(',' | ':' | '/')) && after.next().is_some_and(|c| c.is_ascii_digit());
    !touches(last) && !touches(next) && !decimal && !goes_on
}

fn readings(raw: &str, neighbours: &Neighbours) -> Vec<Reading> {
    let number = EXTENSION.replace(raw, "");
    // `+41 (0)71 …`: the zero is dialled at home alone.
    let number = if raw.starts_with('+') { number.replace("(0)", "") } else { number.into_owned() };
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if number.starts_with('+') {
        return international(&digits).into_iter().collect();
    }
    if let Some(rest) = digits.strip_prefix("00")
        && let Some(reading) = international(rest)
    {
        return vec![reading];
    }
    let groups = number.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).count();
    let told = neighbours.named || neighbours.alone;
    let mut readings: Vec<Reading> = COMPILED[..AT_HOME]
        .iter()
        .filter_map(|plan| with_code(plan, &digits).or_else(|| national(plan, &digits, told)))
        .collect();
    // A number in one piece is taken for a phone where its length is that of one, a short one where a word says so.
    if digits.len() < if groups == 1 { 9 } else { 8 } && !told {
        readings.clear();
    }
    let grouped = groups > 1 && (digits.len() >= 8 || neighbours.named);
    if readings.is_empty() && (grouped || neighbours.named && digits.len() >= 7) && digits.len() <= 13 {
        readings.push(Reading { region: None, kind: Kind::Phone, national: digits });
    }
    readings
}

fn international(digits: &str) -> Option<Reading> {
    if !(7..=15).contains(&digits.len()) {
        return None;
    }
    if let Some(plan) = COMPILED.iter().find(|plan| digits.starts_with(plan.plan.code)) {
        return with_code(plan, digits);
    }
    CODES.split_whitespace().any(|code| digits.starts_with(code)).then(|| Reading {
        region: None,
        kind: Kind::Phone,
        national: digits.to_owned(),
    })
}

fn with_code(plan: &Compiled, digits: &str) -> Option<Reading> {
    let rest = digits.strip_prefix(plan.plan.code)?;
    // Zeros of the trunk are often left in.
    plan.read(rest).or_else(|| plan.read(rest.strip_prefix('0')?))
}

/// As it is dialled at home; `told` says that it is a phone.
fn national(plan: &Compiled, digits: &str, told: bool) -> Option<Reading> {
    let Plan { trunk, trunk_is_written, .. } = plan.plan;
    let with_trunk = if trunk.is_empty() { None } else { digits.strip_prefix(trunk) };
    let bare = || if told || !trunk_is_written { plan.read(digits) } else { None };
    with_trunk.and_then(|rest| plan.read(rest)).or_else(bare)
}

impl Compiled {
    fn read(&self, national: &str) -> Option<Reading> {
        let kind = if self.mobile.is_match(national) {
            Kind::Mobile
        } else if self.other.as_ref().is_some_and(|other| other.is_match(national)) {
            Kind::Phone
        } else {
            return None;
        };
        Some(Reading { region: Some(self.plan.region), kind, national: national.to_owned() })
    }
}
