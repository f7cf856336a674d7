//! A stand-in for a model hub: files at paths, ranges honoured, and a count of what was asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::task::JoinHandle;

/// A running hub; stopped when dropped.
pub(crate) struct Hub {
    pub(crate) url: String,
    asked: Asked,
    task: JoinHandle<()>,
}

/// Paths with the value of the `Range` header, in the order of the requests.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

#[derive(Clone)]
struct Shelf {
    files: Arc<HashMap<String, Vec<u8>>>,
    delay: Duration,
    asked: Asked,
}

impl Hub {
    pub(crate) async fn of<B: Into<Vec<u8>>>(files: impl IntoIterator<Item = (String, B)>) -> Self {
        Self::slow(Duration::ZERO, files).await
    }

    /// A hub that waits before it answers.
    pub(crate) async fn slow<B: Into<Vec<u8>>>(
        delay: Duration,
        files: impl IntoIterator<Item = (String, B)>,
    ) -> Self {
        let asked = Asked::default();
        let files = files.into_iter().map(|(path, content)| (path, content.into())).collect();
        let shelf = Shelf { files: Arc::new(files), delay, asked: Arc::clone(&asked) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move {
            let router = Router::new().fallback(answer).with_state(shelf);
            axum::serve(listener, router).await.expect("the hub serves");
        });
        Self { url, asked, task }
    }

    /// How often a path was asked for.
    pub(crate) fn asked_for(&self, path: &str) -> usize {
        self.asked.lock().expect("no test panicked").iter().filter(|(asked, _)| asked == path).count()
    }

    /// The ranges of all requests; empty where the whole file was asked for.
    pub(crate) fn ranges(&self) -> Vec<String> {
        self.asked.lock().expect("no test panicked").iter().map(|(_, range)| range.clone()).collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shelf): State<Shelf>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let range = request.headers().get(header::RANGE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    shelf.asked.lock().expect("no test panicked").push((path.clone(), range.to_owned()));
    tokio::time::sleep(shelf.delay).await;
    let Some(content) = shelf.files.get(&path) else { return StatusCode::NOT_FOUND.into_response() };
    let from =
        range.strip_prefix("bytes=").and_then(|it| it.strip_suffix('-')).and_then(|it| it.parse().ok());
    match from {
        None => content.clone().into_response(),
        Some(from) => {
            let length = content.len();
            let place = format!("bytes {from}-{}/{length}", length - 1);
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, place)], content[from..].to_vec())
                .into_response()
        }
    }
}
