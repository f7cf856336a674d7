//! `ponto calibrate --from-feedback` from suggestions to the written certificate, through the binary.

use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use ponto::app::App;
use ponto::conversation::{Channel, Conversation, Message, Role, WorkspaceId};
use ponto::decision::rollout::{Stage, audited};
use ponto::decision::{Action, Mode};
use ponto::inference::models::Silent;
use ponto::knowledge::{IngestRequest, Silent as NoProgress};
use ponto::store::Suggestions;
use ponto::store::suggestion::{Feedback, FeedbackOutcome, Suggestion};
use serde_json::{Value, json};

use crate::eval::{ponto, stderr};
use crate::eval_runs::small_suite;
use crate::support::app::config;

const SHARE: f64 = 0.4;

fn workspace() -> WorkspaceId {
    WorkspaceId("shop".into())
}

/// A server that drafts, as an operator lets it who collects labels: calls in mode auto, and nothing is sent.
async fn server(folder: &Path) -> (App, Suggestion) {
    let mut config = config(&folder.join("data"));
    config.rollout.default_stage = Stage::Draft;
    let app = App::build(config, Arc::new(Silent)).await.unwrap();
    let request = IngestRequest {
        patterns: vec![folder.join("knowledge").to_string_lossy().into_owned()],
        ..IngestRequest::default()
    };
    app.library.ingest(&workspace(), request, &NoProgress).await.unwrap();
    let text = "How long does standard delivery take?".to_owned();
    let message = Message { id: "m-1".into(), role: Role::Customer, text, at: None };
    let asked = Conversation::new("c", Channel::WebChat, vec![message]);
    let made =
        app.assistant.suggest(app.store.as_ref(), &workspace(), &asked, Mode::Auto, None).await.unwrap();
    assert_eq!(made.answer.decision.action, Action::Draft, "{:?}", made.answer.decision);
    (app, made)
}

/// Stores another suggestion like this one, and what an agent said of it.
async fn store(app: &App, made: &Suggestion, verdict: Option<(FeedbackOutcome, Option<String>)>) {
    Suggestions::insert(app.store.as_ref(), made).await.unwrap();
    let Some((outcome, text)) = verdict else { return };
    let draft = &made.answer.drafts[0].text;
    let edit_distance = match (outcome, &text) {
        (FeedbackOutcome::Accepted, _) => Some(0),
        (_, Some(text)) => Some(strsim::levenshtein(draft, text)),
        (_, None) => None,
    };
    let feedback = Feedback { outcome, text, reason: None, agent: None, edit_distance, at: made.created_at };
    assert!(app.store.feedback(&workspace(), &made.answer.id, &feedback).await.unwrap());
}

/// One of many: its signals say how good it is.
fn like(made: &Suggestion, id: &str, signal: f64) -> Suggestion {
    let mut other = made.clone();
    other.answer.id = format!("sug_{id}");
    other.conversation.id = format!("c-{id}");
    for value in other.trace.judgement.as_mut().unwrap().confidence.signals.values_mut() {
        *value = signal;
    }
    other
}

/// What was stored, as the command should tell it.
struct Expected {
    drawn: usize,
    silent_drawn: usize,
    fit: usize,
    silent: usize,
    wrong: usize,
}

/// Two hundred drafts that agents dealt with, and some that are no labels.
async fn collect(app: &App, made: &Suggestion) -> Expected {
    let draft = &made.answer.drafts[0].text;
    assert!(draft.contains("4 business days"), "{draft}");
    // The first one, which nobody judged.
    let drawn = usize::from(audited(&made.answer.id, SHARE));
    let mut expected = Expected { drawn, silent_drawn: drawn, fit: 0, silent: 1 - drawn, wrong: drawn };
    for number in 0..200 {
        let good = number % 5 != 0;
        let one = like(made, &number.to_string(), if good { 0.9 } else { 0.1 });
        let verdict = match number % 20 {
            0 | 10 | 15 => Some((FeedbackOutcome::Rejected, None)),
            // One character, and another promise.
            5 => Some((FeedbackOutcome::Edited, Some(draft.replacen("4 business", "40 business", 1)))),
            1 => Some((FeedbackOutcome::Edited, Some(draft.replacen("takes", "takés", 1)))),
            2 if number < 100 => None,
            _ => Some((FeedbackOutcome::Accepted, None)),
        };
        let (drawn, silent) = (audited(&one.answer.id, SHARE), verdict.is_none());
        expected.drawn += usize::from(drawn);
        expected.silent_drawn += usize::from(drawn && silent);
        expected.fit += usize::from(!drawn && !silent);
        expected.silent += usize::from(!drawn && silent);
        expected.wrong += usize::from(!good || (drawn && silent));
        store(app, &one, verdict).await;
        // Asked again, after the knowledge was corrected.
        if number % 20 == 0 {
            let mut again = one;
            again.answer.id = format!("sug_again_{number}");
            store(app, &again, Some((FeedbackOutcome::Accepted, None))).await;
        }
    }
    let accepted = || Some((FeedbackOutcome::Accepted, None));
    for number in 0..3 {
        let mut of_draft_mode = like(made, &format!("mode-{number}"), 0.9);
        of_draft_mode.trace.decided.as_mut().unwrap().mode = Mode::Draft;
        store(app, &of_draft_mode, accepted()).await;
    }
    for number in 0..2 {
        let mut of_other_model = like(made, &format!("key-{number}"), 0.9);
        of_other_model.trace.calibration_key =
            made.trace.calibration_key.replacen("model=", "model=other", 1);
        store(app, &of_other_model, accepted()).await;
    }
    expected
}

#[test]
fn verdicts_of_agents_become_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    small_suite(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // The server goes on meanwhile.
    let (_app, expected) = runtime.block_on(async {
        let (app, made) = server(folder.path()).await;
        // The first rows of the list: before there was any knowledge.
        for number in 0..4 {
            let mut before = like(&made, &format!("before-{number}"), 0.9);
            before.created_at = made.created_at - TimeDelta::days(10);
            store(&app, &before, Some((FeedbackOutcome::Accepted, None))).await;
        }
        let expected = collect(&app, &made).await;
        (app, expected)
    });
    let settings = format!("[inference]\nbackends = [\"extractive\"]\n\n[rollout]\naudit_share = {SHARE}\n");
    std::fs::write(folder.path().join("ponto.toml"), settings).unwrap();
    let calibrate = |more: &[&str]| {
        let fixed = ["calibrate", "--from-feedback", "--data-dir", "data", "--backend", "extractive"];
        let out = ["--config", "ponto.toml", "--target", "0.25", "--out", "made/shop.json"];
        ponto(folder.path(), &[&fixed[..], &out[..], more].concat())
    };
    let file = folder.path().join("made/shop.json");
    let few =
        calibrate(&["--workspace", "shop", "--since", "2000-01-01T00:00:00Z", "--audit-share", "0.999"]);
    assert_eq!(few.status.code(), Some(1));
    assert!(stderr(&few).contains("at least 5 acceptable and 5 unacceptable replies"), "{}", stderr(&few));
    assert!(!file.exists());
    let none = calibrate(&["--workspace", "shop", "--audit-share", "1"]);
    assert!(stderr(&none).contains("rollout.audit_share"), "{}", stderr(&none));

    let done = calibrate(&["--workspace", "shop"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let Expected { drawn, silent_drawn, fit, silent, wrong } = expected;
    let note = stderr(&done);
    for told in [
        "201 replies met no objection".to_owned(),
        format!("{drawn} drawn to certify ({silent_drawn} of them without a verdict"),
        format!("{fit} others with a verdict to fit, {silent} without one left out"),
        "2 belong to another model".to_owned(),
        "3 came of calls in mode draft".to_owned(),
        "4 were written before more than 10% of the knowledge changed".to_owned(),
    ] {
        assert!(note.contains(&told), "{told:?} in {note}");
    }
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    for told in [
        format!(
            "{} replies were drafted and met no objection: {fit} to fit, {drawn} to certify",
            fit + drawn
        ),
        "What was drawn at random for audits certifies".to_owned(),
        format!("en: {} replies, {wrong} not acceptable", fit + drawn),
        "Certified, en:".to_owned(),
    ] {
        assert!(text.contains(&told), "{told:?} in {text}");
    }
    let made: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let certificate = &made["certificate"];
    assert_eq!(certificate["rows"], json!(drawn), "{certificate:#}");
    assert_eq!(made["workspace"], "shop");
    assert_eq!(certificate["split"], "audit");
    assert!(certificate["knowledge"]["passages"].as_u64().unwrap() >= 2, "{certificate:#}");
    let labels = std::fs::read_to_string(folder.path().join("made/shop.labels.csv")).unwrap();
    assert_eq!(labels.lines().count(), 1 + fit + drawn);
    let verified = ponto(folder.path(), &["calibrate", "verify", "made/shop.json"]);
    assert!(verified.status.success(), "{}", stderr(&verified));
}
