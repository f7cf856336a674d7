//! The retriever over a real index: which passages come first, and that nothing crosses from tenant to tenant.

#![expect(clippy::unwrap_used, reason = "a case that cannot go on fails")]

use std::sync::Arc;

use async_trait::async_trait;
use ponto::conversation::{Audience, Labels, Language, WorkspaceId};
use ponto::inference::{Embedder, EmbedderInfo, InferenceError, Purpose};
use ponto::retrieval::index::edge::EdgeIndex;
use ponto::retrieval::index::{IndexPoint, PassageIndex};
use ponto::retrieval::{Passage, RetrievalConfig, RetrievalError, Retriever};
use proptest::prelude::*;

use crate::support::embedder::HashEmbedder;

struct Fixture {
    retriever: Retriever,
    index: Arc<EdgeIndex>,
    _dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let index = Arc::new(EdgeIndex::open(dir.path(), HashEmbedder::DIMENSIONS, "hash-64").unwrap());
    let retriever = Retriever::new(index.clone(), Arc::new(HashEmbedder::new()), RetrievalConfig::default());
    Fixture { retriever, index, _dir: dir }
}

fn shop() -> WorkspaceId {
    WorkspaceId("shop".into())
}

impl Fixture {
    async fn add(&self, workspace: &WorkspaceId, texts: &[(Option<Language>, &str)]) {
        let points = texts
            .iter()
            .enumerate()
            .map(|(at, (language, text))| {
                let passage = Passage {
                    id: uuid::Uuid::from_u128(u128::from_be_bytes(
                        <sha2::Sha256 as sha2::Digest>::digest(format!("{workspace}/{at}/{text}"))[..16]
                            .try_into()
                            .unwrap(),
                    ))
                    .to_string(),
                    workspace: workspace.clone(),
                    document_id: at.to_string(),
                    title: String::new(),
                    heading_path: vec![],
                    text: (*text).to_owned(),
                    language: *language,
                    url: None,
                    span: (0, text.chars().count()),
                    ordinal: 0,
                    version: 0,
                    audience: Audience::Public,
                    labels: Labels::default(),
                };
                IndexPoint { dense: HashEmbedder::vector(text), passage }
            })
            .collect();
        self.index.upsert(points).await.unwrap();
    }

    async fn texts(&self, query: &str, language: Option<Language>) -> Vec<String> {
        let found = self.retriever.retrieve(&shop(), query, language).await.unwrap();
        found.into_iter().map(|found| found.passage.text).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_question_s_language_comes_first() {
    let fixture = fixture();
    let texts: Vec<(Option<Language>, String)> = Language::ALL
        .into_iter()
        .map(|language| (Some(language), format!("wifi {}", language.code())))
        .collect();
    let texts: Vec<_> = texts.iter().map(|(language, text)| (*language, text.as_str())).collect();
    fixture.add(&shop(), &texts).await;
    for language in Language::ALL {
        let found = fixture.texts(&format!("wifi {}", language.code()), Some(language)).await;
        assert_eq!(found, [format!("wifi {}", language.code())]);
    }
    assert_eq!(fixture.texts("wifi", None).await.len(), 4, "without a language all are searched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn knowledge_in_another_language_is_found() {
    let fixture = fixture();
    fixture
        .add(
            &shop(),
            &[
                (Some(Language::En), "router AX3000 firmware update"),
                (Some(Language::Pt), "Horário de atendimento da loja"),
            ],
        )
        .await;
    let found = fixture.texts("router AX3000 firmware", Some(Language::Pt)).await;
    assert_eq!(found[0], "router AX3000 firmware update");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_in_the_question_s_language_all_serve_by_meaning_and_by_words() {
    let fixture = fixture();
    fixture.add(&shop(), &[(Some(Language::En), "router AX3000"), (Some(Language::Es), "horario")]).await;
    let found = fixture.retriever.retrieve(&shop(), "router AX3000", Some(Language::Pt)).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].passage.text, "router AX3000");
    assert!(found[0].scores.dense.is_some() && found[0].scores.sparse.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_asked_and_nothing_for_nothing() {
    let fixture = fixture();
    let texts: Vec<String> = (0..40).map(|at| format!("prazo de entrega da região {at}")).collect();
    let texts: Vec<_> = texts.iter().map(|text| (Some(Language::Pt), text.as_str())).collect();
    fixture.add(&shop(), &texts).await;
    assert_eq!(fixture.texts("prazo de entrega", Some(Language::Pt)).await.len(), 6);
    let found = fixture.retriever.search(&shop(), "prazo", Some(Language::Pt), 25).await.unwrap();
    assert_eq!(found.len(), 25);
    assert!(found.windows(2).all(|pair| pair[0].scores.fused >= pair[1].scores.fused));
    assert!(found.iter().all(|found| found.scores.coverage > 0.99), "each holds the question's one word");
    for nothing in ["", "  \n"] {
        assert!(fixture.texts(nothing, Some(Language::Pt)).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedder_that_fails_is_reported() {
    struct Broken(EmbedderInfo);
    #[async_trait]
    impl Embedder for Broken {
        fn info(&self) -> &EmbedderInfo {
            &self.0
        }
        async fn embed(&self, _: Vec<String>, _: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
            Err(InferenceError::Overloaded { queue: 3 })
        }
    }
    let fixture = fixture();
    let broken = Arc::new(Broken(HashEmbedder::new().info().clone()));
    let retriever = Retriever::new(fixture.index.clone(), broken, RetrievalConfig::default());
    let result = retriever.retrieve(&shop(), "prazo", None).await;
    assert!(matches!(result, Err(RetrievalError::Inference(InferenceError::Overloaded { queue: 3 }))));
}

/// Two tenants with the very same texts, asked anything: neither ever sees a passage of the other.
#[test]
fn tenants_never_meet_whatever_is_asked() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fixture = fixture();
    let tenants = ["shop", "bank"].map(|name| WorkspaceId(name.into()));
    let texts = [
        (Some(Language::Pt), "Qual é o prazo de entrega do pedido?"),
        (Some(Language::It), "Come faccio un reso?"),
        (Some(Language::Es), "¿Cuánto cuesta el envío?"),
        (Some(Language::En), "Where is my order?"),
        (None, "12345 ★"),
    ];
    runtime.block_on(async {
        for tenant in &tenants {
            fixture.add(tenant, &texts).await;
        }
    });
    let ask = (
        prop_oneof![
            any::<String>(),
            prop::sample::select(texts.map(|(_, text)| text.to_owned()).to_vec()),
            prop::sample::select(vec!["workspace:bank", "{\"workspace\":\"bank\"}", "bank' OR 1=1", "*"])
                .prop_map(str::to_owned),
        ],
        prop::option::of(prop::sample::select(Language::ALL.to_vec())),
        0_usize..2,
        1_usize..20,
    );
    proptest!(ProptestConfig::with_cases(200), |((query, language, tenant, top_k) in ask)| {
        let tenant = &tenants[tenant];
        let found = runtime.block_on(fixture.retriever.search(tenant, &query, language, top_k)).unwrap();
        prop_assert!(found.len() <= texts.len());
        for found in found {
            prop_assert_eq!(&found.passage.workspace, tenant);
        }
    });
}
