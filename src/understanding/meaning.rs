//! Topics by example: the embedder's vectors of a message's sentences against those of example sentences.
//!
//! Cosines of e5 lie close together (0.7 to 0.95), so none means anything alone. Vectors are centred on ordinary messages to
//! a company, and a sentence is of a topic when it is closer to one of the topic's examples than to every ordinary message
//! and to every example of what only sounds alike.

use super::{MatchedBy, TopicMatch, UnderstandingConfig, topics};
use crate::inference::{Embedder, InferenceError, Purpose};
use crate::text::sentences;

/// Most sentences of a message that are compared; of a longer one the first and the last.
const MOST_PIECES: usize = 12;
/// Longest piece in characters.
const LONGEST_PIECE: usize = 300;
/// Texts in one call of the embedder while examples are read.
const BATCH: usize = 32;
/// How sure a match must be unless the topic says otherwise.
const THRESHOLD: f64 = 0.5;

/// One topic's sentences.
struct Topic {
    name: String,
    whole: bool,
    threshold: f64,
    examples: Vec<String>,
    unlike: Vec<String>,
}

/// Every topic's sentences, and ordinary messages to hold against them.
pub(super) struct Examples {
    topics: Vec<Topic>,
    ordinary: Vec<String>,
}

impl Examples {
    /// Those of the built-in topics and the operator's.
    pub(super) fn of(config: &UnderstandingConfig) -> Self {
        let mut topics: Vec<Topic> = topics::all()
            .iter()
            .map(|topic| Topic {
                name: topic.name.to_owned(),
                whole: topic.whole,
                threshold: THRESHOLD,
                examples: topic.examples.clone(),
                unlike: topic.unlike.clone(),
            })
            .collect();
        for own in &config.topics {
            if let Some(topic) = topics.iter_mut().find(|topic| topic.name == own.name) {
                topic.examples.extend(own.examples.iter().cloned());
                topic.unlike.extend(own.unlike.iter().cloned());
                topic.threshold = own.threshold.unwrap_or(topic.threshold);
            } else {
                topics.push(Topic {
                    name: own.name.clone(),
                    whole: false,
                    threshold: own.threshold.unwrap_or(THRESHOLD),
                    examples: own.examples.clone(),
                    unlike: own.unlike.clone(),
                });
            }
        }
        Self { topics, ordinary: topics::ordinary() }
    }
}

type Vectors = Vec<Vec<f32>>;

/// The vectors of [`Examples`].
pub(super) struct Meaning {
    centre: Vec<f32>,
    ordinary: Vectors,
    /// In the order of the topics: examples, and what is unlike.
    topics: Vec<(Vectors, Vectors)>,
}

impl Meaning {
    pub(super) async fn of(examples: &Examples, embedder: &dyn Embedder) -> Result<Self, InferenceError> {
        let mut ordinary = embed(embedder, examples.ordinary.clone()).await?;
        let centre = mean(&ordinary);
        for vector in &mut ordinary {
            shift(vector, &centre);
        }
        let mut topics = Vec::with_capacity(examples.topics.len());
        for topic in &examples.topics {
            let mut both = [Vectors::new(), Vectors::new()];
            for (vectors, texts) in both.iter_mut().zip([&topic.examples, &topic.unlike]) {
                *vectors = embed(embedder, texts.clone()).await?;
                for vector in vectors.iter_mut() {
                    shift(vector, &centre);
                }
            }
            let [like, unlike] = both;
            topics.push((like, unlike));
        }
        Ok(Self { centre, ordinary, topics })
    }

    /// The topics of a message, given the vectors of its pieces.
    pub(super) fn topics(&self, examples: &Examples, pieces: &[Vec<f32>]) -> Vec<TopicMatch> {
        let pieces: Vectors = pieces
            .iter()
            .map(|piece| {
                let mut piece = piece.clone();
                shift(&mut piece, &self.centre);
                piece
            })
            .collect();
        let ordinary: Vec<f32> = pieces.iter().map(|piece| closest(piece, &self.ordinary).0).collect();
        let mut found = Vec::new();
        for (topic, (like, unlike)) in examples.topics.iter().zip(&self.topics) {
            let scored = pieces.iter().zip(&ordinary).map(|(piece, ordinary)| {
                let (near, at) = closest(piece, like);
                (score(near, ordinary.max(closest(piece, unlike).0)), at)
            });
            let best = if topic.whole {
                scored.min_by(|a, b| a.0.total_cmp(&b.0))
            } else {
                scored.max_by(|a, b| a.0.total_cmp(&b.0))
            };
            if let Some((score, at)) = best
                && score >= topic.threshold
                && let Some(example) = topic.examples.get(at)
            {
                found.push(TopicMatch {
                    name: topic.name.clone(),
                    score,
                    by: MatchedBy::Example,
                    example: example.clone(),
                });
            }
        }
        found
    }
}

/// How sure a sentence is of a topic, by its cosine to the closest example and to the closest of what is not meant.
fn score(near: f32, other: f32) -> f64 {
    let margin = f64::from(near - other);
    1.0 / (1.0 + (-20.0 * margin).exp())
}

/// The sentences of a message that are compared, and the message as a whole where it is short.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = sentences(text)
        .into_iter()
        .map(|span| text[span].chars().take(LONGEST_PIECE).collect::<String>())
        .filter(|piece| piece.chars().any(char::is_alphabetic))
        .collect();
    if pieces.len() > MOST_PIECES {
        pieces.drain(MOST_PIECES / 2..pieces.len() - MOST_PIECES / 2);
    }
    pieces
}

/// Vectors of texts that are compared with one another, so all have the prefix of a query.
pub(super) async fn embed(embedder: &dyn Embedder, texts: Vec<String>) -> Result<Vectors, InferenceError> {
    let count = texts.len();
    let mut vectors = Vec::with_capacity(count);
    for batch in texts.chunks(BATCH) {
        vectors.extend(embedder.embed(batch.to_vec(), Purpose::Query).await?);
    }
    if vectors.len() == count {
        Ok(vectors)
    } else {
        Err(InferenceError::Malformed(format!("{count} texts got {} vectors", vectors.len())))
    }
}

fn mean(vectors: &[Vec<f32>]) -> Vec<f32> {
    let mut mean = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for vector in vectors {
        for (sum, value) in mean.iter_mut().zip(vector) {
            *sum += value / vectors.len() as f32;
        }
    }
    mean
}

/// Centres a vector and gives it length 1.
fn shift(vector: &mut [f32], centre: &[f32]) {
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

/// The cosine to the closest vector, and which that is; −1 when there is none.
fn closest(vector: &[f32], others: &[Vec<f32>]) -> (f32, usize) {
    others
        .iter()
        .map(|other| vector.iter().zip(other).map(|(a, b)| a * b).sum::<f32>())
        .enumerate()
        .map(|(at, cosine)| (cosine, at))
        .fold((-1.0, 0), |best, next| if next.0 > best.0 { next } else { best })
}
