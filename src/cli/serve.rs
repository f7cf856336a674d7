//! `ponto serve`.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::net::TcpListener;

use super::progress::FetchProgress;
use super::{Global, Printer};
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
    pub(super) fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.server.listen = listen.to_string();
        }
        if let Some(backend) = self.backend {
            config.inference.backends = vec![backend];
        }
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
    pub(super) fn of(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(it) if it.ip().is_unspecified() => format!("127.0.0.1:{}", it.port()),
            SocketAddr::V6(it) if it.ip().is_unspecified() => format!("[::1]:{}", it.port()),
            it => it.to_string(),
        };
        let api = format!("http://{host}");
        Self { console: format!("{api}/console"), docs: format!("{api}/docs"), api }
    }
}

pub(super) async fn run(global: &Global, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let mut config = global.load_config()?;
    args.listening.apply(&mut config);
    config.validate()?;
    telemetry::init(&config.log)?;
    let stop = stop_signal()?;
    let listener = bind(&config).await?;
    let addresses = Addresses::of(listener.local_addr()?);
    let grace = Duration::from_secs(config.server.shutdown_s);
    let (printer, shown) = (*printer, addresses.clone());
    printer.note(format!("starting on {}", addresses.api));
    let build = App::build(config, Arc::new(FetchProgress::new(printer)));
    api::serve_when_ready(build, listener, grace, stop, move |_| {
        printer.line(format!("API      {}\nConsole  {}\nDocs     {}", shown.api, shown.console, shown.docs));
        if let Err(error) = printer.json(&shown) {
            printer.error(&error);
        }
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// Binds `server.listen`.
pub(super) async fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    let listen = &config.server.listen;
    TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; choose another address with --listen or `server.listen`")
    })
}

/// Completes when the process is asked to stop (SIGTERM, SIGINT, Ctrl-C). The handlers stand when this returns.
pub(super) fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
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
