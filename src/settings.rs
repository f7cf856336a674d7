//! What the sections of the configuration share. A leaf, so that every module can own its section.

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
