//! The rollout on the way of a conversation.

use chrono::DateTime;
use ponto::assistant::rollout::report_of;
use ponto::conversation::{Clock, Language, Role};
use ponto::decision::rollout::{RolloutConfig, Slice, Stage};
use ponto::decision::{Action, Mode, ReasonCode};
use ponto::store::rollout::NewStep;
use ponto::store::sqlite::SqliteStore;
use ponto::store::suggestion::Which;
use ponto::store::{Page, Rollouts, Suggestions};

use super::{Options, QUESTIONS, Still, assistant, certain, codes, conversation, workspace};

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
