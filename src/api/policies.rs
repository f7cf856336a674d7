//! New policies without a restart.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::decision::rules::Policies;
use crate::decision::rules::live::Reload;

/// Loads the policies' files again when they change, or when the process gets SIGHUP.
pub(super) async fn follow(policies: Arc<Policies>, every_s: u64, stopping: CancellationToken) {
    let mut hang_up = HangUp::new();
    loop {
        let pause = async {
            match every_s {
                0 => std::future::pending().await,
                seconds => tokio::time::sleep(Duration::from_secs(seconds)).await,
            }
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = pause => {}
            () = hang_up.heard() => tracing::info!("SIGHUP: looking at the policies"),
        }
        let reading = Arc::clone(&policies);
        let Ok(outcome) = tokio::task::spawn_blocking(move || reading.reload()).await else { continue };
        let refused = policies.refused().is_some();
        metrics::gauge!("ponto_policies_refused").set(f64::from(u8::from(refused)));
        match outcome {
            Reload::Unchanged => {}
            Reload::Replaced => {
                let rules = policies.rules();
                tracing::info!(
                    version = rules.version(),
                    rules = rules.rules().count(),
                    "new policies are in force"
                );
                metrics::counter!("ponto_policy_reloads_total", "outcome" => "replaced").increment(1);
            }
            Reload::Refused(error) => {
                tracing::error!(%error, "the policies were not loaded; the rules from before stay in force");
                metrics::counter!("ponto_policy_reloads_total", "outcome" => "refused").increment(1);
            }
        }
    }
}

/// SIGHUP, where the system has it.
struct HangUp {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl HangUp {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
                .inspect_err(|error| tracing::warn!(%error, "SIGHUP is not heard"))
                .ok(),
        }
    }

    async fn heard(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
