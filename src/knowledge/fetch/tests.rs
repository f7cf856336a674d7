//! A crawl of small servers on this machine.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use tokio::net::TcpListener;

use super::address::Resolve;
use super::*;
use crate::knowledge::ParsingConfig;
use crate::knowledge::reading::Content;

/// Serves what `answer` says on a free port of this machine.
async fn serve(answer: impl Fn(&str) -> Response + Clone + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(move |uri: Uri| {
        let response = answer(uri.path());
        async move { response }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn html(body: &str) -> Response {
    ([("content-type", "text/html")], format!("<html><body>{body}</body></html>")).into_response()
}

fn missing() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

/// Names with their addresses, and how often they were asked for.
struct Names {
    addresses: HashMap<&'static str, SocketAddr>,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str, _port: u16) -> std::io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.addresses.get(host).copied().into_iter().collect())
    }
}

fn names(addresses: &[(&'static str, SocketAddr)]) -> Arc<Names> {
    Arc::new(Names { addresses: addresses.iter().copied().collect(), asked: AtomicUsize::new(0) })
}

/// Quick, and allowed to read this server.
fn config(server: SocketAddr) -> FetchConfig {
    FetchConfig { delay_s: 0.0, timeout_s: 5.0, allow: vec![server.to_string()], ..FetchConfig::default() }
}

/// What a whole crawl finds, by path: a document, or why there is none.
async fn crawl(mut crawl: Crawl) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some(target) = crawl.next() {
        let said = match crawl.fetch(&target, &Validators::default()).await {
            Ok(Fetched::Page(page)) => {
                crawl.follow(&target, &page.links);
                match page.content {
                    Content::Text(format, _) => format!("{format:?}"),
                    Content::Binary(kind, bytes) => format!("{kind:?} {}", bytes.len()),
                    Content::Export(_) => "Export".into(),
                }
            }
            Ok(Fetched::Elsewhere | Fetched::Unchanged) => continue,
            Ok(Fetched::Nothing(why)) => why.to_owned(),
            Err(error) => error.to_string(),
        };
        found.push((target.url.path().to_owned(), said));
    }
    found
}

fn paths(found: &[(String, String)]) -> Vec<&str> {
    found.iter().map(|(path, _)| path.as_str()).collect()
}

#[tokio::test]
async fn links_are_followed_below_the_address_and_no_deeper_than_asked() {
    let server = serve(|path| match path {
        "/kb/" => html("<a href='a'>a</a> <a href='/other'>o</a> <a href='a#x'>a</a> <a href='hidden'>h</a>"),
        "/kb/a" => html("<a href='b'>b</a> <a href='gone'>g</a> <a href='c.pdf'>c</a> <a href='d.png'>d</a>"),
        "/kb/b" => html("<a href='e'>e</a>"),
        "/kb/hidden" => html("<meta name='robots' content='noindex'><a href='f'>f</a>"),
        "/kb/c.pdf" => ([("content-type", "application/pdf")], "%PDF-").into_response(),
        "/kb/f" => ([("content-type", "image/png")], "x").into_response(),
        _ => missing(),
    })
    .await;
    let config = FetchConfig { depth: 2, ..config(server) };
    let found =
        crawl(Crawl::new(&config, &ParsingConfig::default(), &format!("http://{server}/kb/")).unwrap()).await;
    assert_eq!(paths(&found), ["/kb/", "/kb/a", "/kb/hidden", "/kb/b", "/kb/gone", "/kb/c.pdf", "/kb/f"]);
    assert_eq!(found[5].1, "Pdf 5");
    assert!(found[2].1.contains("no index") && found[4].1.contains("404"), "{found:?}");

    let few = FetchConfig { max_pages: 2, ..config };
    let found =
        crawl(Crawl::new(&few, &ParsingConfig::default(), &format!("http://{server}/kb/")).unwrap()).await;
    assert_eq!(paths(&found), ["/kb/", "/kb/a"]);
}

#[tokio::test]
async fn robots_txt_is_honoured() {
    let server = serve(|path| match path {
        "/robots.txt" => {
            "User-agent: *\nDisallow: /\n\nUser-agent: ponto\nDisallow: /private\n".into_response()
        }
        "/" => html("<a href=/private/x>p</a> <a href=/open>o</a>"),
        "/open" => html("x"),
        _ => unreachable!("{path} is forbidden"),
    })
    .await;
    let found =
        crawl(Crawl::new(&config(server), &ParsingConfig::default(), &format!("http://{server}/")).unwrap())
            .await;
    assert_eq!(paths(&found), ["/", "/private/x", "/open"]);
    assert!(found[1].1.contains("robots.txt"), "{found:?}");
    let broken = serve(|path| match path {
        "/robots.txt" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => html("x"),
    })
    .await;
    let found =
        crawl(Crawl::new(&config(broken), &ParsingConfig::default(), &format!("http://{broken}/")).unwrap())
            .await;
    assert!(found[0].1.contains("500"), "a site that cannot say what it allows allows nothing: {found:?}");
}

#[tokio::test]
async fn sitemaps_of_sitemaps_name_pages_of_their_server_alone() {
    // The server knows its own address.
    let holder: Arc<std::sync::OnceLock<SocketAddr>> = Arc::default();
    let own = Arc::clone(&holder);
    let server = serve(move |path| {
        let at = own.get().unwrap();
        match path {
            "/maps/index.xml" => (
                [("content-type", "application/xml")],
                format!(
                    "<sitemapindex><sitemap><loc>http://{at}/one.xml.gz</loc></sitemap>\
                     <sitemap><loc>http://elsewhere.example/two.xml</loc></sitemap></sitemapindex>"
                ),
            )
                .into_response(),
            "/one.xml.gz" => {
                let text = format!(
                    "<urlset><url><loc>http://{at}/x</loc></url><url><loc>http://{at}/y</loc></url>\
                     <url><loc>http://elsewhere.example/z</loc></url></urlset>"
                );
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                packer.write_all(text.as_bytes()).unwrap();
                ([("content-type", "application/gzip")], packer.finish().unwrap()).into_response()
            }
            "/x" | "/y" => html("<a href=/not-followed>n</a>"),
            _ => missing(),
        }
    })
    .await;
    holder.set(server).unwrap();
    let found = crawl(
        Crawl::new(&config(server), &ParsingConfig::default(), &format!("http://{server}/maps/index.xml"))
            .unwrap(),
    )
    .await;
    assert_eq!(paths(&found), ["/x", "/y"], "{found:?}");
}

#[tokio::test]
async fn no_way_leads_into_the_network_inside() {
    let server = serve(|path| match path {
        "/meta" => Redirect::temporary("http://169.254.169.254/latest/meta-data/").into_response(),
        "/file" => Redirect::temporary("file:///etc/passwd").into_response(),
        "/login" => Redirect::temporary("http://user:secret@127.0.0.1/").into_response(),
        "/loop" => Redirect::temporary("/loop2").into_response(),
        "/loop2" => Redirect::temporary("/loop").into_response(),
        path if path.starts_with("/far") => Redirect::temporary(&format!("{path}r")).into_response(),
        _ => missing(),
    })
    .await;
    for (path, said) in [
        ("/meta", "not a public address"),
        ("/file", "only http:// and https://"),
        ("/login", "a name or a password"),
        ("/far", "more than 5 times"),
    ] {
        let found = crawl(
            Crawl::new(&config(server), &ParsingConfig::default(), &format!("http://{server}{path}"))
                .unwrap(),
        )
        .await;
        assert!(found.last().is_some_and(|(_, why)| why.contains(said)), "{path}: {found:?}");
    }
    assert!(
        crawl(
            Crawl::new(&config(server), &ParsingConfig::default(), &format!("http://{server}/loop")).unwrap()
        )
        .await
        .is_empty()
    );

    // Numbers in any notation, names, and unusual ports.
    let nobody = FetchConfig { allow: Vec::new(), ..config(server) };
    for address in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fd00:ec2::254]/",
        "http://[64:ff9b::7f00:1]/",
        "http://8.8.8.8:6333/",
        "http://inside.example/",
    ] {
        let resolver = names(&[("inside.example", "10.0.0.7:80".parse().unwrap())]);
        let found = crawl(Crawl::over(&nobody, &ParsingConfig::default(), address, resolver).unwrap()).await;
        assert_eq!(found.len(), 1, "{address}");
        assert!(found[0].1.contains("is not read"), "{address}: {found:?}");
    }
}

#[tokio::test]
async fn a_name_is_resolved_once_and_its_address_kept() {
    let server =
        serve(|path| if path == "/" { html("<a href=/a>a</a><a href=/b>b</a>") } else { html("x") }).await;
    let resolver = names(&[("pinned.example", server)]);
    let port = server.port();
    let config = FetchConfig { allow: vec![format!("pinned.example:{port}")], ..config(server) };
    let over = Crawl::over(
        &config,
        &ParsingConfig::default(),
        &format!("http://pinned.example:{port}/"),
        resolver.clone(),
    )
    .unwrap();
    assert_eq!(paths(&crawl(over).await), ["/", "/a", "/b"]);
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn servers_that_hang_or_never_end_are_cut() {
    let server = serve(|path| match path {
        "/robots.txt" => missing(),
        "/hang" => {
            Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>()).into_response()
        }
        _ => {
            let chunk = || Ok::<_, std::io::Error>("x".repeat(10_000));
            let stream = futures::stream::repeat_with(chunk);
            ([("content-type", "text/plain")], Body::from_stream(stream)).into_response()
        }
    })
    .await;
    let config = FetchConfig { timeout_s: 0.4, max_page_bytes: 100_000, ..config(server) };
    let started = std::time::Instant::now();
    let found =
        crawl(Crawl::new(&config, &ParsingConfig::default(), &format!("http://{server}/hang")).unwrap())
            .await;
    assert!(found[0].1.contains("0.4 s"), "{found:?}");
    let config = FetchConfig { timeout_s: 20.0, ..config };
    let found =
        crawl(Crawl::new(&config, &ParsingConfig::default(), &format!("http://{server}/endless")).unwrap())
            .await;
    assert!(found[0].1.contains("100000 bytes"), "{found:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let wrong = FetchConfig {
        user_agent: "é".into(),
        max_pages: 0,
        delay_s: -1.0,
        timeout_s: f64::NAN,
        allow: vec!["wiki.internal:8080".into(), "http://x/".into(), "x/y".into()],
        ..FetchConfig::default()
    };
    let mut problems = Vec::new();
    wrong.validate(&mut problems);
    let settings: Vec<&str> = problems.iter().map(|problem| problem.setting.as_str()).collect();
    let fetch = |name: &str| format!("knowledge.fetch.{name}");
    assert_eq!(settings, ["user_agent", "max_pages", "delay_s", "timeout_s", "allow", "allow"].map(fetch));
}
