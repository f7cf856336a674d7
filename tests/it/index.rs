//! One conformance suite for every `PassageIndex`: each case runs on the embedded index and on a real Qdrant server.

#![expect(clippy::unwrap_used, reason = "a case that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use ponto::conversation::{Audience, Labels, Language, WorkspaceId};
use ponto::inference::openai::ApiKey;
use ponto::retrieval::Passage;
use ponto::retrieval::index::edge::EdgeIndex;
use ponto::retrieval::index::server::ServerIndex;
use ponto::retrieval::index::{
    ChangeSetId, IndexConfig, IndexError, IndexHits, IndexPoint, IndexQuery, PassageIndex, Selection,
    Snapshot,
};
use uuid::Uuid;

use crate::support::embedder::HashEmbedder;

const SHOP: &str = "shop";
const BANK: &str = "bank";

fn workspace(name: &str) -> WorkspaceId {
    WorkspaceId(name.into())
}

fn id(seed: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(seed.as_bytes());
    Uuid::from_slice(&digest[..16]).unwrap().to_string()
}

fn passage(tenant: &str, name: &str, language: Option<Language>, text: &str) -> Passage {
    Passage {
        id: id(&format!("{tenant}/{name}")),
        workspace: workspace(tenant),
        document_id: name.into(),
        title: format!("Title of {name}"),
        heading_path: vec!["One".into(), "Two".into()],
        text: text.into(),
        language,
        url: Some(format!("https://shop.example/{name}")),
        span: (3, 3 + text.chars().count()),
        ordinal: 7,
        version: 0,
        audience: Audience::Public,
        labels: Labels::default(),
    }
}

fn point(passage: Passage) -> IndexPoint {
    IndexPoint { dense: HashEmbedder::vector(&passage.text), passage }
}

fn query(text: &str, language: Option<Language>) -> IndexQuery {
    IndexQuery {
        text: text.into(),
        language,
        only: None,
        dense: HashEmbedder::vector(text),
        limit: 10,
        selection: Selection::default(),
    }
}

fn names(list: &[(Passage, f32)]) -> Vec<&str> {
    list.iter().map(|(passage, _)| passage.document_id.as_str()).collect()
}

fn assert_sorted(hits: &IndexHits) {
    for list in [&hits.dense, &hits.sparse] {
        assert!(list.windows(2).all(|pair| pair[0].1 >= pair[1].1), "best first: {list:?}");
    }
}

async fn ids(index: &dyn PassageIndex) -> Vec<String> {
    let mut ids = index.passage_ids().await.unwrap();
    ids.sort();
    ids
}

fn open(dir: &Path) -> Result<EdgeIndex, IndexError> {
    EdgeIndex::open(dir, HashEmbedder::DIMENSIONS, "hash-64")
}

fn connect(config: &IndexConfig) -> Result<ServerIndex, IndexError> {
    ServerIndex::connect(config, HashEmbedder::DIMENSIONS, "hash-64")
}

/// Runs a case on each implementation.
macro_rules! conformance {
    ($($case:ident),+ $(,)?) => {
        mod edge {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let dir = tempfile::tempdir().unwrap();
                super::$case(&super::open(&dir.path().join("index")).unwrap()).await;
            })+
        }

        mod server {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let dir = tempfile::tempdir().unwrap();
                let server = crate::support::qdrant::QdrantServer::start(dir.path()).await;
                super::$case(&super::connect(&server.config("conformance")).unwrap()).await;
            })+
        }
    };
}

conformance!(
    an_empty_index_finds_nothing,
    passages_come_back_whole,
    an_upsert_replaces_by_id,
    deleted_passages_are_gone,
    owners_are_told_of_known_passages_alone,
    a_tenant_never_meets_another,
    languages_have_their_own_stems_and_stop_words,
    accents_may_be_left_out,
    a_search_can_keep_to_a_language,
    a_search_without_words_is_by_vector_alone,
    odd_texts_are_stored_and_found,
    large_batches_are_stored_whole,
    wrong_vectors_and_ids_are_refused,
    searches_and_updates_run_side_by_side,
    what_is_staged_or_retired_is_out_of_sight,
    audiences_and_labels_narrow_a_search,
);

async fn what_is_staged_or_retired_is_out_of_sight(index: &dyn PassageIndex) {
    let text = "delivery takes three days";
    let named = |name: &str| passage(SHOP, name, Some(Language::En), text);
    index.upsert(vec![point(named("stays")), point(named("goes"))]).await.unwrap();
    index.stage(ChangeSetId(7), vec![point(named("comes"))]).await.unwrap();
    let goes = named("goes").id;
    index.retire(&workspace(BANK), vec![goes.clone()], "7-1").await.unwrap();
    let seen = async |staged: &[&str], retired: &[&str]| {
        let marks = |marks: &[&str]| marks.iter().map(ToString::to_string).collect();
        let snapshot = Snapshot { staged: marks(staged), retired: marks(retired), ..Snapshot::default() };
        let selection = Selection { snapshot, ..Selection::default() };
        let query = IndexQuery { selection, ..query(text, Some(Language::En)) };
        let hits = index.search(&workspace(SHOP), query).await.unwrap();
        let (mut dense, mut sparse) = (names(&hits.dense), names(&hits.sparse));
        dense.sort_unstable();
        sparse.sort_unstable();
        assert_eq!(dense, sparse);
        dense.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(seen(&["6", "7"], &["7-1"]).await, ["goes", "stays"], "another tenant retires nothing");
    index.retire(&workspace(SHOP), vec![goes.clone(), id("never seen")], "7-1").await.unwrap();
    assert_eq!(seen(&["7"], &[]).await, ["goes", "stays"], "before the commit");
    assert_eq!(seen(&[], &["6-1", "7-1"]).await, ["comes", "stays"], "after it");
    assert_eq!(seen(&[], &[]).await, ["comes", "goes", "stays"]);
    // A passage that comes back is as new.
    index.upsert(vec![point(named("goes"))]).await.unwrap();
    assert_eq!(seen(&[], &["7-1"]).await, ["comes", "goes", "stays"]);
    assert!(index.retire(&workspace(SHOP), vec!["not an id".into()], "x").await.is_err());
    index.retire(&workspace(SHOP), vec![], "x").await.unwrap();
}

async fn audiences_and_labels_narrow_a_search(index: &dyn PassageIndex) {
    let text = "delivery takes three days";
    let labelled = |name: &str, audience, labels: &[&str]| {
        let labels = Labels::parse(labels).unwrap();
        point(Passage { audience, labels, ..passage(SHOP, name, Some(Language::En), text) })
    };
    let points = vec![
        labelled("plain", Audience::Public, &[]),
        labelled("internal", Audience::Agents, &["region=br"]),
        labelled("br", Audience::Public, &["region=br", "product=x"]),
        labelled("both", Audience::Public, &["region=br", "region=pt"]),
        labelled("pt", Audience::Public, &["region=pt"]),
    ];
    let whole = points[2].passage.clone();
    index.upsert(points).await.unwrap();
    let seen = async |public_only, labels: &[&str]| {
        let selection =
            Selection { public_only, labels: Labels::parse(labels).unwrap(), ..Selection::default() };
        let query = IndexQuery { selection, ..query(text, Some(Language::En)) };
        let hits = index.search(&workspace(SHOP), query).await.unwrap();
        assert_eq!(hits.dense.len(), hits.sparse.len());
        if let Some((found, _)) = hits.dense.iter().find(|(found, _)| found.document_id == "br") {
            assert_eq!(*found, whole);
        }
        let mut names: Vec<_> = names(&hits.dense).into_iter().map(ToOwned::to_owned).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(seen(false, &[]).await, ["both", "br", "internal", "plain", "pt"]);
    assert_eq!(seen(true, &[]).await, ["both", "br", "plain", "pt"]);
    assert_eq!(seen(false, &["region=br"]).await, ["both", "br", "internal", "plain"]);
    assert_eq!(seen(true, &["region=pt", "product=y"]).await, ["both", "plain", "pt"]);
    assert_eq!(seen(false, &["region=br", "region=pt", "product=x"]).await.len(), 5);
    assert_eq!(seen(true, &["region=us"]).await, ["plain"]);
}

async fn owners_are_told_of_known_passages_alone(index: &dyn PassageIndex) {
    let (mine, theirs) = (passage(SHOP, "a", None, "um"), passage(BANK, "b", None, "dois"));
    index.upsert(vec![point(mine.clone()), point(theirs.clone())]).await.unwrap();
    let mut owners = index.owners(vec![mine.id.clone(), id("never seen"), theirs.id.clone()]).await.unwrap();
    owners.sort();
    assert_eq!(owners, [(workspace(BANK), theirs.id), (workspace(SHOP), mine.id)]);
    assert_eq!(index.owners(Vec::new()).await.unwrap(), []);
    assert!(index.owners(vec!["not an id".into()]).await.is_err());
}

async fn an_empty_index_finds_nothing(index: &dyn PassageIndex) {
    index.health().await.unwrap();
    let hits = index.search(&workspace(SHOP), query("prazo", Some(Language::Pt))).await.unwrap();
    assert!(hits.dense.is_empty() && hits.sparse.is_empty());
    assert_eq!(ids(index).await, Vec::<String>::new());
    index.delete(&workspace(SHOP), vec![id("never seen")]).await.unwrap();
    index.upsert(vec![]).await.unwrap();
    index.delete(&workspace(SHOP), vec![]).await.unwrap();
    index.optimize().await.unwrap();
}

async fn passages_come_back_whole(index: &dyn PassageIndex) {
    let stored = [
        passage(SHOP, "delivery", Some(Language::Pt), "O prazo de entrega é de três dias úteis."),
        passage(SHOP, "returns", Some(Language::Pt), "Devoluções são aceitas em sete dias."),
        Passage { url: None, language: None, heading_path: vec![], ..passage(SHOP, "bare", None, "12345") },
    ];
    index.upsert(stored.iter().cloned().map(point).collect()).await.unwrap();
    let hits = index.search(&workspace(SHOP), query("prazo de entrega", Some(Language::Pt))).await.unwrap();
    assert_sorted(&hits);
    assert_eq!(hits.dense.len(), 3);
    assert_eq!(names(&hits.sparse), ["delivery"]);
    assert!(hits.sparse[0].1 > 0.0);
    assert_eq!(hits.dense[0].0, stored[0]);
    assert!(hits.dense[0].1 <= 1.0 + 1e-5);
    for passage in &stored {
        assert!(hits.dense.iter().any(|(found, _)| found == passage), "{passage:?}");
    }
    let same = IndexQuery { dense: HashEmbedder::vector(&stored[1].text), ..query("x", None) };
    let hits = index.search(&workspace(SHOP), same).await.unwrap();
    assert_eq!(hits.dense[0].0, stored[1]);
    assert!((hits.dense[0].1 - 1.0).abs() < 1e-4, "a cosine: {}", hits.dense[0].1);
}

async fn an_upsert_replaces_by_id(index: &dyn PassageIndex) {
    let first = passage(SHOP, "hours", Some(Language::En), "We open at nine.");
    let second = Passage { text: "Support answers around the clock.".into(), ..first.clone() };
    index.upsert(vec![point(first.clone())]).await.unwrap();
    index.upsert(vec![point(second.clone())]).await.unwrap();
    assert_eq!(ids(index).await, std::slice::from_ref(&first.id));
    let found = index.search(&workspace(SHOP), query("clock", Some(Language::En))).await.unwrap();
    assert_eq!(found.sparse[0].0, second);
    let found = index.search(&workspace(SHOP), query("open nine", Some(Language::En))).await.unwrap();
    assert!(found.sparse.is_empty(), "the words of the replaced text are gone");
    // Twice in one batch: one of them remains.
    index.upsert(vec![point(first.clone()), point(second)]).await.unwrap();
    assert_eq!(ids(index).await, [first.id]);
}

async fn deleted_passages_are_gone(index: &dyn PassageIndex) {
    let kept = passage(SHOP, "kept", Some(Language::It), "Il reso è gratuito.");
    let gone = passage(SHOP, "gone", Some(Language::It), "Il reso è gratuito per tutti.");
    index.upsert(vec![point(kept.clone()), point(gone.clone())]).await.unwrap();
    index.delete(&workspace(SHOP), vec![gone.id.clone(), id("never seen")]).await.unwrap();
    assert_eq!(ids(index).await, std::slice::from_ref(&kept.id));
    let hits = index.search(&workspace(SHOP), query("reso gratuito", Some(Language::It))).await.unwrap();
    assert_eq!((names(&hits.dense), names(&hits.sparse)), (vec!["kept"], vec!["kept"]));
    index.delete(&workspace(SHOP), vec![gone.id.clone()]).await.unwrap();
    index.upsert(vec![point(gone.clone())]).await.unwrap();
    assert_eq!(ids(index).await.len(), 2, "what was deleted can come back");
}

async fn a_tenant_never_meets_another(index: &dyn PassageIndex) {
    let tenants = [SHOP, BANK, "", "shop\"}", "SHOP", "shop ", "a/b", "loja-ção"];
    let texts = ["The same text everywhere.", "Secret of one alone."];
    let points = tenants
        .iter()
        .flat_map(|tenant| texts.map(|text| point(passage(tenant, text, Some(Language::En), text))))
        .collect();
    index.upsert(points).await.unwrap();
    for tenant in tenants {
        for only in [None, Some(Language::En)] {
            let hits = index
                .search(
                    &workspace(tenant),
                    IndexQuery { only, limit: 100, ..query(texts[0], Some(Language::En)) },
                )
                .await
                .unwrap();
            assert_eq!((hits.dense.len(), hits.sparse.len()), (2, 1), "{tenant:?}");
            for (found, _) in hits.dense.iter().chain(&hits.sparse) {
                assert_eq!(found.workspace, workspace(tenant));
            }
        }
    }
    let hits = index.search(&workspace("nobody"), query(texts[0], Some(Language::En))).await.unwrap();
    assert!(hits.dense.is_empty() && hits.sparse.is_empty());

    let theirs = id(&format!("{BANK}/{}", texts[0]));
    index.delete(&workspace(SHOP), vec![theirs.clone()]).await.unwrap();
    assert!(ids(index).await.contains(&theirs), "a tenant cannot delete what is another's");
}

async fn languages_have_their_own_stems_and_stop_words(index: &dyn PassageIndex) {
    let texts = [
        (Language::Pt, "Os pedidos são entregues rapidamente", "o pedido não foi entregue"),
        (Language::It, "Le spedizioni partono ogni giorno", "la spedizione quando parte"),
        (Language::Es, "Los reembolsos tardan varios días", "¿cuánto tarda el reembolso?"),
        (Language::En, "Refunded orders are cancelled", "refund my orders"),
    ];
    let points = texts
        .iter()
        .map(|(language, text, _)| point(passage(SHOP, language.code(), Some(*language), text)))
        .collect();
    index.upsert(points).await.unwrap();
    for (language, _, question) in texts {
        let hits = index.search(&workspace(SHOP), query(question, Some(language))).await.unwrap();
        assert_eq!(names(&hits.sparse).first(), Some(&language.code()), "{question}");
    }
    let hits =
        index.search(&workspace(SHOP), query("o que é isso e a quem", Some(Language::Pt))).await.unwrap();
    assert!(hits.sparse.is_empty(), "stop words find nothing");
    let hits = index.search(&workspace(SHOP), query("reembolso", None)).await.unwrap();
    assert_eq!(names(&hits.sparse), ["es"], "a question of unknown language finds stems too");
}

async fn accents_may_be_left_out(index: &dyn PassageIndex) {
    let texts = [
        ("pt", Language::Pt, "As devoluções e as informações de crédito são automáticas."),
        ("it", Language::It, "La città e le modalità di pagamento."),
        ("es", Language::Es, "La información sobre la devolución está aquí."),
    ];
    let points = texts
        .iter()
        .map(|(name, language, text)| point(passage(SHOP, name, Some(*language), text)))
        .collect();
    index.upsert(points).await.unwrap();
    for (name, language, question) in [
        ("pt", Language::Pt, "devolucao"),
        ("pt", Language::Pt, "devolução"),
        ("pt", Language::Pt, "informacao credito"),
        ("it", Language::It, "citta'"),
        ("it", Language::It, "modalita pagamenti"),
        ("es", Language::Es, "informacion"),
        ("es", Language::Es, "devoluciones"),
    ] {
        let hits = index
            .search(&workspace(SHOP), IndexQuery { only: Some(language), ..query(question, Some(language)) })
            .await
            .unwrap();
        assert_eq!(names(&hits.sparse).first(), Some(&name), "{question}");
    }
}

async fn a_search_can_keep_to_a_language(index: &dyn PassageIndex) {
    let text = "internet banking";
    let mut points: Vec<_> = Language::ALL
        .into_iter()
        .map(|language| point(passage(SHOP, language.code(), Some(language), text)))
        .collect();
    points.push(point(passage(SHOP, "unknown", None, text)));
    index.upsert(points).await.unwrap();
    let all = index.search(&workspace(SHOP), query(text, Some(Language::Pt))).await.unwrap();
    assert_eq!(all.dense.len(), 5);
    let pt = IndexQuery { only: Some(Language::Pt), ..query(text, Some(Language::Pt)) };
    let hits = index.search(&workspace(SHOP), pt).await.unwrap();
    for list in [&hits.dense, &hits.sparse] {
        let mut found = names(list);
        found.sort_unstable();
        assert_eq!(found, ["pt", "unknown"]);
    }
}

async fn a_search_without_words_is_by_vector_alone(index: &dyn PassageIndex) {
    let texts = ["o prazo de entrega", "o prazo de troca", "delivery times"];
    let points = texts.map(|text| point(passage(SHOP, text, Some(Language::Pt), text))).into();
    index.upsert(points).await.unwrap();
    let whole = query("prazo de entrega", Some(Language::Pt));
    let bare = IndexQuery { text: String::new(), ..whole.clone() };
    let whole = index.search(&workspace(SHOP), whole).await.unwrap();
    let bare = index.search(&workspace(SHOP), bare).await.unwrap();
    assert_eq!((whole.dense.len(), whole.sparse.len()), (3, 2));
    assert_eq!(bare.dense, whole.dense);
    assert!(bare.sparse.is_empty());
}

async fn odd_texts_are_stored_and_found(index: &dyn PassageIndex) {
    let long = "palavra ".repeat(20_000);
    let texts =
        ["", " ", "🙂", "a\u{0}b", "\u{202e}خطأ", "'; DROP TABLE passages; --", "{{ x }}", "\u{301}", &long];
    let points = texts
        .iter()
        .enumerate()
        .map(|(at, text)| {
            let passage = passage(SHOP, &format!("odd-{at}"), Some(Language::Pt), text);
            IndexPoint { dense: HashEmbedder::vector(&format!("odd {at}")), passage }
        })
        .collect();
    index.upsert(points).await.unwrap();
    assert_eq!(ids(index).await.len(), texts.len());
    for (at, text) in texts.iter().enumerate() {
        let dense = HashEmbedder::vector(&format!("odd {at}"));
        let hits = index
            .search(&workspace(SHOP), IndexQuery { dense, ..query(text, Some(Language::Pt)) })
            .await
            .unwrap();
        assert_eq!(&hits.dense[0].0.text, text);
    }
}

async fn large_batches_are_stored_whole(index: &dyn PassageIndex) {
    let points: Vec<_> = (0..3000)
        .map(|at| {
            point(passage(SHOP, &format!("p{at}"), Some(Language::En), &format!("passage number {at}")))
        })
        .collect();
    let wanted: std::collections::BTreeSet<String> =
        points.iter().map(|point| point.passage.id.clone()).collect();
    index.upsert(points).await.unwrap();
    let found: std::collections::BTreeSet<String> = index.passage_ids().await.unwrap().into_iter().collect();
    assert_eq!(found, wanted);
    index.optimize().await.unwrap();
    assert_eq!(index.passage_ids().await.unwrap().len(), wanted.len());
    let hits = index
        .search(&workspace(SHOP), IndexQuery { limit: 500, ..query("number 1234", Some(Language::En)) })
        .await
        .unwrap();
    assert_eq!(hits.dense.len(), 500);
    assert_eq!(names(&hits.sparse)[0], "p1234");
    assert_sorted(&hits);
    index.delete(&workspace(SHOP), wanted.iter().take(2500).cloned().collect()).await.unwrap();
    assert_eq!(index.passage_ids().await.unwrap().len(), 500);
}

async fn wrong_vectors_and_ids_are_refused(index: &dyn PassageIndex) {
    let good = point(passage(SHOP, "good", Some(Language::En), "good"));
    let short = IndexPoint { dense: vec![1.0; 3], ..good.clone() };
    assert!(matches!(index.upsert(vec![short]).await, Err(IndexError::Incompatible(_))));
    let mut broken = good.clone();
    broken.dense[0] = f32::NAN;
    assert!(index.upsert(vec![broken]).await.is_err());
    let nameless =
        IndexPoint { passage: Passage { id: "not a uuid".into(), ..good.passage.clone() }, ..good.clone() };
    assert!(index.upsert(vec![good.clone(), nameless]).await.is_err());
    assert_eq!(ids(index).await, Vec::<String>::new(), "a refused batch leaves nothing behind");
    assert!(index.delete(&workspace(SHOP), vec!["not a uuid".into()]).await.is_err());
    let short = IndexQuery { dense: vec![1.0; 3], ..query("good", None) };
    assert!(matches!(index.search(&workspace(SHOP), short).await, Err(IndexError::Incompatible(_))));
    index.upsert(vec![good]).await.unwrap();
    assert_eq!(ids(index).await.len(), 1, "and the index goes on");
}

async fn searches_and_updates_run_side_by_side(index: &dyn PassageIndex) {
    let writes = (0..4).map(|batch| async move {
        for round in 0..5 {
            let points = (0..40)
                .map(|at| {
                    let name = format!("{batch}-{round}-{at}");
                    point(passage(SHOP, &name, Some(Language::En), &format!("text {name}")))
                })
                .collect();
            index.upsert(points).await.unwrap();
        }
    });
    let reads = (0..4).map(|_| async {
        for _ in 0..20 {
            index.search(&workspace(SHOP), query("text", Some(Language::En))).await.unwrap();
        }
    });
    let optimize = async {
        for _ in 0..3 {
            index.optimize().await.unwrap();
        }
    };
    futures::join!(futures::future::join_all(writes), futures::future::join_all(reads), optimize);
    assert_eq!(index.passage_ids().await.unwrap().len(), 4 * 5 * 40);
}

mod remote {
    //! What only a server has: it can be away, lose its connection, refuse the key, or hold something else.

    use super::*;
    use crate::support::qdrant::QdrantServer;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn passages_outlive_a_crash_of_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = QdrantServer::start(dir.path()).await;
        let index = connect(&server.config("passages")).unwrap();
        let stored = passage(SHOP, "hours", Some(Language::En), "We open at nine.");
        index.upsert(vec![point(stored.clone())]).await.unwrap();
        server.kill();
        let started = std::time::Instant::now();
        let Err(IndexError::Unavailable(message)) =
            index.search(&workspace(SHOP), query("open", Some(Language::En))).await
        else {
            panic!("the server is away");
        };
        assert!(message.contains("index.url"), "{message}");
        assert!(started.elapsed().as_secs() < 5, "a server that is away is noticed at once");
        assert!(index.health().await.is_err());
        server.restart().await;
        let hits = index.search(&workspace(SHOP), query("open", Some(Language::En))).await.unwrap();
        assert_eq!(hits.sparse[0].0, stored, "and the same index goes on");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_does_not_fit_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let server = QdrantServer::start(dir.path()).await;
        let config = server.config("passages");
        let index = connect(&config).unwrap();
        index.upsert(vec![point(passage(SHOP, "hours", None, "nine"))]).await.unwrap();

        let refused = |result: Result<(), IndexError>| match result {
            Err(IndexError::Incompatible(message)) => message,
            other => panic!("expected a refusal: {other:?}"),
        };
        let other = ServerIndex::connect(&config, HashEmbedder::DIMENSIONS, "other").unwrap();
        let message = refused(other.health().await);
        assert!(message.contains("another embedder") && message.contains("index.collection"), "{message}");
        let short = ServerIndex::connect(&config, 8, "hash-64").unwrap();
        let message = refused(short.health().await);
        assert!(message.contains("64 dimensions") && message.contains("makes 8"), "{message}");
        let keyless = connect(&IndexConfig { api_key: ApiKey::default(), ..config.clone() }).unwrap();
        let message = refused(keyless.health().await);
        assert!(message.contains("index.api_key"), "{message}");

        let admin = qdrant_client::Qdrant::from_url(config.url.as_deref().unwrap())
            .api_key(server.key())
            .skip_compatibility_check()
            .build()
            .unwrap();
        admin
            .create_collection(qdrant_client::qdrant::CreateCollectionBuilder::new("theirs").vectors_config(
                qdrant_client::qdrant::VectorParamsBuilder::new(64, qdrant_client::qdrant::Distance::Cosine),
            ))
            .await
            .unwrap();
        let theirs = connect(&IndexConfig { collection: "theirs".into(), ..config.clone() }).unwrap();
        let message = refused(theirs.health().await);
        assert!(message.contains("not made by Ponto"), "{message}");

        // A collection that somebody deletes comes back, empty.
        admin.delete_collection("passages").await.unwrap();
        assert!(index.passage_ids().await.is_err());
        assert_eq!(ids(&index).await, Vec::<String>::new());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn replicas_make_one_collection() {
        let dir = tempfile::tempdir().unwrap();
        let server = QdrantServer::start(dir.path()).await;
        let replicas: Vec<_> = (0..6).map(|_| connect(&server.config("shared")).unwrap()).collect();
        let writes = replicas.iter().enumerate().map(|(at, index)| {
            index.upsert(vec![point(passage(SHOP, &at.to_string(), Some(Language::En), "text"))])
        });
        for written in futures::future::join_all(writes).await {
            written.unwrap();
        }
        assert_eq!(ids(&replicas[0]).await.len(), 6);
    }

    #[tokio::test]
    async fn a_server_that_never_was_is_unavailable() {
        let config =
            IndexConfig { url: Some("http://127.0.0.1:9".into()), timeout_s: 2.0, ..IndexConfig::default() };
        assert!(matches!(connect(&config).unwrap().health().await, Err(IndexError::Unavailable(_))));
        assert!(matches!(connect(&IndexConfig::default()), Err(IndexError::Incompatible(_))));
    }
}

mod embedded {
    //! What only a folder has: restarts, kills, damage, and a second process.

    use super::*;

    fn points(range: std::ops::Range<usize>) -> Vec<IndexPoint> {
        range
            .map(|at| point(passage(SHOP, &format!("p{at}"), Some(Language::En), &format!("text {at}"))))
            .collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn passages_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("not/yet/there");
        {
            let index = open(&path).unwrap();
            assert!(index.is_fresh());
            index.upsert(points(0..300)).await.unwrap();
            index.delete(&workspace(SHOP), vec![points(5..6)[0].passage.id.clone()]).await.unwrap();
        }
        let index = open(&path).unwrap();
        assert!(!index.is_fresh());
        assert_eq!(index.passage_ids().await.unwrap().len(), 299);
        index.upsert(points(5..6)).await.unwrap();
        index.optimize().await.unwrap();
        drop(index);
        let index = open(&path).unwrap();
        assert_eq!(index.passage_ids().await.unwrap().len(), 300);
        let hits = index.search(&workspace(SHOP), query("text 5", Some(Language::En))).await.unwrap();
        assert_eq!(names(&hits.sparse)[0], "p5");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_second_opening_is_refused_and_harms_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path()).unwrap();
        index.upsert(points(0..3)).await.unwrap();
        let Err(IndexError::InUse(message)) = open(dir.path()) else { panic!("opened twice") };
        assert!(message.contains("in use"), "{message}");
        assert_eq!(index.passage_ids().await.unwrap().len(), 3);
        drop(index);
        assert_eq!(open(dir.path()).unwrap().passage_ids().await.unwrap().len(), 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_embedder_begins_again() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path()).unwrap();
        index.upsert(points(0..3)).await.unwrap();
        drop(index);
        let index = EdgeIndex::open(dir.path(), HashEmbedder::DIMENSIONS, "other").unwrap();
        assert!(index.is_fresh());
        assert!(index.passage_ids().await.unwrap().is_empty());
        drop(index);
        let index = EdgeIndex::open(dir.path(), 8, "other").unwrap();
        assert!(index.is_fresh());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_damaged_folder_begins_again() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 4] = [
            ("marker", |dir| std::fs::write(dir.join("index.json"), b"{").unwrap()),
            ("segments", |dir| {
                for segment in std::fs::read_dir(shard(dir).join("segments")).unwrap().flatten() {
                    for file in std::fs::read_dir(segment.path()).unwrap().flatten() {
                        if file.path().is_file() {
                            std::fs::write(file.path(), b"damaged").unwrap();
                        }
                    }
                }
            }),
            ("no segments", |dir| std::fs::remove_dir_all(shard(dir).join("segments")).unwrap()),
            ("shard", |dir| std::fs::remove_dir_all(shard(dir)).unwrap()),
        ];
        for (name, damage) in damages {
            let dir = tempfile::tempdir().unwrap();
            let index = open(dir.path()).unwrap();
            index.upsert(points(0..20)).await.unwrap();
            drop(index);
            damage(dir.path());
            let index = open(dir.path()).unwrap();
            assert!(index.is_fresh(), "{name}");
            index.upsert(points(0..20)).await.unwrap();
            assert_eq!(index.passage_ids().await.unwrap().len(), 20, "{name}");
            drop(index);
            let index = open(dir.path()).unwrap();
            assert!(!index.is_fresh(), "{name}");
            assert_eq!(index.passage_ids().await.unwrap().len(), 20, "{name}");
        }
    }

    fn shard(dir: &Path) -> std::path::PathBuf {
        let mut shards = std::fs::read_dir(dir)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("shard-"));
        let shard = shards.next().unwrap();
        assert!(shards.next().is_none(), "one shard folder is kept");
        shard
    }

    /// Not a test of its own: the process that `what_was_acknowledged_survives_a_kill` kills.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn writer_to_be_killed() {
        use std::io::Write as _;
        let Some(dir) = std::env::var_os("PONTO_TEST_KILLED_INDEX") else { return };
        let index = Arc::new(open(Path::new(&dir)).unwrap());
        let optimizer = Arc::clone(&index);
        tokio::spawn(async move {
            loop {
                let _ = optimizer.optimize().await;
            }
        });
        for batch in 0.. {
            index.upsert(points(batch * 50..(batch + 1) * 50)).await.unwrap();
            let mut out = std::io::stderr();
            writeln!(out, "acknowledged {}", (batch + 1) * 50).unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_acknowledged_survives_a_kill() {
        use std::io::{BufRead as _, BufReader};
        use std::process::{Command, Stdio};
        for batches in [1, 4, 9] {
            let dir = tempfile::tempdir().unwrap();
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "index::embedded::writer_to_be_killed", "--nocapture"])
                .env("PONTO_TEST_KILLED_INDEX", dir.path())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut acknowledged = 0;
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            for line in lines.by_ref().map_while(Result::ok) {
                if let Some(count) = line.strip_prefix("acknowledged ") {
                    acknowledged = count.parse().unwrap();
                    if acknowledged >= batches * 50 {
                        break;
                    }
                }
            }
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(acknowledged >= batches * 50, "the writer wrote");
            let index = open(dir.path()).unwrap();
            assert!(!index.is_fresh(), "a killed index loads");
            let found = index.passage_ids().await.unwrap();
            for point in points(0..acknowledged) {
                assert!(found.contains(&point.passage.id), "{} was acknowledged", point.passage.document_id);
            }
            index.upsert(points(0..10)).await.unwrap();
        }
    }
}
