//! What `WhatsApp` and Instagram would take for formatting: `*bold*`, `_italic_`, `~struck~` and code between backticks.
//!
//! A pair of marks counts where the channel would see one: on one line, at the outside of words. An asterisk or an underscore
//! inside a word (`snake_case`, `2*3`), one that stands alone, and those of addresses stay.

use std::ops::Range;

use super::{ADDRESS, trim_end};
use crate::conversation::Channel;

const MARKS: [char; 4] = ['*', '_', '~', '`'];

/// The text as the channel shows it without formatting.
pub fn unformatted(text: &str, channel: Channel) -> String {
    let mut text = text.to_owned();
    if !matches!(channel, Channel::Whatsapp | Channel::Instagram) {
        return text;
    }
    // What is taken out can put marks side by side that were apart. Every pass shortens the text, so this ends.
    loop {
        let lines = text.replace("```", "");
        let pass = lines.split('\n').map(without_pairs).collect::<Vec<_>>().join("\n");
        if pass.len() == text.len() {
            return pass;
        }
        text = pass;
    }
}

/// A line without its pairs of marks. Every pass shortens it, so this ends.
fn without_pairs(line: &str) -> String {
    let mut line = line.to_owned();
    while let Some((opening, closing)) = pair(&line) {
        line.replace_range(closing, "");
        line.replace_range(opening, "");
    }
    line
}

/// The first pair of marks, as the two ranges to take out.
fn pair(line: &str) -> Option<(Range<usize>, Range<usize>)> {
    let addresses: Vec<Range<usize>> = ADDRESS
        .find_iter(line)
        .map(|found| found.start()..found.start() + trim_end(found.as_str()).len())
        .collect();
    let runs: Vec<Run> =
        runs(line).filter(|run| !addresses.iter().any(|address| address.contains(&run.span.start))).collect();
    for (place, opening) in runs.iter().enumerate().filter(|(_, run)| run.opens) {
        let closing = runs[place + 1..].iter().find(|run| run.mark == opening.mark && run.closes);
        if let Some(closing) = closing {
            let length = opening.span.len().min(closing.span.len());
            let (open, close) = (opening.span.end, closing.span.start);
            return Some((open - length..open, close..close + length));
        }
    }
    None
}

/// The same mark, once or several times in a row.
struct Run {
    mark: char,
    span: Range<usize>,
    opens: bool,
    closes: bool,
}

fn runs(line: &str) -> impl Iterator<Item = Run> {
    let mut end = 0;
    line.char_indices().filter(|(_, c)| MARKS.contains(c)).filter_map(move |(start, mark)| {
        if start < end {
            return None;
        }
        let length = line[start..].chars().take_while(|c| *c == mark).count();
        end = start + length;
        let before = line[..start].chars().next_back();
        let after = line[end..].chars().next();
        // Another mark may stand between this one and the word: `*_both_*`.
        let outside = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let begins = |c: char| c.is_alphanumeric() || MARKS.contains(&c) || "\"'“‘«([¿¡$€£#@+&-".contains(c);
        Some(Run {
            mark,
            span: start..end,
            opens: outside(before) && after.is_some_and(begins),
            closes: outside(after) && before.is_some_and(|c| !c.is_whitespace()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATTED: [(&str, &str); 12] = [
        ("A entrega leva *5 dias*.", "A entrega leva 5 dias."),
        ("*Atenção:* _só_ em ~Lisboa~.", "Atenção: só em Lisboa."),
        ("```ABC-123```", "ABC-123"),
        ("Use `ABC-123`, por favor", "Use ABC-123, por favor"),
        ("*_both_* and _*both*_", "both and both"),
        ("**two** and ***three***", "two and three"),
        ("(*in brackets*)", "(in brackets)"),
        ("*¿Cuándo?* *€5*", "¿Cuándo? €5"),
        ("*one*, *two* and\n*three*", "one, two and\nthree"),
        ("```\nover\nlines\n```", "\nover\nlines\n"),
        ("*a 2*3 b*", "a 2*3 b"),
        ("_https://shop.example/a_b_", "https://shop.example/a_b"),
    ];

    const ORDINARY: [&str; 16] = [
        "snake_case and other_long_names",
        "2*3*4, 2 * 3 * 4 and 5* hotel",
        "free shipping* from 50 euros\n*in Portugal alone",
        "* one\n* two",
        "Frete grátis* (*válido no Brasil)",
        "~5 to ~10 days, about ~7",
        "https://shop.example/_help_/a_b?x=~y~ and ana_maria_@shop.example",
        "https://shop.example/~ana/ and /~bob/",
        "CPF ***.123.456-**",
        "card **** 1234",
        "rate: ***** of *****",
        "it's 5 o`clock",
        "_",
        "**",
        "a _ b _ c",
        "",
    ];

    #[test]
    fn formatting_goes_where_the_channel_would_show_it_and_nothing_else() {
        for channel in [Channel::Whatsapp, Channel::Instagram, Channel::WebChat, Channel::Email, Channel::Api]
        {
            let shows = matches!(channel, Channel::Whatsapp | Channel::Instagram);
            for (text, bare) in FORMATTED {
                let expected = if shows { bare } else { text };
                assert_eq!(unformatted(text, channel), expected, "{channel:?}");
            }
            for text in ORDINARY {
                assert_eq!(unformatted(text, channel), text, "{channel:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn words_stay_and_one_pass_is_all(text in "[a-c*_~` .\n]{0,40}") {
            let bare = unformatted(&text, Channel::Whatsapp);
            let words = |text: &str| text.chars().filter(|c| !MARKS.contains(c)).collect::<String>();
            proptest::prop_assert_eq!(words(&bare), words(&text));
            proptest::prop_assert_eq!(unformatted(&bare, Channel::Whatsapp), bare);
        }
    }
}
