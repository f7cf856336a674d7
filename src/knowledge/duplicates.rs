//! Documents that say the same, or nearly: found by `MinHash` over runs of words, and compared word for word.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use super::KnowledgeError;
use crate::conversation::WorkspaceId;
use crate::store::{Documents, Page, Store};
use crate::text::{fold, words};

/// Words of a run.
const RUN: usize = 4;

/// Values of a signature, in bands: two documents are compared where a band is equal. With 16 bands of 4, of pairs
/// that share half of their runs two in three are compared, and of pairs that share [`ALIKE`] all but one in five hundred.
const BANDS: usize = 16;
const ROWS: usize = 4;

/// The share of common runs from which on two documents are reported.
const ALIKE: f64 = 0.8;

/// Documents that share a band and are compared with the next.
const REPRESENTATIVES: usize = 8;

/// Documents that are read at once.
const DOCUMENTS: usize = 100;

/// Two documents that say the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Duplicate {
    /// One, by its source.
    pub source: String,
    /// The other.
    pub other: String,
    /// The share of their runs of words that both have; 1 where every word is the same.
    pub similarity: f64,
}

/// Looks through the documents of a workspace.
pub(super) async fn find(
    store: &dyn Store,
    workspace: &WorkspaceId,
) -> Result<Vec<Duplicate>, KnowledgeError> {
    let mut documents: Vec<(String, String)> = Vec::new();
    let mut buckets: HashMap<(usize, u64), Vec<usize>> = HashMap::new();
    let mut candidates = BTreeSet::new();
    let mut after = None;
    loop {
        let page = Documents::list(store, workspace, Page { after, limit: DOCUMENTS }).await?;
        for document in page.items {
            let index = documents.len();
            for (band, key) in bands(&runs(&document.text)).into_iter().enumerate() {
                let alike = buckets.entry((band, key)).or_default();
                candidates.extend(alike.iter().map(|other| (*other, index)));
                if alike.len() < REPRESENTATIVES {
                    alike.push(index);
                }
            }
            documents.push((document.id, document.source));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut found = Vec::new();
    // Sorted, so the first of a pair is read once for all its candidates.
    let mut held: Option<(usize, HashSet<u64>)> = None;
    for (one, other) in candidates {
        if held.as_ref().is_none_or(|(index, _)| *index != one) {
            held = Some((one, text_runs(store, workspace, &documents[one].0).await?));
        }
        let Some((_, runs)) = &held else { continue };
        let others = text_runs(store, workspace, &documents[other].0).await?;
        let common = runs.intersection(&others).count();
        let all = runs.len() + others.len() - common;
        let similarity = common as f64 / all.max(1) as f64;
        if similarity >= ALIKE {
            let (source, other) = (documents[one].1.clone(), documents[other].1.clone());
            found.push(Duplicate { source, other, similarity: (similarity * 100.0).floor() / 100.0 });
        }
    }
    found.sort_by(|a, b| {
        b.similarity.total_cmp(&a.similarity).then_with(|| (&a.source, &a.other).cmp(&(&b.source, &b.other)))
    });
    Ok(found)
}

async fn text_runs(
    store: &dyn Store,
    workspace: &WorkspaceId,
    id: &str,
) -> Result<HashSet<u64>, KnowledgeError> {
    let document = Documents::get(store, workspace, id).await?;
    Ok(document.map(|document| runs(&document.text)).unwrap_or_default())
}

/// Hashes of the runs of words in a text, whatever its marks, accents and capitals.
fn runs(text: &str) -> HashSet<u64> {
    let folded = fold(text);
    let words: Vec<&str> = words(&folded).collect();
    let hash = |run: &[&str]| {
        let mut hasher = DefaultHasher::new();
        run.hash(&mut hasher);
        hasher.finish()
    };
    if words.len() < RUN {
        return if words.is_empty() { HashSet::new() } else { HashSet::from([hash(&words)]) };
    }
    words.windows(RUN).map(hash).collect()
}

/// The signature of a set, band by band.
fn bands(runs: &HashSet<u64>) -> Vec<u64> {
    if runs.is_empty() {
        return Vec::new();
    }
    (0..BANDS)
        .map(|band| {
            let mut hasher = DefaultHasher::new();
            for row in 0..ROWS {
                let seed = (band * ROWS + row) as u64;
                runs.iter().map(|run| mixed(*run, seed)).min().hash(&mut hasher);
            }
            hasher.finish()
        })
        .collect()
}

/// One of many hashes of a number (the finaliser of `SplitMix64`).
fn mixed(value: u64, seed: u64) -> u64 {
    let mut z = value ^ seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_capitals_make_no_difference_and_order_does() {
        assert_eq!(runs("## Devolução: até 30 dias!"), runs("devolucao até 30 **dias**"));
        assert_ne!(runs("one two three four five"), runs("five four three two one"));
        assert_eq!(runs("one two").len(), 1);
        assert!(runs(" ... ").is_empty());
    }

    #[test]
    fn signatures_of_alike_texts_share_a_band_and_of_others_none() {
        let text: Vec<String> = (0..200).map(|n| format!("word{n}")).collect();
        let shares = |a: &str, b: &str| bands(&runs(a)).iter().zip(bands(&runs(b))).any(|(a, b)| *a == b);
        let mut changed = text.clone();
        changed[100] = "else".into();
        assert!(shares(&text.join(" "), &changed.join(" ")));
        let other: Vec<String> = (0..200).map(|n| format!("other{n}")).collect();
        assert!(!shares(&text.join(" "), &other.join(" ")));
    }
}
