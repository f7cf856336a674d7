//! What an agent sent of a draft is a person's message, whatever messages the hub posts.

use ponto::conversation::{Clock, Role};
use ponto::decision::{Action, Mode, ReasonCode};
use ponto::store::Suggestions;
use ponto::store::sqlite::SqliteStore;
use ponto::store::suggestion::{Feedback, FeedbackOutcome, Suggestion};

use super::{
    Calibrations, Options, QUESTIONS, Still, assistant, certain, certified, codes, conversation, quoting,
    workspace,
};

pub(super) fn verdict(outcome: FeedbackOutcome) -> Feedback {
    let text = (outcome == FeedbackOutcome::Edited).then(|| "Four days.".to_owned());
    Feedback { outcome, text, reason: None, agent: None, edit_distance: None, at: Still.now() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_agent_sent_a_draft_nothing_is_sent_until_the_conversation_is_handed_back() {
    let assistant = certified().await;
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ponto.db")).await.unwrap();
    // A hub that posts the newest message alone.
    let ask = async |id: &str, message: &str, back: Option<&str>, mode| -> Suggestion {
        let mut asked = conversation(&[(Role::Customer, QUESTIONS[3].1)]);
        (asked.id, asked.messages[0].id) = (id.into(), message.into());
        asked.handed_back_after = back.map(str::to_owned);
        assistant.suggest(&store, &workspace(), &asked, mode, None).await.unwrap()
    };
    let held = (Action::Draft, vec![ReasonCode::HumanTookOver]);
    let sent = (Action::AutoReply, vec![]);
    for (id, mode, outcome, then) in [
        ("accepted", Mode::Draft, FeedbackOutcome::Accepted, &held),
        ("edited", Mode::Draft, FeedbackOutcome::Edited, &held),
        ("rejected", Mode::Draft, FeedbackOutcome::Rejected, &sent),
        ("audited", Mode::Auto, FeedbackOutcome::Accepted, &sent),
        ("measured", Mode::Shadow, FeedbackOutcome::Accepted, &sent),
    ] {
        let first = ask(id, "c-1", None, mode).await;
        assert!(store.feedback(&workspace(), &first.answer.id, &verdict(outcome)).await.unwrap());
        let second = ask(id, "c-2", None, Mode::Auto).await;
        assert_eq!((second.answer.decision.action, codes(&second)), *then, "{id}");
        // Replayed, it is held again, whatever has been sent since.
        let again = assistant.again(&workspace(), &second, Vec::new()).await.answer.decision;
        assert_eq!(again, second.answer.decision, "{id}");
    }
    let back = ask("accepted", "c-3", Some("c-1"), Mode::Auto).await;
    assert_eq!((back.answer.decision.action, codes(&back)), held, "the message that the draft answered");
    let back = ask("accepted", "c-4", Some("a-1"), Mode::Auto).await;
    assert_eq!((back.answer.decision.action, codes(&back)), sent, "the agent's reply");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_customer_hears_of_no_other_person_after_an_agent_sent_a_draft() {
    let assistant = certified().await;
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ponto.db")).await.unwrap();
    let holding = async |message: &str, text: &str, back: Option<&str>| {
        let mut asked = conversation(&[(Role::Customer, text)]);
        asked.messages[0].id = message.into();
        asked.handed_back_after = back.map(str::to_owned);
        let answer = assistant.suggest(&store, &workspace(), &asked, Mode::Auto, None).await.unwrap().answer;
        (answer.id, answer.handoff.and_then(|handoff| handoff.holding_message).is_some())
    };
    let human = "I want to talk to a human";
    let (first, holds) = holding("c-1", human, None).await;
    assert!(holds);
    // On the escalation itself the agent writes the reply.
    assert!(store.feedback(&workspace(), &first, &verdict(FeedbackOutcome::Edited)).await.unwrap());
    assert!(!holding("c-2", human, None).await.1, "a person writes already");
    assert!(holding("c-3", human, Some("a-1")).await.1, "handed back, and not the second in a row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_escalation_that_was_right_says_nothing_of_the_draft_in_it() {
    let mut doubtful = certain().await.find(&quoting("").await, &workspace()).unwrap().as_ref().clone();
    doubtful.intercept = -9.0;
    let mut calibrations = Calibrations::default();
    calibrations.add(doubtful);
    let doubting = assistant(Options { calibrations, ..Options::default() }).await;
    let assistant = certified().await;
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ponto.db")).await.unwrap();
    for (id, outcome, then) in [
        ("right", FeedbackOutcome::Accepted, (Action::AutoReply, vec![])),
        ("sent", FeedbackOutcome::Edited, (Action::Draft, vec![ReasonCode::HumanTookOver])),
    ] {
        let mut asked = conversation(&[(Role::Customer, QUESTIONS[3].1)]);
        (asked.id, asked.messages[0].id) = (id.into(), "c-1".into());
        let mut first = doubting.answer(&workspace(), &asked, Mode::Auto, None).await;
        // Every assistant of these tests counts its ids from 0.
        first.answer.id = format!("sug_{id}");
        assert_eq!(first.answer.decision.action, Action::Escalate, "{:?}", first.answer);
        assert!(codes(&first).contains(&ReasonCode::LowConfidence) && !first.answer.drafts.is_empty());
        Suggestions::insert(&store, &first).await.unwrap();
        assert!(store.feedback(&workspace(), &first.answer.id, &verdict(outcome)).await.unwrap());
        asked.messages[0].id = "c-2".into();
        let second = assistant.suggest(&store, &workspace(), &asked, Mode::Auto, None).await.unwrap();
        assert_eq!((second.answer.decision.action, codes(&second)), then, "{id}");
    }
}
