//! Files over HTTP, resumed by ranges.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, RANGE};
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;

use super::Refusal;
use crate::inference::models::{ModelError, Progress};

/// A host that does not answer is given up quickly: the next source is waiting.
const CONNECT: Duration = Duration::from_secs(4);
/// Longest silence in the middle of a file.
const SILENCE: Duration = Duration::from_secs(30);
/// Times that a broken transfer is taken up again, counted from the last one that brought anything.
const ATTEMPTS: u32 = 4;

/// Fetches `url` into `part`, going on where an earlier transfer broke off.
pub(super) async fn fetch(
    url: &str,
    name: &str,
    part: &Path,
    bytes: Option<u64>,
    progress: &dyn Progress,
) -> Result<(), Refusal> {
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("ponto/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Refusal::Failed(describe(&error)))?;
    let mut failures = 0;
    loop {
        let before = length(part);
        match attempt(&client, url, name, part, bytes, progress).await {
            Err(Broken::Off(reason)) => {
                // Nothing ever came: the host is not there, and asking again would only cost time.
                let came = length(part) > before;
                failures = if came { 1 } else { failures + 1 };
                if length(part) == 0 || failures >= ATTEMPTS {
                    return Err(Refusal::Failed(reason));
                }
                progress.finish();
                progress.note(&format!("{name}: {reason}; going on from where it broke off"));
                tokio::time::sleep(Duration::from_millis(250) * failures).await;
            }
            Err(Broken::Refused(refusal)) => return Err(refusal),
            Ok(()) => return Ok(()),
        }
    }
}

enum Broken {
    /// The transfer broke off; it may be taken up again.
    Off(String),
    /// It makes no sense to ask again.
    Refused(Refusal),
}

async fn attempt(
    client: &reqwest::Client,
    url: &str,
    name: &str,
    part: &Path,
    bytes: Option<u64>,
    progress: &dyn Progress,
) -> Result<(), Broken> {
    let have = length(part);
    if have > 0 && Some(have) == bytes {
        return Ok(());
    }
    let mut request = client.get(url);
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    let response = request.send().await.map_err(|error| Broken::Off(describe(&error)))?;
    let status = response.status();
    let from = match status {
        StatusCode::PARTIAL_CONTENT => {
            let start = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
            if start.is_some_and(|range| range.starts_with(&format!("bytes {have}-"))) { have } else { 0 }
        }
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return start_over(part),
        StatusCode::NOT_FOUND => {
            return Err(Broken::Refused(Refusal::Missing("there is no such file (404)".into())));
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(Broken::Refused(Refusal::Failed(format!("it is not open to everybody ({status})"))));
        }
        status if status.is_success() => 0,
        status => return Err(Broken::Refused(Refusal::Failed(format!("the server answered {status}")))),
    };
    if status == StatusCode::PARTIAL_CONTENT && from != have {
        return start_over(part);
    }
    let total = response.content_length().map(|rest| from + rest).or(bytes);
    let disk = |error: std::io::Error| Broken::Refused(Refusal::Disk(ModelError::io(part, &error)));
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(from == 0)
        .append(from > 0)
        .open(part)
        .await
        .map_err(disk)?;
    progress.start(name, from, total);
    let mut body = response.bytes_stream();
    let mut received = from;
    let ended = loop {
        match body.next().await {
            Some(Ok(chunk)) => {
                file.write_all(&chunk).await.map_err(disk)?;
                received += chunk.len() as u64;
                progress.advance(chunk.len() as u64);
            }
            Some(Err(error)) => break Err(Broken::Off(describe(&error))),
            None => break Ok(()),
        }
    };
    file.flush().await.map_err(disk)?;
    ended?;
    match total {
        Some(total) if received < total => {
            Err(Broken::Off(format!("it broke off after {received} of {total} bytes")))
        }
        _ => Ok(()),
    }
}

/// The part does not fit what the server has: begins again from nothing.
fn start_over(part: &Path) -> Result<(), Broken> {
    super::remove(part).map_err(|error| Broken::Refused(Refusal::Disk(error)))?;
    Err(Broken::Off("what was here did not fit and is fetched again".into()))
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// One line about a failed request, without the address (it is said elsewhere).
fn describe(error: &reqwest::Error) -> String {
    let what = if error.is_connect() {
        "it cannot be reached"
    } else if error.is_timeout() {
        "it did not answer in time"
    } else {
        "the transfer broke off"
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{what} ({cause})")
}
