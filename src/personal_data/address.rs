//! Postal addresses: a word for a street, a name, and the number of a house, with what follows of flat, code and town.

use std::sync::LazyLock;

use regex::Regex;

use super::rule::Certainty;
use super::{Found, Kind, pattern};

/// `Rua das Flores, 123`, `Via Roma 5/B`, `Calle Mayor, n.º 5`: the number follows the name.
static NUMBER_LAST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        \b(?i:(?:r(?:ua)?|av(?:enida|da|ia)?|alameda|al|travessa|trav|tv|estrada|rodovia|largo|praça|praceta|p[çc]a
            |via|viale|v\.le|corso|c\.so|piazza|p\.zza|piazzale|vicolo|strada|lungomare
            |calle|plaza|pl|pza|paseo|p[ºo]|carretera|ctra|ronda|camino|callejón)(?:\.\ ?|\ )|c/\ ?)
        (?:(?i:d[aeio]s?|d[ae]l(?:l[aeo])?|de\ la|de\ los|de\ las|dei|degli|e|y)\ |\p{Lu}(?:\p{Ll}[\p{L}'’-]*|\.|\p{Lu}*['’]\p{L}+)\ ?|\d{1,2}\ (?i:de\ |di\ )){1,7}
        ,?\ ?(?i:n(?:[.ºo°]{1,2}|úmero|umero)?\ ?|nr\.?\ ?)?\d{1,5}(?:\ ?/\ ?\p{L}{1,2}|\ ?[A-Z]\b)?
        (?:,?\ (?i:ap(?:to?|artamento|\.)?|bloco|bl\.|casa|sala|andar|piso|planta|puerta|esc\.|int(?:erno|\.)?|scala)\.?\ ?[\w.ºª°-]{1,6}|,?\ \d{1,2}[ºª°](?:\ ?\p{L}{1,4}\.?)?){0,3}
        (?:\s?[,–-]?\s?\d{4,5}-?\d{0,3}(?:\ \p{Lu}[\p{L}'’-]+){0,3})?",
    )
});
/// `12 Baker Street, Flat 4`: the number comes first.
static NUMBER_FIRST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        \b\d{1,5}[A-Za-z]?\ (?:\p{Lu}[\p{L}.'’-]*\ |\d{1,3}(?:st|nd|rd|th)\ ){1,4}
        (?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Crescent|Close|Square|Sq|Terrace|Boulevard|Blvd|Way|Place|Pl|Parkway|Highway|Mews|Gardens|Grove|Hill)\b\.?
        (?:,?\s(?:Apt|Apartment|Flat|Suite|Unit|Floor)\.?\ ?\#?\w{1,6})?",
    )
});

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    for hit in NUMBER_LAST.find_iter(text).chain(NUMBER_FIRST.find_iter(text)) {
        // A street's name begins with a capital; `via 24 ore` and `av. 5` are none.
        if hit.as_str().chars().skip(2).any(char::is_uppercase) {
            let normal: Vec<String> = hit
                .as_str()
                .to_lowercase()
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect();
            found.push(Found {
                kind: Kind::Address,
                region: None,
                span: hit.range(),
                normal: normal.join(" "),
                certainty: Certainty::Likely,
            });
        }
    }
}
