//! The rollout ladder: how far Ponto has come in a slice of the conversations, on the way from `shadow` over `draft` and a
//! random share of automatic replies to `auto`.
//!
//! A person promotes a slice. It is demoted by itself when the error among audited replies leaves its bound, which
//! [`sequential`] tests after every verdict. Where nobody has set anything, the stage is that of `rollout.default_stage`:
//! `auto`, where the mode of each call alone says how far it may go, unless an operator wants to climb from further down.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::Mode;
use crate::conversation::{Channel, Language, WorkspaceId};
use crate::settings::Problem;

pub mod sequential;

/// Who demotes where nobody has to.
pub const AUTOMATIC: &str = "ponto";

/// `[rollout]`: where the ladder begins, audits of automatic replies, and when they demote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RolloutConfig {
    /// The stage of conversations for which nobody has set one: `shadow`, `draft` or `auto`.
    pub default_stage: Stage,
    /// Share of the automatic replies that is drawn for an audit, 0 to 1. The same share of the drafts certifies in `ponto
    /// calibrate --from-feedback`; agents see both marked in the console.
    pub audit_share: f64,
    /// Largest share of wrong replies that is tolerated; that of the certificate in force (`ponto calibrate --target`) when left out.
    pub max_error: Option<f64>,
    /// Chance of a demotion, ever, though the error never was over its bound.
    pub false_alarm: f64,
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self { default_stage: Stage::Auto, audit_share: 0.1, max_error: None, false_alarm: 0.05 }
    }
}

impl RolloutConfig {
    /// Checks the section.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        if self.default_stage == Stage::Sample {
            let remedy = "write shadow, draft or auto; `ponto rollout promote --to sample` takes the share that sample needs";
            problems.push(Problem::new("rollout.default_stage", remedy));
        }
        if !(0.0..=1.0).contains(&self.audit_share) {
            problems.push(Problem::new("rollout.audit_share", "write a number from 0 to 1"));
        }
        for (name, value) in [("max_error", self.max_error), ("false_alarm", Some(self.false_alarm))] {
            if value.is_some_and(|value| !(value > 0.0 && value < 0.5)) {
                problems.push(Problem::new(&format!("rollout.{name}"), "write a number between 0 and 0.5"));
            }
        }
    }
}

/// How far Ponto may go in a slice, from the least.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Measured alone: nothing is shown.
    Shadow,
    /// Drafts for agents.
    Draft,
    /// Automatic replies in a random share of the conversations, drafts in the others.
    Sample,
    /// Automatic replies.
    #[default]
    Auto,
}

impl Stage {
    /// The name used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Draft => "draft",
            Self::Sample => "sample",
            Self::Auto => "auto",
        }
    }

    /// The next one up.
    pub fn above(self) -> Option<Self> {
        [Self::Shadow, Self::Draft, Self::Sample, Self::Auto].into_iter().find(|stage| *stage > self)
    }

    /// The next one down.
    pub fn below(self) -> Option<Self> {
        [Self::Auto, Self::Sample, Self::Draft, Self::Shadow].into_iter().find(|stage| *stage < self)
    }
}

/// Some of a workspace's conversations; what is left out is any.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Slice {
    /// Where the customer writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// What the message is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The customer's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

impl Slice {
    /// Whether it holds a message; with a topic, one about exactly this topic.
    pub fn holds(&self, channel: Channel, topic: Option<&str>, language: Option<Language>) -> bool {
        self.channel.is_none_or(|own| own == channel)
            && self.topic.as_deref().is_none_or(|own| Some(own) == topic)
            && self.language.is_none_or(|own| Some(own) == language)
    }

    /// Whether every message that `other` holds is one of this slice.
    fn contains(&self, other: &Self) -> bool {
        self.channel.is_none_or(|own| other.channel == Some(own))
            && self.topic.as_ref().is_none_or(|own| other.topic.as_ref() == Some(own))
            && self.language.is_none_or(|own| other.language == Some(own))
    }

    fn specific(&self) -> usize {
        usize::from(self.channel.is_some())
            + usize::from(self.topic.is_some())
            + usize::from(self.language.is_some())
    }
}

impl std::fmt::Display for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let any = "any";
        write!(
            f,
            "channel {}, topic {}, language {}",
            self.channel.map_or(any, Channel::as_str),
            self.topic.as_deref().unwrap_or(any),
            self.language.map_or(any, Language::code)
        )
    }
}

/// A change of a slice's stage; the newest one of a slice is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Sequence number, growing over all slices; 0 before the first change.
    pub sequence: i64,
    /// The slice.
    #[serde(flatten)]
    pub slice: Slice,
    /// How far Ponto may go from then on.
    pub stage: Stage,
    /// Share of the conversations that may be answered automatically; at stage `sample` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Who changed it; `ponto` where it was demoted by itself.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What the rollout allows in one conversation: data for the decision, kept in the trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Allowed {
    /// How far Ponto may go.
    pub stage: Stage,
    /// Share of the conversations that are answered automatically at stage `sample`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// At stage `sample`: this conversation is one of that share.
    pub drawn: bool,
    /// The slice whose stage it is.
    pub slice: Slice,
    /// The change that put it there; 0 where nobody has set anything.
    pub step: i64,
}

impl Default for Allowed {
    fn default() -> Self {
        Self { stage: Stage::Auto, share: None, drawn: false, slice: Slice::default(), step: 0 }
    }
}

impl Allowed {
    /// Why no reply is sent by itself; `None` where it may be.
    pub fn objection(&self) -> Option<String> {
        let slice = &self.slice;
        match self.stage {
            Stage::Auto => None,
            Stage::Sample if self.drawn => None,
            Stage::Sample => Some(format!(
                "The rollout answers {:.0}% of these conversations automatically ({slice}), and this is none of them.",
                100.0 * self.share.unwrap_or_default()
            )),
            Stage::Draft => Some(format!("The rollout has come to drafts here ({slice}).")),
            Stage::Shadow => Some(format!("The rollout is in shadow here ({slice}): nothing is shown.")),
        }
    }

    /// The mode of a call, with what the rollout takes from it.
    pub fn cap(&self, mode: Mode) -> Mode {
        match (self.stage, mode) {
            (Stage::Shadow, _) => Mode::Shadow,
            (Stage::Draft, Mode::Auto) => Mode::Draft,
            (Stage::Sample, Mode::Auto) if !self.drawn => Mode::Draft,
            (_, mode) => mode,
        }
    }
}

/// What the rollout allows in a conversation: the stage of the most specific slice that holds the message, the strictest
/// where several are equally specific, or where the message is about several topics; `unset` where nobody has set one.
pub fn allowed(
    steps: &[Step],
    unset: Stage,
    workspace: &WorkspaceId,
    conversation: (&str, Channel),
    topics: &[&str],
    language: Option<Language>,
) -> Allowed {
    let (conversation, channel) = conversation;
    let best =
        |topic: Option<&str>| nearest(steps.iter().filter(|step| step.slice.holds(channel, topic, language)));
    let found = if topics.is_empty() {
        best(None)
    } else {
        let each = topics.iter().map(|topic| best(Some(topic)));
        each.min_by_key(|step| step.map_or(unset, |step| step.stage)).flatten()
    };
    found.map_or_else(
        || Allowed { stage: unset, ..Allowed::default() },
        |step| Allowed {
            stage: step.stage,
            share: step.share,
            drawn: step.stage == Stage::Sample
                && drawn(&[&workspace.0, "\0", conversation], step.share.unwrap_or_default()),
            slice: step.slice.clone(),
            step: step.sequence,
        },
    )
}

/// The stage of a slice: its own, else that of the most specific slice around it, the strictest of equals, and `unset` where
/// there is none.
pub fn stage_of(steps: &[Step], unset: Stage, slice: &Slice) -> Stage {
    nearest(steps.iter().filter(|step| step.slice.contains(slice))).map_or(unset, |step| step.stage)
}

/// The step of the most specific slice, the strictest of equals.
fn nearest<'a>(steps: impl Iterator<Item = &'a Step>) -> Option<&'a Step> {
    steps.max_by_key(|step| (step.slice.specific(), std::cmp::Reverse(step.stage)))
}

/// Whether a suggestion is one of the share that is audited: nobody chooses it, and a larger share holds every smaller one.
pub fn audited(suggestion_id: &str, share: f64) -> bool {
    drawn(&["audit of ", suggestion_id], share)
}

/// A draw that looks random and always comes out the same for the same words.
fn drawn(words: &[&str], share: f64) -> bool {
    let hash: [u8; 32] = words.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into();
    let head = hash.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    (head as f64) < share * u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(sequence: i64, slice: Slice, stage: Stage) -> Step {
        let share = (stage == Stage::Sample).then_some(0.2);
        Step { sequence, slice, stage, share, by: "ana".into(), why: "w".into(), at: DateTime::UNIX_EPOCH }
    }

    fn slice(channel: Option<Channel>, topic: Option<&str>, language: Option<Language>) -> Slice {
        Slice { channel, topic: topic.map(str::to_owned), language }
    }

    fn at(steps: &[Step], topics: &[&str], language: Option<Language>) -> (Stage, i64) {
        from(Stage::Auto, steps, topics, language)
    }

    fn from(unset: Stage, steps: &[Step], topics: &[&str], language: Option<Language>) -> (Stage, i64) {
        let place = ("c", Channel::Whatsapp);
        let found = allowed(steps, unset, &WorkspaceId("w".into()), place, topics, language);
        (found.stage, found.step)
    }

    #[test]
    fn a_slice_that_nobody_set_stands_where_the_nearest_around_it_does() {
        let steps = [
            step(1, Slice::default(), Stage::Auto),
            step(2, slice(Some(Channel::Whatsapp), None, None), Stage::Shadow),
            step(3, slice(None, None, Some(Language::Pt)), Stage::Draft),
        ];
        let stage = |slice: Slice| stage_of(&steps, Stage::Auto, &slice);
        assert_eq!(stage(slice(Some(Channel::Whatsapp), Some("refund"), None)), Stage::Shadow);
        assert_eq!(stage(slice(Some(Channel::Email), None, Some(Language::Pt))), Stage::Draft);
        assert_eq!(
            stage(slice(Some(Channel::Whatsapp), None, Some(Language::Pt))),
            Stage::Shadow,
            "the stricter"
        );
        assert_eq!(stage(slice(None, Some("refund"), None)), Stage::Auto);
        assert_eq!(stage(slice(Some(Channel::Whatsapp), None, None)), Stage::Shadow, "its own");
        assert_eq!(stage_of(&[], Stage::Shadow, &Slice::default()), Stage::Shadow);
    }

    #[test]
    fn the_most_specific_slice_counts_and_the_strictest_topic() {
        let steps = [
            step(1, Slice::default(), Stage::Draft),
            step(2, slice(Some(Channel::Whatsapp), None, None), Stage::Auto),
            step(3, slice(None, Some("refund"), None), Stage::Shadow),
            step(4, slice(Some(Channel::Whatsapp), Some("delivery"), Some(Language::Pt)), Stage::Auto),
            step(5, slice(Some(Channel::Email), None, None), Stage::Shadow),
        ];
        assert_eq!(at(&[], &[], Some(Language::Pt)), (Stage::Auto, 0));
        assert_eq!(at(&steps[..1], &[], None), (Stage::Draft, 1));
        assert_eq!(at(&steps, &[], Some(Language::It)), (Stage::Auto, 2));
        // Equally specific: the strictest.
        assert_eq!(at(&steps, &["refund"], Some(Language::It)), (Stage::Shadow, 3));
        assert_eq!(at(&steps, &["delivery"], Some(Language::Pt)), (Stage::Auto, 4));
        assert_eq!(at(&steps, &["delivery"], None), (Stage::Auto, 2));
        assert_eq!(at(&steps, &["delivery", "refund"], Some(Language::Pt)), (Stage::Shadow, 3));
    }

    #[test]
    fn where_nobody_has_set_anything_the_ladder_begins_at_the_default() {
        let portuguese = [step(1, slice(None, None, Some(Language::Pt)), Stage::Draft)];
        let topic = [step(2, slice(None, Some("delivery"), None), Stage::Auto)];
        for (unset, steps, topics, language, found) in [
            (Stage::Shadow, &[][..], &[][..], None, (Stage::Shadow, 0)),
            (Stage::Draft, &[], &["delivery"], None, (Stage::Draft, 0)),
            (Stage::Shadow, &portuguese, &[], Some(Language::Pt), (Stage::Draft, 1)),
            (Stage::Shadow, &portuguese, &[], Some(Language::It), (Stage::Shadow, 0)),
            (Stage::Shadow, &topic, &["delivery"], None, (Stage::Auto, 2)),
            // Another topic of the message has not come so far.
            (Stage::Shadow, &topic, &["delivery", "refund"], None, (Stage::Shadow, 0)),
            (Stage::Auto, &portuguese, &["delivery"], Some(Language::Pt), (Stage::Draft, 1)),
        ] {
            assert_eq!(from(unset, steps, topics, language), found, "{unset:?} {topics:?} {language:?}");
        }
        let mut problems = Vec::new();
        RolloutConfig { default_stage: Stage::Sample, ..RolloutConfig::default() }.validate(&mut problems);
        assert_eq!(problems[0].setting, "rollout.default_stage");
    }

    #[test]
    fn a_share_of_the_conversations_is_drawn_and_stays_drawn() {
        let steps = [step(1, Slice::default(), Stage::Sample)];
        let workspace = WorkspaceId("w".into());
        let drawn_in = |workspace: &WorkspaceId, id: &str| {
            allowed(&steps, Stage::Auto, workspace, (id, Channel::Api), &[], None).drawn
        };
        let drawn = |id: &str| drawn_in(&workspace, id);
        let ids: Vec<String> = (0..4_000).map(|n| format!("c-{n}")).collect();
        let count = ids.iter().filter(|id| drawn(id)).count();
        // Binomial(4000, 0.2): 800 ± 5 standard deviations.
        assert!((674..=926).contains(&count), "{count}");
        assert!(ids.iter().all(|id| drawn(id) == drawn(id)));
        let other = WorkspaceId("v".into());
        let same = ids.iter().filter(|id| drawn(id) == drawn_in(&other, id));
        assert!(same.count() < 4_000, "another workspace draws others");
    }

    #[test]
    fn a_stage_caps_the_mode_and_says_why() {
        let at = |stage, drawn| Allowed { stage, drawn, share: Some(0.2), ..Allowed::default() };
        for (allowed, modes, objects) in [
            (at(Stage::Auto, false), [Mode::Auto, Mode::Draft, Mode::Shadow], false),
            (at(Stage::Sample, true), [Mode::Auto, Mode::Draft, Mode::Shadow], false),
            (at(Stage::Sample, false), [Mode::Draft, Mode::Draft, Mode::Shadow], true),
            (at(Stage::Draft, false), [Mode::Draft, Mode::Draft, Mode::Shadow], true),
            (at(Stage::Shadow, false), [Mode::Shadow; 3], true),
        ] {
            let capped = [Mode::Auto, Mode::Draft, Mode::Shadow].map(|mode| allowed.cap(mode));
            assert_eq!(capped, modes, "{allowed:?}");
            assert_eq!(allowed.objection().is_some(), objects, "{allowed:?}");
        }
        assert_eq!(Stage::Draft.above(), Some(Stage::Sample));
        assert_eq!(Stage::Shadow.below(), None);
    }
}
