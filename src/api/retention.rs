//! Deleting what is older than `store.keep_days` says.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::conversation::Clock;
use crate::store::erasure::StoreConfig;
use crate::store::{Erasure, Store};

/// How often it is looked for.
const EVERY: Duration = Duration::from_hours(1);

/// Looks at once, and then every hour until the server stops. Nothing where everything is kept.
pub(super) async fn follow(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    config: StoreConfig,
    stopping: CancellationToken,
) {
    while let Some(before) = config.oldest(clock.now()) {
        match Erasure::expire(store.as_ref(), before).await {
            Ok(erased) if erased.is_nothing() => {}
            Ok(erased) => {
                metrics::counter!("ponto_erased_suggestions_total", "cause" => "age")
                    .increment(erased.suggestions);
                tracing::info!(
                    suggestions = erased.suggestions,
                    events = erased.events,
                    answers = erased.answers,
                    before = %before.format("%Y-%m-%d"),
                    "deleted what is older than store.keep_days"
                );
            }
            Err(error) => {
                tracing::error!(%error, "what is older than store.keep_days could not be deleted; it is tried again");
            }
        }
        if stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}
