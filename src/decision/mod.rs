//! What happens with a draft. [`Decision`] is a pure function of what was measured: from a stored trace it comes out
//! the same again, and nothing that a model writes chooses an action.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod decide;
mod exact;
pub mod hours;
pub mod policy;
pub mod rollout;
pub mod rules;

pub use decide::{DecisionInput, DraftFacts, Unavailable, decide};
pub use policy::DecisionConfig;

/// What is done with a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The reply may be sent by itself.
    AutoReply,
    /// An agent accepts, edits or rejects.
    Draft,
    /// A person takes over.
    Escalate,
}

/// How far Ponto may go in a call; it caps the action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Automatic replies where they are certified.
    Auto,
    /// Drafts at most: a model is asked before quotes are, and what agents alone may read is searched too, so such drafts tell
    /// nothing of automatic replies.
    #[default]
    Draft,
    /// Drafts at most, for measurement only: nothing is shown to agents.
    Shadow,
}

/// The outcome of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// Why; never empty unless the action is `auto_reply`.
    pub reasons: Vec<Reason>,
}

/// Why an action was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Stable code, documented in the README.
    pub code: ReasonCode,
    /// One sentence in English, for logs and for whoever builds on the API; agents read [`crate::explanation`], which says it in
    /// their language.
    pub detail: String,
    /// What it stands on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// Something that was found, and that a reason stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// A condition of a rule held.
    Rule {
        /// The rule.
        name: String,
        /// The condition, such as `topic` or `pattern`.
        condition: String,
        /// What was found.
        found: String,
        /// Where: `message` or `draft`; of conditions that read a text alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<FoundIn>,
    },
    /// Something that a rule demands, after its conditions.
    Demand {
        /// The rule.
        rule: String,
        /// What its author says of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// What it demands.
        demand: Demand,
    },
    /// Something measured.
    Signal {
        /// Its name, such as `confidence` or `characters`.
        name: String,
        /// Its value.
        found: String,
        /// What it was held against.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<String>,
    },
    /// A topic of the message.
    Topic {
        /// Its name.
        name: String,
        /// The phrase that was found, or the example that the message is like.
        found: String,
    },
    /// A passage of the knowledge base.
    Passage {
        /// The passage.
        id: String,
        /// Title of its document.
        title: String,
        /// What was found in it.
        found: String,
    },
    /// A message of the conversation.
    Message {
        /// The message.
        id: String,
    },
}

impl Evidence {
    /// Something measured.
    fn measured(name: &str, found: impl Into<String>) -> Self {
        Self::Signal { name: name.to_owned(), found: found.into(), limit: None }
    }

    /// Something measured, and what it was held against.
    fn held_against(name: &str, found: impl Into<String>, limit: impl Into<String>) -> Self {
        Self::Signal { name: name.to_owned(), found: found.into(), limit: Some(limit.into()) }
    }
}

/// The text that something was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FoundIn {
    /// The customer's last run of messages.
    Message,
    /// The draft.
    Draft,
}

/// What a rule demands of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// A person takes over, and no draft is shown.
    Block,
    /// A person takes over.
    Escalate,
    /// An agent looks at the draft.
    Draft,
    /// Words were taken out of the reply, and an agent looks.
    Redact,
    /// The reply cites no source of a label, and an agent looks.
    RequireCitation,
    /// Words follow the reply.
    Append,
    /// It applies and objects to nothing.
    Nothing,
}

/// Stable codes of reasons.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The mode of the call allows no more.
    ModeCap,
    /// The rollout has not come to automatic replies here.
    Rollout,
    /// A rule of the policies' folder applies.
    Policy,
    /// A person has written to the customer, and has not handed the conversation back.
    HumanTookOver,
    /// No certified calibration for this model, prompt, embedder, settings, workspace and language.
    NotCertified,
    /// Too much of the knowledge has changed since the certificate was made.
    CertificateLapsed,
    /// The index is being rebuilt, and lacks a part of the knowledge.
    IndexRebuilding,
    /// Confidence under the certified threshold.
    BelowThreshold,
    /// Confidence so low that a person answers without a draft.
    LowConfidence,
    /// The customer asks for a person.
    AsksForHuman,
    /// No passage of the knowledge base is about the question.
    NothingRelevant,
    /// The sources do not hold the answer, as far as the draft goes.
    NoAnswerInSources,
    /// The message is in a language Ponto does not answer in.
    UnsupportedLanguage,
    /// The message tries to steer the assistant.
    Injection,
    /// The customer makes a complaint, threatens legal steps, or reports an accident.
    Complaint,
    /// The question is about the customer's own order, payment or account.
    NeedsAccountData,
    /// The customer wants no more messages.
    OptedOut,
    /// The customer exercises a right over personal data, or wants an automated decision reviewed.
    DataRequest,
    /// The customer is angry or upset.
    AngryCustomer,
    /// The message asks more than one question.
    SeveralQuestions,
    /// The message has nothing to do with the company.
    OffTopic,
    /// The message is a greeting, thanks or a goodbye.
    SmallTalk,
    /// The draft holds personal data that neither the customer nor a published source gave.
    PersonalData,
    /// The channel's reply window is closed.
    ReplyWindowClosed,
    /// The draft is too long for the channel.
    TooLong,
    /// The draft states something no source holds.
    Ungrounded,
    /// The draft promises money, a delivery or a legal effect that no cited passage promises.
    UnsupportedPromise,
    /// The draft was written with knowledge that is for agents alone.
    AgentsOnlySource,
    /// The draft is in another language than the customer's.
    LanguageMismatch,
    /// The last message is not the customer's, or is empty.
    NothingToAnswer,
    /// No model and no index answered within its budget.
    Unavailable,
}

impl ReasonCode {
    /// Why a person takes over where the knowledge holds no answer, or none that one can be sure of.
    pub const NO_ANSWER: [Self; 3] = [Self::NothingRelevant, Self::NoAnswerInSources, Self::LowConfidence];
}

/// One policy's finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyCheck {
    /// Name of the check; the code of the reason it gives.
    pub check: ReasonCode,
    /// What it found.
    pub verdict: Verdict,
    /// The evidence, where it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What it stands on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// What a policy found, from lenient to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No objection.
    Pass,
    /// A person has to look at the draft.
    Draft,
    /// A person has to take over.
    Escalate,
}

impl std::fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}
