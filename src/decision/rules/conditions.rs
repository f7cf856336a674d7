//! Whether the conditions of a rule hold, and on what evidence.
//!
//! Before there is a draft, what reads it is unknown: a rule applies then only if it would whatever the draft says
//! (Kleene's three-valued logic).

use super::document::{AmountCondition, PatternCondition, Place, When};
use crate::conversation::Language;
use crate::decision::{self, policy::PolicyInput};
use crate::judgement::amounts;
use crate::text::collapse;

/// Characters of a text that evidence quotes.
const QUOTED: usize = 80;

/// What a condition came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Truth {
    /// It holds, for these reasons.
    Yes(Vec<Held>),
    /// It does not.
    No,
    /// It depends on a draft that is not there yet.
    Unknown,
}

/// One condition that held.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    /// Its name.
    pub(super) condition: &'static str,
    /// What was found.
    pub(super) found: String,
    /// In which text, where it reads one.
    pub(super) place: Option<decision::FoundIn>,
}

impl Held {
    fn new(condition: &'static str, found: impl Into<String>) -> Self {
        Self { condition, found: found.into(), place: None }
    }
}

impl Truth {
    fn of(held: bool, name: &'static str, found: impl FnOnce() -> String) -> Self {
        if held { Self::Yes(vec![Held::new(name, found())]) } else { Self::No }
    }

    fn found(name: &'static str, found: Option<String>) -> Self {
        found.map_or(Self::No, |found| Self::Yes(vec![Held::new(name, found)]))
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes(mut held), Self::Yes(more)) => {
                held.extend(more);
                Self::Yes(held)
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes(mut held), Self::Yes(more)) => {
                held.extend(more);
                Self::Yes(held)
            }
            (yes @ Self::Yes(_), _) | (_, yes @ Self::Yes(_)) => yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::No, Self::No) => Self::No,
        }
    }

    fn not(self) -> Self {
        match self {
            Self::Yes(_) => Self::No,
            Self::No => Self::Yes(vec![Held::new("not", "what the rule excludes was not found")]),
            Self::Unknown => Self::Unknown,
        }
    }
}

impl When {
    /// Whether a topic has to be found out for it.
    pub fn asks_for_topics(&self) -> bool {
        let mut inner = self.any.iter().chain(self.not.as_deref());
        self.topic.is_some() || inner.any(Self::asks_for_topics)
    }

    /// Whether all of it holds.
    pub(super) fn holds(&self, input: &PolicyInput<'_>) -> Truth {
        let conversation = input.conversation;
        let mut all = Truth::Yes(Vec::new());
        let mut hold = |condition: Option<Truth>| {
            if let Some(condition) = condition {
                all = std::mem::replace(&mut all, Truth::No).and(condition);
            }
        };
        hold(self.channel.as_ref().map(|channels| {
            Truth::of(channels.0.contains(&conversation.channel), "channel", || {
                conversation.channel.as_str().into()
            })
        }));
        hold(self.language.as_ref().map(|languages| {
            let found = input.language.filter(|language| languages.0.contains(language));
            Truth::found("language", found.map(|language| language.code().into()))
        }));
        hold(self.label.as_ref().map(|labels| {
            let found = conversation.labels.iter().find(|own| labels.0.iter().any(|label| label.0 == *own));
            Truth::found("label", found.map(str::to_owned))
        }));
        hold(self.customer.as_ref().map(|wanted| {
            let attribute = |name: &str| conversation.customer.as_ref()?.attributes.get(name);
            let found: Option<Vec<String>> = wanted
                .iter()
                .map(|(name, values)| {
                    let value = attribute(name).filter(|value| values.0.contains(value))?;
                    Some(format!("{name}={value}"))
                })
                .collect();
            Truth::found("customer", found.map(|found| found.join(", ")))
        }));
        let clock = || input.now.format("%Y-%m-%d %H:%M UTC").to_string();
        hold(self.hours.as_ref().map(|hours| Truth::of(hours.is_open(input.now), "hours", clock)));
        hold(
            self.outside_hours
                .as_ref()
                .map(|hours| Truth::of(!hours.is_open(input.now), "outside_hours", clock)),
        );
        hold(self.topic.as_ref().map(|topics| {
            let found = input.understanding.topics.iter().find(|found| topics.0.contains(&found.name));
            Truth::found("topic", found.map(|found| format!("{}: “{}”", found.name, found.example)))
        }));
        hold(self.pattern.as_ref().map(|condition| pattern(condition, input)));
        hold(self.amount_over.as_ref().map(|condition| amount(condition, input)));
        hold(self.confidence_below.map(|limit| match (input.draft, input.judgement) {
            (None, _) => Truth::Unknown,
            (Some(_), None) => Truth::No,
            (Some(_), Some(judgement)) => {
                let confidence = judgement.confidence.value;
                // A confidence that is no number is under every limit.
                Truth::of(confidence.is_nan() || confidence < limit, "confidence_below", || {
                    format!("{confidence:.2}")
                })
            }
        }));
        hold(
            (!self.any.is_empty())
                .then(|| self.any.iter().map(|one| one.holds(input)).reduce(Truth::or).unwrap_or(Truth::No)),
        );
        hold(self.not.as_ref().map(|excluded| excluded.holds(input).not()));
        all
    }
}

fn pattern(condition: &PatternCondition, input: &PolicyInput<'_>) -> Truth {
    in_place(condition.r#in, input, |text, _| {
        let span = condition.regex.find(text)?;
        Some(quoted(&text[span]))
    })
    .named("pattern")
}

fn amount(condition: &AmountCondition, input: &PolicyInput<'_>) -> Truth {
    in_place(condition.r#in, input, |text, language| {
        amounts(text, language)
            .into_iter()
            .filter(|amount| condition.currency.is_none_or(|currency| currency.code() == amount.currency))
            .find(|amount| amount.value > condition.value)
            .map(|amount| quoted(&amount.shown))
    })
    .named("amount_over")
}

/// What was found in the message or the draft.
enum Found {
    Nothing,
    Unknown,
    In(decision::FoundIn, String),
}

impl Found {
    fn named(self, name: &'static str) -> Truth {
        match self {
            Self::Nothing => Truth::No,
            Self::Unknown => Truth::Unknown,
            Self::In(place, text) => {
                Truth::Yes(vec![Held { place: Some(place), ..Held::new(name, format!("“{text}”")) }])
            }
        }
    }
}

fn in_place(
    place: Place,
    input: &PolicyInput<'_>,
    find: impl Fn(&str, Option<Language>) -> Option<String>,
) -> Found {
    if place != Place::Draft
        && let Some(found) = find(input.question, input.language)
    {
        return Found::In(decision::FoundIn::Message, found);
    }
    match input.draft {
        _ if place == Place::Message => Found::Nothing,
        None => Found::Unknown,
        Some(draft) => match find(&draft.text, Some(draft.language)) {
            Some(found) => Found::In(decision::FoundIn::Draft, found),
            None => Found::Nothing,
        },
    }
}

fn quoted(text: &str) -> String {
    let text = collapse(text);
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
