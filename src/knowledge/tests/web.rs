//! Web pages into the library, over a small server whose pages have versions.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use super::*;

/// Pages by path, with their version, and what was asked for.
#[derive(Default)]
struct Site {
    pages: Mutex<BTreeMap<String, (u32, String)>>,
    log: Mutex<Vec<String>>,
    down: AtomicBool,
}

impl Site {
    async fn start(pages: &[(&str, &str)]) -> (Arc<Self>, SocketAddr) {
        let site = Arc::new(Self::default());
        for (path, body) in pages {
            site.set(path, body);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&site));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (site, address)
    }

    fn set(&self, path: &str, body: &str) {
        let mut pages = self.pages.lock().unwrap();
        let version = pages.get(path).map_or(1, |(version, _)| version + 1);
        pages.insert(path.to_owned(), (version, body.to_owned()));
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

async fn answer(State(site): State<Arc<Site>>, headers: HeaderMap, uri: Uri) -> Response {
    let pages = site.pages.lock().unwrap();
    let Some((version, body)) = pages.get(uri.path()) else { return StatusCode::NOT_FOUND.into_response() };
    if site.down.load(Ordering::Relaxed) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let tag = format!("\"{version}\"");
    let known = headers.get("if-none-match").is_some_and(|known| known == tag.as_str());
    site.log.lock().unwrap().push(format!("{}{}", uri.path(), if known { " known" } else { "" }));
    if known {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([("content-type", "text/html"), ("etag", tag.as_str())], body.clone()).into_response()
}

impl Room {
    async fn read(&self, server: SocketAddr, prune: bool) -> IngestReport {
        self.read_with(server, IngestRequest { prune, ..IngestRequest::default() }).await
    }

    async fn read_with(&self, server: SocketAddr, request: IngestRequest) -> IngestReport {
        let fetch = FetchConfig { delay_s: 0.0, allow: vec![server.to_string()], ..FetchConfig::default() };
        let library = Library::new(
            Arc::clone(&self.store) as Arc<dyn Store>,
            Arc::clone(&self.index) as Arc<dyn PassageIndex>,
            Arc::clone(&self.embedder) as Arc<dyn Embedder>,
            Arc::new(Still),
            KnowledgeConfig { fetch, ..KnowledgeConfig::default() },
        );
        let request = IngestRequest { patterns: vec![format!("http://{server}/kb/")], ..request };
        library.ingest(&a(), request, &Silent).await.unwrap()
    }
}

const HOME: &str = "<html lang=en><nav><a href=a>a</a> <a href=b>b</a></nav><main><h1>Help</h1>\
                    <p>Ask us anything.</p></main></html>";

#[tokio::test]
async fn pages_become_documents_and_unchanged_ones_cost_a_conditional_request() {
    let (site, server) = Site::start(&[
        ("/kb/", HOME),
        ("/kb/a", "<main><h1>Returns</h1><p>Thirty days.</p></main>"),
        ("/kb/b", "<main><h1>Delivery</h1><p>Five days.</p></main>"),
    ])
    .await;
    let room = Room::new().await;
    let report = room.read(server, false).await;
    assert_eq!((report.added, report.failed.len(), report.passages), (3, 0, 3), "{report:?}");
    let returns = room.store.by_source(&a(), &format!("http://{server}/kb/a")).await.unwrap().unwrap();
    assert_eq!((returns.title.as_str(), returns.url.as_deref()), ("Returns", Some(returns.source.as_str())));
    site.asked();

    site.set("/kb/b", "<main><h1>Delivery</h1><p>Three days.</p></main>");
    let report = room.read(server, false).await;
    assert_eq!((report.unchanged, report.changed), (2, 1), "{report:?}");
    assert_eq!(site.asked(), ["/kb/ known", "/kb/a known", "/kb/b"], "its links are known without its text");

    // A document that was removed here is read again, whatever its server says.
    room.library.delete(&a(), &returns.id).await.unwrap();
    assert_eq!(room.read(server, false).await.added, 1);
    assert_eq!(site.asked(), ["/kb/ known", "/kb/a", "/kb/b known"]);
}

#[tokio::test]
async fn pages_that_are_gone_are_pruned_unless_something_was_left_out() {
    let (site, server) = Site::start(&[("/kb/", HOME), ("/kb/a", "<p>A.</p>"), ("/kb/b", "<p>B.</p>")]).await;
    let room = Room::new().await;
    assert_eq!(room.read(server, true).await.added, 3);
    site.pages.lock().unwrap().remove("/kb/b");
    assert_eq!(room.read(server, false).await.removed, 0, "only on request");
    let few = IngestRequest { prune: true, max_pages: Some(1), ..IngestRequest::default() };
    assert_eq!(room.read_with(server, few).await.removed, 0, "the other pages were not looked for");
    site.down.store(true, Ordering::Relaxed);
    let report = room.read(server, true).await;
    assert_eq!((report.removed, report.failed.len()), (0, 1), "{report:?}");
    site.down.store(false, Ordering::Relaxed);
    let report = room.read(server, true).await;
    assert_eq!((report.removed, report.unchanged), (1, 2), "{report:?}");
    assert_eq!(room.index.texts(), ["A.", "Ask us anything."]);
    site.pages.lock().unwrap().remove("/kb/");
    let report = room.read(server, true).await;
    assert_eq!(
        (report.removed, report.failed.len()),
        (0, 1),
        "without its first page nothing is known: {report:?}"
    );
}

#[tokio::test]
async fn a_stopped_crawl_goes_on_later() {
    let (_site, server) =
        Site::start(&[("/kb/", HOME), ("/kb/a", "<p>A.</p>"), ("/kb/b", "<p>B.</p>")]).await;
    let room = Room::new().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let request = IngestRequest { stop, prune: true, ..IngestRequest::default() };
    let report = room.read_with(server, request).await;
    assert!(report.stopped && report.added == 0, "{report:?}");
    let one = IngestRequest { max_pages: Some(1), ..IngestRequest::default() };
    assert_eq!(room.read_with(server, one).await.added, 1);
    let report = room.read(server, false).await;
    assert_eq!((report.unchanged, report.added), (1, 2), "{report:?}");
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_reported_and_the_rest_goes_on() {
    let room = Room::new().await;
    room.write("x.md", "Text.");
    let folder = room.folder.path().join("kb").to_string_lossy().into_owned();
    let patterns = vec!["http://10.0.0.1/kb".into(), "https://".into(), folder];
    let request = IngestRequest { patterns, ..IngestRequest::default() };
    let report = room.library.ingest(&a(), request, &Silent).await.unwrap();
    assert_eq!((report.added, report.failed.len()), (1, 2), "{report:?}");
    assert!(report.failed[0].message.contains("knowledge.fetch.allow"), "{report:?}");
}
