//! The judge: groundedness, signals, and the probability a calibration makes of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calibration::{CalibrationKey, Calibrations, Certificate, Procedure, hash_of};
use super::second_reading::SecondReading;
use super::{Confidence, Judgement, SECOND_READING, grounded, groundedness, semantic, signals};
use crate::conversation::{Conversation, Language, WorkspaceId};
use crate::generation::{Draft, GenerationError};
use crate::inference::{Budget, ChatModel, Embedder, InferenceError, ModelInfo};
use crate::retrieval::Retrieved;
use crate::settings::Problem;

/// Part of every calibration's key: raise it when a signal is measured in another way.
const REVISION: &str = "signals-3";

/// `[judgement]`: how sure a draft may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JudgementConfig {
    /// Folder of calibrations (`*.json`) beside those of the binary, where `ponto calibrate` writes too; one of the same key
    /// and workspace replaces the binary's. They are read when the server starts; one that cannot be used is left out with a
    /// warning, and `ponto doctor` says why.
    pub calibrations: Option<PathBuf>,
    /// Whether question, reply and sources are compared by meaning too (a few milliseconds a sentence that was not
    /// compared before). A calibration is fitted for one or the other.
    pub semantic: bool,
    /// Longest time, in seconds, for the chat model to read its draft once more and to say whether the sources support it; 0 is
    /// off. It finds edits that words do not show, for a second or two a draft of the default model on two cores. A draft that
    /// is not read in time is held. A calibration of a model's drafts is fitted for one or the other.
    pub second_reading_s: f64,
    /// Share of the passages that may have changed since a certificate was made, 0 to 1; past it the certificate lapses,
    /// and replies are drafts until `ponto calibrate` makes a new one.
    pub knowledge_drift: f64,
    /// Highest share of unacceptable replies among automatic ones that `ponto calibrate` certifies, unless told otherwise.
    pub target: f64,
    /// Risk that such a certificate is wrong: one minus its confidence.
    pub delta: f64,
}

impl Default for JudgementConfig {
    fn default() -> Self {
        Self {
            calibrations: None,
            semantic: true,
            second_reading_s: 0.0,
            knowledge_drift: 0.1,
            target: 0.02,
            delta: 0.05,
        }
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
        if !(0.0..=1.0).contains(&self.knowledge_drift) {
            problems.push(Problem::new("judgement.knowledge_drift", "write a number from 0 to 1"));
        }
        if !(0.0..=600.0).contains(&self.second_reading_s) {
            problems
                .push(Problem::new("judgement.second_reading_s", "write a number of seconds from 0 to 600"));
        }
        for (name, value) in [("target", self.target), ("delta", self.delta)] {
            if !(value > 0.0 && value < 1.0) {
                problems.push(Problem::new(&format!("judgement.{name}"), "write a number between 0 and 1"));
            }
        }
    }
}

/// Measures drafts.
pub struct Judge {
    embedder: Arc<dyn Embedder>,
    calibrations: Calibrations,
    config: JudgementConfig,
    procedure: Procedure,
    second_reading: Option<SecondReading>,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct JudgeInput<'a> {
    /// Where the draft was written, whose personal data no model is to read; `None` outside of a conversation.
    pub conversation: Option<&'a Conversation>,
    /// Whose calibration says how sure the draft is.
    pub workspace: &'a WorkspaceId,
    /// What was asked, standing alone.
    pub question: &'a str,
    /// The customer's language.
    pub language: Language,
    /// The draft.
    pub draft: &'a Draft,
    /// What was found, best first.
    pub retrieved: &'a [Retrieved],
    /// Version of the rules in force; empty where there are none.
    pub policies: &'a str,
    /// How long a model may read.
    pub budget: &'a Budget,
}

impl Judge {
    /// A judge over the calibrations at hand, among parts that work as `procedure` says.
    pub fn new(
        embedder: Arc<dyn Embedder>,
        calibrations: Calibrations,
        config: JudgementConfig,
        procedure: Procedure,
    ) -> Self {
        Self { embedder, calibrations, config, procedure, second_reading: None }
    }

    /// Lets this model read drafts again, where [`JudgementConfig::second_reading_s`] gives it the time.
    pub fn with_second_reading(self, chat: Arc<dyn ChatModel>) -> Result<Self, GenerationError> {
        let longest = Duration::from_secs_f64(self.config.second_reading_s);
        let second_reading = (!longest.is_zero()).then(|| SecondReading::new(chat, longest)).transpose()?;
        Ok(Self { second_reading, ..self })
    }

    fn reader_of(&self, writer: &ModelInfo) -> Option<&SecondReading> {
        self.second_reading.as_ref().filter(|reading| reading.reads(writer))
    }

    /// What a calibration of this draft must have been fitted for, under this version of the rules.
    pub fn key(&self, draft: &Draft, policies: &str) -> CalibrationKey {
        self.key_of(&draft.production.model, &draft.production.prompt_version, policies)
    }

    /// What a calibration must have been fitted for, by the model, the version of its prompt and that of the rules in force.
    pub fn key_of(&self, model: &ModelInfo, prompt: &str, policies: &str) -> CalibrationKey {
        CalibrationKey {
            model: model.fingerprint.clone(),
            prompt: prompt.to_owned(),
            embedder: self.embedder.info().fingerprint.clone(),
            retrieval: self.procedure.retrieval.clone(),
            judgement: self.reader_of(model).map_or_else(
                || hash_of(&(REVISION, self.config.semantic)),
                |reading| hash_of(&(REVISION, self.config.semantic, reading.identity())),
            ),
            decision: self.procedure.under(policies),
        }
    }

    /// Largest share of wrong replies that the certificate for a key in a workspace tolerates; `None` where there is none.
    pub fn target_error(&self, key: &CalibrationKey, workspace: &WorkspaceId) -> Option<f64> {
        Some(self.calibrations.find(key, workspace)?.certificate.as_ref()?.alpha)
    }

    /// The certificate of the calibration for a key in a workspace, and the share of the knowledge that may have changed
    /// since; `None` where nothing is certified.
    pub fn certificate(&self, key: &CalibrationKey, workspace: &WorkspaceId) -> Option<(Certificate, f64)> {
        let certificate = self.calibrations.find(key, workspace)?.certificate.clone()?;
        Some((certificate, self.config.knowledge_drift))
    }

    /// Measures a draft. Without a calibration the value is the plain mean of the signals and says so.
    pub async fn judge(&self, input: JudgeInput<'_>) -> Result<Judgement, InferenceError> {
        let JudgeInput { workspace, question, language, draft, retrieved, policies, .. } = input;
        let grounding = groundedness::measure(question, language, draft, retrieved);
        let mut signals = signals::signals(question, language, draft, retrieved, &grounding);
        if self.config.semantic {
            signals.extend(semantic::signals(self.embedder.as_ref(), input, &grounding.pairs).await?);
        }
        let reader = self.reader_of(&draft.production.model).filter(|_| !draft.production.refused);
        let second_reading = match reader {
            Some(reading) => Some(reading.supported(input).await),
            None => None,
        };
        signals.extend(second_reading.map(|supported| (SECOND_READING.to_owned(), supported)));
        let grounded = grounded::score(&grounding, second_reading);
        signals.insert("grounded".to_owned(), grounded);
        let calibration = self.calibrations.find(&self.key(draft, policies), workspace);
        let value = calibration.as_ref().map_or_else(
            || signals.values().sum::<f64>() / signals.len().max(1) as f64,
            |calibration| calibration.apply(&signals, language),
        );
        let contributions =
            calibration.as_ref().map(|calibration| calibration.contributions(&signals)).unwrap_or_default();
        let confidence = Confidence { value, calibrated: calibration.is_some(), signals, contributions };
        Ok(Judgement { sentences: grounding.sentences, confidence })
    }
}
