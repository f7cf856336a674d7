//! `WhatsApp` and Instagram take free text for a day after the customer's last message; later only templates.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DecisionConfig, Finding, PolicyInput, last_message};
use crate::conversation::{Channel, Conversation, Language};
use crate::decision::Evidence;
use crate::settings::Problem;

/// Until when the channel takes free text, and what it takes from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplyWindow {
    /// A text is sent before this moment or not at all, be it a draft, an automatic reply or a holding message: whoever sends
    /// it holds the clock against this.
    pub send_before: DateTime<Utc>,
    /// What may be sent from then on, where a template is configured for the customer's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

impl ReplyWindow {
    /// The window of a conversation; `None` where the channel always takes free text. A message without a time counts as new,
    /// and so does one of a time that has not come yet.
    pub fn of(
        conversation: &Conversation,
        language: Option<Language>,
        now: DateTime<Utc>,
        config: &DecisionConfig,
    ) -> Option<Self> {
        let heard = conversation.last_customer_message()?.at.map_or(now, |at| at.min(now));
        Self::after(heard, conversation.channel, language, config)
    }

    /// The window after the customer's message of that time.
    pub fn after(
        heard: DateTime<Utc>,
        channel: Channel,
        language: Option<Language>,
        config: &DecisionConfig,
    ) -> Option<Self> {
        if !matches!(channel, Channel::Whatsapp | Channel::Instagram) {
            return None;
        }
        let send_before = heard.checked_add_signed(TimeDelta::hours(i64::from(config.reply_window_hours)))?;
        Some(Self { send_before, template: config.reply_template.for_language(language) })
    }

    /// Whether the channel takes only templates by then.
    pub fn is_closed(&self, now: DateTime<Utc>) -> bool {
        now >= self.send_before
    }

    /// What to do once the window is closed, for agents and callers.
    pub fn remedy(&self) -> String {
        let named = self
            .template
            .as_ref()
            .map(|template| format!(", such as `{}`", template.name))
            .unwrap_or_default();
        format!("Only an approved template may be sent{named}, until the customer writes again.")
    }
}

/// A message template that the channel has approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// The language to send it in: the customer's.
    pub language: Language,
}

/// The template that opens a conversation again: one name for every language, or a name for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "the name of a template, or a table with a name for each of pt, it, es and en")]
pub enum ReplyTemplate {
    /// The same name in every language; empty for none.
    Name(String),
    /// By language; one that is left out has no template.
    Names(BTreeMap<Language, String>),
}

impl Default for ReplyTemplate {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

impl ReplyTemplate {
    /// A language that stands there has a name.
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) {
        let Self::Names(names) = self else { return };
        for (language, _) in names.iter().filter(|(_, name)| name.trim().is_empty()) {
            let at = format!("decision.reply_template.{}", language.code());
            problems.push(Problem::new(&at, "write the name of a template, or leave the language out"));
        }
    }

    /// The template for a customer of this language; English where the language is not known.
    fn for_language(&self, language: Option<Language>) -> Option<Template> {
        let language = language.unwrap_or(Language::En);
        let name = match self {
            Self::Name(name) => name,
            Self::Names(names) => names.get(&language)?,
        };
        (!name.trim().is_empty()).then(|| Template { name: name.trim().to_owned(), language })
    }
}

/// Holds the draft once the window is closed. The window is looked at again when an agent accepts the draft.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let window = ReplyWindow::of(input.conversation, input.language, input.now, input.config);
    let Some(window) = window.filter(|window| window.is_closed(input.now)) else { return Finding::pass() };
    let hours = input.config.reply_window_hours;
    let closed = window.send_before.to_rfc3339_opts(SecondsFormat::Secs, true);
    Finding::draft(format!("The customer's last message is older than {hours} hours. {}", window.remedy()))
        .with(last_message(input))
        .with([
            Evidence::measured("reply_window_hours", hours.to_string()),
            Evidence::measured("reply_window_closed_at", closed),
        ])
        .with(window.template.map(|template| Evidence::measured("reply_template", template.name)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::*;
    use crate::decision::Verdict;

    #[test]
    fn a_day_after_the_last_message() {
        for (channel, hours, verdict) in [
            (Channel::Whatsapp, 23, Verdict::Pass),
            (Channel::Whatsapp, 24, Verdict::Draft),
            (Channel::Instagram, 30, Verdict::Draft),
            (Channel::Email, 300, Verdict::Pass),
            (Channel::WebChat, 300, Verdict::Pass),
        ] {
            let mut case = Case::asking("question");
            case.conversation.channel = channel;
            case.conversation.messages[0].at = Some(case.now - TimeDelta::hours(hours));
            let finding = check(&case.input());
            assert_eq!(finding.verdict, verdict, "{channel:?} {hours}");
            let named = finding.evidence.contains(&Evidence::Message { id: "m".into() });
            assert_eq!(named, verdict == Verdict::Draft, "{:?}", finding.evidence);
        }
        let mut case = Case::asking("question");
        case.conversation.channel = Channel::Whatsapp;
        case.conversation.messages[0].at = None;
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
    }

    #[test]
    fn the_moment_is_told_where_the_channel_has_one() {
        let case = Case::asking("question");
        let heard = case.now - TimeDelta::hours(2);
        for (channel, at, closes) in [
            (Channel::Whatsapp, Some(heard), Some(heard + TimeDelta::hours(24))),
            (Channel::Instagram, Some(heard), Some(heard + TimeDelta::hours(24))),
            (Channel::Whatsapp, None, Some(case.now + TimeDelta::hours(24))),
            // The clock of the hub, or its time zone, is wrong.
            (Channel::Whatsapp, Some(case.now + TimeDelta::days(365)), Some(case.now + TimeDelta::hours(24))),
            (Channel::Email, Some(heard), None),
            (Channel::WebChat, Some(heard), None),
            (Channel::Api, None, None),
        ] {
            let mut conversation = case.conversation.clone();
            (conversation.channel, conversation.messages[0].at) = (channel, at);
            let window = ReplyWindow::of(&conversation, Some(Language::Pt), case.now, &case.config);
            assert_eq!(window.map(|window| window.send_before), closes, "{channel:?} {at:?}");
        }
        let nobody = Conversation::new("c", Channel::Whatsapp, Vec::new());
        assert_eq!(ReplyWindow::of(&nobody, None, case.now, &case.config), None);
    }

    #[test]
    fn a_template_is_named_by_language_where_there_is_one() {
        let one: ReplyTemplate = serde_json::from_value("reopen_v1".into()).unwrap();
        let each: ReplyTemplate =
            serde_json::from_value(serde_json::json!({"pt": "reabrir_v2", "es": "reabrir_es"})).unwrap();
        let template = |name: &str, language| Some(Template { name: name.into(), language });
        for (config, language, expected) in [
            (&ReplyTemplate::default(), Some(Language::Pt), None),
            (&one, Some(Language::It), template("reopen_v1", Language::It)),
            (&one, None, template("reopen_v1", Language::En)),
            (&each, Some(Language::Pt), template("reabrir_v2", Language::Pt)),
            (&each, Some(Language::Es), template("reabrir_es", Language::Es)),
            (&each, Some(Language::En), None),
        ] {
            assert_eq!(config.for_language(language), expected, "{config:?} {language:?}");
        }
        let wrong = serde_json::from_value::<ReplyTemplate>(serde_json::json!({"fr": "rouvrir"}));
        assert!(wrong.unwrap_err().to_string().contains("pt, it, es and en"));

        let mut case = Case::asking("question");
        case.conversation.channel = Channel::Whatsapp;
        case.conversation.messages[0].at = Some(case.now - TimeDelta::hours(25));
        let detail = |case: &Case| check(&case.input()).detail.unwrap();
        assert!(detail(&case).contains("Only an approved template may be sent, until"));
        case.config.reply_template = one;
        assert!(detail(&case).contains("such as `reopen_v1`"));
    }

    #[test]
    fn the_setting_that_names_none_is_written_as_before() {
        // It is part of the key of every certificate.
        assert_eq!(serde_json::to_string(&ReplyTemplate::default()).unwrap(), "\"\"");
    }
}
