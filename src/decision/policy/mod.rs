//! Policies in first form: fixed checks, each a small file with a stable name, the code of the reason it gives.
//!
//! Each check reads what was measured and gives a [`Finding`]; the strictest verdict wins in [`super::decide`]. Checks
//! of the message run before anything is generated, so that a message which decides by itself costs no model call;
//! checks of the draft run once there is one. None of them lets the draft's text choose an action except through what
//! it measures in it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Evidence, PolicyCheck, ReasonCode, Verdict};
use crate::conversation::{Channel, Conversation, Language};
use crate::generation::Draft;
use crate::judgement::Judgement;
use crate::retrieval::Retrieved;
use crate::settings::Problem;
use crate::understanding::Understanding;

mod agents_only_source;
pub mod human_took_over;
mod index_rebuilding;
mod injection;
mod language_mismatch;
mod no_answer_in_sources;
mod nothing_relevant;
mod nothing_to_answer;
pub mod opted_out;
mod personal_data;
pub mod reply_window_closed;
mod too_long;
mod topics;
mod ungrounded;
mod unsupported_language;
mod unsupported_promise;

use human_took_over::SentDraft;
use opted_out::OptOut;
use reply_window_closed::ReplyTemplate;

/// Part of every calibration's key: raise it when a fixed check lets other replies through, or stops others, under the same
/// settings, or when personal data are found in another way.
pub const REVISION: &str = "policies-1";

/// What the checks read.
#[derive(Debug, Clone, Copy)]
pub struct PolicyInput<'a> {
    /// The whole conversation.
    pub conversation: &'a Conversation,
    /// The customer's last run of messages.
    pub question: &'a str,
    /// Its language; `None` when it is none of the supported ones.
    pub language: Option<Language>,
    /// Its topics, and how many questions it asks.
    pub understanding: &'a Understanding,
    /// The time of the check.
    pub now: DateTime<Utc>,
    /// What was found, best first.
    pub retrieved: &'a [Retrieved],
    /// Passages that the index was found to lack, while it is rebuilt.
    pub lacking: usize,
    /// The draft, once there is one.
    pub draft: Option<&'a Draft>,
    /// What was measured in the draft, once there is one.
    pub judgement: Option<&'a Judgement>,
    /// What is known of earlier opt-outs: in this conversation, and of its customer elsewhere.
    pub opt_outs: &'a [OptOut],
    /// The newest draft of the conversation that an agent sent.
    pub sent_draft: Option<&'a SentDraft>,
    /// Floors and limits.
    pub config: &'a DecisionConfig,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    verdict: Verdict,
    detail: Option<String>,
    evidence: Vec<Evidence>,
}

impl Finding {
    fn pass() -> Self {
        Self { verdict: Verdict::Pass, detail: None, evidence: Vec::new() }
    }

    fn draft(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Draft, detail: Some(detail.into()), evidence: Vec::new() }
    }

    fn escalate(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Escalate, detail: Some(detail.into()), evidence: Vec::new() }
    }

    /// The finding with something it stands on.
    fn with(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

/// The customer's newest message, as evidence.
fn last_message(input: &PolicyInput<'_>) -> Option<Evidence> {
    input.conversation.last_customer_message().map(|message| Evidence::Message { id: message.id.clone() })
}

/// The best passages that were looked at, as evidence; that there was none is evidence too.
fn looked_at(input: &PolicyInput<'_>) -> Vec<Evidence> {
    if input.retrieved.is_empty() {
        return vec![Evidence::measured("passages", "0")];
    }
    let passages = input.retrieved.iter().take(3).map(|hit| Evidence::Passage {
        id: hit.passage.id.clone(),
        title: hit.passage.heading(),
        found: format!(
            "similarity {}, {:.0}% of the question's words",
            hit.scores.dense.map_or_else(|| "unknown".into(), |dense| format!("{dense:.2}")),
            100.0 * hit.scores.coverage
        ),
    });
    passages.collect()
}

type Check = fn(&PolicyInput<'_>) -> Finding;

/// Checks that need the message and the time alone.
const MESSAGE: [(ReasonCode, Check); 13] = [
    (ReasonCode::NothingToAnswer, nothing_to_answer::check),
    (ReasonCode::UnsupportedLanguage, unsupported_language::check),
    (ReasonCode::OptedOut, opted_out::check),
    (ReasonCode::AsksForHuman, topics::asks_for_human),
    (ReasonCode::Complaint, topics::complaint),
    (ReasonCode::DataRequest, topics::data_request),
    (ReasonCode::NeedsAccountData, topics::needs_account_data),
    (ReasonCode::AngryCustomer, topics::angry_customer),
    (ReasonCode::SeveralQuestions, topics::several_questions),
    (ReasonCode::OffTopic, topics::off_topic),
    (ReasonCode::SmallTalk, topics::small_talk),
    (ReasonCode::ReplyWindowClosed, reply_window_closed::check),
    (ReasonCode::HumanTookOver, human_took_over::check),
];

/// Checks that need the passages too.
const PASSAGES: [(ReasonCode, Check); 3] = [
    (ReasonCode::Injection, injection::check),
    (ReasonCode::NothingRelevant, nothing_relevant::check),
    (ReasonCode::IndexRebuilding, index_rebuilding::check),
];

/// Checks that need a draft and its judgement.
const DRAFT: [(ReasonCode, Check); 7] = [
    (ReasonCode::NoAnswerInSources, no_answer_in_sources::check),
    (ReasonCode::Ungrounded, ungrounded::check),
    (ReasonCode::UnsupportedPromise, unsupported_promise::check),
    (ReasonCode::AgentsOnlySource, agents_only_source::check),
    (ReasonCode::LanguageMismatch, language_mismatch::check),
    (ReasonCode::PersonalData, personal_data::check),
    (ReasonCode::TooLong, too_long::check),
];

/// Runs the checks that need no draft: those of the message and of the passages.
pub fn check_message(input: &PolicyInput<'_>) -> Vec<PolicyCheck> {
    MESSAGE.iter().chain(&PASSAGES).map(|check| run(check, input)).collect()
}

/// Runs the checks of a draft; none where there is no draft.
pub fn check_draft(input: &PolicyInput<'_>) -> Vec<PolicyCheck> {
    if input.draft.is_none() {
        return Vec::new();
    }
    DRAFT.iter().map(|check| run(check, input)).collect()
}

fn run((code, check): &(ReasonCode, Check), input: &PolicyInput<'_>) -> PolicyCheck {
    let Finding { verdict, detail, evidence } = check(input);
    PolicyCheck { check: *code, verdict, detail, evidence }
}

/// Compiles every pattern now; otherwise the first message waits for it.
pub fn warm_up() {
    unsupported_promise::warm_up();
    crate::personal_data::warm_up();
}

const BYTES: &str = "bytes";

/// The longest message that a channel takes, as the channel counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Longest {
    pub(super) most: usize,
    /// `characters`, or `bytes` of UTF-8.
    pub(super) unit: &'static str,
}

impl Longest {
    /// How long a text is for the channel.
    pub(super) fn length(self, text: &str) -> usize {
        if self.unit == BYTES { text.len() } else { text.chars().count() }
    }
}

/// `[decision]`: floors and limits of the policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionConfig {
    /// Nothing relevant was found when the best cosine lies under this and `relevance_coverage` is missed too.
    pub relevance_dense: f64,
    /// Share of the question's content words that the best passage must hold to count as relevant in spite of a low
    /// cosine, 0 to 1.
    pub relevance_coverage: f64,
    /// Under this cosine nothing is relevant, whatever words it shares.
    pub relevance_dense_min: f64,
    /// Calibrated confidence under which a person takes over without a draft, 0 to 1; 0 always leaves the draft.
    pub escalate_below: f64,
    /// Support under which a sentence of a draft is not grounded, 0 to 1.
    pub sentence_support: f64,
    /// Probability that the sources support the draft, by the model that read it again (`judgement.second_reading_s`), under
    /// which it is not grounded, 0 to 1.
    pub second_reading: f64,
    /// Hours after the customer's last message in which `WhatsApp` and Instagram take free text.
    pub reply_window_hours: u32,
    /// The approved template that opens a conversation again once the window is closed: a name, or a table with one for each
    /// of pt, it, es and en. Agents and the hub are told of it.
    pub reply_template: ReplyTemplate,
    /// Longest reply in characters on `WhatsApp`.
    pub max_chars_whatsapp: usize,
    /// Longest reply on Instagram, in bytes of UTF-8 as Instagram counts: `é` is two.
    pub max_chars_instagram: usize,
    /// Longest reply in characters in a web chat.
    pub max_chars_web_chat: usize,
}

impl Default for DecisionConfig {
    fn default() -> Self {
        Self {
            relevance_dense: 0.84,
            relevance_coverage: 0.5,
            relevance_dense_min: 0.80,
            escalate_below: 0.25,
            sentence_support: 0.5,
            second_reading: 0.5,
            reply_window_hours: 24,
            reply_template: ReplyTemplate::default(),
            max_chars_whatsapp: 4096,
            max_chars_instagram: 1000,
            max_chars_web_chat: 2000,
        }
    }
}

impl DecisionConfig {
    /// The longest message a channel takes.
    pub(super) fn longest(&self, channel: Channel) -> Option<Longest> {
        let (most, unit) = match channel {
            Channel::Whatsapp => (self.max_chars_whatsapp, "characters"),
            Channel::Instagram => (self.max_chars_instagram, BYTES),
            Channel::WebChat => (self.max_chars_web_chat, "characters"),
            Channel::Email | Channel::Api => return None,
        };
        Some(Longest { most, unit })
    }

    /// Checks the section.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        self.reply_template.validate(problems);
        for (name, value) in [
            ("relevance_dense", self.relevance_dense),
            ("relevance_coverage", self.relevance_coverage),
            ("relevance_dense_min", self.relevance_dense_min),
            ("escalate_below", self.escalate_below),
            ("sentence_support", self.sentence_support),
            ("second_reading", self.second_reading),
        ] {
            if !(0.0..=1.0).contains(&value) {
                problems.push(Problem::new(&format!("decision.{name}"), "write a number from 0 to 1"));
            }
        }
        if self.relevance_dense_min > self.relevance_dense {
            problems.push(Problem::new(
                "decision.relevance_dense_min",
                "make it no larger than decision.relevance_dense",
            ));
        }
        for (name, value) in [
            ("max_chars_whatsapp", self.max_chars_whatsapp),
            ("max_chars_instagram", self.max_chars_instagram),
            ("max_chars_web_chat", self.max_chars_web_chat),
        ] {
            if value == 0 {
                problems.push(Problem::new(&format!("decision.{name}"), "write at least 1"));
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
