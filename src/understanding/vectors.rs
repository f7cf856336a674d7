//! Vectors of sentences that are compared with one another, and the file that remembers those of the examples.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::inference::{Embedder, InferenceError, Purpose};

/// Texts in one call of the embedder.
const BATCH: usize = 32;
/// Length of the hash at the beginning of a file.
const HASH: usize = 32;

/// Vectors of texts that are compared with one another, so all have the prefix of a query.
pub(super) async fn embed(
    embedder: &dyn Embedder,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, InferenceError> {
    let mut vectors = Vec::with_capacity(texts.len());
    for batch in texts.chunks(BATCH) {
        vectors.extend(embedder.embed(batch.to_vec(), Purpose::Query).await?);
    }
    if vectors.len() == texts.len() {
        Ok(vectors)
    } else {
        Err(InferenceError::Malformed(format!("{} texts got {} vectors", texts.len(), vectors.len())))
    }
}

/// As [`embed`], but from `file` where it holds the vectors of exactly these texts and this embedder, and into it where
/// not. A file that cannot be read or written costs time alone.
pub(super) async fn embed_once(
    embedder: &dyn Embedder,
    texts: &[String],
    file: Option<&Path>,
) -> Result<Vec<Vec<f32>>, InferenceError> {
    let Some(file) = file else { return embed(embedder, texts).await };
    let hash = hash(&embedder.info().fingerprint, texts);
    let dimensions = embedder.info().dimensions;
    if let Ok(bytes) = tokio::fs::read(file).await
        && let Some(vectors) = decode(&bytes, &hash, texts.len(), dimensions)
    {
        return Ok(vectors);
    }
    let vectors = embed(embedder, texts).await?;
    if let Err(error) = write(file, &encode(&vectors, &hash)).await {
        tracing::debug!(%error, file = %file.display(), "the vectors of topics are not kept");
    }
    Ok(vectors)
}

/// A crash in the middle leaves the old file or the new one.
async fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = file.with_extension(format!("{}.part", std::process::id()));
    tokio::fs::write(&beside, bytes).await?;
    tokio::fs::rename(&beside, file).await
}

fn hash(fingerprint: &str, texts: &[String]) -> [u8; HASH] {
    let mut hasher = Sha256::new();
    for text in std::iter::once(fingerprint).chain(texts.iter().map(String::as_str)) {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}

fn encode(vectors: &[Vec<f32>], hash: &[u8; HASH]) -> Vec<u8> {
    let values = vectors.iter().flatten().flat_map(|value| value.to_le_bytes());
    hash.iter().copied().chain(values).collect()
}

fn decode(bytes: &[u8], hash: &[u8; HASH], count: usize, dimensions: usize) -> Option<Vec<Vec<f32>>> {
    let (head, values) = bytes.split_at_checked(HASH)?;
    if head != hash || dimensions == 0 || values.len() != count * dimensions * size_of::<f32>() {
        return None;
    }
    let values: Vec<f32> = values.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Some(values.chunks(dimensions).map(<[f32]>::to_vec).collect())
}

/// Centres a vector and gives it length 1.
pub(super) fn shift(vector: &mut [f32], centre: &[f32]) {
    for (value, centre) in vector.iter_mut().zip(centre) {
        *value -= centre;
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in vector {
            *value /= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_for_the_same_texts_alone() {
        let texts = ["a".to_owned(), "bc".to_owned()];
        let key = hash("model", &texts);
        let vectors = vec![vec![1.0, 2.0], vec![-0.5, 0.25]];
        let bytes = encode(&vectors, &key);
        assert_eq!(decode(&bytes, &key, 2, 2), Some(vectors));
        assert_eq!(decode(&bytes, &hash("other", &texts), 2, 2), None);
        assert_eq!(decode(&bytes, &hash("model", &["ab".to_owned(), "c".to_owned()]), 2, 2), None);
        assert_eq!(decode(&bytes[..bytes.len() - 1], &key, 2, 2), None, "a file that was cut");
        assert_eq!(decode(&[], &key, 2, 2), None);
    }
}
