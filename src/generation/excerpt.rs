//! Passages cut to what matters for a question, so that a prompt stays short: small models read slowly and lose the
//! thread.

use std::collections::{BTreeMap, BTreeSet};

use crate::inference::Source;
use crate::inference::extractive::rank::Ranking;
use crate::text::{Unit, UnitKind, announcer, next_sentence};

/// What stands for what was left out.
const GAP: &str = "…";

/// What a prompt holds of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Place of the source.
    pub source: usize,
    /// Places of its units in [`Ranking::units`].
    pub units: BTreeSet<usize>,
    /// These units in their order.
    pub text: String,
}

impl Excerpt {
    /// What of it is not among the units shown before, with the lines that announce it; `None` where nothing is left.
    pub fn beyond(self, shown: &BTreeSet<usize>, units: &[Unit], source: &Source) -> Option<Self> {
        if self.units.is_disjoint(shown) {
            return Some(self);
        }
        let mut fresh: BTreeSet<usize> = self.units.difference(shown).copied().collect();
        let announced = |unit: &usize| introduction(units, *unit, &source.text);
        let announcing: Vec<usize> = fresh.iter().filter_map(announced).collect();
        if fresh.is_empty() {
            return None;
        }
        fresh.extend(announcing);
        let text = written(units, &fresh, source);
        Some(Self { units: fresh, text, ..self })
    }
}

/// The best units of all sources, in about `chars` characters together, the source of the best unit first. Every source
/// whole where they fit together.
pub fn excerpts(ranking: &Ranking, sources: &[Source], chars: usize) -> Vec<Excerpt> {
    let size = |text: &str| text.chars().count();
    if sources.iter().map(|source| size(source.text.trim())).sum::<usize>() <= chars {
        let whole = |(place, source): (usize, &Source)| Excerpt {
            source: place,
            units: (0..ranking.units[place].len()).collect(),
            text: source.text.trim().to_owned(),
        };
        return sources.iter().enumerate().map(whole).collect();
    }
    let mut order: Vec<usize> = Vec::new();
    let mut chosen: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut length = 0;
    for candidate in &ranking.candidates {
        let (units, text) = (&ranking.units[candidate.source], &sources[candidate.source].text);
        let taken = chosen.entry(candidate.source).or_default();
        // A list is read with what announces it, or not at all; a sentence with the one that follows, where it fits.
        let must = introduction(units, candidate.unit, text).into_iter().chain([candidate.unit]);
        let must: Vec<usize> = must.filter(|unit| !taken.contains(unit)).collect();
        let more: usize = must.iter().map(|unit| size(units[*unit].text(text))).sum();
        if length + more > chars {
            continue;
        }
        length += more;
        taken.extend(must);
        if let Some(next) = next_sentence(units, candidate.unit)
            && !taken.contains(&next)
            && length + size(units[next].text(text)) <= chars
        {
            length += size(units[next].text(text));
            taken.insert(next);
        }
        if !order.contains(&candidate.source) {
            order.push(candidate.source);
        }
    }
    if order.is_empty() {
        let start = |source: &Source| Excerpt {
            source: 0,
            units: BTreeSet::new(),
            text: source.text.trim().chars().take(chars).chain(GAP.chars()).collect(),
        };
        return sources.first().map(start).into_iter().collect();
    }
    order
        .into_iter()
        .filter_map(|place| {
            let units = chosen.remove(&place)?;
            let text = written(&ranking.units[place], &units, &sources[place]);
            Some(Excerpt { source: place, units, text })
        })
        .collect()
}

/// The line above a list, or the question that a unit answers.
fn introduction(units: &[Unit], unit: usize, text: &str) -> Option<usize> {
    announcer(units, unit, text).or_else(|| {
        let above = unit.checked_sub(1)?;
        (units[unit].kind != UnitKind::Item
            && units[above].block == units[unit].block
            && units[above].announces(text))
        .then_some(above)
    })
}

/// The chosen units in their order, with marks where something was left out.
fn written(units: &[Unit], chosen: &BTreeSet<usize>, source: &Source) -> String {
    let mut cut = String::new();
    let mut before: Option<usize> = None;
    let mut header = None;
    for index in chosen {
        let unit = &units[*index];
        let adjacent = before.is_some_and(|before| before + 1 == *index);
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
        before = Some(*index);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::extractive::rank::rank;

    #[test]
    fn keeps_what_is_asked_for_with_its_headings() {
        let text = "We ship from Valencia on business days, and every parcel is packed by hand in our own warehouse.\n\n\
            | Country | Standard | Express |\n|---|---|---|\n| Spain | 3 days | 1 day |\n| Brazil | 5 days | 2 days |\n\n\
            Heavy items carry a surcharge of ten euros and travel by the standard service only.";
        let delivery = Source { title: "Delivery".into(), text: text.into() };
        let hours = Source { title: "Hours".into(), text: "The store opens at nine.".into() };
        let cut = |question: &str, sources: &[Source], chars| {
            excerpts(&rank(question, "en", sources), sources, chars)
        };
        let sources = [hours.clone(), delivery];
        let both = cut("express to Brazil?", &sources, 60);
        assert_eq!(both[0].source, 1, "the source of the best unit comes first");
        insta::assert_snapshot!(both[0].text, @"
        | Country | Standard | Express |
        | Spain | 3 days | 1 day |
        | Brazil | 5 days | 2 days |
        ");
        let whole = cut("x", &sources, 1_000);
        let whole: Vec<_> = whole.into_iter().map(|excerpt| (excerpt.source, excerpt.text)).collect();
        assert_eq!(whole, [(0, hours.text), (1, text.to_owned())]);
        let one = [Source { title: String::new(), text: "á".repeat(300) }];
        assert_eq!(cut("x", &one, 100)[0].text.chars().count(), 101);
    }

    #[test]
    fn an_item_keeps_the_line_that_announces_it() {
        let text = "Our warranty is long and known for it far beyond the country.\n\nIt does not cover:\n\n- drops\n- limescale damage\n";
        let sources = [Source { title: "Warranty".into(), text: text.into() }];
        let cut = excerpts(&rank("limescale damage?", "en", &sources), &sources, 40);
        insta::assert_snapshot!(cut[0].text, @"
        It does not cover:
        - drops
        - limescale damage
        ");
    }

    #[test]
    fn what_was_shown_is_left_out_and_what_is_new_keeps_its_announcer() {
        let text = "It does not cover:\n\n- drops\n- limescale damage\n\nIt lasts two years.";
        let sources = [Source { title: "Warranty".into(), text: text.into() }];
        let ranking = rank("limescale damage?", "en", &sources);
        let whole = excerpts(&ranking, &sources, 1_000).remove(0);
        let beyond = |shown: &[usize]| {
            let shown = shown.iter().copied().collect();
            whole.clone().beyond(&shown, &ranking.units[0], &sources[0]).map(|excerpt| excerpt.text)
        };
        assert_eq!(beyond(&[]).as_deref(), Some(text));
        assert_eq!(beyond(&[0, 1, 3]).as_deref(), Some("It does not cover: …\n- limescale damage"));
        assert_eq!(beyond(&[0, 1, 2]).as_deref(), Some("It lasts two years."));
        assert_eq!(beyond(&[0, 1, 2, 3]), None);
    }
}
