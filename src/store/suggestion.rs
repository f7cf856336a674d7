//! What `suggest` answers, as it is stored and served.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::conversation::{Channel, Conversation, Language, WorkspaceId};
use crate::decision::policy::reply_window_closed::ReplyWindow;
use crate::decision::rollout::Allowed;
use crate::decision::rules::routing::{Priority, QueueState};
use crate::decision::{Action, Decision, DecisionInput, Mode, PolicyCheck, Reason, ReasonCode, Verdict};
use crate::generation::{Citation, Draft};
use crate::inference::TokenUsage;
use crate::judgement::{Confidence, Judgement, altered};
use crate::retrieval::Retrieved;
use crate::understanding::Understanding;

/// A stored suggestion: the public answer, the conversation it answers, its trace, and what the agent said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Suggestion {
    /// The public answer.
    pub answer: Answer,
    /// The tenant.
    #[serde(skip_serializing)]
    #[serde(default = "unknown_workspace")]
    pub workspace: WorkspaceId,
    /// What was asked.
    pub conversation: Conversation,
    /// How far Ponto was allowed to go: the mode of the call, with what the rollout takes from it.
    pub mode: Mode,
    /// When.
    pub created_at: DateTime<Utc>,
    /// How the answer came about.
    pub trace: Trace,
    /// What the agent said; the last word counts.
    pub feedback: Option<Feedback>,
}

impl Suggestion {
    /// The mode of the call; [`Self::mode`] is what the rollout left of it.
    pub fn asked_mode(&self) -> Mode {
        self.trace.decided.as_ref().map_or(self.mode, |decided| decided.mode)
    }

    /// Whether it came about as what is sent does: a quote is tried first, and what agents alone may read is not searched. A
    /// call that allows drafts at most takes another way, and so does a message that was answered automatically before.
    pub fn as_sent(&self) -> bool {
        let replied = self.trace.decided.as_ref().is_some_and(|decided| decided.already_replied);
        self.asked_mode() != Mode::Draft && !replied
    }

    /// The draft, and what was measured in it, where no policy objects: only such a one can ever be sent by itself.
    pub fn unopposed(&self) -> Option<(&PublicDraft, &Judgement)> {
        let passed = self.answer.policy.iter().all(|check| check.verdict == Verdict::Pass);
        self.answer.drafts.first().zip(self.trace.judgement.as_ref()).filter(|_| passed)
    }

    /// The draft where it is one of those that a threshold is tested on, whatever its confidence: nothing but that, the mode and
    /// the rollout can keep such a one from being sent.
    pub fn sendable(&self) -> Option<(&PublicDraft, &Judgement)> {
        self.unopposed().filter(|_| self.as_sent())
    }
}

fn unknown_workspace() -> WorkspaceId {
    WorkspaceId(String::new())
}

/// The answer of `POST /v1/suggest`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// `sug_…`
    pub id: String,
    /// How far this answer could go: the mode of the call, with what the rollout takes from it. In `shadow` the caller of
    /// `suggest` gets no draft and no handover: they are stored, for whoever measures.
    #[serde(default)]
    pub mode: Mode,
    /// What is done, and why.
    pub decision: Decision,
    /// Drafts, best first; empty when none could be made, and in `shadow`.
    pub drafts: Vec<PublicDraft>,
    /// How sure the first draft may be.
    pub confidence: Confidence,
    /// Every policy and what it found.
    pub policy: Vec<PolicyCheck>,
    /// Present on escalation alone, and not in `shadow`.
    pub handoff: Option<Handoff>,
    /// Until when a text may be sent, and the template for later. Absent on channels that always take free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_window: Option<ReplyWindow>,
    /// Tokens and model.
    pub usage: Usage,
    /// Milliseconds by stage.
    pub timings_ms: Timings,
    /// Joins this answer with the logs.
    pub trace_id: String,
}

impl Answer {
    /// As the caller of `suggest` gets it: what `shadow` shows to nobody is left out.
    #[must_use]
    pub fn told(mut self) -> Self {
        if self.mode == Mode::Shadow {
            self.drafts.clear();
            self.handoff = None;
        }
        self
    }
}

/// A draft as it is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublicDraft {
    /// Plain text.
    pub text: String,
    /// Its language.
    pub language: Language,
    /// Always true.
    pub ai_generated: bool,
    /// What supports it.
    pub citations: Vec<Citation>,
}

impl From<Draft> for PublicDraft {
    fn from(draft: Draft) -> Self {
        let Draft { text, language, ai_generated, citations, production: _ } = draft;
        Self { text, language, ai_generated, citations }
    }
}

/// What a person needs to take over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Handoff {
    /// Why, with evidence.
    pub reasons: Vec<Reason>,
    /// The conversation in short, in the agents' language.
    pub summary: String,
    /// What was done before the conversation was handed over.
    #[serde(default)]
    pub tried: Tried,
    /// Who should take over, where policies name a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueState>,
    /// How soon: as rules and routes say, at least `high` for a complaint, `urgent` for an accident or a danger, and a step
    /// higher where the message says that it is urgent.
    #[serde(default)]
    pub priority: Priority,
    /// A message that tells the customer, in the customer's language, that a person takes over, and promises nothing. Absent
    /// where it would be the second in a row (a repeated call for the same message gets it again), where a person is writing with the customer already, where the customer wants no
    /// more messages, and where the channel takes only templates by now (the reason `reply_window_closed` says so).
    /// It says that it comes from an AI where nothing in the conversation has said so yet.
    pub holding_message: Option<String>,
}

/// What was done before a conversation was handed over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tried {
    /// What was searched for.
    pub queries: Vec<String>,
    /// What was found, best first.
    pub passages: Vec<Looked>,
    /// What became of a draft.
    pub draft: TriedDraft,
    /// The quote that was measured beside it, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<TriedQuote>,
}

/// A quote of the sources, measured where the model would write otherwise: whether it may be sent in place of a draft.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TriedQuote {
    /// Probability that it is acceptable.
    pub confidence: f64,
    /// The certified threshold for it, where one holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// What speaks against sending it, whatever the mode and the rollout. Empty where nothing does: then it is the answer, and no
    /// model was asked.
    pub held: Vec<ReasonCode>,
}

/// A passage that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Looked {
    /// The passage.
    pub id: String,
    /// Its document.
    pub document_id: String,
    /// Title and headings.
    pub heading: String,
    /// Where a person can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What became of a draft in an escalation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TriedDraft {
    /// None was written.
    #[default]
    None,
    /// The model found no answer in the passages.
    NoAnswer,
    /// It stands among the drafts, for the agent.
    Offered,
    /// A rule allows none to be shown.
    Withheld,
}

/// Tokens and model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// `candle`, `openai`, `extractive`, or `none` where no draft was made.
    pub backend: String,
    /// The model's name.
    pub model: String,
    /// Tokens read and written.
    #[serde(flatten)]
    pub tokens: TokenUsage,
}

impl Usage {
    /// No model was asked.
    pub fn none() -> Self {
        Self { backend: "none".into(), ..Self::default() }
    }

    /// What a draft cost.
    pub fn of(draft: &Draft) -> Self {
        let production = &draft.production;
        Self {
            backend: production.model.backend.clone(),
            model: production.model.model.clone(),
            tokens: production.usage,
        }
    }
}

/// Milliseconds by stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Timings {
    /// Embedding, search and fusion.
    pub retrieval: f64,
    /// Prompt and model.
    pub generation: f64,
    /// Groundedness, signals, confidence.
    pub judgement: f64,
    /// All of it, from the request to the answer.
    pub total: f64,
}

/// How an answer came about: enough to decide again and to explain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    /// Detected language; `None` when none of the supported ones.
    pub language: Option<Language>,
    /// Topics of the message, how many questions it asks, and whether it tries to steer the assistant.
    #[serde(default)]
    pub understanding: Understanding,
    /// What was searched for.
    pub query: String,
    /// What was found.
    pub retrieved: Vec<Retrieved>,
    /// What was judged, where there was a draft.
    pub judgement: Option<Judgement>,
    /// The key a calibration needs: model, prompt, embedder, and the settings that make it another procedure.
    pub calibration_key: String,
    /// The certified threshold that applied, where one did.
    pub threshold: Option<f64>,
    /// How far the rollout had come.
    #[serde(default)]
    pub rollout: Allowed,
    /// The reply was drawn for an audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditDraw>,
    /// Version of the policies' files; empty where there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policies: String,
    /// Share of the knowledge that has changed since the certificate was made, where it lapsed by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<f64>,
    /// The quote that was measured before a model was asked, or after it found no answer: of what customers may read, where that
    /// holds one. Absent where it is the draft that an agent got instead of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<TriedQuote>,
    /// What was decided on: the decision comes out of it again. Absent in traces of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<DecisionInput>,
}

/// An automatic reply was drawn for an audit: an agent's verdict on it counts for the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditDraw {
    /// Share of the automatic replies that was drawn then.
    pub share: f64,
    /// Largest share of wrong replies that was tolerated then.
    pub max_error: f64,
}

/// What an agent did with a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Feedback {
    /// Accepted, edited or rejected.
    pub outcome: FeedbackOutcome,
    /// The text that was sent, where it was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Levenshtein distance between draft and sent text, in characters; 0 when accepted.
    pub edit_distance: Option<usize>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Share of the characters that an agent may change in a reply that was acceptable all the same, where nothing else is said.
/// What the reply claims may not change at all.
pub const EDIT_TOLERANCE: f64 = 0.1;

impl Feedback {
    /// Accepted, or sent with no more than a few characters changed, and none in what the draft claims.
    pub fn acceptable(&self, draft: Option<&PublicDraft>, tolerance: f64) -> bool {
        match self.outcome {
            FeedbackOutcome::Accepted => true,
            FeedbackOutcome::Rejected => false,
            FeedbackOutcome::Edited => {
                let (Some(draft), Some(sent), Some(distance)) =
                    (draft, self.text.as_deref(), self.edit_distance)
                else {
                    return false;
                };
                let longest = draft.text.chars().count().max(sent.chars().count()).max(1) as f64;
                distance as f64 <= tolerance * longest && !altered(&draft.text, sent, draft.language)
            }
        }
    }
}

/// A question, and whether it found its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The suggestion: `sug_…`
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The conversation that ends with the question.
    pub conversation: Conversation,
    /// Its language; `None` when none of the supported ones.
    pub language: Option<Language>,
    /// The knowledge base held no answer, or none that was sure enough to draft, or the draft was rejected.
    pub unanswered: bool,
    /// What an agent sent; nothing is known of it where an escalation was accepted, or a draft that was shown to nobody.
    pub reply: Option<String>,
}

/// Accepted, edited or rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackOutcome {
    /// Sent as drafted.
    Accepted,
    /// Sent with changes.
    Edited,
    /// Not sent.
    Rejected,
}

/// Which suggestions a list holds; all of them where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Which {
    /// `true`: those without feedback; `false`: those with.
    pub open: Option<bool>,
    /// `true`: those made in `shadow`, for whoever measures; `false`: those that agents may see.
    pub shadow: Option<bool>,
}

/// A suggestion in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SuggestionSummary {
    /// `sug_…`
    pub id: String,
    /// The hub's id.
    pub conversation_id: String,
    /// Where.
    pub channel: Channel,
    /// The customer's name, where known.
    pub customer: Option<String>,
    /// The question's first words.
    pub question: String,
    /// What was decided.
    pub action: Action,
    /// The first reason.
    pub reason: Option<Reason>,
    /// How sure.
    pub confidence: f64,
    /// When.
    pub created_at: DateTime<Utc>,
    /// It is an automatic reply that was drawn for an audit: an agent's verdict counts for the rollout.
    pub audit: bool,
    /// What the agent did.
    pub outcome: Option<FeedbackOutcome>,
}
