//! `ponto serve`.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::net::TcpListener;

use super::progress::FetchProgress;
use super::{Loaded, Printer};
use crate::app::App;
use crate::config::Config;
use crate::inference::BackendKind;
use crate::{api, telemetry};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) listening: Listening,
}

/// What `serve` and `demo` have in common.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Listening {
    /// Address to listen on; overrides `server.listen`
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<SocketAddr>,
    /// Answer with this backend alone (and `extractive` when it fails); overrides `inference.backends`
    #[arg(long, value_enum, value_name = "BACKEND")]
    pub(super) backend: Option<BackendKind>,
}

impl Listening {
    /// Puts the options into the configuration.
    fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.server.listen = listen.to_string();
        }
        config.inference.use_only(self.backend);
    }
}

/// Where a server answers.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Addresses {
    /// The API.
    pub(super) api: String,
    /// The agents' page.
    pub(super) console: String,
    /// Readable reference of the API.
    pub(super) docs: String,
}

impl Addresses {
    /// Of a server that is bound to `address`; one that listens everywhere is reached on this machine.
    fn of(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(it) if it.ip().is_unspecified() => format!("127.0.0.1:{}", it.port()),
            SocketAddr::V6(it) if it.ip().is_unspecified() => format!("[::1]:{}", it.port()),
            it => it.to_string(),
        };
        let api = format!("http://{host}");
        Self { console: format!("{api}/console"), docs: format!("{api}/docs"), api }
    }
}

/// A bound address, not served yet.
pub(super) struct Server {
    /// Where it will answer.
    pub(super) addresses: Addresses,
    listener: TcpListener,
    grace: Duration,
    stop: BoxFuture<'static, ()>,
}

impl Server {
    /// Serves what `build` makes, until the process is asked to stop; `ready` is called once there is something to serve.
    pub(super) async fn run(
        self,
        build: impl Future<Output = anyhow::Result<App>> + Send + 'static,
        ready: impl FnOnce(&App),
    ) -> anyhow::Result<ExitCode> {
        api::serve_when_ready(build, self.listener, self.grace, self.stop, ready).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// How every server begins: settles the configuration, starts the log, minds signals and binds `server.listen`.
pub(super) async fn prepare(config: Loaded, listening: &Listening) -> anyhow::Result<(Config, Server)> {
    let mut config = config?;
    listening.apply(&mut config);
    config.validate()?;
    telemetry::init(&config.log)?;
    let stop = Box::pin(stop_signal()?);
    let listen = &config.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; choose another address with --listen or `server.listen`")
    })?;
    let addresses = Addresses::of(listener.local_addr()?);
    let grace = Duration::from_secs(config.server.shutdown_s);
    Ok((config, Server { addresses, listener, grace, stop }))
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let (config, server) = prepare(config, &args.listening).await?;
    let (printer, shown) = (*printer, server.addresses.clone());
    printer.note(format!("starting on {}", shown.api));
    let build = async move { Ok(App::open(config, Arc::new(FetchProgress::new(printer))).await?) };
    server
        .run(build, move |_| {
            printer
                .line(format!("API      {}\nConsole  {}\nDocs     {}", shown.api, shown.console, shown.docs));
            if let Err(error) = printer.json(&shown) {
                printer.error(&error);
            }
        })
        .await
}

/// Completes when the process is asked to stop (SIGTERM, SIGINT, Ctrl-C). The handlers stand when this returns.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
