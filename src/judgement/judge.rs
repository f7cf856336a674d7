//! The judge: groundedness, signals, and the probability a calibration makes of them.

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calibration::{CalibrationKey, Calibrations};
use super::{Confidence, Judgement, groundedness, semantic, signals};
use crate::conversation::{Language, WorkspaceId};
use crate::generation::Draft;
use crate::inference::{Embedder, InferenceError};
use crate::retrieval::Retrieved;
use crate::settings::Problem;

/// `[judgement]`: how sure a draft may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JudgementConfig {
    /// Folder of calibrations (`*.json`) beside those of the binary; one of the same key replaces the binary's.
    pub calibrations: Option<PathBuf>,
    /// Whether question, reply and sources are compared by meaning too (a few milliseconds a sentence that was not
    /// compared before). A calibration is fitted for one or the other.
    pub semantic: bool,
}

impl Default for JudgementConfig {
    fn default() -> Self {
        Self { calibrations: None, semantic: true }
    }
}

impl JudgementConfig {
    /// Checks the section.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        if let Some(folder) = self.calibrations.as_deref().filter(|folder| !folder.is_dir()) {
            problems.push(Problem::new(
                "judgement.calibrations",
                format!("{} is not a folder; make it, or leave the setting out", folder.display()),
            ));
        }
    }
}

/// Measures drafts.
pub struct Judge {
    embedder: Arc<dyn Embedder>,
    calibrations: Calibrations,
    config: JudgementConfig,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct JudgeInput<'a> {
    /// What was asked, standing alone.
    pub question: &'a str,
    /// The customer's language.
    pub language: Language,
    /// The draft.
    pub draft: &'a Draft,
    /// What was found, best first.
    pub retrieved: &'a [Retrieved],
}

impl Judge {
    /// A judge over the calibrations at hand.
    pub fn new(embedder: Arc<dyn Embedder>, calibrations: Calibrations, config: JudgementConfig) -> Self {
        Self { embedder, calibrations, config }
    }

    /// What a calibration of this draft must have been fitted for.
    pub fn key(&self, draft: &Draft) -> CalibrationKey {
        self.key_of(&draft.production.model.fingerprint, &draft.production.prompt_version)
    }

    /// What a calibration must have been fitted for, by the fingerprint of a model and the version of its prompt.
    /// Signals without vectors belong to another calibration.
    pub fn key_of(&self, model: &str, prompt: &str) -> CalibrationKey {
        let embedder = &self.embedder.info().fingerprint;
        CalibrationKey {
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            embedder: if self.config.semantic { embedder.clone() } else { format!("{embedder}+words-only") },
        }
    }

    /// Largest share of wrong replies that the certificate for a key tolerates; `None` where there is none.
    pub fn target_error(&self, key: &CalibrationKey) -> Option<f64> {
        Some(self.calibrations.find(key)?.certificate.as_ref()?.alpha)
    }

    /// The certified threshold for a key, a workspace and a language; `None` where nothing is certified.
    pub fn threshold(
        &self,
        key: &CalibrationKey,
        workspace: &WorkspaceId,
        language: Language,
    ) -> Option<f64> {
        self.calibrations.find(key)?.certificate.as_ref()?.threshold_for(workspace, language)
    }

    /// Measures a draft. Without a calibration the value is the plain mean of the signals and says so.
    pub async fn judge(&self, input: JudgeInput<'_>) -> Result<Judgement, InferenceError> {
        let JudgeInput { question, language, draft, retrieved } = input;
        let grounding = groundedness::measure(question, language, draft, retrieved);
        let mut signals = signals::signals(question, language, draft, retrieved, &grounding);
        if self.config.semantic {
            signals.extend(semantic::signals(self.embedder.as_ref(), input, &grounding.pairs).await?);
        }
        let calibration = self.calibrations.find(&self.key(draft));
        let value = calibration.as_ref().map_or_else(
            || signals.values().sum::<f64>() / signals.len().max(1) as f64,
            |calibration| calibration.apply(&signals, language),
        );
        let confidence = Confidence { value, calibrated: calibration.is_some(), signals };
        Ok(Judgement { sentences: grounding.sentences, confidence })
    }
}
