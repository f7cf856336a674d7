//! The rollout on the way of a conversation.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::DateTime;
use ponto::assistant::rollout::report_of;
use ponto::conversation::{Clock, Language, Role};
use ponto::decision::rollout::{RolloutConfig, Slice, Stage};
use ponto::decision::{Action, Mode, ReasonCode};
use ponto::inference::ChatModel;
use ponto::store::rollout::NewStep;
use ponto::store::sqlite::SqliteStore;
use ponto::store::suggestion::{FeedbackOutcome, Which};
use ponto::store::{Page, Rollouts, Suggestions};

use super::sent_draft::verdict;
use super::{Options, QUESTIONS, Still, assistant, certain, codes, conversation, down, workspace};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_collected_on_the_way_is_what_would_be_sent() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ponto.db")).await.unwrap();
    let model = Arc::new(down());
    let (calibrations, chat) = (certain().await, Some(model.clone() as Arc<dyn ChatModel>));
    let assistant = assistant(Options { calibrations, chat, quote_first: true, ..Options::default() }).await;
    for (id, stage, asked, quoted) in [
        ("c-1", Stage::Draft, Mode::Auto, true),
        ("c-2", Stage::Shadow, Mode::Auto, true),
        ("c-3", Stage::Auto, Mode::Shadow, true),
        ("c-4", Stage::Draft, Mode::Draft, false),
        ("c-5", Stage::Auto, Mode::Draft, false),
    ] {
        let (by, why, at) = ("ana".into(), "to collect labels".into(), Still.now());
        let step = NewStep { slice: Slice::default(), stage, share: None, by, why, at };
        store.change(&workspace(), &step, None).await.unwrap().unwrap();
        let before = model.asked.load(Ordering::Relaxed);
        let mut question = conversation(&[(Role::Customer, QUESTIONS[3].1)]);
        question.id = id.into();
        let made = assistant.suggest(&store, &workspace(), &question, asked, None).await.unwrap();
        assert_eq!(made.answer.decision.action, Action::Draft, "{id}");
        // A quote that would be sent is drafted without asking the model; a call in mode draft asks it first.
        assert_eq!(model.asked.load(Ordering::Relaxed) == before, quoted, "{id}");
        let stored = Suggestions::get(&store, &workspace(), &made.answer.id).await.unwrap().unwrap();
        assert_eq!((stored.asked_mode(), stored.as_sent()), (asked, quoted), "{id}");
    }
    // What follows after an agent has sent a draft tells nothing until the conversation is handed back.
    let turn = async |message: &str, mode, back: Option<&str>| {
        let mut question = conversation(&[(Role::Customer, QUESTIONS[3].1)]);
        (question.id, question.messages[0].id) = ("c-6".into(), message.into());
        question.handed_back_after = back.map(str::to_owned);
        assistant.suggest(&store, &workspace(), &question, mode, None).await.unwrap()
    };
    let first = turn("m-1", Mode::Draft, None).await;
    let sent = verdict(FeedbackOutcome::Accepted);
    assert!(store.feedback(&workspace(), &first.answer.id, &sent).await.unwrap());
    assert!(codes(&turn("m-2", Mode::Shadow, None).await).contains(&ReasonCode::HumanTookOver));
    turn("m-3", Mode::Shadow, Some("a-1")).await;
    // Only what tells what would be sent is counted as held back.
    let (whole, config) = (Slice::default(), RolloutConfig::default());
    let report = report_of(&store, &workspace(), &whole, &config, DateTime::UNIX_EPOCH).await.unwrap();
    assert_eq!((report.suggestions, report.measured, report.held, report.sent), (8, 4, 4, 0));
    assert!((report.coverage - 1.0).abs() < 1e-12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_climbs_from_the_default_stage_by_promotion() {
    let rollout = RolloutConfig { default_stage: Stage::Shadow, ..RolloutConfig::default() };
    let config = rollout.clone();
    let options = Options { calibrations: certain().await, rollout, ..Options::default() };
    let assistant = assistant(options).await;
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ponto.db")).await.unwrap();
    let asked = |id: &str, text: &str| {
        let mut asked = conversation(&[(Role::Customer, text)]);
        asked.id = id.into();
        asked
    };
    let said = async |id: &str, text: &str| {
        let asked = asked(id, text);
        let said = assistant.suggest(&store, &workspace(), &asked, Mode::Auto, None).await.unwrap();
        (said.answer.mode, said.answer.decision.action, codes(&said))
    };
    let held = |mode| (mode, Action::Draft, vec![ReasonCode::Rollout]);
    assert_eq!(said("c-1", QUESTIONS[3].1).await, held(Mode::Shadow));
    let english = Slice { language: Some(Language::En), ..Slice::default() };
    let stage = async |slice: &Slice| {
        let since = DateTime::UNIX_EPOCH;
        report_of(&store, &workspace(), slice, &config, since).await.unwrap().stage
    };
    let set = async |slice: &Slice, stage| {
        let (by, why, at) = ("ana".into(), "a good week".into(), Still.now());
        let step = NewStep { slice: slice.clone(), stage, share: None, by, why, at };
        store.change(&workspace(), &step, Some(0)).await.unwrap().unwrap();
    };
    assert_eq!(stage(&english).await, Stage::Shadow);
    set(&Slice::default(), Stage::Draft).await;
    assert_eq!(said("c-2", QUESTIONS[3].1).await, held(Mode::Draft));
    // What nobody has set stands where the whole workspace does, and is promoted from there.
    assert_eq!(stage(&english).await, Stage::Draft);
    set(&english, Stage::Auto).await;
    assert_eq!(said("c-3", QUESTIONS[3].1).await, (Mode::Auto, Action::AutoReply, vec![]));
    assert_eq!(said("c-4", QUESTIONS[0].1).await, held(Mode::Draft));
    // Whoever replays it finds the rollout of then, not that of now.
    let listed = Suggestions::list(&store, &workspace(), Which::default(), Page { after: None, limit: 9 })
        .await
        .unwrap();
    for summary in listed.items {
        let stored = store.get(&workspace(), &summary.id).await.unwrap().unwrap();
        let again = assistant.again(&workspace(), &stored, Vec::new()).await;
        assert_eq!(again.answer.decision, stored.answer.decision, "{}", summary.conversation_id);
        assert_eq!(again.mode, stored.mode, "{}", summary.conversation_id);
    }
    // An evaluation measures what would be sent.
    let measured = assistant.answer(&workspace(), &asked("c-5", QUESTIONS[0].1), Mode::Auto, None).await;
    assert_eq!(measured.answer.decision.action, Action::AutoReply);
}
