//! A passage cut to what matters for a question, so that a prompt stays short.

use std::collections::BTreeSet;

use crate::inference::Source;
use crate::inference::extractive::rank::rank;
use crate::text::UnitKind;

/// What stands for what was left out.
const GAP: &str = "…";

/// The parts of `source` that speak of `question`, in their order, in about `chars` characters; whole when it fits.
/// `language` is an ISO 639-1 code.
pub fn excerpt(question: &str, language: &str, source: &Source, chars: usize) -> String {
    let text = source.text.trim();
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let ranking = rank(question, language, std::slice::from_ref(source));
    let units = &ranking.units[0];
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    let mut length = 0;
    for candidate in &ranking.candidates {
        // What announces a list or answers the question just asked is read with the line above it.
        let above = candidate.unit.checked_sub(1).filter(|above| {
            units[*above].block == units[candidate.unit].block
                && (units[*above].kind == UnitKind::Lead || units[*above].text(&source.text).ends_with(':'))
        });
        for unit in above.into_iter().chain([candidate.unit]) {
            let size = units[unit].text(&source.text).chars().count();
            if !chosen.contains(&unit) && length + size <= chars {
                length += size;
                chosen.insert(unit);
            }
        }
    }
    if chosen.is_empty() {
        return text.chars().take(chars).chain(GAP.chars()).collect();
    }
    let mut cut = String::new();
    let mut before: Option<usize> = None;
    let mut header = None;
    for index in chosen {
        let unit = &units[index];
        let adjacent = before.is_some_and(|before| before + 1 == index);
        let same_block = before.is_some_and(|before| units[before].block == unit.block);
        if !cut.is_empty() {
            cut.push_str(match (same_block, adjacent, &unit.kind) {
                (true, true, UnitKind::Sentence | UnitKind::Lead) => " ",
                (_, true, _) => "\n",
                _ => " …\n",
            });
        }
        if let UnitKind::Row { header: of } = &unit.kind
            && header.replace(of.clone()) != Some(of.clone())
        {
            cut.push_str(&source.text[of.clone()]);
            cut.push('\n');
        }
        if unit.kind == UnitKind::Item {
            cut.push_str("- ");
        }
        cut.push_str(unit.text(&source.text));
        before = Some(index);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_asked_for_with_its_headings() {
        let text = "We ship from Valencia on business days, and every parcel is packed by hand in our own warehouse.\n\n\
            | Country | Standard | Express |\n|---|---|---|\n| Spain | 3 days | 1 day |\n| Brazil | 5 days | 2 days |\n\n\
            Heavy items carry a surcharge of ten euros and travel by the standard service only.";
        let source = Source { title: "Delivery".into(), text: text.into() };
        insta::assert_snapshot!(excerpt("express to Brazil?", "en", &source, 60), @"
        | Country | Standard | Express |
        | Spain | 3 days | 1 day |
        | Brazil | 5 days | 2 days |
        ");
        assert_eq!(excerpt("x", "en", &source, 1_000), text);
        let one = Source { title: String::new(), text: "á".repeat(300) };
        assert_eq!(excerpt("x", "pt", &one, 100).chars().count(), 101);
    }
}
