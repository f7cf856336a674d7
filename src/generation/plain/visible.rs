//! What a reader sees is what is there: no character that is not shown, none that only looks like another of an address.

use crate::text::is_hidden;

/// The text without characters that are not shown or that turn the order of reading, and with one form of the letters,
/// dots and slashes that addresses are made of.
pub(super) fn visible(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let shown = |place: usize| {
        let around = |offset: isize| place.checked_add_signed(offset).and_then(|place| characters.get(place));
        // Joiners belong to pictures of several parts, and nowhere else in the languages that Ponto speaks.
        let joined = |c: Option<&char>| c.is_some_and(|c| *c >= '\u{2190}');
        match characters[place] {
            '\u{200d}' => joined(around(-1)) && joined(around(1)),
            '\n' | '\t' => true,
            c => !c.is_control() && !is_hidden(c),
        }
    };
    (0..characters.len()).filter(|place| shown(*place)).map(|place| plain_form(characters[place])).collect()
}

fn plain_form(c: char) -> char {
    match c {
        // Full width forms of ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        // What browsers take for a dot between the parts of a host.
        '\u{2024}' | '\u{3002}' | '\u{ff61}' | '\u{fe52}' => '.',
        '\u{2044}' | '\u{2215}' | '\u{29f8}' => '/',
        '\u{a789}' | '\u{fe55}' => ':',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_goes_and_what_is_shown_stays() {
        for (text, seen) in [
            ("ev\u{200b}il\u{ad}.com", "evil.com"),
            ("\u{202e}moc.live\u{202c}", "moc.live"),
            ("ｅｖｉｌ．ｃｏｍ／ｘ", "evil.com/x"),
            ("evil。com", "evil.com"),
            ("família 👨‍👩‍👧, 2º andar, ½ kg, ❤️", "família 👨‍👩‍👧, 2º andar, ½ kg, ❤️"),
            ("a\u{200d}b\u{7}\nc\td", "ab\nc\td"),
        ] {
            assert_eq!(visible(text), seen);
        }
    }
}
