//! Dates of birth: a date beside a word for birth.

use std::sync::LazyLock;

use regex::Regex;

use super::rule::{Certainty, bounded};
use super::{Found, Kind, pattern};

static BIRTH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:nasc(?:imento|id[oa]s?|i|eu|\.)?|nat[oa] (?:il|a|nel)|nascita|nacimiento|nac[íi]|nacid[oa]s?|born|birth(?:day|date)?|dob|d\.o\.b\.?|anivers[áa]rio|compleanno|cumplea[ñn]os)(?:\W|$)",
    )
});
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)
          \d{1,2}[./\-\ ]\d{1,2}[./\-\ ](?:19|20)?\d{2}
        | (?:19|20)\d{2}[./-]\d{1,2}[./-]\d{1,2}
        | \d{1,2}(?:st|nd|rd|th|º|°)?\ (?:de\ |of\ )?\p{L}{3,10}\.?,?\ (?:de\ |del\ |of\ )?(?:19|20)\d{2}
        | \p{L}{3,10}\.?\ \d{1,2}(?:st|nd|rd|th)?,?\ (?:19|20)\d{2}",
    )
});
/// Between the word and the date, in bytes.
const REACH: usize = 40;

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    for word in BIRTH.find_iter(text) {
        let after = DATE.find_at(text, word.start()).filter(|date| date.start() <= word.end() + REACH);
        let before = || {
            DATE.find_iter(&text[..word.start()]).last().filter(|date| date.end() + REACH / 2 >= word.start())
        };
        let Some(date) = after.or_else(before) else { continue };
        if bounded(text, &date.range()) {
            let normal = date
                .as_str()
                .to_lowercase()
                .split(|c: char| !c.is_alphanumeric())
                .collect::<Vec<_>>()
                .join("-");
            found.push(Found {
                kind: Kind::BirthDate,
                region: None,
                span: date.range(),
                normal,
                certainty: Certainty::Named,
            });
        }
    }
}
