//! One request at a time: checked, pinned to the address that was checked, bounded, and at the server's pace.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use url::{Host, Url};

use super::FetchConfig;
use super::address::{Resolve, is_public};
use super::robots::Rules;

/// What is asked for.
const ACCEPTED: &str =
    "text/html, text/markdown, text/plain, application/pdf, application/xml;q=0.9, */*;q=0.5";

/// Bytes of `robots.txt` that count.
const ROBOTS_BYTES: u64 = 512 << 10;

/// Redirects of `robots.txt`, and of a page.
pub(super) const MAX_REDIRECTS: usize = 5;

/// A server that asks for patience gets this much, at most.
const MOST_PATIENCE: Duration = Duration::from_secs(30);

/// Why a page was not read.
#[derive(Debug, thiserror::Error)]
pub(in crate::knowledge) enum FetchError {
    /// The address itself, or what it resolves to, is not to be asked.
    #[error("{0}")]
    Refused(String),
    /// `robots.txt` says no.
    #[error("robots.txt of the site forbids it; ask its owner, or export the documents instead")]
    Robots,
    /// There is no such page any more.
    #[error("there is no such page (HTTP {0})")]
    Gone(u16),
    /// The server answers with an error.
    #[error("the server answers HTTP {0}")]
    Status(u16),
    /// It takes too long.
    #[error("it takes more than {0} s; try again, or raise knowledge.fetch.timeout_s")]
    TimedOut(f64),
    /// It is too large.
    #[error("it has more than {0} bytes; raise knowledge.fetch.max_page_bytes if it is to be read")]
    TooLarge(u64),
    /// No connection, or one that broke.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// What came is nothing that is read.
    #[error("{0}")]
    Unreadable(String),
}

/// What a server said of a page, to be told when it is asked again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::knowledge) struct Validators {
    pub(in crate::knowledge) etag: Option<String>,
    pub(in crate::knowledge) last_modified: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(super) enum Response {
    /// The page is as it was.
    Unchanged,
    /// It is somewhere else.
    Moved(Url),
    /// The page.
    Body(Body),
}

#[derive(Debug)]
pub(super) struct Body {
    pub(super) content_type: Option<String>,
    pub(super) bytes: Vec<u8>,
    pub(super) validators: Validators,
}

/// A server as it was first met: later requests go to the same address.
struct Server {
    client: Client,
    rules: Option<Arc<Rules>>,
    free_at: Instant,
}

/// The web, as far as it may be seen.
pub(super) struct Web {
    config: FetchConfig,
    resolver: Arc<dyn Resolve>,
    servers: HashMap<(String, String, u16), Server>,
}

impl Web {
    pub(super) fn new(config: FetchConfig, resolver: Arc<dyn Resolve>) -> Self {
        Self { config, resolver, servers: HashMap::new() }
    }

    /// Asks for a page, if `robots.txt` allows.
    pub(super) async fn get(&mut self, url: &Url, validators: &Validators) -> Result<Response, FetchError> {
        let rules = self.rules(url).await?;
        if !rules.allow(url) {
            return Err(FetchError::Robots);
        }
        let pause = Duration::from_secs_f64(self.config.delay_s).max(rules.delay());
        match self.ask(url, validators, pause, self.config.max_page_bytes).await {
            Err(Refusal::Later(patience)) => {
                tokio::time::sleep(patience).await;
                self.ask(url, validators, pause, self.config.max_page_bytes)
                    .await
                    .map_err(Refusal::into_error)
            }
            other => other.map_err(Refusal::into_error),
        }
    }

    /// The rules of a server, asked for once.
    async fn rules(&mut self, url: &Url) -> Result<Arc<Rules>, FetchError> {
        if let Some(rules) = &self.server(url).await?.rules {
            return Ok(Arc::clone(rules));
        }
        let mut at = url.join("/robots.txt").map_err(|error| FetchError::Refused(error.to_string()))?;
        let mut rules = Rules::everything();
        for _ in 0..=MAX_REDIRECTS {
            match self.ask(&at, &Validators::default(), Duration::ZERO, ROBOTS_BYTES).await {
                Ok(Response::Moved(next)) => {
                    at = next;
                    continue;
                }
                Ok(Response::Body(body)) => rules = Rules::read(body.bytes).await,
                Err(Refusal::Error(FetchError::TooLarge(most))) => {
                    return Err(FetchError::Unreadable(format!("its robots.txt has more than {most} bytes")));
                }
                // No rules: everything is allowed. A server that cannot say allows nothing (RFC 9309).
                Err(Refusal::Error(FetchError::Status(400..500) | FetchError::Gone(_)))
                | Ok(Response::Unchanged) => {}
                Err(refusal) => return Err(refusal.into_error()),
            }
            break;
        }
        let rules = Arc::new(rules);
        self.server(url).await?.rules = Some(Arc::clone(&rules));
        Ok(rules)
    }

    /// The server behind an address; met for the first time it is resolved, checked and pinned.
    async fn server(&mut self, url: &Url) -> Result<&mut Server, FetchError> {
        let (host, port) = self.check(url)?;
        let key = (url.scheme().to_owned(), host.clone(), port);
        if !self.servers.contains_key(&key) {
            let addresses = self.addresses(url, &host, port).await?;
            let limit = Duration::from_secs_f64(self.config.timeout_s);
            let client = Client::builder()
                .user_agent(&self.config.user_agent)
                .redirect(reqwest::redirect::Policy::none())
                // A proxy would resolve the name again, by itself.
                .no_proxy()
                .connect_timeout(limit)
                .resolve_to_addrs(&host, &addresses)
                .build()
                .map_err(|error| FetchError::Unreachable(describe(&error)))?;
            self.servers.insert(key.clone(), Server { client, rules: None, free_at: Instant::now() });
        }
        self.servers.get_mut(&key).ok_or_else(|| FetchError::Unreachable("it was forgotten".into()))
    }

    /// What an address alone tells.
    fn check(&self, url: &Url) -> Result<(String, u16), FetchError> {
        let refused = |why: &str| FetchError::Refused(format!("it is not read: {why}"));
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("only http:// and https:// addresses are"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("there is a name or a password in its address"));
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(refused("it names no server"));
        };
        if !matches!(port, 80 | 443) && !self.config.allows(url) {
            return Err(refused(&format!(
                "port {port} is neither 80 nor 443; add \"{host}:{port}\" to knowledge.fetch.allow if it is yours"
            )));
        }
        Ok((host.to_owned(), port))
    }

    /// The addresses of a server, every one of them public unless the operator vouches for it.
    async fn addresses(&self, url: &Url, host: &str, port: u16) -> Result<Vec<SocketAddr>, FetchError> {
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![SocketAddr::new(IpAddr::V4(address), port)],
            Some(Host::Ipv6(address)) => vec![SocketAddr::new(IpAddr::V6(address), port)],
            _ => tokio::time::timeout(
                Duration::from_secs_f64(self.config.timeout_s),
                self.resolver.resolve(host, port),
            )
            .await
            .map_err(|_| FetchError::TimedOut(self.config.timeout_s))?
            .map_err(|error| FetchError::Unreachable(format!("{host}: {error}")))?,
        };
        if addresses.is_empty() {
            return Err(FetchError::Unreachable(format!("{host} has no address")));
        }
        let hidden = addresses.iter().find(|address| !is_public(address.ip()));
        match hidden {
            Some(address) if !self.config.allows(url) => Err(FetchError::Refused(format!(
                "it is not read: {host} is at {}, which is not a public address; add \"{host}:{port}\" to \
                 knowledge.fetch.allow if it is yours",
                address.ip()
            ))),
            _ => Ok(addresses),
        }
    }

    /// One request and its answer, within the time and the size that are set.
    async fn ask(
        &mut self,
        url: &Url,
        validators: &Validators,
        pause: Duration,
        most: u64,
    ) -> Result<Response, Refusal> {
        let limit = self.config.timeout_s;
        let server = self.server(url).await?;
        tokio::time::sleep_until(server.free_at).await;
        let asked = tokio::time::timeout(
            Duration::from_secs_f64(limit),
            request(&server.client, url, validators, most),
        )
        .await;
        server.free_at = Instant::now() + pause;
        asked.unwrap_or(Err(Refusal::Error(FetchError::TimedOut(limit))))
    }
}

/// No page, for now or for good.
enum Refusal {
    Error(FetchError),
    /// The server wants to be asked later.
    Later(Duration),
}

impl Refusal {
    fn into_error(self) -> FetchError {
        match self {
            Self::Error(error) => error,
            Self::Later(_) => FetchError::Status(StatusCode::TOO_MANY_REQUESTS.as_u16()),
        }
    }
}

impl From<FetchError> for Refusal {
    fn from(error: FetchError) -> Self {
        Self::Error(error)
    }
}

impl From<reqwest::Error> for Refusal {
    fn from(error: reqwest::Error) -> Self {
        Self::Error(FetchError::Unreachable(describe(&error)))
    }
}

async fn request(client: &Client, url: &Url, known: &Validators, most: u64) -> Result<Response, Refusal> {
    let mut request = client.get(url.clone()).header(ACCEPT, ACCEPTED);
    for (name, value) in [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let mut response = request.send().await?;
    let header = |name: HeaderName| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED {
        return Ok(Response::Unchanged);
    }
    if status.is_redirection() {
        let target = header(LOCATION).ok_or(FetchError::Status(status.as_u16()))?;
        let next = url.join(&target).map_err(|error| {
            FetchError::Refused(format!("it redirects to {target:?}, which is not an address: {error}"))
        })?;
        return Ok(Response::Moved(next));
    }
    match status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::Gone(status.as_u16()).into()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = header(RETRY_AFTER).and_then(|value| value.trim().parse().ok()).unwrap_or(5);
            return Err(Refusal::Later(Duration::from_secs(seconds).min(MOST_PATIENCE)));
        }
        other => return Err(FetchError::Status(other.as_u16()).into()),
    }
    if response.content_length().is_some_and(|length| length > most) {
        return Err(FetchError::TooLarge(most).into());
    }
    let content_type = header(CONTENT_TYPE);
    let validators = Validators { etag: header(ETAG), last_modified: header(LAST_MODIFIED) };
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if (bytes.len() + chunk.len()) as u64 > most {
            return Err(FetchError::TooLarge(most).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Response::Body(Body { content_type, bytes, validators }))
}

/// The innermost reason, without the address, which the report names already.
fn describe(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    reason.to_string()
}
