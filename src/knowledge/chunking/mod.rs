//! From a text to passages that stand on their own.
//!
//! A passage never crosses a heading. Within a section, blocks are packed up to the limit: a lead-in stays with its
//! list, a table with its header. What is longer than a passage is parted at list items, table rows or sentences; the
//! parts that follow carry the lead-in or the header row in their heading path, so the text of a passage is always a
//! slice of the document, and still nothing stands without its context.

use std::ops::Range;

use crate::conversation::Language;
use crate::text::collapse;

use super::loaders::{Loaded, Marks, Pair, Structure};

mod blocks;
mod packing;

/// Characters of one entry of a heading path.
const MAX_HEADING: usize = 160;

/// Characters that one token stands for, at the very least, in the languages Ponto answers in.
const CHARS_PER_TOKEN: usize = 2;

/// The least that is left for the text of a passage under long headings.
const MIN_CHARS: usize = 200;

/// How long passages may get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Characters of the text of a passage.
    pub(super) passage_chars: usize,
    /// Tokens that the embedder takes; headings count.
    pub(super) max_tokens: usize,
}

impl Limits {
    /// Characters left for the text of a passage under these headings.
    fn under(self, title: &str, headings: &[String]) -> usize {
        let above: usize = chars(title) + headings.iter().map(|heading| chars(heading) + 3).sum::<usize>();
        let taken = (self.max_tokens * CHARS_PER_TOKEN).saturating_sub(above);
        self.passage_chars.min(taken.max(MIN_CHARS))
    }
}

/// A passage in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Headings above it, without the title.
    pub(super) headings: Vec<String>,
    /// Where it stands in the text, in bytes.
    pub(super) bytes: Range<usize>,
    /// What a row of questions and answers says about itself.
    pub(super) own: Own,
}

/// What overrides the document's facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) title: Option<String>,
    pub(super) url: Option<String>,
    pub(super) language: Option<Language>,
    pub(super) marks: Marks,
}

/// Cuts a document, in the order of its text.
pub(super) fn chunk(loaded: &Loaded, title: &str, limits: Limits) -> Vec<Chunk> {
    match &loaded.structure {
        Structure::Pairs(pairs) => {
            pairs.iter().flat_map(|pair| pair_chunks(&loaded.text, title, pair, limits)).collect()
        }
        Structure::Markdown => {
            section_chunks(&loaded.text, blocks::markdown(&loaded.text, title), title, limits)
        }
        Structure::Plain => section_chunks(&loaded.text, blocks::plain(&loaded.text), title, limits),
    }
}

fn section_chunks(text: &str, sections: Vec<blocks::Section>, title: &str, limits: Limits) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for section in sections {
        let limit = limits.under(title, &section.headings);
        for piece in packing::pack(text, &section.blocks, limit) {
            let mut headings = section.headings.clone();
            headings.extend(piece.context);
            chunks.push(Chunk { headings, bytes: piece.bytes, own: Own::default() });
        }
    }
    chunks
}

/// A pair is one passage under its question; an answer that is too long for one becomes several under it.
fn pair_chunks(text: &str, title: &str, pair: &Pair, limits: Limits) -> Vec<Chunk> {
    let title = pair.title.as_deref().unwrap_or(title);
    let headings = vec![shortened(&pair.question)];
    // A pair stays whole as long as the embedder takes it, whatever the usual length of a passage.
    let whole = Limits { passage_chars: usize::MAX, ..limits };
    let answer = &text[pair.answer.clone()];
    let own = Own {
        title: pair.title.clone(),
        url: pair.url.clone(),
        language: pair.language,
        marks: pair.marks.clone(),
    };
    if chars(answer) <= whole.under(title, &headings) {
        return vec![Chunk { headings, bytes: pair.answer.clone(), own }];
    }
    let blocks: Vec<_> =
        blocks::markdown(answer, "").into_iter().flat_map(|section| section.blocks).collect();
    packing::pack(answer, &blocks, limits.under(title, &headings))
        .into_iter()
        .map(|piece| Chunk {
            headings: headings.iter().cloned().chain(piece.context).collect(),
            bytes: piece.bytes.start + pair.answer.start..piece.bytes.end + pair.answer.start,
            own: own.clone(),
        })
        .collect()
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// One line, not too long.
fn shortened(text: &str) -> String {
    let line = collapse(text);
    if chars(&line) <= MAX_HEADING {
        return line;
    }
    let mut short: String = line.chars().take(MAX_HEADING - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::knowledge::{Format, loaders};

    const LIMITS: Limits = Limits { passage_chars: 300, max_tokens: 512 };

    fn cut(format: Format, content: &str) -> Vec<(String, String)> {
        let loaded = loaders::load(format, content).unwrap();
        let title = loaded.title.clone().unwrap_or_default();
        chunk(&loaded, &title, LIMITS)
            .into_iter()
            .map(|chunk| (chunk.headings.join(" > "), loaded.text[chunk.bytes].to_owned()))
            .collect()
    }

    #[test]
    fn passages_keep_their_headings_and_never_cross_one() {
        let found = cut(
            Format::Markdown,
            "# Shop\n\nWelcome.\n\n## Returns\n\nThirty days.\n\n### Costs `now`\n\nFree.\n\n## Payment\n\nCards.\n",
        );
        let expected = [
            ("", "Welcome."),
            ("Returns", "Thirty days."),
            ("Returns > Costs now", "Free."),
            ("Payment", "Cards."),
        ];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn a_lead_in_stays_with_its_list() {
        let filler = "Words that fill the space before the list begins. ".repeat(5);
        let found = cut(
            Format::Markdown,
            &format!("{filler}\n\nThese cannot be returned:\n\n- coffee\n- linen\n- cups\n\nEnd of it.\n"),
        );
        assert_eq!(found.len(), 2, "{found:#?}");
        assert_eq!(found[1].1, "These cannot be returned:\n\n- coffee\n- linen\n- cups\n\nEnd of it.");
    }

    #[test]
    fn a_long_list_carries_its_lead_in_along() {
        let items = (0..30).map(|n| format!("- item number {n} of the list")).collect::<Vec<_>>().join("\n");
        let found =
            cut(Format::Markdown, &format!("## Not returned\n\nThese **cannot** be returned:\n\n{items}"));
        assert!(found.len() > 2, "{found:#?}");
        assert!(found[0].1.starts_with("These **cannot** be returned:\n\n- item number 0"), "{}", found[0].1);
        for (heading, text) in &found[1..] {
            assert_eq!(heading, "Not returned > These cannot be returned:");
            assert!(text.starts_with("- item number"), "{text}");
        }
        let together: usize = found.iter().map(|(_, text)| text.matches("- item").count()).sum();
        assert_eq!(together, 30);
    }

    #[test]
    fn a_row_keeps_its_header() {
        let rows =
            (0..20).map(|n| format!("| Country {n} | {n} days | {n},50 € |")).collect::<Vec<_>>().join("\n");
        let found =
            cut(Format::Markdown, &format!("Prices.\n\n| Country | Time | Cost |\n|---|---|---|\n{rows}"));
        assert!(found.len() > 2, "{found:#?}");
        for (heading, text) in &found {
            assert!(
                text.contains("| Country | Time | Cost |") || heading.ends_with("Country | Time | Cost"),
                "{heading}: {text}"
            );
            assert!(
                text.lines().all(|line| !line.starts_with('|') || line.ends_with('|')),
                "rows stay whole"
            );
        }
    }

    #[test]
    fn a_long_table_carries_its_lead_in_and_its_header_along() {
        let rows = (0..20).map(|n| format!("| Country {n} | {n} days |")).collect::<Vec<_>>().join("\n");
        let found = cut(
            Format::Markdown,
            &format!("## Delivery\n\nTo islands it takes:\n\n| Country | Time |\n|---|---|\n{rows}"),
        );
        assert!(found.len() > 1, "{found:#?}");
        for (heading, _) in &found[1..] {
            assert_eq!(heading, "Delivery > To islands it takes: > Country | Time");
        }
    }

    #[test]
    fn web_pages_are_cut_as_their_markdown_is() {
        let rows: String = (0..20).map(|n| format!("<tr><td>Land {n}</td><td>{n} €</td></tr>")).collect();
        let items: String = (0..20).map(|n| format!("<li>item number {n} of the list</li>")).collect();
        let found = cut(
            Format::Html,
            &format!(
                "<main><h1>Shop</h1><h2>Costs</h2><table><tr><th>Country</th><th>Cost</th></tr>{rows}</table>\
                 <h2>Not returned</h2><p>These cannot be returned:</p><ul>{items}</ul></main>"
            ),
        );
        let (costs, items): (Vec<_>, Vec<_>) =
            found.iter().partition(|(heading, _)| heading.starts_with("Costs"));
        assert!(costs.len() > 1 && items.len() > 1, "{found:#?}");
        assert!(costs[1..].iter().all(|(heading, _)| heading == "Costs > Country | Cost"), "{costs:#?}");
        let lead = "Not returned > These cannot be returned:";
        assert!(items[1..].iter().all(|(heading, _)| heading == lead), "{items:#?}");
    }

    #[test]
    fn plain_text_parts_at_empty_lines() {
        let long = "Uma frase completa, com um fim. ".repeat(20);
        let found = cut(Format::Text, &format!("Primeiro.\n\n    Segundo:\n\nterceiro\n\n{long}"));
        assert_eq!(found[0].1, "Primeiro.\n\n    Segundo:\n\nterceiro");
        assert!(found[1..].iter().all(|(_, text)| text.ends_with("fim.")), "{found:#?}");
    }

    #[test]
    fn a_pair_is_one_passage_under_its_question() {
        let answer = "Sim. ".repeat(100);
        let found = cut(Format::Jsonl, &format!("{{\"question\":\"Posso?\",\"answer\":\"{answer}\"}}"));
        assert_eq!(found, [("Posso?".to_owned(), answer.trim().to_owned())], "over 300 characters, one pair");
        let long = "Esta resposta não acaba nunca. ".repeat(100);
        let found = cut(Format::Jsonl, &format!("{{\"question\":\"Posso?\",\"answer\":\"{long}\"}}"));
        assert!(found.len() > 5 && found.iter().all(|(heading, _)| heading == "Posso?"), "{found:#?}");
    }

    #[test]
    fn comments_and_rules_are_nobodys_text() {
        let found = cut(Format::Markdown, "One.\n\n<!-- editors only -->\n\n---\n\nTwo.\n");
        assert!(found.iter().all(|(_, text)| !text.contains("editors")), "{found:#?}");
        assert_eq!(found.len(), 2);
    }

    /// Documents of many shapes, from pieces of Markdown in any order.
    fn documents() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "#{1,4} [a-zéçã€🚚 ]{0,30}\n",
            "[A-Za-zéçã€🚚 ]{1,80}[.:!]\n",
            "([A-Za-zéç ]{1,60}[.] ?){1,20}\n",
            "(- [a-zéç ]{1,60}\n){1,12}",
            "([0-9]\\. [a-zéç ]{1,400}\n){1,3}",
            Just("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | é |\n".to_owned()),
            Just("```\ncode: çãé\n```\n".to_owned()),
            Just("> quote\n> more\n".to_owned()),
            Just("---\n".to_owned()),
            Just("\n".to_owned()),
            "\\PC{0,60}\n",
        ];
        prop::collection::vec(piece, 1..12).prop_map(|pieces| format!("x\n\n{}", pieces.join("\n")))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_the_document(content in documents(), markdown in any::<bool>()) {
            let format = if markdown { Format::Markdown } else { Format::Text };
            let loaded = loaders::load(format, &content).unwrap();
            let mut end = 0;
            for chunk in chunk(&loaded, "Title", LIMITS) {
                prop_assert!(chunk.bytes.start >= end, "in order, without overlap");
                end = chunk.bytes.end;
                let text = &loaded.text[chunk.bytes];
                prop_assert!(!text.is_empty() && text == text.trim(), "{text:?}");
                prop_assert!(chars(text) <= LIMITS.passage_chars, "{} characters: {text:?}", chars(text));
            }
        }
    }
}
