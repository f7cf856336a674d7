//! What every store must do. Another store runs the same suite: one more line in [`stores`].

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ponto::conversation::{
    Audience, Channel, Conversation, Customer, Labels, Language, Message, Role, WorkspaceId,
};
use ponto::decision::policy::reply_window_closed::{ReplyWindow, Template};
use ponto::decision::rollout::{Allowed, Slice, Stage};
use ponto::decision::rules::routing::Priority;
use ponto::decision::{Action, Decision, Evidence, Mode, PolicyCheck, Reason, ReasonCode, Verdict};
use ponto::generation::Citation;
use ponto::inference::TokenUsage;
use ponto::judgement::{Confidence, Judgement, SentenceGrounding};
use ponto::retrieval::{Passage, Retrieved, Scores};
use ponto::store::rollout::NewStep;
use ponto::store::sqlite::SqliteStore;
use ponto::store::suggestion::{
    Answer, AuditDraw, Feedback, FeedbackOutcome, Handoff, PublicDraft, Suggestion, Timings, Trace, Tried,
    Usage, Which,
};
use ponto::store::versions::{ChangeKind, Staged};
use ponto::store::{
    ANSWER_KEPT, CLAIM_STALE, Claim, Document, Documents, KeyRecord, Keys, Page, Removal, Scope, Store,
    StoreError, Suggestions, Visit,
};
use ponto::understanding::Understanding;

/// A fresh, empty store of every kind, with what has to live as long as it.
pub(crate) async fn stores() -> Vec<(&'static str, Arc<dyn Store>, tempfile::TempDir)> {
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = SqliteStore::open(&folder.path().join("ponto.db")).await.expect("a store");
    vec![("sqlite", Arc::new(sqlite), folder)]
}

pub(crate) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + second, 123_456_789).expect("a time")
}

pub(crate) fn workspace(name: &str) -> WorkspaceId {
    WorkspaceId(name.into())
}

fn document(workspace_name: &str, id: &str, source: &str) -> Document {
    Document {
        id: id.into(),
        workspace: workspace(workspace_name),
        source: source.into(),
        title: format!("Title of {id}"),
        url: Some("https://shop.example/a".into()),
        language: Some(Language::Pt),
        content_hash: "h1".into(),
        text: "olá, çãé 🚚".into(),
        updated_at: at(0),
        version: 1,
        audience: Audience::Public,
        labels: Labels::default(),
    }
}

fn passage(document: &Document, id: &str, ordinal: u32) -> Passage {
    Passage {
        id: id.into(),
        workspace: document.workspace.clone(),
        document_id: document.id.clone(),
        title: document.title.clone(),
        heading_path: vec!["Prazos".into(), "Entrega \"expressa\"".into()],
        text: format!("texto {id}"),
        language: document.language,
        url: document.url.clone(),
        span: (3, 9),
        ordinal,
        version: 0,
        audience: Audience::Public,
        labels: Labels::default(),
    }
}

fn staged(document: &Document, passages: &[Passage]) -> Staged {
    Staged {
        document: document.clone(),
        passages: passages.to_vec(),
        text_hash: format!("hash of {}", document.text),
        restores: None,
        refuses: Vec::new(),
    }
}

/// Puts a document in a change set of its own; returns the generation.
async fn put(store: &dyn Store, document: &Document, passages: &[Passage]) -> Result<i64, StoreError> {
    let change = store.open(&document.workspace, ChangeKind::Put, at(0)).await?;
    store.stage(change, &staged(document, passages)).await?;
    let plan = store.plan(change).await?;
    Ok(store.commit(change, &plan).await?.expect("nothing came between"))
}

/// Removes a document in a change set of its own; returns the ids of its passages.
async fn delete(store: &dyn Store, workspace: &WorkspaceId, id: &str) -> Option<Vec<String>> {
    let change = store.open(workspace, ChangeKind::Put, at(0)).await.unwrap();
    if !store.stage_removal(change, workspace, id, &[]).await.unwrap() {
        store.discard(change).await.unwrap();
        return None;
    }
    let plan = store.plan(change).await.unwrap();
    let ids = store.retiring(change, "", 100).await.unwrap();
    store.commit(change, &plan).await.unwrap().expect("nothing came between");
    Some(ids)
}

fn ids(passages: &[Passage]) -> Vec<String> {
    passages.iter().map(|passage| passage.id.clone()).collect()
}

#[tokio::test]
async fn a_document_reads_back_as_it_was_put() {
    for (kind, store, _folder) in stores().await {
        let whole = document("a", "d1", "s1");
        let bare = Document { url: None, language: None, ..document("a", "d2", "s2") };
        let passages = [passage(&whole, "p1", 1), passage(&whole, "p0", 0)];
        put(&*store, &whole, &passages).await.unwrap();
        put(&*store, &bare, &[]).await.unwrap();
        let a = workspace("a");
        assert_eq!(Documents::get(&*store, &a, "d1").await.unwrap(), Some(whole.clone()), "{kind}");
        assert_eq!(Documents::get(&*store, &a, "d2").await.unwrap(), Some(bare.clone()), "{kind}");
        assert_eq!(store.by_source(&a, "s2").await.unwrap(), Some(bare), "{kind}");
        let read = store.passages(&a, "d1").await.unwrap();
        assert_eq!(read, [passages[1].clone(), passages[0].clone()], "{kind}: in order");
    }
}

#[tokio::test]
async fn nothing_crosses_workspaces() {
    for (kind, store, _folder) in stores().await {
        let mine = document("a", "d1", "s1");
        put(&*store, &mine, &[passage(&mine, "p1", 0)]).await.unwrap();
        let b = workspace("b");
        assert_eq!(Documents::get(&*store, &b, "d1").await.unwrap(), None, "{kind}");
        assert_eq!(store.by_source(&b, "s1").await.unwrap(), None, "{kind}");
        assert_eq!(store.state(&b, "s1", "e").await.unwrap(), None, "{kind}");
        assert_eq!(store.sources(&b, "").await.unwrap(), [], "{kind}");
        assert_eq!(store.passages(&b, "d1").await.unwrap(), [], "{kind}");
        assert_eq!(delete(&*store, &b, "d1").await, None, "{kind}");
        assert!(Documents::list(&*store, &b, page(None, 10)).await.unwrap().items.is_empty(), "{kind}");

        // The same source and the same document id in another workspace is another document.
        let theirs = document("b", "d1", "s1");
        put(&*store, &theirs, &[passage(&theirs, "p2", 0)]).await.unwrap();
        assert_eq!(Documents::get(&*store, &workspace("a"), "d1").await.unwrap(), Some(mine), "{kind}");

        // A passage cannot be taken over.
        let error = put(&*store, &theirs, &[passage(&theirs, "p1", 0)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{kind}: {error:?}");
        assert_eq!(store.passages(&b, "d1").await.unwrap().len(), 1, "{kind}: the refusal changed nothing");

        let suggestion = suggestion("a", "sug_1", "m-1", Action::Draft);
        Suggestions::insert(&*store, &suggestion).await.unwrap();
        assert_eq!(Suggestions::get(&*store, &b, "sug_1").await.unwrap(), None, "{kind}");
        assert!(
            Suggestions::list(&*store, &b, Which::default(), page(None, 10)).await.unwrap().items.is_empty()
        );
        assert!(!store.feedback(&b, "sug_1", &feedback(FeedbackOutcome::Accepted)).await.unwrap(), "{kind}");
        assert!(store.events(&b, 0, 10).await.unwrap().is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn a_replaced_document_leaves_the_index_its_work() {
    for (kind, store, _folder) in stores().await {
        let a = workspace("a");
        let first = document("a", "d1", "s1");
        let old = [passage(&first, "p0", 0), passage(&first, "p1", 1), passage(&first, "p2", 2)];
        put(&*store, &first, &old).await.unwrap();
        assert_eq!(ids(&store.not_indexed("e1", 10).await.unwrap()), ["p0", "p1", "p2"], "{kind}");
        assert_eq!(ids(&store.not_indexed("e1", 2).await.unwrap()), ["p0", "p1"], "{kind}: limited");
        assert_eq!(store.count_not_indexed("e1").await.unwrap(), 3, "{kind}");
        store.mark_indexed(&workspace("a"), &ids(&old), "e1").await.unwrap();
        assert!(store.not_indexed("e1", 10).await.unwrap().is_empty(), "{kind}");
        let counts = (store.count_not_indexed("e1").await, store.count_not_indexed("e2").await);
        assert_eq!((counts.0.unwrap(), counts.1.unwrap()), (0, 3), "{kind}: for each embedder");
        assert_eq!(store.state(&a, "s1", "e1").await.unwrap().unwrap().not_indexed, 0, "{kind}");

        // p0 stays, p1 becomes p4 with another heading, p2 goes, p3 comes.
        let second = Document { content_hash: "h2".into(), updated_at: at(9), ..first.clone() };
        let changed = Passage { id: "p4".into(), heading_path: vec!["Outro".into()], ..old[1].clone() };
        put(&*store, &second, &[old[0].clone(), changed, passage(&second, "p3", 2)]).await.unwrap();
        assert_eq!(ids(&store.not_indexed("e1", 10).await.unwrap()), ["p4", "p3"], "{kind}");
        let gone = ["p1", "p2"].map(|id| Removal { workspace: a.clone(), passage_id: id.into() });
        assert_eq!(store.removals(10).await.unwrap(), gone, "{kind}");
        let state = store.state(&a, "s1", "e1").await.unwrap().unwrap();
        assert_eq!((state.content_hash.as_str(), state.not_indexed, state.passages), ("h2", 2, 3), "{kind}");
        assert_eq!(store.passage_ids().await.unwrap(), ["p0", "p3", "p4"], "{kind}");

        // A passage that comes back is not removed.
        put(&*store, &second, &[old[2].clone()]).await.unwrap();
        let removals: Vec<String> =
            store.removals(10).await.unwrap().into_iter().map(|removal| removal.passage_id).collect();
        assert_eq!(removals, ["p0", "p1", "p3", "p4"], "{kind}");
        store.removed(&removals).await.unwrap();
        assert!(store.removals(10).await.unwrap().is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn another_embedder_finds_everything_to_do() {
    for (kind, store, _folder) in stores().await {
        let document = document("a", "d1", "s1");
        let passages = [passage(&document, "p0", 0), passage(&document, "p1", 1)];
        put(&*store, &document, &passages).await.unwrap();
        store.mark_indexed(&workspace("a"), &ids(&passages), "m").await.unwrap();
        for other in ["a", "z", ""] {
            assert_eq!(store.not_indexed(other, 10).await.unwrap().len(), 2, "{kind}: {other}");
        }
        store.unmark_indexed(&["p1".into()]).await.unwrap();
        assert_eq!(ids(&store.not_indexed("m", 10).await.unwrap()), ["p1"], "{kind}");
        store.forget_index().await.unwrap();
        assert_eq!(store.not_indexed("m", 10).await.unwrap().len(), 2, "{kind}");
    }
}

#[tokio::test]
async fn a_deleted_document_is_gone_and_queued_for_the_index() {
    for (kind, store, _folder) in stores().await {
        let a = workspace("a");
        let document = document("a", "d1", "s1");
        put(&*store, &document, &[passage(&document, "p0", 0), passage(&document, "p1", 1)]).await.unwrap();
        assert_eq!(delete(&*store, &a, "d1").await, Some(vec!["p0".into(), "p1".into()]), "{kind}");
        assert_eq!(delete(&*store, &a, "d1").await, None, "{kind}");
        assert_eq!(Documents::get(&*store, &a, "d1").await.unwrap(), None, "{kind}");
        assert!(store.passage_ids().await.unwrap().is_empty(), "{kind}");
        assert_eq!(store.removals(10).await.unwrap().len(), 2, "{kind}");
        assert_eq!(store.removals(1).await.unwrap().len(), 1, "{kind}: limited");
    }
}

#[tokio::test]
async fn what_is_staged_counts_when_it_is_committed_and_not_before() {
    for (kind, store, _folder) in stores().await {
        let a = workspace("a");
        let first = document("a", "d1", "s1");
        assert_eq!(put(&*store, &first, &[passage(&first, "p0", 0)]).await.unwrap(), 1, "{kind}");
        assert_eq!(
            put(&*store, &document("b", "d1", "s1"), &[]).await.unwrap(),
            1,
            "{kind}: each on its own"
        );

        store.forget_settled().await.unwrap();
        let change = store.open(&a, ChangeKind::Sync, at(1)).await.unwrap();
        let second = Document { text: "outro".into(), ..first.clone() };
        store.stage(change, &staged(&second, &[passage(&second, "p1", 0)])).await.unwrap();
        let snapshot = store.snapshot(&a).await.unwrap();
        assert_eq!((snapshot.generation, snapshot.staged), (1, vec![change.mark()]), "{kind}");
        assert_eq!(Documents::get(&*store, &a, "d1").await.unwrap(), Some(first.clone()), "{kind}");
        assert_eq!(ids(&store.staged_not_indexed(change, "e", 9).await.unwrap()), ["p1"], "{kind}");
        let state = store.staged(change, &a, "d1", "e").await.unwrap().unwrap();
        assert_eq!((state.content_hash.as_str(), state.not_indexed), ("h1", 1), "{kind}");
        store.mark_indexed(&a, &["p1".into(), "stray".into()], "e").await.unwrap();
        assert_eq!(store.removals(9).await.unwrap().len(), 1, "{kind}: what nobody wants is a removal");
        store.removed(&["stray".into()]).await.unwrap();

        let plan = store.plan(change).await.unwrap();
        assert_eq!(store.retiring(change, "", 9).await.unwrap(), ["p0"], "{kind}");
        assert_eq!(store.commit(change, &plan).await.unwrap(), Some(2), "{kind}");
        assert_eq!(store.commit(change, &plan).await.unwrap(), None, "{kind}: once");
        let now = Documents::get(&*store, &a, "d1").await.unwrap().unwrap();
        assert_eq!(now, Document { version: 2, ..second }, "{kind}");
        assert!(store.not_indexed("e", 9).await.unwrap().is_empty(), "{kind}: it was indexed already");
        let snapshot = store.snapshot(&a).await.unwrap();
        assert_eq!((snapshot.staged, snapshot.retired), (vec![], vec![plan.mark]), "{kind}");
        for (generation, version) in [(1, 1), (2, 2), (3, 2)] {
            let versions = store.versions_at(&a, generation, &["d1".into()]).await.unwrap();
            assert_eq!(versions["d1"], version, "{kind}: in generation {generation}");
        }
        store.forget_settled().await.unwrap();
        assert_eq!(store.snapshot(&a).await.unwrap().retired.len(), 1, "{kind}: not swept yet");
        store.removed(&["p0".into()]).await.unwrap();
        store.forget_settled().await.unwrap();
        assert!(store.snapshot(&a).await.unwrap().retired.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn the_last_to_stage_a_document_has_it() {
    for (kind, store, _folder) in stores().await {
        let a = workspace("a");
        let (one, two) = (document("a", "d1", "s1"), document("a", "d2", "s2"));
        let sync = store.open(&a, ChangeKind::Sync, at(1)).await.unwrap();
        store.stage(sync, &staged(&one, &[passage(&one, "p1", 0)])).await.unwrap();
        store.stage(sync, &staged(&two, &[passage(&two, "p2", 0)])).await.unwrap();
        let plan = store.plan(sync).await.unwrap();
        let quick = Document { content_hash: "quick".into(), ..one.clone() };
        put(&*store, &quick, &[passage(&quick, "p3", 0)]).await.unwrap();
        assert_eq!(store.commit(sync, &plan).await.unwrap(), None, "{kind}: not what was planned");
        let plan = store.plan(sync).await.unwrap();
        assert_eq!(plan.documents, 1, "{kind}");
        assert_eq!(store.commit(sync, &plan).await.unwrap(), Some(2), "{kind}");
        let kept = Documents::get(&*store, &a, "d1").await.unwrap().unwrap();
        assert_eq!(kept.content_hash, "quick", "{kind}");
        assert_eq!(store.passage_ids().await.unwrap(), ["p2", "p3"], "{kind}");
        assert_eq!(store.removals(9).await.unwrap().len(), 1, "{kind}: p1 may be in the index");

        // A run that was interrupted: what the next one does not want is dropped.
        let sync = store.open(&a, ChangeKind::Sync, at(1)).await.unwrap();
        for (name, id) in [("d3", "p4"), ("d4", "p5")] {
            let document = document("a", name, name);
            store.stage(sync, &staged(&document, &[passage(&document, id, 0)])).await.unwrap();
        }
        assert_eq!(store.resume(&a).await.unwrap(), Some(sync), "{kind}");
        assert_eq!(store.resume(&workspace("b")).await.unwrap(), None, "{kind}");
        store.see(&a, "d4").await.unwrap();
        let plan = store.plan(sync).await.unwrap();
        store.commit(sync, &plan).await.unwrap().unwrap();
        assert!(Documents::get(&*store, &a, "d3").await.unwrap().is_none(), "{kind}");
        assert!(Documents::get(&*store, &a, "d4").await.unwrap().is_some(), "{kind}");
    }
}

#[tokio::test]
async fn one_sync_of_a_workspace_runs_at_a_time() {
    for (kind, store, _folder) in stores().await {
        let held = store.lock_sync(&workspace("a")).await.unwrap();
        assert!(held.is_some(), "{kind}");
        assert!(store.lock_sync(&workspace("a")).await.unwrap().is_none(), "{kind}");
        assert!(store.lock_sync(&workspace("b")).await.unwrap().is_some(), "{kind}");
        drop(held);
        assert!(store.lock_sync(&workspace("a")).await.unwrap().is_some(), "{kind}");
    }
}

pub(crate) fn page(after: Option<String>, limit: usize) -> Page {
    Page { after, limit }
}

#[tokio::test]
async fn lists_page_through_everything_once() {
    for (kind, store, _folder) in stores().await {
        let a = workspace("a");
        for number in 0..7 {
            put(&*store, &document("a", &format!("d{number}"), &format!("s/{number}_%'é")), &[])
                .await
                .unwrap();
            let action = if number == 3 { Action::Escalate } else { Action::Draft };
            let suggestion = suggestion("a", &format!("sug_{number}"), "m-1", action);
            Suggestions::insert(&*store, &suggestion).await.unwrap();
        }
        store.feedback(&a, "sug_2", &feedback(FeedbackOutcome::Rejected)).await.unwrap();

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let listed = Documents::list(&*store, &a, page(after, 3)).await.unwrap();
            seen.extend(listed.items.into_iter().map(|document| document.id));
            after = listed.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["d0", "d1", "d2", "d3", "d4", "d5", "d6"], "{kind}");
        assert_eq!(store.sources(&a, "s/1_%").await.unwrap(), [("d1".to_owned(), "s/1_%'é".to_owned())]);

        let mut pages = Vec::new();
        let mut after = None;
        loop {
            let listed = Suggestions::list(
                &*store,
                &a,
                Which { open: Some(true), ..Which::default() },
                page(after, 3),
            )
            .await
            .unwrap();
            pages.push(listed.items.iter().map(|item| item.id.clone()).collect::<Vec<_>>());
            after = listed.next;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<Vec<&str>> = vec![vec!["sug_6", "sug_5", "sug_4"], vec!["sug_3", "sug_1", "sug_0"]];
        assert_eq!(pages, expected, "{kind}: newest first, open ones alone, no empty last page");
        let closed =
            Suggestions::list(&*store, &a, Which { open: Some(false), ..Which::default() }, page(None, 9))
                .await
                .unwrap()
                .items;
        assert_eq!(closed.len(), 1, "{kind}");
        assert_eq!(closed[0].outcome, Some(FeedbackOutcome::Rejected), "{kind}");
        assert_eq!(
            Suggestions::list(&*store, &a, Which::default(), page(None, 9)).await.unwrap().items.len(),
            7
        );

        for wrong in ["zz", "73", ""] {
            let refused = Suggestions::list(&*store, &a, Which::default(), page(Some(wrong.into()), 3)).await;
            assert!(matches!(refused, Err(StoreError::Invalid(_))), "{kind}: cursor {wrong:?}");
        }
    }
}

pub(crate) fn feedback(outcome: FeedbackOutcome) -> Feedback {
    Feedback {
        outcome,
        text: Some("Chega amanhã.".into()),
        reason: None,
        agent: Some("Rui".into()),
        edit_distance: Some(4),
        at: at(60),
    }
}

pub(crate) fn suggestion(workspace_name: &str, id: &str, message_id: &str, action: Action) -> Suggestion {
    let document = document(workspace_name, "d1", "s1");
    let retrieved = Retrieved {
        passage: passage(&document, "p1", 0),
        scores: Scores { dense: Some(0.712_345_6), sparse: None, coverage: 0.5, fused: 0.031_25 },
    };
    let reason = Reason {
        code: ReasonCode::BelowThreshold,
        detail: "0.71 < 0.9".into(),
        evidence: vec![Evidence::Signal { name: "confidence".into(), found: "0.7100".into(), limit: None }],
    };
    let confidence = Confidence {
        value: 0.71,
        calibrated: true,
        signals: [("dense".to_owned(), 0.5), ("coverage".to_owned(), 0.25)].into(),
        contributions: [("dense".to_owned(), -0.5)].into(),
    };
    Suggestion {
        answer: Answer {
            id: id.into(),
            mode: Mode::Auto,
            decision: Decision { action, reasons: vec![reason.clone()] },
            drafts: vec![PublicDraft {
                text: "Chega em 3 dias.".into(),
                language: Language::Pt,
                ai_generated: true,
                citations: vec![Citation {
                    passage_id: "p1".into(),
                    document_id: "d1".into(),
                    title: "Prazos".into(),
                    url: None,
                    quote: "3 dias".into(),
                    version: 1,
                }],
            }],
            confidence: confidence.clone(),
            policy: vec![PolicyCheck {
                check: ReasonCode::AsksForHuman,
                verdict: Verdict::Pass,
                detail: None,
                evidence: Vec::new(),
            }],
            handoff: (action == Action::Escalate).then(|| Handoff {
                reasons: vec![reason],
                summary: "Pergunta o prazo.".into(),
                tried: Tried::default(),
                queue: None,
                priority: Priority::High,
                holding_message: Some("Um momento.".into()),
            }),
            reply_window: Some(ReplyWindow {
                send_before: at(86_402),
                template: Some(Template { name: "reabrir".into(), language: Language::Pt }),
            }),
            usage: Usage {
                backend: "candle".into(),
                model: "m".into(),
                tokens: TokenUsage { prompt_tokens: 10, completion_tokens: 3 },
            },
            timings_ms: Timings { retrieval: 1.5, generation: 20.25, judgement: 3.0, total: 25.0 },
            trace_id: "t-1".into(),
        },
        workspace: workspace(workspace_name),
        conversation: Conversation {
            id: "c-1".into(),
            channel: Channel::Whatsapp,
            locale: Some("pt-BR".into()),
            customer: Some(Customer {
                id: "u-9".into(),
                name: Some("Ana".into()),
                attributes: std::collections::BTreeMap::new(),
                opted_in_at: None,
            }),
            labels: Labels::default(),
            handed_back_after: None,
            messages: vec![
                Message {
                    id: message_id.into(),
                    role: Role::Customer,
                    text: "Em quanto tempo chega?".into(),
                    at: None,
                },
                Message { id: "n".into(), role: Role::System, text: "note".into(), at: Some(at(1)) },
            ],
        },
        mode: Mode::Auto,
        created_at: at(2),
        trace: Trace {
            language: Some(Language::Pt),
            query: "prazo".into(),
            retrieved: vec![retrieved],
            judgement: Some(Judgement {
                sentences: vec![SentenceGrounding {
                    text: "Chega em 3 dias.".into(),
                    support: 0.875,
                    passage_id: Some("p1".into()),
                    unsupported: vec!["3".into()],
                }],
                confidence,
            }),
            calibration_key: "k".into(),
            threshold: Some(0.9),
            understanding: Understanding::default(),
            rollout: Allowed::default(),
            audit: None,
            policies: String::new(),
            lapsed: None,
            quote: None,
            decided: None,
        },
        feedback: None,
    }
}

#[tokio::test]
async fn a_suggestion_reads_back_with_its_trace_and_feedback() {
    for (kind, store, _folder) in stores().await {
        let a = workspace("a");
        let mut whole = suggestion("a", "sug_1", "m-1", Action::Escalate);
        Suggestions::insert(&*store, &whole).await.unwrap();
        assert_eq!(Suggestions::get(&*store, &a, "sug_1").await.unwrap(), Some(whole.clone()), "{kind}");

        let summary =
            Suggestions::list(&*store, &a, Which::default(), page(None, 1)).await.unwrap().items.remove(0);
        assert_eq!(summary.customer.as_deref(), Some("Ana"), "{kind}");
        assert_eq!(summary.question, "Em quanto tempo chega?", "{kind}");
        assert_eq!(summary.action, Action::Escalate, "{kind}");
        assert_eq!(summary.reason.map(|reason| reason.code), Some(ReasonCode::BelowThreshold), "{kind}");
        assert_eq!((summary.created_at, summary.outcome), (at(2), None), "{kind}");

        // The last word counts.
        assert!(store.feedback(&a, "sug_1", &feedback(FeedbackOutcome::Rejected)).await.unwrap());
        assert!(store.feedback(&a, "sug_1", &feedback(FeedbackOutcome::Edited)).await.unwrap());
        assert!(!store.feedback(&a, "sug_2", &feedback(FeedbackOutcome::Edited)).await.unwrap());
        whole.feedback = Some(feedback(FeedbackOutcome::Edited));
        assert_eq!(Suggestions::get(&*store, &a, "sug_1").await.unwrap(), Some(whole), "{kind}");

        let events = store.events(&a, 0, 10).await.unwrap();
        let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["suggestion.created", "suggestion.feedback", "suggestion.feedback"], "{kind}");
        assert!(events.iter().all(|event| event.suggestion_id == "sug_1"), "{kind}");
        assert_eq!(store.last_event(&a).await.unwrap(), events[events.len() - 1].sequence, "{kind}");
        assert_eq!(store.last_event(&workspace("nobody")).await.unwrap(), 0, "{kind}");
        let later = store.events(&a, events[0].sequence, 1).await.unwrap();
        assert_eq!(later, [events[1].clone()], "{kind}: after a sequence number, limited");
    }
}

#[tokio::test]
async fn questions_without_an_answer_are_told_from_those_with_one() {
    for (kind, store, _folder) in stores().await {
        let insert = async |id: &str, action: Action, code: ReasonCode| {
            let mut asked = suggestion("a", id, id, action);
            asked.answer.decision.reasons[0].code = code;
            Suggestions::insert(&*store, &asked).await.unwrap();
        };
        insert("sug_0", Action::Escalate, ReasonCode::NothingRelevant).await;
        insert("sug_1", Action::Escalate, ReasonCode::NoAnswerInSources).await;
        insert("sug_2", Action::Escalate, ReasonCode::LowConfidence).await;
        insert("sug_3", Action::Escalate, ReasonCode::AsksForHuman).await;
        insert("sug_4", Action::Draft, ReasonCode::LowConfidence).await;
        insert("sug_5", Action::Draft, ReasonCode::BelowThreshold).await;
        insert("sug_6", Action::Draft, ReasonCode::BelowThreshold).await;
        let a = workspace("a");
        for (id, outcome) in [("sug_5", FeedbackOutcome::Rejected), ("sug_6", FeedbackOutcome::Accepted)] {
            assert!(store.feedback(&a, id, &feedback(outcome)).await.unwrap());
        }
        let asked = store.asked(&a, at(0), 10).await.unwrap();
        let found: Vec<_> = asked.iter().map(|asked| (asked.id.as_str(), asked.unanswered)).collect();
        let lacking = [("sug_5", true), ("sug_2", true), ("sug_1", true), ("sug_0", true)];
        assert_eq!(found, [&[("sug_6", false)], &lacking[..]].concat(), "{kind}");

        // A draft that was accepted was sent, but none of the shadow; an escalation that was accepted was right, whatever draft
        // lies in it.
        let mut shadow = suggestion("a", "sug_7", "sug_7", Action::Draft);
        shadow.mode = Mode::Shadow;
        Suggestions::insert(&*store, &shadow).await.unwrap();
        for id in ["sug_2", "sug_4", "sug_7"] {
            assert!(store.feedback(&a, id, &given(FeedbackOutcome::Accepted, 9)).await.unwrap(), "{kind}");
        }
        let asked = store.asked(&a, at(0), 10).await.unwrap();
        let reply = |id: &str| asked.iter().find(|asked| asked.id == id).unwrap().reply.as_deref();
        let replies = (reply("sug_2"), reply("sug_4"), reply("sug_7"));
        assert_eq!(replies, (None, Some("Chega em 3 dias."), None), "{kind}");
    }
}

#[tokio::test]
async fn one_message_gets_one_automatic_reply() {
    for (kind, store, _folder) in stores().await {
        let a = workspace("a");
        assert!(!store.auto_replied(&a, "c-1", "m-1").await.unwrap(), "{kind}");
        Suggestions::insert(&*store, &suggestion("a", "sug_0", "m-1", Action::Draft)).await.unwrap();
        assert!(!store.auto_replied(&a, "c-1", "m-1").await.unwrap(), "{kind}: a draft is no reply");

        // Eight calls at once for the same message.
        let attempts = (1..=8).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let suggestion = suggestion("a", &format!("sug_{number}"), "m-1", Action::AutoReply);
                Suggestions::insert(&*store, &suggestion).await
            })
        });
        let outcomes = futures::future::join_all(attempts).await;
        let stored = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Ok(true)))).count();
        let refused =
            outcomes.iter().filter(|outcome| matches!(outcome, Ok(Err(StoreError::AlreadyReplied)))).count();
        assert_eq!((stored, refused), (1, 7), "{kind}");
        assert_eq!(store.events(&a, 0, 20).await.unwrap().len(), 2, "{kind}: a refused one leaves no event");
        assert!(store.auto_replied(&a, "c-1", "m-1").await.unwrap(), "{kind}");
        assert!(!store.auto_replied(&workspace("b"), "c-1", "m-1").await.unwrap(), "{kind}");
        assert!(!store.auto_replied(&a, "c-1", "m-2").await.unwrap(), "{kind}");
        Suggestions::insert(&*store, &suggestion("a", "sug_9", "m-2", Action::AutoReply)).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_is_found_by_its_hash_until_it_is_revoked() {
    for (kind, store, _folder) in stores().await {
        let key = KeyRecord {
            id: "key_1".into(),
            workspace: workspace("a"),
            name: "console".into(),
            scopes: vec![Scope::Suggest, Scope::Feedback],
            created_at: at(0),
            revoked_at: None,
        };
        let other = KeyRecord { id: "key_2".into(), workspace: workspace("b"), ..key.clone() };
        Keys::insert(&*store, &key, &[1; 32]).await.unwrap();
        Keys::insert(&*store, &other, &[2; 32]).await.unwrap();
        assert!(
            Keys::insert(&*store, &KeyRecord { id: "key_3".into(), ..key.clone() }, &[1; 32]).await.is_err()
        );
        assert_eq!(store.find(&[1; 32]).await.unwrap(), Some(key.clone()), "{kind}");
        assert_eq!(store.find(&[9; 32]).await.unwrap(), None, "{kind}");
        assert_eq!(
            Keys::list(&*store, Some(&workspace("b"))).await.unwrap(),
            std::slice::from_ref(&other),
            "{kind}"
        );
        assert_eq!(Keys::list(&*store, None).await.unwrap().len(), 2, "{kind}");

        assert!(store.revoke("key_1", at(5)).await.unwrap(), "{kind}");
        assert!(store.revoke("key_1", at(6)).await.unwrap(), "{kind}");
        assert!(!store.revoke("key_9", at(5)).await.unwrap(), "{kind}");
        assert_eq!(store.find(&[1; 32]).await.unwrap(), None, "{kind}");
        assert_eq!(store.find(&[2; 32]).await.unwrap(), Some(other), "{kind}");
        let listed = Keys::list(&*store, Some(&workspace("a"))).await.unwrap();
        assert_eq!(listed, [KeyRecord { revoked_at: Some(at(5)), ..key }], "{kind}: the first time stays");
    }
}

#[tokio::test]
async fn the_last_visit_of_a_page_is_remembered_by_workspace() {
    for (kind, store, _folder) in stores().await {
        let first = Visit {
            url: "https://a.example/x".into(),
            etag: Some("W/\"1\"".into()),
            last_modified: None,
            links: vec!["https://a.example/y".into(), "https://a.example/ç".into()],
            reading: "r1".into(),
        };
        assert_eq!(store.visit(&workspace("a"), &first.url).await.unwrap(), None, "{kind}");
        store.visited(&workspace("a"), &first).await.unwrap();
        assert_eq!(store.visit(&workspace("a"), &first.url).await.unwrap(), Some(first.clone()), "{kind}");
        assert_eq!(store.visit(&workspace("b"), &first.url).await.unwrap(), None, "{kind}");
        let second = Visit { etag: None, last_modified: Some("now".into()), links: Vec::new(), ..first };
        store.visited(&workspace("a"), &second).await.unwrap();
        assert_eq!(store.visit(&workspace("a"), &second.url).await.unwrap(), Some(second), "{kind}");
    }
}

#[tokio::test]
async fn an_idempotency_key_is_claimed_once() {
    for (kind, store, _folder) in stores().await {
        let (a, b) = (workspace("a"), workspace("b"));
        assert_eq!(store.begin(&a, "k", "r1", at(0)).await.unwrap(), Claim::New, "{kind}");
        assert_eq!(store.begin(&a, "k", "r1", at(1)).await.unwrap(), Claim::InFlight, "{kind}");
        assert_eq!(store.begin(&a, "k", "r2", at(1)).await.unwrap(), Claim::Mismatch, "{kind}");
        assert_eq!(store.begin(&b, "k", "r2", at(1)).await.unwrap(), Claim::New, "{kind}: another tenant's");
        store.complete(&a, "k", 200, "{\"ü\":1}", None).await.unwrap();
        let done = Claim::Done { status: 200, body: "{\"ü\":1}".into() };
        assert_eq!(store.begin(&a, "k", "r1", at(2)).await.unwrap(), done, "{kind}");
        assert_eq!(store.begin(&a, "k", "r2", at(2)).await.unwrap(), Claim::Mismatch, "{kind}");
        store.abandon(&a, "k").await.unwrap();
        assert_eq!(
            store.begin(&a, "k", "r1", at(3)).await.unwrap(),
            done,
            "{kind}: an answer is not abandoned"
        );

        store.abandon(&b, "k").await.unwrap();
        assert_eq!(store.begin(&b, "k", "r3", at(3)).await.unwrap(), Claim::New, "{kind}");
        let stale = at(4) + CLAIM_STALE;
        assert_eq!(store.begin(&b, "k", "r3", stale).await.unwrap(), Claim::New, "{kind}: its process died");
        let kept = at(0) + TimeDelta::hours(24);
        assert_eq!(store.begin(&a, "k", "r1", kept).await.unwrap(), done, "{kind}: kept a day");
        let expired = at(1) + ANSWER_KEPT;
        assert_eq!(store.begin(&a, "k", "r9", expired).await.unwrap(), Claim::New, "{kind}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ponto.db");
    let whole = document("a", "d1", "s1");
    {
        let store = SqliteStore::open(&path).await.unwrap();
        put(&store, &whole, &[passage(&whole, "p0", 0)]).await.unwrap();
    }
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(Documents::get(&store, &workspace("a"), "d1").await.unwrap(), Some(whole));
    assert_eq!(store.passage_ids().await.unwrap(), ["p0"]);
}

#[tokio::test]
async fn the_newest_change_of_a_slice_counts_and_is_made_once() {
    for (name, store, _folder) in stores().await {
        let (own, other) = (workspace("w1"), workspace("w2"));
        let pt = Slice { language: Some(Language::Pt), ..Slice::default() };
        let step = |slice: &Slice, stage, second| NewStep {
            slice: slice.clone(),
            stage,
            share: (stage == Stage::Sample).then_some(0.25),
            by: "ana".into(),
            why: "measured".into(),
            at: at(second),
        };
        let first = store.change(&own, &step(&pt, Stage::Draft, 1), Some(0)).await.unwrap().unwrap();
        let whole =
            store.change(&own, &step(&Slice::default(), Stage::Shadow, 2), None).await.unwrap().unwrap();
        assert!(
            store.change(&own, &step(&pt, Stage::Auto, 3), Some(0)).await.unwrap().is_none(),
            "{name}: too late"
        );
        let last =
            store.change(&own, &step(&pt, Stage::Sample, 3), Some(first.sequence)).await.unwrap().unwrap();
        assert_eq!((last.share, last.by.as_str(), last.at), (Some(0.25), "ana", at(3)), "{name}");
        let mut steps = store.steps(&own).await.unwrap();
        steps.sort_by_key(|step| step.sequence);
        assert_eq!(steps, [whole.clone(), last.clone()], "{name}");
        let past = store.past_steps(&own, 2).await.unwrap();
        assert_eq!(past, [last, whole], "{name}");
        assert!(store.steps(&other).await.unwrap().is_empty(), "{name}");
        let events = store.events(&own, 0, 10).await.unwrap();
        assert!(events.iter().all(|event| event.kind == "rollout.changed"), "{name}: {events:?}");
        assert_eq!(events.len(), 3, "{name}");
    }
}

fn given(outcome: FeedbackOutcome, second: i64) -> Feedback {
    Feedback { outcome, text: None, reason: None, agent: None, edit_distance: None, at: at(second) }
}

#[tokio::test]
async fn a_drawn_reply_is_audited_by_its_first_verdict_and_counted_by_its_last() {
    for (name, store, _folder) in stores().await {
        let own = workspace("w1");
        for (number, drawn) in [("a", true), ("b", true), ("c", false)] {
            let mut sent = suggestion("w1", &format!("sug_{number}"), number, Action::AutoReply);
            sent.trace.audit = drawn.then_some(AuditDraw { share: 0.5, max_error: 0.02 });
            Suggestions::insert(store.as_ref(), &sent).await.unwrap();
        }
        let listed =
            Suggestions::list(store.as_ref(), &own, Which::default(), page(None, 9)).await.unwrap().items;
        assert_eq!(listed.iter().map(|one| one.audit).collect::<Vec<_>>(), [false, true, true], "{name}");
        let id = |audit: &ponto::store::rollout::Audit| (audit.suggestion_id.clone(), audit.wrong);
        let found = store.audits(&own, 0).await.unwrap();
        assert_eq!(
            found.iter().map(id).collect::<Vec<_>>(),
            [("sug_a".into(), None), ("sug_b".into(), None)],
            "{name}"
        );
        for (suggestion, outcome, second) in [
            ("sug_b", FeedbackOutcome::Rejected, 5),
            ("sug_a", FeedbackOutcome::Accepted, 6),
            ("sug_c", FeedbackOutcome::Rejected, 7),
            ("sug_b", FeedbackOutcome::Accepted, 8),
        ] {
            assert!(store.feedback(&own, suggestion, &given(outcome, second)).await.unwrap(), "{name}");
        }
        let found = store.audits(&own, 0).await.unwrap();
        assert_eq!(
            found.iter().map(id).collect::<Vec<_>>(),
            [("sug_b".into(), Some(false)), ("sug_a".into(), Some(false))],
            "{name}"
        );
        assert_eq!(found[0].judged_at, Some(at(5)), "{name}");
        assert_eq!((found[0].share, found[0].max_error, found[0].drawn_at), (0.5, 0.02, at(2)), "{name}");
        assert!(store.audit(&own, "sug_c").await.unwrap().is_none(), "{name}");
        assert!(store.audit(&workspace("w2"), "sug_a").await.unwrap().is_none(), "{name}");
        let rolled = store.rolled(&own, at(0), 10).await.unwrap();
        assert_eq!(rolled.iter().map(|one| one.audited).collect::<Vec<_>>(), [false, true, true], "{name}");
        assert_eq!(rolled[0].wrong, Some(true), "{name}");
        assert!(rolled.iter().all(|one| one.sent && one.language == Some(Language::Pt)), "{name}");
        assert!(store.rolled(&own, at(3), 10).await.unwrap().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn an_audited_reply_that_was_edited_was_right_where_it_claims_the_same() {
    for (name, store, _folder) in stores().await {
        let own = workspace("w1");
        let draft = "A entrega normal no Brasil leva até 3 dias úteis depois do pagamento.";
        for (number, sent, wrong) in [
            ("a", "A entrega normal no Brasil leva até 3 dias úteis depois do pagamento!", false),
            ("b", "A entrega normal no Brasil leva até 30 dias úteis depois do pagamento.", true),
            ("c", "A entrega normal no Brasil não leva até 3 dias úteis depois do pagamento.", true),
        ] {
            let id = format!("sug_{number}");
            let mut drawn = suggestion("w1", &id, number, Action::AutoReply);
            drawn.answer.drafts[0].text = draft.into();
            drawn.trace.audit = Some(AuditDraw { share: 0.5, max_error: 0.02 });
            Suggestions::insert(store.as_ref(), &drawn).await.unwrap();
            let mut edited = given(FeedbackOutcome::Edited, 5);
            (edited.text, edited.edit_distance) = (Some(sent.into()), Some(strsim::levenshtein(draft, sent)));
            assert!(store.feedback(&own, &id, &edited).await.unwrap(), "{name}");
            let audit = store.audit(&own, &id).await.unwrap().unwrap();
            assert_eq!(audit.wrong, Some(wrong), "{name}: {sent}");
            assert_eq!(store.rolled(&own, at(0), 1).await.unwrap()[0].wrong, Some(wrong), "{name}: {sent}");
        }
    }
}

#[tokio::test]
async fn what_customers_could_read_is_known_for_every_moment() {
    for (name, store, _folder) in stores().await {
        let (a, store) = (workspace("a"), store.as_ref());
        let put_at = async |id: &str, text: &str, audience, second| {
            let version = Document {
                updated_at: at(second),
                content_hash: text.into(),
                audience,
                ..document("a", id, id)
            };
            let mut said = passage(&version, &format!("{id}-{text}"), 0);
            (said.text, said.audience) = (text.into(), audience);
            put(store, &version, &[said]).await.unwrap();
        };
        put_at("d1", "one", Audience::Public, 10).await;
        put_at("d2", "two", Audience::Public, 20).await;
        put_at("d1", "other", Audience::Public, 30).await;
        put_at("d3", "for agents", Audience::Agents, 40).await;
        let removal = store.open(&a, ChangeKind::Put, at(50)).await.unwrap();
        assert!(store.stage_removal(removal, &a, "d2", &[]).await.unwrap(), "{name}");
        let plan = store.plan(removal).await.unwrap();
        store.commit(removal, &plan).await.unwrap().expect("nothing came between");
        put_at("d4", "four", Audience::Public, 60).await;

        let moments: Vec<_> = [5, 10, 25, 30, 45, 50, 60, 99].into_iter().map(at).collect();
        let then = store.knowledge_at(&a, &moments).await.unwrap();
        let passages: Vec<usize> = then.iter().map(|sketch| sketch.passages).collect();
        assert_eq!(passages, [0, 1, 2, 2, 2, 1, 2, 2], "{name}");
        let now = store.sketch(&a).await.unwrap();
        assert_eq!(then.last(), Some(&now), "{name}");
        let drifts: Vec<String> = then.iter().map(|sketch| format!("{:.2}", sketch.drift(&now))).collect();
        assert_eq!(drifts, ["1.00", "1.00", "1.00", "0.50", "0.50", "0.50", "0.00", "0.00"], "{name}");
        let others = store.knowledge_at(&workspace("b"), &moments[7..]).await.unwrap();
        assert_eq!(others[0].passages, 0, "{name}");
    }
}

#[tokio::test]
async fn a_second_holding_message_in_a_row_is_left_out() {
    for (name, store, _folder) in stores().await {
        let store = store.as_ref();
        let made = |id: &str, message: &str| suggestion("w1", id, message, Action::Escalate);
        let insert = async |made: Suggestion| {
            let whole = Suggestions::insert(store, &made).await.unwrap();
            let stored = Suggestions::get(store, &made.workspace, &made.answer.id).await.unwrap().unwrap();
            let holds = stored.answer.handoff.is_some_and(|handoff| handoff.holding_message.is_some());
            assert_eq!(whole, holds || made.answer.handoff.is_none(), "{name}: {}", made.answer.id);
            whole
        };
        let mut shadow = made("sug_0", "m0");
        shadow.mode = Mode::Shadow;
        assert!(insert(shadow).await, "{name}");
        assert!(insert(made("sug_1", "m1")).await, "{name}: the shadow says nothing");
        assert!(insert(made("sug_2", "m1")).await, "{name}: for the same message again");
        assert!(!insert(made("sug_3", "m2")).await, "{name}");
        assert!(
            insert(suggestion("w2", "sug_4", "m2", Action::Escalate)).await,
            "{name}: of another workspace"
        );
        insert(suggestion("w1", "sug_5", "m3", Action::Draft)).await;
        assert!(!insert(made("sug_6", "m4")).await, "{name}: a draft is not said");

        let with_agent = |id: &str, messages: &[&str]| {
            let mut made = made(id, messages[messages.len() - 1]);
            let said = |id: &&str| {
                let role = if id.starts_with('a') { Role::Agent } else { Role::Customer };
                Message { id: (*id).into(), role, text: "?".into(), at: None }
            };
            made.conversation.messages = messages.iter().map(said).collect();
            made
        };
        assert!(
            insert(with_agent("sug_7", &["m4", "a1", "m5", "m6"])).await,
            "{name}: a person has written since"
        );
        assert!(
            !insert(with_agent("sug_8", &["m4", "a1", "m5"])).await,
            "{name}: asked before, answered later"
        );
        assert!(!insert(with_agent("sug_9", &["m6", "m7"])).await, "{name}");
        insert(suggestion("w1", "sug_10", "m8", Action::AutoReply)).await;
        assert!(insert(made("sug_11", "m9")).await, "{name}: a reply was said in between");
    }
}

#[tokio::test]
async fn a_holding_message_is_no_second_one_where_people_handed_back_or_where_it_is_given_again() {
    for (name, store, _folder) in stores().await {
        let store = store.as_ref();
        // A hub that sends the newest message alone.
        for (id, message, back, holds) in [
            ("sug_1", "m1", None, true),
            ("sug_2", "m2", None, false),
            ("sug_3", "m3", Some("m1"), false),
            ("sug_4", "m4", Some("a1"), true),
            ("sug_5", "m5", Some("a1"), false),
            // A repeated call gets what the first one got, whatever has been said since.
            ("sug_6", "m1", None, true),
            ("sug_7", "m2", None, false),
        ] {
            let mut made = suggestion("w1", id, message, Action::Escalate);
            made.conversation.handed_back_after = back.map(str::to_owned);
            assert_eq!(Suggestions::insert(store, &made).await.unwrap(), holds, "{name}: {id}");
        }
    }
}

#[tokio::test]
async fn a_customer_was_heard_no_later_than_answered() {
    for (name, store, _folder) in stores().await {
        let (own, store) = (workspace("w1"), store.as_ref());
        assert_eq!(store.last_heard(&own, "c-1").await.unwrap(), None, "{name}");
        for (id, written, heard) in
            [("sug_1", Some(at(-60)), at(-60)), ("sug_2", Some(at(86_400)), at(2)), ("sug_3", None, at(2))]
        {
            let mut stored = suggestion("w1", id, id, Action::Draft);
            stored.conversation.messages[0].at = written;
            Suggestions::insert(store, &stored).await.unwrap();
            assert_eq!(store.last_heard(&own, "c-1").await.unwrap(), Some(heard), "{name}: {written:?}");
        }
    }
}

#[tokio::test]
async fn an_opt_out_is_known_in_its_conversation_and_of_its_customer() {
    for (name, store, _folder) in stores().await {
        let (own, store) = (workspace("w1"), store.as_ref());
        let stored = |id: &str, conversation: &str, message: &str, verdict| {
            let mut stored = suggestion("w1", id, message, Action::Escalate);
            stored.conversation.id = conversation.into();
            stored.answer.policy[0].check = ReasonCode::OptedOut;
            stored.answer.policy[0].verdict = verdict;
            stored
        };
        let asked = |conversation: &str, customer: Option<&str>, channel| {
            let mut asked = suggestion("w1", "sug", "m", Action::Draft).conversation;
            (asked.id, asked.channel) = (conversation.into(), channel);
            asked.customer = asked.customer.zip(customer).map(|(own, id)| Customer { id: id.into(), ..own });
            asked
        };
        let known = async |conversation: &str, customer: Option<&str>, channel| {
            let found = store.opt_outs(&own, &asked(conversation, customer, channel)).await.unwrap();
            found.into_iter().map(|one| (one.conversation_id, one.message_id, one.at)).collect::<Vec<_>>()
        };
        let (whatsapp, customer) = (Channel::Whatsapp, Some("u-9"));
        let held = stored("sug_1", "c-1", "m1", Verdict::Draft);
        Suggestions::insert(store, &held).await.unwrap();
        assert_eq!(known("c-1", customer, whatsapp).await, [], "{name}: a draft that was held is none");
        let heard = |conversation: &str, message: &str, second| -> (String, String, DateTime<Utc>) {
            (conversation.into(), message.into(), at(second))
        };
        Suggestions::insert(store, &stored("sug_2", "c-1", "m2", Verdict::Escalate)).await.unwrap();
        let mut again = stored("sug_3", "c-1", "m2", Verdict::Escalate);
        again.created_at = at(50);
        Suggestions::insert(store, &again).await.unwrap();
        for (conversation, customer, channel, known_there) in [
            ("c-1", customer, whatsapp, true),
            ("c-1", None, Channel::Email, true),
            ("c-2", customer, whatsapp, true),
            ("c-2", customer, Channel::Email, false),
            ("c-2", Some("u-1"), whatsapp, false),
            ("c-2", None, whatsapp, false),
        ] {
            let expected = if known_there { vec![heard("c-1", "m2", 2)] } else { vec![] };
            let found = known(conversation, customer, channel).await;
            assert_eq!(found, expected, "{name}: {conversation} {customer:?} {channel:?}");
        }
        // A later one stands before it, and one of another conversation stands beside it, this conversation's first.
        let mut later = stored("sug_4", "c-1", "m3", Verdict::Escalate);
        later.created_at = at(60);
        Suggestions::insert(store, &later).await.unwrap();
        Suggestions::insert(store, &stored("sug_5", "c-2", "m1", Verdict::Escalate)).await.unwrap();
        let both = [heard("c-2", "m1", 2), heard("c-1", "m3", 60), heard("c-1", "m2", 2)];
        assert_eq!(known("c-2", customer, whatsapp).await, both, "{name}");
        let foreign = store.opt_outs(&workspace("w2"), &asked("c-1", customer, whatsapp)).await.unwrap();
        assert_eq!(foreign, [], "{name}");
    }
}
