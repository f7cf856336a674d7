//! The form of a policy file.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{SeqAccessDeserializer, StrDeserializer};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::pattern::Pattern;
use super::routing::{HandoffRoutes, Priority, Queue};
use crate::conversation::{Channel, Labels, Language};
use crate::decision::hours::Hours;

/// A file of the policies' folder.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyFile {
    /// Queues that rules may hand a conversation to.
    pub queues: Vec<Queue>,
    /// Where conversations go that no rule sends anywhere; in one file alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoff: Option<HandoffRoutes>,
    /// Rules; every one that matches counts, and the strictest wins.
    pub rules: Vec<Rule>,
}

/// When something holds, then something is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, once in the whole folder: lower-case letters, digits, `-` and `_`.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9_-]*$"))]
    pub name: String,
    /// What it is for: shown to agents as the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Workspaces it is for; every one when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspaces: Option<OneOrMore<String>>,
    /// What must hold, all of it; an empty table always holds.
    pub when: When,
    /// What is done then.
    pub then: Then,
}

/// Conditions that must hold together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// The message is about one of these topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<OneOrMore<String>>,
    /// A pattern stands in the message, the draft, or either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<PatternCondition>,
    /// The customer writes in one of these channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<OneOrMore<Channel>>,
    /// The message is in one of these languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<OneOrMore<Language>>,
    /// The conversation has one of these labels, such as `product=x`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<OneOrMore<Label>>,
    /// Attributes of the customer, each with the value or values it must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<BTreeMap<String, OneOrMore<String>>>,
    /// It is within these hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// It is outside these hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside_hours: Option<Hours>,
    /// The confidence of the draft is under this, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_below: Option<f64>,
    /// An amount of money is over this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_over: Option<AmountCondition>,
    /// At least one of these holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<When>,
    /// This does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<When>>,
}

/// A pattern, and where it is looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternCondition {
    /// A regular expression; case, accents and the form of hyphens and spaces do not matter.
    pub regex: Pattern,
    /// Where it is looked for.
    #[serde(default)]
    pub r#in: Place,
}

/// Which text a condition reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The customer's last run of messages.
    #[default]
    Message,
    /// The draft.
    Draft,
    /// Either of them.
    Both,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmountCondition {
    /// The largest amount that does not count yet. Where `1.000` may be a thousand or one, it is a thousand.
    pub value: f64,
    /// Which money; any when left out. Amounts are not converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Where it is looked for.
    #[serde(default)]
    pub r#in: Place,
}

/// Money that is recognised in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Real.
    Brl,
    /// Euro.
    Eur,
    /// Pound.
    Gbp,
    /// Dollar.
    Usd,
}

impl Currency {
    /// Its ISO 4217 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Brl => "BRL",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Usd => "USD",
        }
    }
}

/// What is done; at least one thing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Then {
    /// A person takes over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalate>,
    /// An agent looks at the draft: no automatic reply.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub draft: bool,
    /// A person takes over, and no draft is shown; where the message alone matches, none is written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub block: bool,
    /// A pattern is taken out of the reply, which an agent then looks at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redact: Option<Redact>,
    /// A text that follows the reply, by language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<Texts>,
    /// The reply must cite a passage with this label; otherwise an agent looks at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_citation: Option<Label>,
    /// What the customer reads when a person takes over, by language; the assistant's word of itself follows it where nothing
    /// has said yet that an AI writes. Of several rules the strictest speaks, then the one with the highest priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holding_message: Option<Texts>,
}

/// Who takes over, and how soon.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Escalate {
    /// Name of a queue under `queues`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// How urgent it is.
    pub priority: Priority,
}

/// What is taken out of a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redact {
    /// A regular expression; case, accents and the form of hyphens and spaces do not matter.
    pub regex: Pattern,
    /// What stands in its place.
    #[serde(default = "ellipsis")]
    pub with: String,
}

fn ellipsis() -> String {
    "[…]".into()
}

/// A text in each language.
pub type Texts = BTreeMap<Language, String>;

/// A label such as `product=x`, in its normal form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Label(pub String);

impl TryFrom<String> for Label {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let labels = Labels::parse([&text])?;
        Ok(Self(labels.iter().next().unwrap_or_default().to_owned()))
    }
}

/// One value, or a list of which any will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OneOrMore<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
                T::deserialize(StrDeserializer::new(text)).map(|value| vec![value])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Vec<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(values))
            }
        }
        deserializer.deserialize_any(Values(PhantomData)).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMore<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMore_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({
            "description": "One value, or a list of which any will do.",
            "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }]
        })
    }
}
