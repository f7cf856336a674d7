//! Likeness by letters: BM25 over character n-grams, among the candidates of one search alone.
//!
//! Stems and vectors miss what is spelled otherwise: a typo, a compound, an ending that the stemmer does not know, a
//! product's name in two spellings. Fragments of words meet all the same. Their inverse document frequencies are counted
//! over the candidates, so the index holds nothing for it.

use std::collections::HashMap;

use crate::text::{fold_compatible, runs};

/// Letters of a fragment; the edges of a word count as one.
const LENGTH: usize = 4;
/// BM25's constants, the usual ones.
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// A fragment, its letters packed.
type Fragment = u128;

/// One score a text, 0 and up: how much of the question's fragments it holds, rare ones counting more.
pub(super) fn scores(question: &str, texts: &[String]) -> Vec<f32> {
    let mut asked: HashMap<Fragment, usize> = HashMap::new();
    fragments(question, |fragment| {
        let next = asked.len();
        asked.entry(fragment).or_insert(next);
    });
    let counted: Vec<(Vec<f32>, f32)> = texts
        .iter()
        .map(|text| {
            let (mut counts, mut length) = (vec![0.0; asked.len()], 0.0);
            fragments(text, |fragment| {
                length += 1.0;
                if let Some(place) = asked.get(&fragment) {
                    counts[*place] += 1.0;
                }
            });
            (counts, length)
        })
        .collect();
    let total = texts.len() as f32;
    let average = (counted.iter().map(|(_, length)| length).sum::<f32>() / total).max(1.0);
    let rarity: Vec<f32> = (0..asked.len())
        .map(|place| {
            let holding = counted.iter().filter(|(counts, _)| counts[place] > 0.0).count() as f32;
            (1.0 + (total - holding + 0.5) / (holding + 0.5)).ln()
        })
        .collect();
    counted
        .iter()
        .map(|(counts, length)| {
            let norm = K1 * (1.0 - B + B * length / average);
            counts
                .iter()
                .zip(&rarity)
                .map(|(count, rarity)| rarity * count * (K1 + 1.0) / (count + norm))
                .sum()
        })
        .collect()
}

/// Every fragment of every word, without accents and in lower case; a word shorter than a fragment is one by itself.
fn fragments(text: &str, mut each: impl FnMut(Fragment)) {
    const BITS: usize = 21;
    const MASK: Fragment = (1 << (BITS * LENGTH)) - 1;
    const EDGE: char = '_';
    for word in runs(&fold_compatible(text)) {
        let (mut fragment, mut letters) = (0, 0);
        for letter in std::iter::once(EDGE).chain(word.chars()).chain([EDGE]) {
            fragment = ((fragment << BITS) | Fragment::from(u32::from(letter))) & MASK;
            letters += 1;
            if letters >= LENGTH {
                each(fragment);
            }
        }
        if letters < LENGTH {
            each(fragment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(question: &str, texts: &[&str]) -> usize {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let scores = scores(question, &texts);
        (0..texts.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap()
    }

    #[test]
    fn typos_accents_and_compounds_meet() {
        let texts = ["Nota fiscal por e-mail", "Devoluções em sete dias", "Pagamento parcelado"];
        assert_eq!(best("como fasso uma devoluçao", &texts), 1);
        assert_eq!(best("parcelamento", &texts), 2);
        assert_eq!(best("wifi scheda", &["Scheda SIM", "La scheda WiFi interna"]), 1);
    }

    #[test]
    fn rare_fragments_count_more_than_common_ones() {
        let texts = ["the lamp is red", "the lamp is blue", "the lamp is green", "a blue sky"];
        assert_eq!(best("blue lamp", &texts), 1);
        assert_eq!(scores("zzzz", &texts.map(str::to_owned)), [0.0; 4]);
    }

    #[test]
    fn equals_bm25_by_hand() {
        // "_ab_" is the only fragment of either; both texts are of average length.
        let texts = ["ab cd".to_owned(), "cd ef".to_owned()];
        let idf = (1.0 + (2.0_f32 - 1.0 + 0.5) / 1.5).ln();
        let scores = scores("AB", &texts);
        assert!((scores[0] - idf).abs() < 1e-6, "{scores:?}");
        assert!(scores[1].abs() < 1e-6);
    }

    #[test]
    fn odd_texts_do_no_harm() {
        assert_eq!(scores("", &[String::new(), "x".into()]), [0.0, 0.0]);
        assert_eq!(scores("oi", &[]), [] as [f32; 0]);
        assert_eq!(scores("a", &["a".into(), "🙂".into()]).len(), 2);
    }
}
