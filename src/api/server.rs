//! Accepting connections: healthy from the first moment, ready once the parts are there, and an orderly stop.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::error::{ApiError, Code};
use super::health::{Checks, Readiness, healthz};
use super::state::Api;
use super::{policies, retention};
use crate::app::App;
use crate::knowledge::Library;

/// Pause before a rebuild of the index that failed is tried again.
const REBUILD_AGAIN: Duration = Duration::from_secs(10);

/// How often histograms are folded, so that nobody has to read `/metrics` for memory to stay bounded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves until `shutdown`; running requests then get `server.shutdown_s`.
pub async fn serve(app: App, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
    let grace = Duration::from_secs(app.config.server.shutdown_s);
    let doors = Doors::default();
    let tasks = doors.open(app);
    let server = doors.accept(listener);
    shutdown.await;
    doors.close(server, tasks, grace).await;
}

/// Serves at once: `/healthz` answers, `/readyz` and everything else say 503 until `build` is done, and then the API
/// takes over. What the index lacks is sent to it then; `/readyz` says 503 until it is complete, and `ready` is called.
/// Fails when `build` does.
pub async fn serve_when_ready<E>(
    build: impl Future<Output = Result<App, E>> + Send + 'static,
    listener: TcpListener,
    grace: Duration,
    shutdown: impl Future<Output = ()> + Send,
    ready: impl FnOnce(&App),
) -> Result<(), E>
where
    E: From<io::Error> + Send + 'static,
{
    let doors = Doors::default();
    let server = doors.accept(listener);
    tokio::pin!(shutdown);
    // Loading models occupies a thread: it must not be this one.
    let mut building = tokio::spawn(build);
    let app = tokio::select! {
        built = &mut building => built.map_err(|error| E::from(io::Error::other(error)))??,
        () = &mut shutdown => {
            building.abort();
            return Ok(());
        }
    };
    let tasks = doors.open(app.clone());
    tokio::select! {
        () = app.library.caught_up() => {
            ready(&app);
            shutdown.await;
        }
        () = &mut shutdown => {}
    }
    doors.close(server, tasks, grace).await;
    Ok(())
}

/// What stands between the listener and the API.
#[derive(Default)]
struct Doors {
    gate: Gate,
    stopping: CancellationToken,
}

impl Doors {
    /// Accepts connections.
    fn accept(&self, listener: TcpListener) -> JoinHandle<()> {
        let router = Router::new().fallback(pass).with_state(self.gate.clone());
        let server = axum::serve(listener, router);
        let server = server.with_graceful_shutdown(self.stopping.clone().cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the listener failed");
            }
        })
    }

    /// Lets requests through to the API; returns the tasks that a stop waits for.
    fn open(&self, app: App) -> TaskTracker {
        let api = Api::new(app, self.stopping.clone());
        let (tasks, metrics) = (api.tasks.clone(), api.metrics.clone());
        let reader = Arc::clone(&api.app.reader);
        tokio::spawn(self.stopping.clone().run_until_cancelled_owned(async move { reader.warm_up().await }));
        tasks.spawn(rebuild(Arc::clone(&api.app.library), self.stopping.clone()));
        if let Some(every) = api.app.config.knowledge.sync_every {
            let (library, stopping) = (Arc::clone(&api.app.library), self.stopping.clone());
            tasks.spawn(async move {
                if stopping.run_until_cancelled(library.caught_up()).await.is_some() {
                    library.keep_in_sync(every, stopping).await;
                }
            });
        }
        tasks.spawn(retention::follow(
            Arc::clone(&api.app.store),
            Arc::clone(&api.app.clock),
            api.app.config.store.clone(),
            self.stopping.clone(),
        ));
        tasks.spawn(policies::follow(
            Arc::clone(&api.app.policies),
            api.app.config.policies.reload_s,
            self.stopping.clone(),
        ));
        tokio::spawn(self.stopping.clone().run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                metrics.run_upkeep();
            }
        }));
        // The first router wins, and there is only this one.
        let _ = self.gate.0.set(super::routes(api));
        tasks
    }

    /// Ends event streams, accepts nothing more, and waits for what runs, but no longer than `grace`.
    async fn close(&self, mut server: JoinHandle<()>, tasks: TaskTracker, grace: Duration) {
        tracing::info!(
            grace_s = grace.as_secs(),
            "stopping: no new connections, running requests may finish"
        );
        self.stopping.cancel();
        let finished = tokio::time::timeout(grace, async {
            let _ = (&mut server).await;
            tasks.close();
            tasks.wait().await;
        });
        if finished.await.is_err() {
            tracing::warn!("some requests were still running after server.shutdown_s and were cut off");
            server.abort();
        }
    }
}

/// Brings the index in line with the store, however often that has to be tried; stops between two batches.
async fn rebuild(library: Arc<Library>, stopping: CancellationToken) {
    let Some(backlog) = library.backlog() else { return };
    tracing::info!(passages = backlog.lacking, "rebuilding the index; what is there is searched meanwhile");
    while let Err(error) = library.rebuild(&stopping).await {
        tracing::error!(%error, again_s = REBUILD_AGAIN.as_secs(), "the index could not be rebuilt");
        if stopping.run_until_cancelled(tokio::time::sleep(REBUILD_AGAIN)).await.is_none() {
            return;
        }
    }
}

/// The API, once there is one.
#[derive(Clone, Default)]
struct Gate(Arc<OnceLock<Router>>);

async fn pass(State(gate): State<Gate>, request: Request) -> Result<Response, Infallible> {
    match gate.0.get() {
        Some(router) => router.clone().oneshot(request).await,
        None => Ok(starting(request.uri().path()).await),
    }
}

async fn starting(path: &str) -> Response {
    match path {
        "/healthz" => healthz().await.into_response(),
        "/readyz" => {
            let loading = || "loading".to_owned();
            let checks =
                Checks { store: loading(), index: loading(), models: loading(), policies: loading() };
            let body = axum::Json(Readiness { status: "starting", checks });
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
        _ => ApiError::come_again(Code::Starting, 1).into_response(),
    }
}
