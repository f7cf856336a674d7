//! Logs and metrics of the process. Neither holds message text, keys or personal data.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Targets that would write bodies of requests or of statements, and one that warns of its own defaults; these limits
/// stand whatever `log.level` says.
const LIMITS: &str = "async_openai=off,hyper=info,hyper_util=info,h2=info,reqwest=info,rustls=info,sqlx=warn,\
                      tower=info,tonic=info,html5ever=off,selectors=off,qdrant_edge=error";

/// The logs cannot be written as configured.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` does not parse.
    #[error("log.level {level:?} is not a level or a filter ({message}); write `info` or `info,ponto=debug`")]
    Level {
        /// What was set.
        level: String,
        /// What is wrong with it.
        message: String,
    },
    /// A subscriber was set before.
    #[error("logs were set up twice: {0}")]
    Twice(String),
}

/// Starts writing logs to stderr.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = filter(&config.level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    done.map_err(|error| TelemetryError::Twice(error.to_string()))
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(format!("{level},{LIMITS}"))
        .map_err(|error| TelemetryError::Level { level: level.to_owned(), message: error.to_string() })
}

/// The recorder of the process; made at the first call.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets(&BUCKETS)
                .unwrap_or_else(|_| PrometheusBuilder::new())
                .build_recorder();
            let handle = recorder.handle();
            if let Err(error) = metrics::set_global_recorder(recorder) {
                tracing::warn!(%error, "metrics are recorded elsewhere; /metrics stays empty");
            }
            describe();
            handle
        })
        .clone()
}

/// Upper bounds of every histogram, in seconds.
const BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0];

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("ponto_http_requests_total", "Requests by method, route template and status");
    describe_histogram!(
        "ponto_http_request_duration_seconds",
        Unit::Seconds,
        "Time until the answer begins, by method and route template"
    );
    describe_counter!("ponto_suggestions_total", "Suggestions by action and language");
    describe_counter!("ponto_suggestion_reasons_total", "Reasons given with suggestions, by code");
    describe_counter!("ponto_model_tokens_total", "Tokens by backend and kind (prompt, completion)");
    describe_histogram!(
        "ponto_stage_duration_seconds",
        Unit::Seconds,
        "Time of a suggestion's stages: retrieval, generation, judgement, total"
    );
    describe_counter!("ponto_feedback_total", "Agents' verdicts by outcome");
    describe_counter!(
        "ponto_erased_suggestions_total",
        "Suggestions that were deleted with their conversations, by cause (request, age)"
    );
    describe_counter!(
        "ponto_rollout_demotions_total",
        "Slices whose automatic replies were stopped by their audits"
    );
    describe_counter!(
        "ponto_policy_reloads_total",
        "Policies that were loaded while the server ran, by outcome (replaced, refused)"
    );
    describe_gauge!(
        "ponto_policies_refused",
        "1 while the policies' files are wrong and older rules are in force"
    );
    describe_counter!(
        "ponto_sync_total",
        "Syncs of a workspace's sources by outcome (ok, incomplete, stopped, skipped, error)"
    );
    describe_counter!("ponto_sync_documents_total", "Documents that syncs looked at, by what became of them");
    describe_histogram!("ponto_sync_duration_seconds", Unit::Seconds, "Time of a workspace's sync");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_level_says_what_is_accepted() {
        let error = filter("loud=very").unwrap_err().to_string();
        assert!(error.contains("log.level") && error.contains("info,ponto=debug"), "{error}");
    }

    #[test]
    fn bodies_stay_silent_at_the_most_talkative_level() {
        let shown = filter("trace").unwrap().to_string();
        assert!(shown.contains("async_openai=off"), "{shown}");
    }
}
