//! The built-in topics: one file each, with phrases and example sentences.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::injection;
use super::phrases::{Lexicon, Phrases, evidence, normalise};
use crate::text::sentences;

/// Names of the built-in topics.
pub mod names {
    /// The customer wants a person, a call back or an end of automatic replies.
    pub const ASKS_FOR_HUMAN: &str = "asks_for_human";
    /// The customer accuses the company.
    pub const COMPLAINT: &str = "complaint";
    /// The customer announces legal steps or a complaint to an authority.
    pub const LEGAL_THREAT: &str = "legal_threat";
    /// The customer reports an accident or a danger.
    pub const SAFETY: &str = "safety";
    /// Only the company's systems know the answer: this order, this payment, this account.
    pub const ACCOUNT_DATA: &str = "account_data";
    /// The customer wants no more messages.
    pub const OPT_OUT: &str = "opt_out";
    /// The customer asks for access to their personal data, its correction or erasure, or a review of an automated decision.
    pub const DATA_REQUEST: &str = "data_request";
    /// The customer is angry or upset, short of a complaint.
    pub const ANGER: &str = "anger";
    /// The customer cannot wait.
    pub const URGENCY: &str = "urgency";
    /// The whole message is a greeting, thanks or a goodbye.
    pub const SMALL_TALK: &str = "small_talk";
    /// The whole message has nothing to do with a company's customers.
    pub const OFF_TOPIC: &str = "off_topic";
}

/// A topic's file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TopicFile {
    /// The whole message has to be of the topic; one sentence is not enough.
    whole: bool,
    /// Where the score of a sentence is one half; higher hears less.
    cut: f64,
    /// Regular expressions over the text as it was typed; they always count.
    typed: Vec<String>,
    /// Phrases that are taken out before others are looked for.
    neutral: Lexicon,
    /// Phrases that count whatever `unless` says.
    always: Lexicon,
    /// Phrases that lift those of the languages.
    unless: Lexicon,
    pt: Lexicon,
    it: Lexicon,
    es: Lexicon,
    en: Lexicon,
}

/// A built-in topic.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: &'static str,
    /// The whole message has to be of the topic.
    pub(super) whole: bool,
    /// Where the score of a sentence is one half.
    pub(super) cut: f64,
    pub(super) examples: Vec<String>,
    pub(super) unlike: Vec<String>,
    typed: RegexSet,
    /// Lifts phrases and examples of the sentence that it stands in.
    pub(super) unless: Phrases,
    neutral: Phrases,
    always: Phrases,
    phrases: Phrases,
}

impl Topic {
    fn new(name: &'static str, file: &str) -> Self {
        let file: TopicFile = toml::from_str(file).expect("the built-in topics are readable");
        let languages = [&file.pt, &file.it, &file.es, &file.en];
        let all = |of: fn(&Lexicon) -> &Vec<String>| {
            languages.iter().flat_map(|lexicon| of(lexicon)).cloned().collect()
        };
        Self {
            name,
            whole: file.whole,
            cut: file.cut,
            examples: all(|lexicon| &lexicon.examples),
            unlike: all(|lexicon| &lexicon.unlike),
            typed: RegexSet::new(&file.typed).expect("the built-in patterns compile"),
            neutral: Phrases::new([&file.neutral]),
            always: Phrases::new([&file.always]),
            unless: Phrases::new([&file.unless]),
            phrases: Phrases::new(languages),
        }
    }

    /// The phrase of the topic that a message holds: as a whole, or in a sentence of it, unless the whole has to be of the
    /// topic. What lifts a phrase counts for the sentence that it stands in.
    pub(super) fn phrase(&self, said: &Said<'_>) -> Option<String> {
        if let Some(index) = self.typed.matches(said.text).iter().next() {
            let found = Regex::new(&self.typed.patterns()[index]).ok()?;
            return found.find(said.text).map(|found| evidence(found.as_str().trim()));
        }
        let sentences = if self.whole { &[] } else { said.sentences.as_slice() };
        std::iter::once(said.normal).chain(sentences.iter().map(String::as_str)).find_map(|part| {
            let part = self.neutral.without(part);
            let lifted = || self.unless.found(&part);
            self.always.find(&part).or_else(|| if lifted() { None } else { self.phrases.find(&part) })
        })
    }
}

/// A message as it is held against phrases.
#[derive(Debug)]
pub(super) struct Said<'a> {
    text: &'a str,
    normal: &'a str,
    /// Its sentences, [normalised](normalise), without the greeting or courtesy that they begin with.
    sentences: Vec<String>,
}

impl<'a> Said<'a> {
    /// A text as it was typed, and the same [normalised](normalise).
    pub(super) fn of(text: &'a str, normal: &'a str) -> Self {
        let sentences = sentences(text)
            .into_iter()
            .map(|span| normalise(&text[span]))
            .map(|sentence| OPENING.replace(&sentence, "").into_owned())
            .filter(|sentence| !sentence.is_empty() && sentence != normal)
            .collect();
        Self { text, normal, sentences }
    }
}

/// Greetings and courtesies before what is said.
static OPENING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?:(?:hi|hello|hey|hiya|dear (?:all|team|sirs?|madam)|good (?:morning|afternoon|evening)|please|pls|sorry|ok|well|so|listen|excuse me|thanks|thank you|oi|ola|opa|bom dia|boa (?:tarde|noite)|pessoal|gente|por favor|pfv?|desculpe?|com licenca|obrigad[oa]|entao|olha|tudo bem|tudo bom|ciao|salve|buongiorno|buonasera|buon(?:a sera| giorno| pomeriggio)|scus[iae]|scusate|per (?:favore|cortesia|piacere)|grazie|allora|senta|hola|buenas|buenos dias|buenas (?:tardes|noches)|buen dia|oye|oiga|mire|porfa(?:vor)?|perdon|disculpen?|gracias|bueno|entonces|que tal)\b ?)+",
    )
    .expect("the pattern compiles")
});

/// The built-in topics' names and files.
const FILES: [(&str, &str); 11] = [
    (names::ASKS_FOR_HUMAN, include_str!("topics/asks_for_human.toml")),
    (names::SAFETY, include_str!("topics/safety.toml")),
    (names::LEGAL_THREAT, include_str!("topics/legal_threat.toml")),
    (names::COMPLAINT, include_str!("topics/complaint.toml")),
    (names::ACCOUNT_DATA, include_str!("topics/account_data.toml")),
    (names::OPT_OUT, include_str!("topics/opt_out.toml")),
    (names::DATA_REQUEST, include_str!("topics/data_request.toml")),
    (names::ANGER, include_str!("topics/anger.toml")),
    (names::URGENCY, include_str!("topics/urgency.toml")),
    (names::SMALL_TALK, include_str!("topics/small_talk.toml")),
    (names::OFF_TOPIC, include_str!("topics/off_topic.toml")),
];

static BUILT_IN: LazyLock<Vec<Topic>> =
    LazyLock::new(|| FILES.map(|(name, file)| Topic::new(name, file)).into());

/// The built-in topics, compiled by the first call.
pub(super) fn all() -> &'static [Topic] {
    &BUILT_IN
}

/// Sixteen hexadecimal digits that stand for what the built-in topics hear, for what was measured under them.
pub fn revision() -> String {
    let files = FILES.iter().map(|(_, file)| *file).chain([ORDINARY]).chain(injection::FILES);
    let mut revision = hex::encode(files.fold(Sha256::new(), Sha256::chain_update).finalize());
    revision.truncate(16);
    revision
}

/// Names of the built-in topics.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    all().iter().map(|topic| topic.name)
}

const ORDINARY: &str = include_str!("topics/ordinary.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ordinary {
    pt: Vec<String>,
    it: Vec<String>,
    es: Vec<String>,
    en: Vec<String>,
}

/// Ordinary messages to a company: what every topic is held against.
pub(super) fn ordinary() -> Vec<String> {
    let Ordinary { pt, it, es, en } = toml::from_str(ORDINARY).expect("the ordinary messages are readable");
    [pt, it, es, en].concat()
}

#[cfg(test)]
mod tests;
