//! `[openai]`: an OpenAI-compatible server.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::inference::TokenUsage;

/// Tokens that a price is of.
const PRICED: f64 = 1e6;

/// `[openai]`: an OpenAI-compatible server, used where `inference.backends` names `openai`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiConfig {
    /// Address up to and with the version, such as `https://api.openai.com/v1` or `http://127.0.0.1:8000/v1`.
    pub base_url: String,
    /// Key of the server; better as `PONTO__OPENAI__API_KEY` than in a file. Empty sends none. Never shown.
    pub api_key: ApiKey,
    /// Name of the model, as the server knows it.
    pub model: String,
    /// Tokens of prompt and reply together that the model takes.
    pub context_length: usize,
    /// Longest wait for a connection, in seconds.
    pub connect_timeout_s: f64,
    /// What a million tokens that the model reads cost, in any currency; with it, evaluations say what drafts cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_price: Option<f64>,
    /// What a million tokens that the model writes cost, in the same currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_price: Option<f64>,
}

impl Default for OpenAiConfig {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:8000/v1".into(),
            api_key: ApiKey::default(),
            model: String::new(),
            context_length: 8_192,
            connect_timeout_s: 5.0,
            prompt_price: None,
            completion_price: None,
        }
    }
}

impl OpenAiConfig {
    /// What tokens cost; nothing is known of it where no price is set. A price that is left out is 0.
    pub fn cost(&self, tokens: TokenUsage) -> Option<f64> {
        if self.prompt_price.is_none() && self.completion_price.is_none() {
            return None;
        }
        let of = |tokens: usize, price: Option<f64>| tokens as f64 * price.unwrap_or(0.0) / PRICED;
        Some(
            of(tokens.prompt_tokens, self.prompt_price) + of(tokens.completion_tokens, self.completion_price),
        )
    }

    /// Checks the section: (setting, what is wrong and what to do).
    pub fn validate(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut check = |right: bool, setting: &str, message: &str| {
            if !right {
                problems.push((format!("openai.{setting}"), message.to_owned()));
            }
        };
        let url = url::Url::parse(&self.base_url);
        check(
            url.as_ref().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
            "base_url",
            "write an http or https address, such as https://api.openai.com/v1",
        );
        check(
            url.is_ok_and(|url| url.username().is_empty() && url.password().is_none()),
            "base_url",
            "leave user name and password out of the address; set openai.api_key",
        );
        check(
            self.api_key.expose().bytes().all(|byte| (0x21..0x7f).contains(&byte)),
            "api_key",
            "the key holds a space, a line break or a letter that no key holds; copy it again",
        );
        check(
            self.context_length >= 512,
            "context_length",
            "write the model's context length in tokens, at least 512",
        );
        check(
            self.connect_timeout_s > 0.0 && self.connect_timeout_s <= 300.0,
            "connect_timeout_s",
            "write a number of seconds above 0, up to 300",
        );
        for (price, setting) in
            [(self.prompt_price, "prompt_price"), (self.completion_price, "completion_price")]
        {
            check(
                price.is_none_or(|price| price.is_finite() && price >= 0.0),
                setting,
                "write what a million tokens cost, 0 or more, or leave it out",
            );
        }
        problems
    }
}

/// A key that is read, and never shown: not in logs, not in `Debug`, not in `config show`.
#[derive(Debug, Clone, Default)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(SecretString::from(key.into()))
    }

    /// The key itself, for the one header that carries it.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl PartialEq for ApiKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Serialize for ApiKey {
    /// Always empty, so that what is shown can be loaded again and tells nothing.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

impl<'de> Deserialize<'de> for ApiKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SecretString::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for ApiKey {
    fn schema_name() -> Cow<'static, str> {
        "ApiKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "writeOnly": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let config = OpenAiConfig { api_key: ApiKey::new("sk-canary-123"), ..OpenAiConfig::default() };
        let shown = format!(
            "{config:?} {} {}",
            serde_json::to_string(&config).unwrap(),
            toml::to_string(&config).unwrap()
        );
        assert!(!shown.contains("canary"), "{shown}");
        assert!(config.validate().is_empty());
    }

    #[test]
    fn tokens_cost_what_a_million_of_them_cost() {
        let tokens = TokenUsage { prompt_tokens: 2_000, completion_tokens: 500 };
        let free = OpenAiConfig::default();
        assert_eq!(free.cost(tokens), None);
        let priced = OpenAiConfig { prompt_price: Some(0.5), completion_price: Some(2.0), ..free.clone() };
        assert!((priced.cost(tokens).unwrap() - 0.002).abs() < 1e-12);
        let read = OpenAiConfig { prompt_price: Some(0.5), ..free };
        assert!((read.cost(tokens).unwrap() - 0.001).abs() < 1e-12);
    }

    #[test]
    fn mistakes_are_named() {
        let config = OpenAiConfig {
            base_url: "api.openai.com".into(),
            api_key: ApiKey::new("sk-1\n"),
            context_length: 0,
            completion_price: Some(-1.0),
            ..OpenAiConfig::default()
        };
        let settings: Vec<_> = config.validate().into_iter().map(|(setting, _)| setting).collect();
        assert_eq!(
            settings,
            [
                "openai.base_url",
                "openai.base_url",
                "openai.api_key",
                "openai.context_length",
                "openai.completion_price"
            ]
        );
    }
}
