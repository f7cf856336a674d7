//! `[privacy]`: what leaves the machine, and what is stored on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[privacy]`: where personal data goes, and where placeholders stand for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PrivacyConfig {
    /// Whether the server of `[openai]` reads placeholders such as `[CPF_1]` in place of personal data. Turn it off for a
    /// server of your own.
    pub mask_hosted: bool,
    /// Whether the local model reads placeholders too.
    pub mask_local: bool,
    /// Whether the customer's name, as the hub tells it, is masked with the rest.
    pub mask_names: bool,
    /// `plain` stores conversations, drafts and feedback as they are, for the agents; `masked` stores placeholders, which
    /// the console and replays then show. Traces hold placeholders either way.
    pub store: StoredText,
}

/// How conversations, drafts and feedback are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoredText {
    /// As they are.
    #[default]
    Plain,
    /// With placeholders such as `[CPF_1]` in place of personal data.
    Masked,
}

impl Default for PrivacyConfig {
    fn default() -> Self {
        Self { mask_hosted: true, mask_local: false, mask_names: true, store: StoredText::Plain }
    }
}
