//! Topics by example: the embedder's vectors of a message's sentences against those of example sentences.
//!
//! Cosines of e5 lie close together (0.7 to 0.95), so none means anything alone. Vectors are centred on ordinary messages to
//! a company; then each topic's examples are told from all other sentences known here (ordinary messages, what only sounds
//! alike, and the examples of other topics) by kernel ridge regression in which both sides weigh the same. That takes a
//! second or two when the process starts and nobody has to train anything. The closest example is kept as evidence.

use std::ops::Range;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::injection;
use super::kernel::{Likeness, dot, likenesses};
use super::phrases::{Phrases, normalise};
use super::vectors::shift;
use super::{MatchedBy, TopicMatch, UnderstandingConfig, topics};

use crate::text::sentences;

/// Most sentences of a message that are compared; of a longer one the first and the last.
const MOST_PIECES: usize = 12;
/// Longest piece in characters.
const LONGEST_PIECE: usize = 300;
/// How sure a match must be, unless the operator says otherwise.
const THRESHOLD: f64 = 0.5;
/// How fast a score grows around a topic's cut.
const STEEPNESS: f64 = 5.0;
/// The cut of an operator's topic: a few examples speak against thousands of other sentences, so they reach no higher.
const CUT: f64 = -0.65;

/// One topic's sentences.
#[derive(Debug, Clone)]
struct Topic {
    name: String,
    whole: bool,
    cut: f64,
    threshold: f64,
    /// Sentences that hold one of these are not of the topic, whatever they are like.
    unless: Option<&'static Phrases>,
    examples: Vec<String>,
    unlike: Vec<String>,
}

/// Every topic's sentences, and ordinary messages to hold against them. The last topic is the injection.
#[derive(Debug, Clone)]
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
                cut: topic.cut,
                threshold: THRESHOLD,
                unless: Some(&topic.unless),
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
                    cut: CUT,
                    threshold: own.threshold.unwrap_or(THRESHOLD),
                    unless: None,
                    examples: own.examples.clone(),
                    unlike: own.unlike.clone(),
                });
            }
        }
        let (examples, unlike) = injection::examples();
        topics.push(Topic {
            name: "injection".into(),
            whole: false,
            cut: 0.0,
            threshold: THRESHOLD,
            unless: None,
            examples,
            unlike,
        });
        Self { topics, ordinary: topics::ordinary() }
    }

    /// Every sentence, in the order that [`Meaning::of`] expects.
    pub(super) fn texts(&self) -> Vec<String> {
        let own = self.topics.iter().flat_map(|topic| topic.examples.iter().chain(&topic.unlike));
        self.ordinary.iter().chain(own).cloned().collect()
    }
}

/// What every known sentence says of one topic, and where the topic's examples stand among them.
struct Learned {
    says: Vec<f32>,
    examples: Range<usize>,
}

/// What the vectors of [`Examples`] tell.
pub(super) struct Meaning {
    centre: Vec<f32>,
    known: Vec<Vec<f32>>,
    topics: Vec<Learned>,
}

/// What the sentences of a message are like.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Topics that are found.
    pub(super) topics: Vec<TopicMatch>,
    /// How much the most suspicious sentence is like an attempt to steer the assistant, and the closest example.
    pub(super) injection: Option<(f64, String)>,
}

impl Meaning {
    /// Learns from the vectors of [`Examples::texts`].
    pub(super) fn of(examples: &Examples, mut vectors: Vec<Vec<f32>>) -> Self {
        let centre = mean(&vectors[..examples.ordinary.len().min(vectors.len())]);
        for vector in &mut vectors {
            shift(vector, &centre);
        }
        let mut begin = examples.ordinary.len();
        let own: Vec<Range<usize>> = examples
            .topics
            .iter()
            .map(|topic| {
                let own = begin..begin + topic.examples.len();
                begin = own.end + topic.unlike.len();
                own
            })
            .collect();
        let likeness = Likeness::among(&vectors);
        let topics = own
            .par_iter()
            .map(|own| Learned { says: likeness.separate(|at| own.contains(&at)), examples: own.clone() })
            .collect();
        Self { centre, known: vectors, topics }
    }

    /// Compares a message, given its pieces and their vectors.
    pub(super) fn compare(&self, examples: &Examples, pieces: &[String], vectors: Vec<Vec<f32>>) -> Compared {
        let pieces: Vec<(String, Vec<f32>)> = pieces
            .iter()
            .zip(vectors)
            .map(|(piece, mut vector)| {
                shift(&mut vector, &self.centre);
                (normalise(piece), likenesses(&vector, &self.known))
            })
            .collect();
        let mut compared = Compared::default();
        let last = examples.topics.len().saturating_sub(1);
        for (position, (topic, learned)) in examples.topics.iter().zip(&self.topics).enumerate() {
            let scored = pieces
                .iter()
                .filter(|(normal, _)| topic.unless.is_none_or(|unless| !unless.found(normal)))
                .map(|(_, like)| (f64::from(dot(&learned.says, like)), like));
            let best = if topic.whole {
                scored.min_by(|a, b| a.0.total_cmp(&b.0))
            } else {
                scored.max_by(|a, b| a.0.total_cmp(&b.0))
            };
            let Some((raw, like)) = best else { continue };
            let Some(example) =
                highest(&like[learned.examples.clone()]).and_then(|at| topic.examples.get(at))
            else {
                continue;
            };
            if position == last {
                compared.injection = Some((raw, example.clone()));
                continue;
            }
            let score = 1.0 / (1.0 + (-STEEPNESS * (raw - topic.cut)).exp());
            if score >= topic.threshold {
                compared.topics.push(TopicMatch {
                    name: topic.name.clone(),
                    score,
                    by: MatchedBy::Example,
                    example: example.clone(),
                });
            }
        }
        compared
    }
}

/// The sentences of a message that are compared.
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

fn mean(vectors: &[Vec<f32>]) -> Vec<f32> {
    let mut mean = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for vector in vectors {
        for (sum, value) in mean.iter_mut().zip(vector) {
            *sum += value / vectors.len() as f32;
        }
    }
    mean
}

/// Position of the highest value.
fn highest(values: &[f32]) -> Option<usize> {
    values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::understanding::TopicConfig;

    #[test]
    fn a_long_message_keeps_its_beginning_and_end() {
        let text: String = (0..30).map(|n| format!("Sentence number {n}. ")).collect();
        let pieces = pieces(&text);
        assert_eq!(pieces.len(), MOST_PIECES);
        assert!(pieces[0].ends_with(" 0.") && pieces[MOST_PIECES - 1].ends_with(" 29."));
        assert!(super::pieces("👍 … 12").is_empty());
    }

    #[test]
    fn a_sentence_on_the_side_of_the_examples_is_of_the_topic() {
        let own = TopicConfig {
            name: "wholesale".into(),
            examples: vec!["Do you sell to shops?".into(), "We want to resell your cups".into()],
            unlike: Vec::new(),
            threshold: None,
        };
        let config = UnderstandingConfig { topics: vec![own] };
        let mut examples = Examples::of(&config);
        // A small world of three directions: ordinary, the operator's topic, the injection.
        examples.topics.retain(|topic| topic.name == "wholesale" || topic.name == "injection");
        let vector = |text: &String| -> Vec<f32> {
            if examples.topics[0].examples.contains(text) {
                vec![0.6, 0.8, 0.0]
            } else if examples.topics[1].examples.contains(text) {
                vec![0.6, 0.0, 0.8]
            } else {
                vec![1.0, 0.0, 0.0]
            }
        };
        let vectors = examples.texts().iter().map(vector).collect();
        let meaning = Meaning::of(&examples, vectors);
        let pieces = ["Hello.".to_owned(), "Wholesale?".to_owned()];
        let found = meaning.compare(&examples, &pieces, vec![vec![1.0, 0.0, 0.0], vec![0.6, 0.8, 0.0]]);
        assert_eq!(found.topics.len(), 1, "{found:?}");
        assert_eq!((found.topics[0].name.as_str(), found.topics[0].by), ("wholesale", MatchedBy::Example));
        assert!(
            found.topics[0].score > 0.5 && examples.topics[0].examples.contains(&found.topics[0].example)
        );
        assert!(found.injection.unwrap().0 < 0.5);
        let ordinary = meaning.compare(&examples, &pieces[..1], vec![vec![1.0, 0.0, 0.0]]);
        assert!(ordinary.topics.is_empty(), "{ordinary:?}");
    }
}
