//! The rules as properties, and the message checks on the project's own demo questions and on public ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use ponto::conversation::language::{Hint, detect};
use ponto::conversation::{Channel, Conversation, Labels, Language, Message};
use ponto::decision::policy::{PolicyInput, check_message};
use ponto::decision::rollout::{Allowed, Slice, Stage};
use ponto::decision::{
    Action, DecisionConfig, DecisionInput, DraftFacts, Evidence, Mode, PolicyCheck, ReasonCode, Unavailable,
    Verdict, decide,
};
use ponto::explanation::replays;
use ponto::store::Suggestions;
use ponto::store::sqlite::SqliteStore;
use ponto::understanding::MessageReader;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::store::suggestion;

const CODES: [ReasonCode; 8] = [
    ReasonCode::AsksForHuman,
    ReasonCode::Complaint,
    ReasonCode::NeedsAccountData,
    ReasonCode::NothingRelevant,
    ReasonCode::Injection,
    ReasonCode::Ungrounded,
    ReasonCode::TooLong,
    ReasonCode::ReplyWindowClosed,
];

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![4 => Just(Verdict::Pass), 1 => Just(Verdict::Draft), 1 => Just(Verdict::Escalate)]
}

prop_compose! {
    fn facts()(
        citations in 0_usize..3,
        grounded in prop::bool::weighted(0.8),
        confidence in 0.0_f64..=1.0,
        calibrated in prop::bool::weighted(0.8),
        threshold in prop::option::weighted(0.8, 0.0_f64..=1.0),
        lapsed in prop::option::weighted(0.1, 0.0_f64..=1.0),
        floor in prop::option::weighted(0.5, 0.0_f64..=0.5),
    ) -> DraftFacts {
        DraftFacts { citations, grounded, confidence, calibrated, threshold, lapsed, floor }
    }
}

prop_compose! {
    /// Every stage, for all conversations and for some.
    fn rollouts()(
        stage in prop_oneof![
            4 => Just(Stage::Auto),
            2 => Just(Stage::Sample),
            1 => Just(Stage::Draft),
            1 => Just(Stage::Shadow),
        ],
        share in 0.0_f64..=1.0,
        drawn in any::<bool>(),
        channel in prop::option::of(Just(Channel::Whatsapp)),
        topic in prop::option::of(Just("refund".to_owned())),
        language in prop::option::of(Just(Language::It)),
        step in 0_i64..100,
    ) -> Allowed {
        let sample = stage == Stage::Sample;
        let slice = Slice { channel, topic, language };
        Allowed { stage, share: sample.then_some(share), drawn: sample && drawn, slice, step }
    }
}

prop_compose! {
    fn inputs()(
        mode in prop_oneof![3 => Just(Mode::Auto), 1 => Just(Mode::Draft), 1 => Just(Mode::Shadow)],
        found in prop::collection::vec(verdicts(), CODES.len()),
        draft in prop::option::weighted(0.8, facts()),
        already_replied in prop::bool::weighted(0.1),
        unavailable in prop::option::weighted(0.1, Just(Unavailable::Index)),
        rollout in rollouts(),
    ) -> DecisionInput {
        let checks = CODES
            .into_iter()
            .zip(found)
            .map(|(check, verdict)| PolicyCheck {
                check,
                verdict,
                detail: Some("found".into()),
                evidence: (verdict != Verdict::Pass)
                    .then(|| Evidence::Message { id: "m".into() })
                    .into_iter()
                    .collect(),
            })
            .collect();
        DecisionInput { mode, rollout, checks, draft, already_replied, unavailable }
    }
}

/// Of every third nothing but confidence and rollout decide; confidences at their threshold, a hair from it, and none.
fn at_the_edge(input: &mut DecisionInput, number: usize) {
    if number.is_multiple_of(3) {
        input.checks.iter_mut().for_each(|check| check.verdict = Verdict::Pass);
        (input.mode, input.already_replied, input.unavailable) = (Mode::Auto, false, None);
        if let Some(draft) = &mut input.draft {
            (draft.citations, draft.grounded, draft.calibrated) = (1, true, true);
        }
    }
    let Some(DraftFacts { confidence, threshold: Some(threshold), .. }) = &mut input.draft else { return };
    match number % 5 {
        0 => *confidence = *threshold,
        1 => *confidence = threshold.next_down(),
        2 => *confidence = threshold.next_up(),
        3 if number.is_multiple_of(2) => *confidence = f64::NAN,
        _ => {}
    }
}

/// A thousand traces, stored and read back, decide again what was decided.
#[tokio::test]
async fn stored_traces_decide_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("ponto.db")).await.unwrap();
    let mut runner = TestRunner::deterministic();
    let (mut inserted, mut actions, mut stages) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for number in 0..1_000 {
        let mut input = inputs().new_tree(&mut runner).unwrap().current();
        at_the_edge(&mut input, number);
        let decision = decide(&input);
        *actions.entry(decision.action).or_insert(0) += 1;
        let told = decision.reasons.iter().any(|reason| reason.code == ReasonCode::Rollout);
        *stages.entry((input.rollout.stage, input.rollout.drawn, told)).or_insert(0) += 1;
        let id = format!("sug_{number}");
        let mut stored = suggestion("a", &id, &format!("m-{number}"), decision.action);
        stored.answer.decision = decision.clone();
        stored.answer.policy.clone_from(&input.checks);
        stored.trace.decided = Some(input);
        store.insert(&stored).await.unwrap();
        inserted.push((id, stored.workspace, decision));
    }
    assert!(actions.len() == 3 && actions.values().all(|count| *count > 30), "{actions:?}");
    // Stages that hold a reply, told and moot, and those that do not.
    assert!(stages.len() == 8 && stages.values().all(|count| *count > 15), "{stages:?}");
    for (id, workspace, decision) in inserted {
        let stored = Suggestions::get(&store, &workspace, &id).await.unwrap().unwrap();
        assert_eq!(stored.answer.decision, decision, "{id}");
        assert_eq!(replays(&stored), Some(true), "{id}: {:?}", stored.trace.decided);
    }
}

/// How much a person has to do: more is stricter.
fn strictness(action: Action) -> u8 {
    match action {
        Action::AutoReply => 0,
        Action::Draft => 1,
        Action::Escalate => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_mode_caps_and_reasons_are_given(input in inputs()) {
        let decision = decide(&input);
        if input.mode != Mode::Auto {
            prop_assert_ne!(decision.action, Action::AutoReply);
        }
        prop_assert_eq!(decision.reasons.is_empty(), decision.action == Action::AutoReply);
        prop_assert_eq!(decide(&input), decision);
    }

    #[test]
    fn every_reason_of_an_escalation_has_evidence(input in inputs()) {
        let decision = decide(&input);
        if decision.action == Action::Escalate {
            prop_assert!(!decision.reasons.is_empty());
            prop_assert!(decision.reasons.iter().all(|reason| !reason.evidence.is_empty()), "{decision:?}");
        }
    }

    #[test]
    fn an_automatic_reply_has_earned_it(input in inputs()) {
        if decide(&input).action == Action::AutoReply {
            let draft = input.draft.unwrap();
            prop_assert!(draft.calibrated && draft.grounded && draft.citations > 0);
            prop_assert!(draft.confidence >= draft.threshold.unwrap() && draft.lapsed.is_none());
            prop_assert!(input.checks.iter().all(|check| check.verdict == Verdict::Pass));
            prop_assert!(!input.already_replied && input.unavailable.is_none());
            prop_assert!(input.rollout.objection().is_none());
        }
    }

    #[test]
    fn a_stricter_verdict_never_loosens(input in inputs(), at in 0..CODES.len(), verdict in verdicts()) {
        let before = decide(&input).action;
        let mut stricter = input.clone();
        let check = &mut stricter.checks[at];
        check.verdict = check.verdict.max(verdict);
        prop_assert!(strictness(decide(&stricter).action) >= strictness(before));
        let mut without = input.clone();
        if let Some(draft) = &mut without.draft {
            draft.threshold = None;
        }
        prop_assert_ne!(decide(&without).action, Action::AutoReply);
    }

    #[test]
    fn what_the_details_say_changes_no_action(input in inputs(), words in ".{0,80}") {
        let mut other = input.clone();
        for check in &mut other.checks {
            check.detail = Some(words.clone());
        }
        prop_assert_eq!(decide(&other).action, decide(&input).action);
    }
}

fn rows(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a row of JSON")).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn message_checks(messages: Vec<Message>, locale: Option<&str>) -> Vec<PolicyCheck> {
    let conversation = Conversation {
        id: "c".into(),
        channel: Channel::WebChat,
        locale: locale.map(str::to_owned),
        customer: None,
        labels: Labels::default(),
        handed_back_after: None,
        messages,
    };
    let question = conversation.pending_question();
    let config = DecisionConfig::default();
    let input = PolicyInput {
        conversation: &conversation,
        question: &question,
        language: detect(&question, Hint { locale, earlier: &[] }).language,
        understanding: &MessageReader::by_phrases(&question),
        now: DateTime::<Utc>::UNIX_EPOCH,
        retrieved: &[],
        draft: None,
        judgement: None,
        opt_outs: &[],
        lacking: 0,
        sent_draft: None,
        config: &config,
    };
    check_message(&input)
        .into_iter()
        // Nothing is retrieved here, which is not what this test is about.
        .filter(|found| found.verdict != Verdict::Pass && found.check != ReasonCode::NothingRelevant)
        .collect()
}

/// What is decided without a draft is an escalation, and each of its reasons says what it stands on.
fn decided_with_evidence(checks: &[PolicyCheck], id: &serde_json::Value) {
    let decision = decide(&DecisionInput {
        mode: Mode::Auto,
        rollout: Allowed::default(),
        checks: checks.to_vec(),
        draft: None,
        already_replied: false,
        unavailable: None,
    });
    assert_eq!(decision.action, Action::Escalate, "{id}");
    for reason in decision.reasons {
        assert!(!reason.detail.is_empty() && !reason.evidence.is_empty(), "{id}: {reason:?}");
    }
}

/// In each language, the message checks find at least 80% of what they are for, and stop at most 2% of the questions that
/// can be answered.
#[test]
fn the_demo_questions_meet_the_right_checks() {
    let mut found: BTreeMap<(String, bool), (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for language in ["pt", "it", "es", "en"] {
        for row in rows(&root().join(format!("eval/demo/questions/{language}.jsonl"))) {
            let messages = row["messages"].as_array().unwrap();
            let messages = messages
                .iter()
                .map(|message| Message {
                    id: "m".into(),
                    role: serde_json::from_value(message["role"].clone()).unwrap(),
                    text: message["text"].as_str().unwrap().into(),
                    at: None,
                })
                .collect();
            let checks = message_checks(messages, Some(language));
            decided_with_evidence(&checks, &row["id"]);
            let codes: Vec<String> = checks
                .into_iter()
                .map(|found| serde_json::to_value(found.check).unwrap().as_str().unwrap().to_owned())
                .collect();
            let why = row["why"].as_str().filter(|why| *why != "not_in_knowledge");
            // What only keeps a reply from being sent by itself stops no question.
            let stopped =
                || codes.iter().any(|code| code != "human_took_over" && code != "several_questions");
            let right = why.map_or_else(|| !stopped(), |why| codes.iter().any(|code| code == why));
            let counts = found.entry((language.to_owned(), why.is_some())).or_default();
            counts.0 += 1;
            counts.1 += usize::from(right);
            if !right {
                wrong.push(format!("{} {why:?}: {codes:?}", row["id"]));
            }
        }
    }
    assert_eq!(found.len(), 8);
    for ((language, special), (seen, right)) in &found {
        let floor = if *special { 0.80 } else { 0.98 };
        assert!(*right as f64 >= floor * *seen as f64, "{language} {special}: {right}/{seen}\n{wrong:#?}");
    }
}

/// Real visitors of a support bot: nearly all who ask for a person are heard, and hardly anyone else.
#[test]
fn public_requests_for_a_person() {
    let path = root().join("../shared/data/rasa_demo_en/data.jsonl");
    if !path.exists() {
        println!("skipped: the public data sets are not here ({})", path.display());
        return;
    }
    let (mut asked, mut heard, mut others, mut alarms) = (0_usize, 0_usize, 0_usize, 0_usize);
    for row in rows(&path) {
        let message = Message {
            id: "m".into(),
            role: ponto::conversation::Role::Customer,
            text: row["text"].as_str().unwrap().into(),
            at: None,
        };
        let found = message_checks(vec![message], Some("en"));
        let hit = found.iter().any(|found| found.check == ReasonCode::AsksForHuman);
        if row["handoff"] == true {
            asked += 1;
            heard += usize::from(hit);
        } else {
            others += 1;
            alarms += usize::from(hit);
        }
    }
    assert!(heard as f64 >= 0.9 * asked as f64, "{heard} of {asked} heard");
    assert!(alarms as f64 <= 0.01 * others as f64, "{alarms} false alarms in {others}");
}
