//! The vocabulary every other module speaks: conversations, messages, languages, ids, and time.
//! A leaf: it imports nothing else of the crate.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

mod labels;
pub mod language;

pub use labels::{Audience, Labels};

/// The tenant. It comes from the credential alone and travels with every index and store call.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema, JsonSchema,
)]
#[serde(transparent)]
pub struct WorkspaceId(pub String);

impl std::fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A conversation as the hub knows it, oldest message first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// The hub's id of the conversation.
    pub id: String,
    /// Where the customer writes.
    pub channel: Channel,
    /// The hub's guess of the customer's locale, as BCP 47 (`pt-BR`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Who writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// What is known of the customer, such as `product=x` and `region=br`: knowledge that is labelled for others is left
    /// out.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Id of the newest message when people handed the conversation back to the assistant. After a message with the role
    /// `agent`, and after the customer has opted out in it, nothing is sent automatically, unless that message, or a later one,
    /// is named here; nor after an agent accepted or edited a draft, unless a message later than the one that it answered is
    /// named, such as the reply itself. What the customer wrote up to it waits for no answer any more; the newest
    /// message does, until another follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_back_after: Option<String>,
    /// At least one message.
    pub messages: Vec<Message>,
}

impl Conversation {
    /// Of these messages, with nothing else known.
    pub fn new(id: impl Into<String>, channel: Channel, messages: Vec<Message>) -> Self {
        Self {
            id: id.into(),
            channel,
            locale: None,
            customer: None,
            labels: Labels::default(),
            handed_back_after: None,
            messages,
        }
    }

    /// The run of customer messages at the end, joined: what the reply has to answer.
    /// Empty when the last word was not the customer's.
    pub fn pending_question(&self) -> String {
        joined(&self.pending())
    }

    /// The customer's messages that wait for an answer, oldest first: the run at the end. Of what people had read when they
    /// handed the conversation back, the newest message alone still waits, and only where nothing was written since.
    pub fn pending(&self) -> Vec<&Message> {
        let mut run = Vec::new();
        let mut read = false;
        for message in self.messages.iter().rev() {
            read |= self.handed_back_after.as_ref() == Some(&message.id);
            match message.role {
                _ if read && !run.is_empty() => break,
                Role::System => {}
                Role::Customer => run.push(message),
                Role::Agent | Role::Bot => break,
            }
        }
        run.reverse();
        run
    }

    /// The newest message of a person of the company, where the conversation was not handed back since.
    pub fn with_a_person(&self) -> Option<&Message> {
        let back = self.handed_back_after.as_ref();
        let mut since =
            self.messages.iter().rev().take_while(|message| back.is_none_or(|id| *id != message.id));
        since.find(|message| message.role == Role::Agent)
    }

    /// Whether people handed the conversation back after a message; a message that is not here stands before all of these.
    pub fn handed_back_since(&self, message_id: &str) -> bool {
        let Some(back) = &self.handed_back_after else { return false };
        let Some(place) = self.messages.iter().rposition(|message| message.id == *back) else { return false };
        self.messages[place + 1..].iter().all(|message| message.id != message_id)
    }

    /// Whether people handed the conversation back since a message was answered, in a call that named `before`: another message
    /// is named now, and none that is known to stand before the answered one. A named message that is not here counts as later,
    /// for a hub may send the newest message alone.
    pub fn handed_back_anew(&self, answered: Option<&str>, before: Option<&str>) -> bool {
        let Some(back) = self.handed_back_after.as_deref() else { return false };
        let place = |id: &str| self.messages.iter().rposition(|message| message.id == id);
        let earlier =
            place(back).zip(answered.and_then(place)).is_some_and(|(back, answered)| back < answered);
        !earlier && answered != Some(back) && before != Some(back)
    }

    /// Whether a person of the company has written since a message; a message that is not here stands before all of these.
    pub fn spoken_by_a_person_after(&self, message_id: &str) -> bool {
        let mut since = self.messages.iter().rev().take_while(|message| message.id != message_id);
        since.any(|message| message.role == Role::Agent)
    }

    /// The newest message of the customer.
    pub fn last_customer_message(&self) -> Option<&Message> {
        self.messages.iter().rev().find(|message| message.role == Role::Customer)
    }
}

/// The texts of messages, one a line.
pub fn joined(messages: &[&Message]) -> String {
    messages.iter().map(|message| message.text.trim()).collect::<Vec<_>>().join("\n")
}

/// The customer, as far as the hub tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Customer {
    /// The hub's opaque id.
    pub id: String,
    /// A name to greet with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What rules may ask of the customer, such as `plan`: texts, numbers, or true and false.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "as_texts")]
    pub attributes: BTreeMap<String, String>,
    /// When the customer last agreed to messages: an opt-out from before no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opted_in_at: Option<DateTime<Utc>>,
}

/// Values as texts: a hub may have them as numbers or as true and false.
fn as_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an attribute is a text, a number, true or false")]
    enum Value {
        Text(String),
        Truth(bool),
        Whole(i64),
        Number(f64),
    }
    let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let text = |value| match value {
        Value::Text(text) => text,
        Value::Truth(truth) => truth.to_string(),
        Value::Whole(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
    };
    Ok(values.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// The hub's id of the message.
    pub id: String,
    /// Who wrote it.
    pub role: Role,
    /// Plain text.
    pub text: String,
    /// When it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The customer.
    Customer,
    /// A person of the company.
    Agent,
    /// An automatic reply.
    Bot,
    /// A note of the hub; never shown to the customer and never answered.
    System,
}

/// Where a conversation takes place.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// `WhatsApp` Business.
    Whatsapp,
    /// A chat window on the company's site.
    WebChat,
    /// E-mail.
    Email,
    /// Instagram direct messages.
    Instagram,
    /// Anything else that calls the API.
    Api,
}

impl Channel {
    /// The name used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::WebChat => "web_chat",
            Self::Email => "email",
            Self::Instagram => "instagram",
            Self::Api => "api",
        }
    }
}

/// The languages Ponto answers in; every other one goes to a person.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Portuguese.
    Pt,
    /// Italian.
    It,
    /// Spanish.
    Es,
    /// English.
    En,
}

impl Language {
    /// Every supported language.
    pub const ALL: [Self; 4] = [Self::Pt, Self::It, Self::Es, Self::En];

    /// ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Pt => "pt",
            Self::It => "it",
            Self::Es => "es",
            Self::En => "en",
        }
    }

    /// English name, for prompts and reports.
    pub fn english_name(self) -> &'static str {
        match self {
            Self::Pt => "Portuguese",
            Self::It => "Italian",
            Self::Es => "Spanish",
            Self::En => "English",
        }
    }

    /// From a BCP 47 tag (`pt-BR`) or an ISO 639-1 code; `None` when not supported.
    pub fn from_locale(locale: &str) -> Option<Self> {
        let primary = locale.split(['-', '_']).next()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|language| language.code() == primary)
    }
}

/// Time as a parameter. `now()` is called in `app` and `cli` alone.
pub trait Clock: Send + Sync {
    /// The current instant, UTC.
    fn now(&self) -> DateTime<Utc>;
}

/// Identifiers as a parameter.
pub trait Ids: Send + Sync {
    /// A new identifier, sortable by creation, with the given prefix (`sug_…`).
    fn id(&self, prefix: &str) -> String;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_had_read_when_they_handed_back_waits_no_more() {
        let role = |letter: char| match letter {
            'c' => Role::Customer,
            'a' => Role::Agent,
            'b' => Role::Bot,
            _ => Role::System,
        };
        for (roles, handed_back_after, pending) in [
            ("cbcsc", None, &["2", "4"][..]),
            ("cc", Some("0"), &["1"]),
            ("ccc", Some("0"), &["1", "2"]),
            ("csc", Some("1"), &["2"]),
            // The newest message is what the call asks about.
            ("cc", Some("1"), &["1"]),
            ("ccs", Some("2"), &["1"]),
            ("acc", Some("0"), &["1", "2"]),
            ("cc", Some("of another page"), &["0", "1"]),
            ("ca", Some("1"), &[]),
            ("", None, &[]),
        ] {
            let messages = roles.char_indices().map(|(at, letter)| Message {
                id: at.to_string(),
                role: role(letter),
                text: format!(" {at}"),
                at: None,
            });
            let mut conversation = Conversation::new("c", Channel::Api, messages.collect());
            conversation.handed_back_after = handed_back_after.map(str::to_owned);
            let ids: Vec<&str> = conversation.pending().iter().map(|message| message.id.as_str()).collect();
            assert_eq!(ids, pending, "{roles} {handed_back_after:?}");
            assert_eq!(conversation.pending_question(), pending.join("\n"), "{roles} {handed_back_after:?}");
        }
    }
}
