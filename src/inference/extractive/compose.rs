//! From ranked sentences to a reply.

use std::collections::BTreeSet;

use super::rank::{Candidate, Ranking};
use crate::inference::Grounding;
use crate::text::{Unit, UnitKind, announcer, fold, next_sentence, words};

/// Longest reply in characters, unless a single sentence is longer.
const LONGEST: usize = 420;
/// At most so many sentences are chosen for themselves.
const CHOSEN: usize = 3;
/// At most so many units follow one that announces them.
const FOLLOWING: usize = 5;

/// The chosen units, each with the neighbours it needs, in order of the first choice of their source.
pub(super) fn compose(grounding: &Grounding, ranking: &Ranking) -> String {
    let mut reply = Reply { grounding, ranking, chosen: BTreeSet::new(), sources: Vec::new(), length: 0 };
    let Some(best) = ranking.candidates.first() else { return String::new() };
    reply.add(best);
    reply.go_on(best);
    let near = ranking.candidates.iter().take_while(|it| it.score >= best.score - ranking.reach);
    for candidate in near.take(CHOSEN).skip(1) {
        if reply.fits(candidate) {
            reply.add(candidate);
        }
    }
    reply.write()
}

struct Reply<'a> {
    grounding: &'a Grounding,
    ranking: &'a Ranking,
    /// (place of the source in the reply, unit)
    chosen: BTreeSet<(usize, usize)>,
    /// Sources in order of first use.
    sources: Vec<usize>,
    length: usize,
}

impl Reply<'_> {
    fn text(&self, candidate: &Candidate) -> &str {
        self.unit(candidate.source, candidate.unit).text(&self.grounding.sources[candidate.source].text)
    }

    fn unit(&self, source: usize, unit: usize) -> &Unit {
        &self.ranking.units[source][unit]
    }

    fn fits(&self, candidate: &Candidate) -> bool {
        self.length + self.text(candidate).chars().count() <= LONGEST
    }

    fn insert(&mut self, source: usize, unit: usize) {
        let place = self.sources.iter().position(|known| *known == source).unwrap_or_else(|| {
            self.sources.push(source);
            self.sources.len() - 1
        });
        if self.chosen.insert((place, unit)) {
            let text = &self.grounding.sources[source].text;
            self.length += self.unit(source, unit).text(text).chars().count();
        }
    }

    /// Adds the sentence that follows in the same paragraph, where it fits.
    fn go_on(&mut self, candidate: &Candidate) {
        let (units, text) =
            (&self.ranking.units[candidate.source], &self.grounding.sources[candidate.source].text);
        if let Some(next) = next_sentence(units, candidate.unit)
            && self.length + units[next].text(text).chars().count() <= LONGEST
        {
            self.insert(candidate.source, next);
        }
    }

    /// Adds a unit, the one before it when it leans on it, the one that announces it, and the ones it announces.
    fn add(&mut self, candidate: &Candidate) {
        let (source, index) = (candidate.source, candidate.unit);
        let (ranking, grounding) = (self.ranking, self.grounding);
        let (units, text) = (&ranking.units[source], &grounding.sources[source].text);
        let unit = &units[index];
        if let Some(before) = index.checked_sub(1)
            && units[before].block == unit.block
            && units[before].kind == UnitKind::Sentence
            && leans(unit.text(text))
        {
            self.insert(source, before);
        }
        if let Some(above) = announcer(units, index, text) {
            self.insert(source, above);
        }
        self.insert(source, index);
        if !unit.announces(text) {
            return;
        }
        for (offset, next) in units.iter().enumerate().skip(index + 1).take(FOLLOWING) {
            let length = next.text(text).chars().count();
            if next.kind == UnitKind::Lead || self.length + length > LONGEST {
                break;
            }
            self.insert(source, offset);
            if next.kind == UnitKind::Sentence {
                break;
            }
        }
    }

    fn write(&self) -> String {
        let mut reply = String::new();
        for (place, unit) in &self.chosen {
            let source = self.sources[*place];
            let piece = self.unit(source, *unit).render(&self.grounding.sources[source].text);
            if !reply.is_empty() {
                let open = reply.ends_with(|c: char| c.is_alphanumeric() || matches!(c, ')' | '*' | '"'));
                reply.push_str(if open { "; " } else { " " });
            }
            reply.push_str(&piece);
        }
        reply
    }
}

/// Whether a sentence points back at the one before it by its first word, or names no more than a thing already named.
fn leans(sentence: &str) -> bool {
    let Some(first) = words(sentence).next() else { return false };
    let short = words(sentence).count() <= 6;
    short
        || matches!(
            fold(first).as_str(),
            "it" | "this"
                | "that"
                | "these"
                | "those"
                | "they"
                | "he"
                | "she"
                | "then"
                | "after"
                | "otherwise"
                | "however"
                | "later"
                | "both"
                | "such"
                | "also"
                | "isso"
                | "isto"
                | "esse"
                | "essa"
                | "esses"
                | "essas"
                | "este"
                | "esta"
                | "ele"
                | "ela"
                | "eles"
                | "elas"
                | "depois"
                | "porem"
                | "caso"
                | "nesse"
                | "neste"
                | "nesses"
                | "ambos"
                | "tambem"
                | "eso"
                | "esto"
                | "ese"
                | "esos"
                | "esas"
                | "estos"
                | "estas"
                | "despues"
                | "entonces"
                | "ello"
                | "ellos"
                | "ellas"
                | "sin"
                | "tras"
                | "ambas"
                | "tambien"
                | "pero"
                | "questo"
                | "questa"
                | "questi"
                | "queste"
                | "cio"
                | "dopo"
                | "poi"
                | "esso"
                | "essi"
                | "quello"
                | "tuttavia"
                | "altrimenti"
                | "entrambi"
                | "anche"
                | "in"
        )
}
