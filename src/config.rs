//! The configuration: sections owned by their modules, composed here, loaded from `ponto.toml` and from
//! `PONTO__SECTION__KEY` environment variables over documented defaults, and validated as a whole.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decision::DecisionConfig;
use crate::decision::rollout::RolloutConfig;
use crate::decision::rules::Known;
use crate::decision::rules::live::PoliciesConfig;
use crate::generation::GenerationConfig;
use crate::inference::InferenceConfig;
use crate::inference::candle::CandleConfig;
use crate::inference::models::ModelsConfig;
use crate::inference::openai::OpenAiConfig;
use crate::judgement::JudgementConfig;
use crate::knowledge::KnowledgeConfig;
use crate::personal_data::PrivacyConfig;
use crate::retrieval::RetrievalConfig;
use crate::retrieval::index::IndexConfig;
pub use crate::settings::Problem;
use crate::store::erasure::StoreConfig;
use crate::understanding::{self, UnderstandingConfig};

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address, folders and limits of the process.
    pub server: ServerConfig,
    /// Logs.
    pub log: LogConfig,
    /// Which models answer, in which order.
    pub inference: InferenceConfig,
    /// Where personal data goes, and where placeholders stand for it.
    pub privacy: PrivacyConfig,
    /// How long conversations are kept.
    pub store: StoreConfig,
    /// Local inference.
    pub candle: CandleConfig,
    /// An OpenAI-compatible server.
    pub openai: OpenAiConfig,
    /// How drafts are written.
    pub generation: GenerationConfig,
    /// Topics of messages.
    pub understanding: UnderstandingConfig,
    /// Floors and limits of the policies.
    pub decision: DecisionConfig,
    /// Rules of your own, as files.
    pub policies: PoliciesConfig,
    /// Where the rollout begins, audits of automatic replies, and when they demote.
    pub rollout: RolloutConfig,
    /// Where passages are searched.
    pub index: IndexConfig,
    /// How many passages are found, and how.
    pub retrieval: RetrievalConfig,
    /// How documents become passages.
    pub knowledge: KnowledgeConfig,
    /// Which models are used, and where they are kept.
    pub models: ModelsConfig,
    /// How sure a draft may be.
    pub judgement: JudgementConfig,
}

/// `[server]`: address, folders and limits of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address to listen on.
    pub listen: String,
    /// Folder of the database and the embedded index.
    pub data_dir: PathBuf,
    /// Largest request body in bytes.
    pub body_limit: usize,
    /// Seconds that running requests get after SIGTERM, at most 30.
    pub shutdown_s: u64,
    /// Calls of `suggest` and of knowledge that run at once; the next get 503 with `Retry-After`.
    pub max_running: usize,
    /// Event streams that are open at once.
    pub max_event_streams: usize,
    /// Seconds until an answer must have begun; `suggest` gets at least 30 more than `inference.deadline_s`.
    pub request_timeout_s: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            data_dir: "data".into(),
            body_limit: 1 << 20,
            shutdown_s: 25,
            max_running: 64,
            max_event_streams: 256,
            request_timeout_s: 120,
        }
    }
}

impl ServerConfig {
    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("ponto.db")
    }

    fn validate(&self, problems: &mut Vec<Problem>) {
        let limits = [
            ("server.body_limit", self.body_limit as u64, 1 << 10, 1 << 30),
            ("server.shutdown_s", self.shutdown_s, 0, 30),
            ("server.max_running", self.max_running as u64, 1, 100_000),
            ("server.max_event_streams", self.max_event_streams as u64, 0, 100_000),
            ("server.request_timeout_s", self.request_timeout_s, 1, 3_600),
        ];
        for (setting, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                problems.push(Problem::new(setting, format!("{value} is outside {least} to {most}")));
            }
        }
    }
}

/// `[log]`: logs on stderr, which never hold message text, keys or personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `text` or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,ponto=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or a variable does not parse.
    #[error("{0}")]
    Unreadable(String),
    /// Some settings make no sense.
    #[error("the configuration has {} problem(s):{}", .0.len(), list(.0))]
    Invalid(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {}: {}", problem.setting, problem.message)).collect()
}

impl Config {
    /// Loads defaults, then the file, then the environment, and validates.
    ///
    /// `file` must exist when given; without it `./ponto.toml` is read where it exists.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        match file {
            Some(path) if !path.is_file() => {
                return Err(ConfigError::Unreadable(format!(
                    "there is no configuration file {}; leave --config out to use the defaults",
                    path.display()
                )));
            }
            Some(path) => figment = figment.merge(Toml::file_exact(path)),
            None if Path::new("ponto.toml").is_file() => {
                figment = figment.merge(Toml::file_exact("ponto.toml"));
            }
            None => {}
        }
        let mut config: Self = figment
            .merge(Env::prefixed("PONTO__").split("__"))
            .extract()
            .map_err(|error| ConfigError::Unreadable(describe(&error)))?;
        config.policies.base = file.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
        config.validate()?;
        Ok(config)
    }

    /// What the files of rules are held against.
    pub fn known_to_rules(&self) -> Known {
        Known { topics: understanding::known(&self.understanding), decision: self.decision.clone() }
    }

    /// Checks every section.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        if self.server.listen.parse::<std::net::SocketAddr>().is_err() {
            problems
                .push(Problem::new("server.listen", "write an address and a port, such as 127.0.0.1:8080"));
        }
        self.server.validate(&mut problems);
        self.knowledge.validate(&mut problems);
        problems.extend(
            self.inference
                .validate()
                .into_iter()
                .chain(self.candle.validate())
                .chain(self.openai.validate())
                .map(|(setting, message)| Problem::new(&setting, message)),
        );
        self.generation.validate(&mut problems);
        self.understanding.validate(&mut problems);
        self.decision.validate(&mut problems);
        self.policies.validate(&mut problems);
        self.rollout.validate(&mut problems);
        self.index.validate(&mut problems);
        self.retrieval.validate(&mut problems);
        problems
            .extend(self.models.validate().iter().map(|(setting, message)| Problem::new(setting, message)));
        self.judgement.validate(&mut problems);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(problems)) }
    }
}

fn describe(error: &figment::Error) -> String {
    error
        .clone()
        .into_iter()
        .map(|error| {
            let place = error.metadata.as_ref().map_or_else(String::new, |metadata| {
                let source =
                    metadata.source.as_ref().map_or_else(|| metadata.name.to_string(), ToString::to_string);
                format!(" (in {source})")
            });
            let path =
                if error.path.is_empty() { String::new() } else { format!("{}: ", error.path.join(".")) };
            format!("{path}{}{place}; `ponto config schema` lists every setting", error.kind)
        })
        .collect::<Vec<_>>()
        .join("\n")
}
