//! What the handlers share.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::telemetry;

/// The application and the process-wide limits of the API. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// The parts.
    pub app: App,
    /// Running calls of `suggest` and of knowledge; full means 503.
    pub(super) slots: Arc<Semaphore>,
    /// Open event streams; full means 503.
    pub(super) streams: Arc<Semaphore>,
    /// Told whenever an event was committed by this process.
    pub(super) committed: Arc<Notify>,
    /// Cancelled when the server stops: open event streams end.
    pub(super) stopping: CancellationToken,
    /// Work that goes on when its caller goes away, awaited when the server stops.
    pub(super) tasks: TaskTracker,
    /// Renders the metrics.
    pub(super) metrics: PrometheusHandle,
}

impl Api {
    /// State for a server that stops when `stopping` is cancelled.
    pub fn new(app: App, stopping: CancellationToken) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(app.config.server.max_running)),
            streams: Arc::new(Semaphore::new(app.config.server.max_event_streams)),
            committed: Arc::new(Notify::new()),
            stopping,
            tasks: TaskTracker::new(),
            metrics: telemetry::recorder(),
            app,
        }
    }
}
