//! What the sections of the configuration share. A leaf, so that every module can own its section.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something wrong with the configuration: where, what, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting (`section.key`).
    pub setting: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A problem at `setting`.
    pub fn new(setting: &str, message: impl Into<String>) -> Self {
        Self { setting: setting.into(), message: message.into() }
    }
}

/// A length of time as people write it: `90s`, `15m`, `1h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// Units of a [`Period`] in seconds, largest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is not a length of time; write a number and a unit, such as 90s, 15m, 1h or 7d")
        };
        let text = text.trim();
        let unit = text.chars().last().ok_or_else(wrong)?;
        let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let count: u64 = text[..text.len() - unit.len_utf8()].trim().parse().map_err(|_| wrong())?;
        let seconds =
            count.checked_mul(seconds).filter(|seconds| (1..=u64::from(u32::MAX)).contains(seconds));
        Ok(Self(Duration::from_secs(seconds.ok_or_else(wrong)?)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (name, unit) =
            UNITS.into_iter().find(|(_, unit)| seconds.is_multiple_of(*unit)).unwrap_or(('s', 1));
        write!(f, "{}{name}", seconds / unit)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+ *[smhd]$",
            "description": "A length of time, such as 90s, 15m, 1h or 7d."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_reads_as_it_is_written() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.0.as_secs(), period.to_string().as_str()), (seconds, text));
        }
        for wrong in ["", "h", "0h", "1w", "1.5h", "-1h", "1é", "99999999999d"] {
            assert!(wrong.parse::<Period>().unwrap_err().contains("1h"), "{wrong}");
        }
    }
}
