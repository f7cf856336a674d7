//! A scripted OpenAI-like server on raw TCP, for the faults that a real one shows too seldom to test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to one call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A status with headers and a body.
    Status(u16, Vec<(&'static str, &'static str)>, String),
    /// A server error after this long.
    ErrorAfter(Duration),
    /// The request is read and never answered.
    Hang,
    /// A word every 100 ms, for ever.
    SlowDrip,
    /// These chunks, then a reset connection.
    ResetAfter(Vec<Value>),
    /// These chunks, then the end of the stream without `[DONE]`.
    CloseAfter(Vec<Value>),
    /// These lines as the data of events, then `[DONE]`.
    Lines(Vec<String>),
    /// One JSON body, as if no stream had been asked for.
    Whole(Value),
}

impl Fault {
    /// A status with an error of the usual shape.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::Status(
            status,
            Vec::new(),
            json!({"error": {"message": message, "type": "scripted"}}).to_string(),
        )
    }

    /// A whole, healthy reply.
    pub(crate) fn reply(words: &[&str]) -> Self {
        let mut lines: Vec<String> = words.iter().map(|word| chunk(word).to_string()).collect();
        lines.push(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}).to_string());
        lines.push(
            json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": words.len()}})
                .to_string(),
        );
        Self::Lines(lines)
    }
}

/// A chunk that carries text.
pub(crate) fn chunk(text: &str) -> Value {
    json!({"choices": [{"delta": {"content": text}, "finish_reason": null}]})
}

/// A server that answers its first call with the first fault, and so on; the last one repeats.
pub(crate) struct FaultyServer {
    pub(crate) base_url: String,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
    task: JoinHandle<()>,
}

impl FaultyServer {
    pub(crate) async fn start(faults: Vec<Fault>) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (faults, seen) = (faults.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    // The client may go away at any time.
                    let _ = serve(stream, &faults, &seen).await;
                });
            }
        });
        Self { base_url: format!("http://{address}/v1"), requests, task }
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.requests.lock().expect("no test panicked").len()
    }

    /// Head and body of a call.
    pub(crate) fn request(&self, position: usize) -> (String, Value) {
        self.requests.lock().expect("no test panicked")[position].clone()
    }
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: TcpStream,
    faults: &[Fault],
    seen: &Mutex<Vec<(String, Value)>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    let position = {
        let mut seen = seen.lock().expect("no test panicked");
        seen.push(request);
        seen.len() - 1
    };
    let stream = stream.get_mut();
    match &faults[position.min(faults.len() - 1)] {
        Fault::Status(code, headers, body) => status(stream, *code, headers, body).await,
        Fault::ErrorAfter(delay) => {
            tokio::time::sleep(*delay).await;
            status(stream, 500, &[], "{}").await
        }
        Fault::Hang => std::future::pending().await,
        Fault::SlowDrip => {
            begin(stream).await?;
            loop {
                event(stream, &chunk("word ").to_string()).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Fault::ResetAfter(chunks) => {
            begin(stream).await?;
            for chunk in chunks {
                event(stream, &chunk.to_string()).await?;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.set_zero_linger()
        }
        Fault::CloseAfter(chunks) => {
            begin(stream).await?;
            for chunk in chunks {
                event(stream, &chunk.to_string()).await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Fault::Lines(lines) => {
            begin(stream).await?;
            for line in lines {
                event(stream, line).await?;
            }
            event(stream, "[DONE]").await?;
            stream.write_all(b"0\r\n\r\n").await
        }
        Fault::Whole(body) => {
            let body = serde_json::to_string_pretty(body)?;
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<(String, Value)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((head, serde_json::from_slice(&body).unwrap_or_default()))
}

async fn status(
    stream: &mut TcpStream,
    code: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<()> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {code} Scripted\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

async fn begin(stream: &mut TcpStream) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
}

/// One event as one HTTP chunk.
async fn event(stream: &mut TcpStream, data: &str) -> std::io::Result<()> {
    let event = format!("data: {data}\n\n");
    stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    stream.flush().await
}
