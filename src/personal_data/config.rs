//! `[privacy]`: what leaves the machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[privacy]`: which models read personal data, and which read placeholders.
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
}

impl Default for PrivacyConfig {
    fn default() -> Self {
        Self { mask_hosted: true, mask_local: false, mask_names: true }
    }
}
