//! Which sentences of the sources speak of the question.
//!
//! A sentence earns the inverse document frequency of the question's words it holds, over all sentences of all sources
//! (the weighting of Robertson and Spärck Jones, as BM25 has it), and a part of it for words that only its context
//! holds: the sentence before it, its row's headings, its source's title.

use std::collections::{HashMap, HashSet};

use crate::inference::Source;
use crate::text::{Keys, Unit, UnitKind, fold, units, words};

/// What a word counts when the unit does not hold it but its context does.
const IN_PREVIOUS: f64 = 0.5;
const IN_HEADER: f64 = 0.7;
const IN_TITLE: f64 = 0.45;
/// What the first source's rank is worth; the second's half of it, and so on.
const RANK: f64 = 0.15;
/// What a figure is worth when the question asks for one.
const FIGURE: f64 = 0.12;
/// What a row of a table loses against a sentence that says the same.
const ROW: f64 = 0.05;
/// Beyond this many characters a unit loses [`LONG_LOSS`].
const LONG: usize = 320;
const LONG_LOSS: f64 = 0.1;
/// A further unit may lack this share of the best one's score.
const REACH: f64 = 0.25;

/// One unit of one source with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Position of the source.
    pub source: usize,
    /// Position of the unit in [`Ranking::units`] of that source.
    pub unit: usize,
    /// Higher is better; comparable within one ranking alone.
    pub score: f64,
    /// Cosine with the question, once meaning has been weighed.
    pub cosine: Option<f64>,
    /// Share of the question's weight that the unit and its context hold, 0 to 1.
    pub support: f64,
}

/// Every unit of every source, and the quotable ones best first.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Units by source.
    pub units: Vec<Vec<Unit>>,
    /// Quotable units, best first.
    pub candidates: Vec<Candidate>,
    /// How far below the best score a further unit may lie and still be quoted with it.
    pub reach: f64,
}

/// Ranks the units of `sources` (best source first) for `question`; `language` is an ISO 639-1 code.
pub fn rank(question: &str, language: &str, sources: &[Source]) -> Ranking {
    let keys = Keys::of(language);
    let asked: Vec<String> = keys.all(question);
    let wants_figure = asks_for_figure(question);
    let split: Vec<Vec<Unit>> = sources.iter().map(|source| units(&source.text)).collect();
    let held: Vec<Vec<HashSet<String>>> = sources
        .iter()
        .zip(&split)
        .map(|(source, units)| {
            units.iter().map(|unit| keys.all(unit.text(&source.text)).into_iter().collect()).collect()
        })
        .collect();
    let weights = Weights::of(&asked, &held);

    let mut candidates = Vec::new();
    for (position, source) in sources.iter().enumerate() {
        let title: HashSet<String> = keys.all(&source.title).into_iter().collect();
        let mut lead: HashSet<String> = HashSet::new();
        for (index, unit) in split[position].iter().enumerate() {
            let own = &held[position][index];
            if unit.kind == UnitKind::Lead {
                lead.clone_from(own);
                continue;
            }
            let header: HashSet<String> = match &unit.kind {
                UnitKind::Row { header } => keys.all(&source.text[header.clone()]).into_iter().collect(),
                _ => HashSet::new(),
            };
            let before = index
                .checked_sub(1)
                .filter(|before| split[position][*before].block == unit.block && header.is_empty())
                .map(|before| &held[position][before]);
            let credit = |key: &String| -> f64 {
                if own.contains(key) {
                    1.0
                } else if header.contains(key) {
                    IN_HEADER
                } else if before.is_some_and(|before| before.contains(key)) || lead.contains(key) {
                    IN_PREVIOUS
                } else if title.contains(key) {
                    IN_TITLE
                } else {
                    0.0
                }
            };
            let earned: f64 = asked.iter().map(|key| credit(key) * weights.of_key(key)).sum();
            let mut score = earned / weights.known.max(f64::MIN_POSITIVE) + RANK / (position + 1) as f64;
            let text = unit.text(&source.text);
            if wants_figure && text.chars().any(|c| c.is_ascii_digit()) {
                score += FIGURE;
            }
            if matches!(unit.kind, UnitKind::Row { .. }) {
                score -= ROW;
            }
            if text.chars().count() > LONG {
                score -= LONG_LOSS;
            }
            let support = if weights.all > 0.0 { earned / weights.all } else { 0.0 };
            candidates.push(Candidate { source: position, unit: index, score, cosine: None, support });
        }
    }
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let reach = REACH * candidates.first().map_or(0.0, |best| best.score);
    Ranking { units: split, candidates, reach }
}

/// Inverse document frequencies of the question's words over the units.
struct Weights {
    idf: HashMap<String, f64>,
    /// Sum over the words that some unit holds.
    known: f64,
    /// Sum over all words.
    all: f64,
}

impl Weights {
    fn of(asked: &[String], held: &[Vec<HashSet<String>>]) -> Self {
        let total = held.iter().map(Vec::len).sum::<usize>() as f64;
        let mut weights = Self { idf: HashMap::new(), known: 0.0, all: 0.0 };
        for key in asked {
            let holding = held.iter().flatten().filter(|keys| keys.contains(key)).count() as f64;
            let idf = (1.0 + (total - holding + 0.5) / (holding + 0.5)).ln();
            weights.all += idf;
            if holding > 0.0 {
                weights.known += idf;
            }
            weights.idf.insert(key.clone(), idf);
        }
        weights
    }

    fn of_key(&self, key: &str) -> f64 {
        self.idf.get(key).copied().unwrap_or(0.0)
    }
}

/// Whether a question asks for a number, a time, an amount or a date, by its words in the four languages.
pub fn asks_for_figure(question: &str) -> bool {
    words(question).any(|word| {
        matches!(
            fold(word).as_str(),
            "quanto"
                | "quanta"
                | "quantos"
                | "quantas"
                | "quanti"
                | "quante"
                | "quando"
                | "cuanto"
                | "cuanta"
                | "cuantos"
                | "cuantas"
                | "cuando"
                | "when"
                | "much"
                | "many"
                | "long"
                | "prazo"
                | "plazo"
                | "custa"
                | "costa"
                | "cuesta"
                | "cost"
                | "costs"
                | "price"
        )
    })
}
