//! `SentencePiece` vocabularies (`llama`) of the byte pair kind (Kudo and Richardson, 2018,
//! <https://arxiv.org/abs/1808.06226>): Llama 2, Mistral, `TinyLlama`, Gemma.
//!
//! The file gives every piece a score in place of a list of merges. Of all neighbours whose joined text is a piece, the
//! two with the best score are merged first; as a list of merges that is every way to cut a piece into two pieces,
//! the best piece first. Spaces are written `▁`, and a character that is no piece becomes the pieces `<0xNN>` of its
//! UTF-8 bytes.

use std::collections::{HashMap, HashSet};

use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Replace, Sequence};
use tokenizers::{AddedToken, Tokenizer as Bpe};

use super::super::error::LoadError;
use super::super::gguf::Gguf;
use super::tables::{Kind, Tables};

/// How a space is written in a piece.
const SPACE: &str = "▁";

/// How pieces are spelt that are not simply text.
pub(super) struct Pieces {
    bytes: HashMap<u32, u8>,
    verbatim: HashSet<u32>,
}

impl Pieces {
    /// The bytes of the piece `id`, whose text is `text`.
    pub(super) fn bytes(&self, id: u32, text: &str) -> Vec<u8> {
        if let Some(byte) = self.bytes.get(&id) {
            return vec![*byte];
        }
        if self.verbatim.contains(&id) { text.into() } else { text.replace(SPACE, " ").into() }
    }
}

/// The encoder of `file`, in which the tokens of `special` and those that the vocabulary calls user-defined are matched
/// whole, and the spelling of its pieces.
pub(super) fn build(
    file: &Gguf,
    tables: &Tables,
    special: &HashSet<u32>,
) -> Result<(Bpe, Pieces), LoadError> {
    let scores = file.numbers("tokenizer.ggml.scores")?;
    if scores.len() != tables.tokens.len() {
        return Err(LoadError::InvalidMetadata {
            key: "tokenizer.ggml.scores".into(),
            message: format!("has {} entries for {} tokens", scores.len(), tables.tokens.len()),
        });
    }
    let unknown = file
        .token("tokenizer.ggml.unknown_token_id")?
        .and_then(|id| tables.tokens.get(id as usize))
        .filter(|name| !name.is_empty());
    // llama.cpp's default, for files from before the key.
    let prefix = file.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let bpe = encoder(tables, &scores, special, unknown, prefix)
        .map_err(|error| LoadError::Tokenizer(error.to_string()))?;
    let bytes = (0..)
        .zip(tables.tokens.iter().zip(&tables.kinds))
        .filter(|(_, (_, kind))| **kind == Kind::Byte)
        .filter_map(|(id, (token, _))| Some((id, byte(token)?)))
        .collect();
    Ok((bpe, Pieces { bytes, verbatim: tables.ids(|kind| kind == Kind::UserDefined) }))
}

fn encoder(
    tables: &Tables,
    scores: &[f32],
    special: &HashSet<u32>,
    unknown: Option<&String>,
    prefix: bool,
) -> tokenizers::Result<Bpe> {
    let vocabulary: Vocab = tables.tokens.iter().cloned().zip(0..).collect();
    let merges = merges(tables, scores, &vocabulary);
    // The names of byte pieces are what the encoder itself expects: `<0x0A>`.
    let mut model = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .byte_fallback(true)
        .fuse_unk(true)
        // Text comes in whole lines, which do not come again: they are not worth keeping.
        .cache_capacity(0);
    if let Some(unknown) = unknown {
        model = model.unk_token(unknown.clone());
    }
    let mut bpe = Bpe::new(model.build()?);
    let mut steps: Vec<NormalizerWrapper> = vec![Replace::new(" ", SPACE)?.into()];
    if prefix {
        // Text begins like a word after a space, and so does text behind a token that is matched whole.
        steps.insert(0, Prepend::new(SPACE.into()).into());
    }
    bpe.with_normalizer(Some(Sequence::new(steps)))?;
    let whole = (0..).zip(tables.tokens.iter().zip(&tables.kinds)).filter_map(|(id, (token, kind))| {
        let special = special.contains(&id);
        let whole = special || *kind == Kind::UserDefined;
        // Matched in the text as it is written, before spaces are replaced.
        whole.then(|| AddedToken::from(token.clone(), special).normalized(false))
    });
    bpe.add_tokens(whole)?;
    Ok(bpe)
}

/// Every way to cut a piece into two pieces, in the order in which they are merged.
fn merges(tables: &Tables, scores: &[f32], vocabulary: &Vocab) -> Merges {
    let text = |kind: Kind| matches!(kind, Kind::Normal | Kind::UserDefined);
    let is_piece = |token: &str| {
        vocabulary.get(token).and_then(|id| tables.kinds.get(*id as usize)).is_some_and(|kind| text(*kind))
    };
    let mut cuts: Vec<(f32, &str, usize)> = Vec::new();
    for ((token, kind), score) in tables.tokens.iter().zip(&tables.kinds).zip(scores) {
        if !text(*kind) {
            continue;
        }
        for (at, _) in token.char_indices().skip(1) {
            if is_piece(&token[..at]) && is_piece(&token[at..]) {
                cuts.push((*score, token, at));
            }
        }
    }
    // Stable: pieces of one score in the order of the vocabulary.
    cuts.sort_by(|a, b| b.0.total_cmp(&a.0));
    cuts.into_iter().map(|(_, token, at)| (token[..at].to_owned(), token[at..].to_owned())).collect()
}

/// The byte that `<0xNN>` stands for.
fn byte(name: &str) -> Option<u8> {
    u8::from_str_radix(name.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vocabulary of a few words; every letter of them is a piece.
    fn tables() -> (Tables, Vec<f32>) {
        let mut tables = Tables { tokens: Vec::new(), kinds: Vec::new() };
        let mut scores = Vec::new();
        let mut add = |token: &str, kind, score| {
            tables.tokens.push(token.to_owned());
            tables.kinds.push(kind);
            scores.push(score);
        };
        add("<unk>", Kind::Unknown, 0.0);
        add("<s>", Kind::Control, 0.0);
        for byte in 0..=u8::MAX {
            add(&format!("<0x{byte:02X}>"), Kind::Byte, 0.0);
        }
        add("\n\n", Kind::UserDefined, -1000.0);
        for (token, score) in [("▁a", -1.0), ("ab", -2.0), ("▁ab", -3.0), ("bc", -1.5), ("▁abc", -4.0)]
        {
            add(token, Kind::Normal, score);
        }
        for (at, token) in ["▁", "a", "b", "c", "\n"].iter().enumerate() {
            add(token, Kind::Normal, -10.0 - at as f32);
        }
        (tables, scores)
    }

    fn split(text: &str, prefix: bool) -> Vec<String> {
        let (tables, scores) = tables();
        let special = HashSet::from([0, 1]);
        let bpe = encoder(&tables, &scores, &special, Some(&tables.tokens[0]), prefix).unwrap();
        bpe.encode(text, false).unwrap().get_tokens().to_vec()
    }

    #[test]
    fn the_pair_with_the_best_score_is_merged_first() {
        // `▁a` is better than `bc`, which is better than `ab`; `▁a` and `bc` then make `▁abc`.
        assert_eq!(split(" abc", false), ["▁abc"]);
        assert_eq!(split("abc", false), ["a", "bc"]);
        assert_eq!(split("abab c", false), ["ab", "ab", "▁", "c"]);
    }

    #[test]
    fn text_begins_like_a_word_where_the_vocabulary_says_so() {
        assert_eq!(split("ab", true), ["▁ab"]);
        assert_eq!(split("ab<s>ab", true), ["▁ab", "<s>", "▁ab"]);
        assert_eq!(split("ab<s>ab", false), ["ab", "<s>", "ab"]);
        assert!(split("", true).is_empty());
    }

    #[test]
    fn what_is_no_piece_goes_byte_by_byte_and_what_is_matched_whole_is_not_merged() {
        assert_eq!(split("aé", false), ["a", "<0xC3>", "<0xA9>"]);
        assert_eq!(split("a\n\n\nb", false), ["a", "\n\n", "\n", "b"]);
    }

    #[test]
    fn pieces_are_spelt_in_bytes() {
        let pieces = Pieces { bytes: HashMap::from([(3, 0xc3)]), verbatim: HashSet::from([4]) };
        assert_eq!(pieces.bytes(3, "<0xC3>"), [0xc3]);
        assert_eq!(pieces.bytes(4, "▁x"), "▁x".as_bytes());
        assert_eq!(pieces.bytes(5, "▁x▁"), b" x ");
    }

    #[test]
    fn names_of_bytes_are_read_strictly() {
        assert_eq!((byte("<0x0A>"), byte("<0xFF>")), (Some(10), Some(255)));
        assert_eq!((byte("<0xGG>"), byte("0x0A"), byte("<0x100>")), (None, None, None));
    }
}
