//! Files of several documents, and documents that say the same.

use super::*;

fn export(articles: &[(u32, &str)]) -> String {
    let articles: Vec<String> = articles
        .iter()
        .map(|(id, body)| {
            format!(
                r#"{{"id":{id},"title":"Article {id}","body":"<p>{body}</p>","locale":"en-us","draft":false,
                "html_url":"https://a.example/articles/{id}"}}"#
            )
        })
        .collect();
    format!(r#"{{"articles":[{}]}}"#, articles.join(","))
}

#[tokio::test]
async fn each_article_of_an_export_is_a_document() {
    let room = Room::new().await;
    room.write("zendesk.json", &export(&[(1, "Thirty days."), (2, "Five euros."), (3, "Cards.")]));
    room.write("package.json", r#"{"name":"x"}"#);
    let report = room.ingest(false).await;
    assert_eq!((report.added, report.skipped, report.failed.len()), (3, 1, 0), "{report:?}");
    let sources = room.store.sources(&a(), "").await.unwrap();
    assert!(sources[0].1.ends_with("/kb/zendesk.json#1"), "{sources:?}");
    let article = room.store.by_source(&a(), &sources[0].1).await.unwrap().unwrap();
    assert_eq!((article.title.as_str(), article.language), ("Article 1", Some(Language::En)));
    assert_eq!(article.url.as_deref(), Some("https://a.example/articles/1"));

    // One changes, one is gone.
    room.write("zendesk.json", &export(&[(1, "Sixty days."), (3, "Cards.")]));
    let report = room.ingest(true).await;
    assert_eq!((report.changed, report.unchanged, report.removed), (1, 1, 1), "{report:?}");
    assert_eq!(room.index.texts(), ["Cards.", "Sixty days."]);

    // An export that cannot be read keeps what it brought.
    room.write("zendesk.json", "{\"articles\":[");
    let report = room.ingest(true).await;
    assert_eq!((report.removed, report.failed.len()), (0, 1), "{report:?}");
    room.remove("zendesk.json");
    assert_eq!(room.ingest(true).await.removed, 2);
}

#[tokio::test]
async fn a_named_file_of_other_json_is_an_error() {
    let room = Room::new().await;
    room.write("package.json", r#"{"name":"x"}"#);
    let patterns = vec![room.folder.path().join("kb/package.json").to_string_lossy().into_owned()];
    let request = IngestRequest { patterns, ..IngestRequest::default() };
    let report = room.library.ingest(&a(), request, &Silent).await.unwrap();
    assert!(report.failed[0].message.contains("no help-centre export"), "{report:?}");
}

#[tokio::test]
async fn documents_that_say_the_same_are_reported() {
    let room = Room::new().await;
    let text = |days: &str| {
        format!(
            "Our returns are free. You can send back what you bought within {days} days, in its box, with the receipt. \
             We pay you back within ten working days, to the card that you paid with. Gift cards and opened coffee \
             cannot be returned, and neither can towels that were used. For a larger order please call us first, and \
             we will send somebody to collect it at your door in the afternoon."
        )
    };
    room.write("a.md", &text("thirty"));
    room.write("b.txt", &text("THIRTY"));
    room.write("c.md", &text("sixty"));
    room.write("d.md", "Delivery takes five working days, whatever you order and wherever you live.");
    let patterns = vec![room.folder.path().join("kb").to_string_lossy().into_owned()];
    let request = IngestRequest { patterns, duplicates: true, ..IngestRequest::default() };
    let report = room.library.ingest(&a(), request, &Silent).await.unwrap();
    let name = |source: &str| source.rsplit('/').next().unwrap_or_default().to_owned();
    let pairs: Vec<_> = report
        .duplicates
        .iter()
        .map(|pair| (name(&pair.source), name(&pair.other), pair.similarity))
        .collect();
    assert_eq!(pairs[0], ("a.md".into(), "b.txt".into(), 1.0));
    assert_eq!(pairs.len(), 3, "{pairs:?}");
    assert!(pairs[1..].iter().all(|(_, _, similarity)| (0.8..1.0).contains(similarity)), "{pairs:?}");
    assert!(room.ingest(false).await.duplicates.is_empty(), "only on request");

    let mut library = library(&room.store, &room.index, &room.embedder);
    library.config.sources = vec![SourceConfig {
        path: room.folder.path().join("kb").to_string_lossy().into_owned(),
        workspace: "a".into(),
        url_prefix: None,
        audience: None,
        labels: Labels::default(),
        prune: true,
    }];
    let synced = library.sync_sources(None, &CancellationToken::new(), &Silent).await.unwrap().remove(0);
    assert_eq!((synced.report.unchanged, synced.report.duplicates), (4, report.duplicates));
}
