//! E-mail addresses.

use std::sync::LazyLock;

use regex::Regex;

use super::rule::{Certainty, Neighbours, naming};
use super::{Found, Kind, pattern};

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?:"[^"\s][^"\n]{0,60}"|[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]+)@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+(?:xn--[a-z0-9-]+|\p{L}{2,})"#,
    )
});

static WORDS: LazyLock<Regex> = LazyLock::new(|| naming("e-?mail"));

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    for hit in ADDRESS.find_iter(text) {
        let opened = hit.as_str().trim_start_matches(|c: char| ".'`*/={|".contains(c));
        let span = hit.end() - opened.len()..hit.end();
        if is_address(opened) && !text[hit.end()..].starts_with(['@', '_']) {
            let normal = opened.to_lowercase();
            let neighbours = Neighbours::of(text, &span, &WORDS);
            found.push(neighbours.found(Kind::Email, None, span, normal, Certainty::Strong));
        }
    }
}

/// The limits of RFC 5321, and no letters of another width.
fn is_address(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let wide = |c: char| ('\u{ff00}'..='\u{ffef}').contains(&c);
    !address.contains(wide)
        && local.len() <= 64
        && domain.len() <= 253
        && domain.split('.').all(|label| label.len() <= 63)
        && !local.ends_with('.')
        && !local.contains("..")
}
