//! What happens while a reply is being written counts before it is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::future::BoxFuture;
use ponto::conversation::{Clock, Role};
use ponto::decision::rollout::{Slice, Stage};
use ponto::decision::{Action, Mode, ReasonCode};
use ponto::inference::{Embedder, EmbedderInfo, InferenceError, Purpose};
use ponto::store::rollout::NewStep;
use ponto::store::sqlite::SqliteStore;
use ponto::store::suggestion::{FeedbackOutcome, Suggestion};
use ponto::store::{Rollouts, Suggestions};

use super::sent_draft::verdict;
use super::{Options, QUESTIONS, Still, assistant, certain, codes, conversation, plain, shop, workspace};

/// The real embedder of the search; before it answers for the first time, something happens.
struct Interrupted {
    embedder: Arc<dyn Embedder>,
    meanwhile: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    happened: AtomicBool,
}

#[async_trait]
impl Embedder for Interrupted {
    fn info(&self) -> &EmbedderInfo {
        self.embedder.info()
    }

    async fn embed(&self, texts: Vec<String>, purpose: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
        if !self.happened.swap(true, Ordering::Relaxed) {
            (self.meanwhile)().await;
        }
        self.embedder.embed(texts, purpose).await
    }
}

/// Answers a message in a conversation that something happens to before the search.
async fn said(
    store: &Arc<SqliteStore>,
    text: &str,
    meanwhile: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
) -> Suggestion {
    let search = Arc::new(Interrupted {
        embedder: shop().await.embedder.clone(),
        meanwhile: Box::new(meanwhile),
        happened: AtomicBool::new(false),
    });
    let options =
        Options { calibrations: certain().await, search: Some(search.clone()), ..Options::default() };
    let question = conversation(&[(Role::Customer, text)]);
    let said = assistant(options)
        .await
        .suggest(store.as_ref(), &workspace(), &question, Mode::Auto, None)
        .await
        .unwrap();
    assert!(search.happened.load(Ordering::Relaxed));
    let stored = store.get(&workspace(), &said.answer.id).await.unwrap().unwrap();
    assert_eq!(stored.answer.decision, said.answer.decision);
    assert_eq!(stored.answer.handoff, said.answer.handoff);
    said
}

/// Asks what is answered automatically.
async fn asked(
    store: &Arc<SqliteStore>,
    meanwhile: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
) -> (Action, Vec<ReasonCode>) {
    let said = said(store, QUESTIONS[3].1, meanwhile).await;
    let disclosed = said.answer.drafts[0].text.contains("AI assistant");
    assert_eq!(disclosed, said.answer.decision.action == Action::AutoReply, "{:?}", said.answer.drafts);
    (said.answer.decision.action, codes(&said))
}

async fn store() -> (Arc<SqliteStore>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(SqliteStore::open(&folder.path().join("ponto.db")).await.unwrap()), folder)
}

/// The customer writes again, and is answered by another call.
async fn writes(store: Arc<SqliteStore>, text: &str) {
    let later = conversation(&[(Role::Customer, QUESTIONS[3].1), (Role::Customer, text)]);
    let mut said = plain().await.answer(&workspace(), &later, Mode::Auto, None).await;
    // Every assistant of these tests counts its ids from 0.
    said.answer.id = "sug_later".into();
    Suggestions::insert(store.as_ref(), &said).await.unwrap();
}

/// An operator takes the workspace back to drafts.
async fn demotes(store: Arc<SqliteStore>) {
    let (slice, by, why) = (Slice::default(), "ana".into(), "a bad day".into());
    let step = NewStep { slice, stage: Stage::Draft, share: None, by, why, at: Still.now() };
    store.change(&workspace(), &step, Some(0)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opt_out_that_comes_while_a_reply_is_written_takes_it_back() {
    for (text, expected) in [
        ("And how much is it to Ireland?", (Action::AutoReply, vec![])),
        ("Stop sending me messages", (Action::Draft, vec![ReasonCode::OptedOut])),
    ] {
        let (store, _folder) = store().await;
        let own = store.clone();
        let found = asked(&store, move || Box::pin(writes(own.clone(), text))).await;
        assert_eq!(found, expected, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demotion_that_comes_while_a_reply_is_written_takes_it_back() {
    let (store, _folder) = store().await;
    let own = store.clone();
    let found = asked(&store, move || Box::pin(demotes(own.clone()))).await;
    assert_eq!(found, (Action::Draft, vec![ReasonCode::Rollout]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_messages_that_are_handed_over_at_once_one_gets_a_holding_message() {
    let (store, _folder) = store().await;
    let own = store.clone();
    let meanwhile = move || writes(own.clone(), "a real person please");
    let first = said(&store, "I want to talk to a human", move || Box::pin(meanwhile())).await;
    let second = store.get(&workspace(), "sug_later").await.unwrap().unwrap();
    let holding = [&first, &second].map(|one| one.answer.handoff.as_ref().unwrap().holding_message.is_some());
    assert_eq!(holding, [false, true]);
}

/// An agent sends the draft for an earlier message.
async fn answers(store: Arc<SqliteStore>) {
    let mut earlier = conversation(&[(Role::Customer, QUESTIONS[3].1)]);
    earlier.messages[0].id = "m-earlier".into();
    let mut drafted = plain().await.answer(&workspace(), &earlier, Mode::Draft, None).await;
    drafted.answer.id = "sug_earlier".into();
    Suggestions::insert(store.as_ref(), &drafted).await.unwrap();
    let sent = verdict(FeedbackOutcome::Accepted);
    assert!(store.feedback(&workspace(), "sug_earlier", &sent).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_that_an_agent_sends_while_a_reply_is_written_takes_it_back() {
    let (store, _folder) = store().await;
    let own = store.clone();
    let found = asked(&store, move || Box::pin(answers(own.clone()))).await;
    assert_eq!(found, (Action::Draft, vec![ReasonCode::HumanTookOver]));
}
