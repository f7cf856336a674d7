//! From the numbers a model put behind its sentences, or from the words it used, to citations with a verbatim quote.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Match, Regex};

use super::Citation;
use super::plain::pattern;
use crate::conversation::Language;
use crate::retrieval::Passage;
use crate::text::{Keys, UnitKind, sentences, units};

/// `[1]`, `[1, 2]`, `[1–3]`, `[^1]`, `[source 1]`, `【1】`, `(fonte 2)`.
static MARK: LazyLock<Regex> = LazyLock::new(|| {
    let word = r"(?:sources?|fontes?|fonti|fuentes?)";
    let numbers = r"[#^]?\d{1,2}(?:\s*(?:,|;|&|and|e|y|-|–)\s*[#^]?\d{1,2})*";
    pattern(&format!(
        r"(?i)[ \t]*(?:[\[【]\s*(?:{word}\s*:?\s*)?({numbers})\s*[\]】]|\(\s*{word}\s*:?\s*({numbers})\s*\))"
    ))
});
/// A number, or the first and the last of several.
static NUMBERS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(\d+)(?:\s*[-–]\s*[#^]?(\d+))?"));

/// Below this share of a sentence's words no passage is said to support it.
const SUPPORTS: f64 = 0.3;
/// A cited passage with less than this is not believed where another has [`SUPPORTS`].
const DOUBTFUL: f64 = 0.15;
/// Another passage takes a citation over when it holds so much more of the sentence.
const MUCH_BETTER: f64 = 0.25;

/// A reply without marks, and what supports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributed {
    /// The reply without citation marks.
    pub text: String,
    /// One citation a passage, in order of first use.
    pub citations: Vec<Citation>,
}

/// The text without its citation marks.
pub fn without_marks(text: &str) -> String {
    MARK.replace_all(text, "").into_owned()
}

/// Takes the marks out and finds the passages (numbered from 1 in the order given) that support each sentence.
///
/// A number is believed unless the passage hardly shares a word with the sentence and another one does; a sentence
/// without a number is attributed to the passage that shares most of its words.
pub fn attribute(reply: &str, language: Language, passages: &[&Passage]) -> Attributed {
    let (text, marks) = take_marks(reply, passages.len());
    let keys = Keys::of(language.code());
    let sources: Vec<Vec<Piece>> = passages.iter().map(|passage| pieces(&passage.text, &keys)).collect();
    let mut found: Vec<(usize, f64, Range<usize>)> = Vec::new();
    let spans = sentences(&text);
    for (position, span) in spans.iter().enumerate() {
        let until = spans.get(position + 1).map_or(usize::MAX, |next| next.start);
        let cited: Vec<usize> = marks
            .iter()
            .filter(|(at, _)| (*at > span.start || position == 0) && *at <= until && *at > 0)
            .filter(|(at, _)| *at != until || spans.get(position + 1).is_none())
            .flat_map(|(_, numbers)| numbers.iter().copied())
            .collect();
        let words = keys.all(&text[span.clone()]);
        let best: Vec<(f64, Range<usize>)> = sources.iter().map(|pieces| support(&words, pieces)).collect();
        for passage in believed(&cited, &best) {
            let (share, quote) = best[passage].clone();
            match found.iter_mut().find(|(known, ..)| *known == passage) {
                Some(known) if known.1 >= share => {}
                Some(known) => (known.1, known.2) = (share, quote),
                None => found.push((passage, share, quote)),
            }
        }
    }
    let citations = found
        .into_iter()
        .filter(|(_, _, quote)| !quote.is_empty())
        .map(|(passage, _, quote)| {
            let passage = passages[passage];
            Citation {
                passage_id: passage.id.clone(),
                document_id: passage.document_id.clone(),
                title: passage.heading(),
                url: passage.url.clone(),
                quote: passage.text[quote].to_owned(),
                version: passage.version,
            }
        })
        .collect();
    Attributed { text, citations }
}

/// Which passages a sentence rests on, given what the model cited and what each passage shares with it.
fn believed(cited: &[usize], best: &[(f64, Range<usize>)]) -> Vec<usize> {
    let strongest = (0..best.len()).max_by(|a, b| best[*a].0.total_cmp(&best[*b].0).then(b.cmp(a)));
    let Some(strongest) = strongest else { return Vec::new() };
    let top = best[strongest].0;
    let mut chosen: Vec<usize> = Vec::new();
    for passage in cited {
        let share = best[*passage].0;
        let doubtful = (share < DOUBTFUL && top >= SUPPORTS) || top - share > MUCH_BETTER;
        let passage = if doubtful { strongest } else { *passage };
        if !chosen.contains(&passage) {
            chosen.push(passage);
        }
    }
    if chosen.is_empty() && top >= SUPPORTS {
        chosen.push(strongest);
    }
    chosen
}

/// The reply without marks, and for every mark its place there and the passages (from 0) it names.
fn take_marks(reply: &str, passages: usize) -> (String, Vec<(usize, Vec<usize>)>) {
    let mut text = String::new();
    let mut marks = Vec::new();
    let mut end = 0;
    for found in MARK.captures_iter(reply) {
        let Some(whole) = found.get(0) else { continue };
        text.push_str(&reply[end..whole.start()]);
        end = whole.end();
        let numbers = found.get(1).or_else(|| found.get(2)).map_or("", |it| it.as_str());
        let number = |found: Option<Match<'_>>| found.and_then(|it| it.as_str().parse::<usize>().ok());
        let named = NUMBERS
            .captures_iter(numbers)
            .filter_map(|found| {
                let first = number(found.get(1))?;
                let last = number(found.get(2)).unwrap_or(first);
                Some(first.min(last)..=first.max(last))
            })
            .flatten()
            .filter(|number| (1..=passages).contains(number))
            .map(|number| number - 1)
            .collect();
        marks.push((text.trim_end().len(), named));
    }
    text.push_str(&reply[end..]);
    (text, marks)
}

/// A quotable part of a passage.
struct Piece {
    span: Range<usize>,
    keys: HashSet<String>,
}

fn pieces(text: &str, keys: &Keys) -> Vec<Piece> {
    units(text)
        .into_iter()
        .map(|unit| {
            let mut held: HashSet<String> = keys.all(unit.text(text)).into_iter().collect();
            if let UnitKind::Row { header } = &unit.kind {
                held.extend(keys.all(&text[header.clone()]));
            }
            Piece { span: unit.span, keys: held }
        })
        .collect()
}

/// The piece that holds most of the sentence's words, numbers counting twice, and the share it holds.
fn support(words: &[String], pieces: &[Piece]) -> (f64, Range<usize>) {
    let weight = |word: &String| if word.bytes().any(|byte| byte.is_ascii_digit()) { 2.0 } else { 1.0 };
    let total: f64 = words.iter().map(weight).sum();
    let mut best = (0.0, pieces.first().map_or(0..0, |piece| piece.span.clone()));
    for piece in pieces {
        let held: f64 = words.iter().filter(|word| piece.keys.contains(*word)).map(weight).sum();
        let share = if total > 0.0 { held / total } else { 0.0 };
        if share > best.0 {
            best = (share, piece.span.clone());
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::fixtures;

    fn passage(id: &str, text: &str) -> Passage {
        Passage {
            document_id: format!("d-{id}"),
            title: "Help".into(),
            heading_path: vec![id.into()],
            language: Some(Language::En),
            ..fixtures::passage(id, text)
        }
    }

    fn cited(reply: &str) -> (String, Vec<(String, String)>) {
        let one = passage(
            "one",
            "Orders leave on Monday. Standard delivery takes 4 business days\nand costs £4.50.",
        );
        let two = passage(
            "two",
            "| Item | Returns |\n|---|---|\n| Kettle | 30 days |\n\nOpened coffee cannot be returned.",
        );
        let attributed = attribute(reply, Language::En, &[&one, &two]);
        (
            attributed.text,
            attributed.citations.into_iter().map(|citation| (citation.passage_id, citation.quote)).collect(),
        )
    }

    #[test]
    fn marks_become_citations_with_a_verbatim_quote() {
        let (text, citations) =
            cited("Delivery takes 4 business days [1]. Opened coffee cannot be returned. [2] Bye!");
        assert_eq!(text, "Delivery takes 4 business days. Opened coffee cannot be returned. Bye!");
        insta::assert_debug_snapshot!(citations, @r#"
        [
            (
                "one",
                "Standard delivery takes 4 business days\nand costs £4.50.",
            ),
            (
                "two",
                "Opened coffee cannot be returned.",
            ),
        ]
        "#);
    }

    #[test]
    fn without_marks_words_attribute() {
        let (_, citations) = cited("You can return a kettle within 30 days.");
        assert_eq!(citations, [("two".to_owned(), "| Kettle | 30 days |".to_owned())]);
        assert_eq!(cited("Have a nice weekend.").1, []);
    }

    #[test]
    fn a_number_that_cannot_be_right_is_not_believed() {
        let (text, citations) = cited("Standard delivery costs £4.50 [2][9].");
        assert_eq!(text, "Standard delivery costs £4.50.");
        assert_eq!(citations.len(), 1);
        assert_eq!(citations[0].0, "one");
    }

    #[test]
    fn marks_in_every_dress_go_and_other_brackets_stay() {
        assert_eq!(
            without_marks(
                "a [1] b [1, 2] c [Source 3] d 【4】 e (fonte 2) f [x] g (2) h [2026] i [1–3] j [^2]"
            ),
            "a b c d e f [x] g (2) h [2026] i j"
        );
    }

    #[test]
    fn a_range_names_what_lies_between() {
        for (mark, named) in [
            ("[1-3]", vec![0, 1, 2]),
            ("[2 – 3]", vec![1, 2]),
            ("[3, 1]", vec![2, 0]),
            ("[3-1]", vec![0, 1, 2]),
        ] {
            assert_eq!(take_marks(&format!("a {mark}"), 3).1, [(1, named)], "{mark}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_quote_always_occurs_in_its_passage(
            reply in r"[a-zé .\[\]0-3|]{0,80}", one in "[a-zé .|\n#-]{0,80}", two in "[a-zé .|\n#-]{0,80}"
        ) {
            let passages = [passage("one", &one), passage("two", &two)];
            let attributed = attribute(&reply, Language::Pt, &[&passages[0], &passages[1]]);
            for citation in attributed.citations {
                let passage = passages.iter().find(|passage| passage.id == citation.passage_id).unwrap();
                proptest::prop_assert!(passage.text.contains(&citation.quote) && !citation.quote.is_empty());
            }
        }
    }
}
