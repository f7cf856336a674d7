use std::collections::BTreeMap;

use chrono::DateTime;

use super::*;
use crate::conversation::{Channel, Conversation, Labels, Message, Role, WorkspaceId};
use crate::decision::rollout::Allowed;
use crate::decision::{DecisionInput, DraftFacts, Mode, PolicyCheck, Verdict};
use crate::judgement::{Confidence, Judgement};
use crate::store::suggestion::{Answer, Timings, Trace, Usage};
use crate::understanding::Understanding;

fn suggestion(input: DecisionInput) -> Suggestion {
    let confidence = Confidence {
        value: input.draft.map_or(0.0, |draft| draft.confidence),
        calibrated: true,
        signals: BTreeMap::from([("cited_rank".into(), 0.25), ("finished".into(), 1.0)]),
        ..Confidence::default()
    };
    Suggestion {
        answer: Answer {
            id: "sug_1".into(),
            decision: decide(&input),
            drafts: Vec::new(),
            confidence: confidence.clone(),
            policy: input.checks.clone(),
            handoff: None,
            reply_window: None,
            usage: Usage::none(),
            timings_ms: Timings::default(),
            trace_id: "t".into(),
            mode: input.mode,
        },
        workspace: WorkspaceId("w".into()),
        conversation: Conversation {
            id: "c".into(),
            channel: Channel::Api,
            locale: None,
            customer: None,
            labels: Labels::default(),
            messages: vec![Message { id: "m".into(), role: Role::Customer, text: "?".into(), at: None }],
            handed_back_after: None,
        },
        mode: input.mode,
        created_at: DateTime::UNIX_EPOCH,
        trace: Trace {
            language: Some(Language::En),
            query: "?".into(),
            retrieved: Vec::new(),
            judgement: input.draft.map(|_| Judgement { sentences: Vec::new(), confidence }),
            calibration_key: "k".into(),
            threshold: input.draft.and_then(|draft| draft.threshold),
            decided: Some(input),
            understanding: Understanding::default(),
            rollout: Allowed::default(),
            audit: None,
            policies: String::new(),
            lapsed: None,
        },
        feedback: None,
    }
}

fn input(confidence: f64) -> DecisionInput {
    DecisionInput {
        mode: Mode::Draft,
        checks: vec![PolicyCheck {
            check: ReasonCode::TooLong,
            verdict: Verdict::Draft,
            detail: Some("The draft has 1001 characters; the channel takes 1000.".into()),
            evidence: Vec::new(),
        }],
        draft: Some(DraftFacts {
            citations: 1,
            grounded: true,
            confidence,
            calibrated: true,
            threshold: Some(0.9),
            lapsed: None,
            floor: None,
        }),
        already_replied: false,
        unavailable: None,
        rollout: Allowed::default(),
    }
}

#[test]
fn a_draft_is_explained_with_what_would_have_changed_it() {
    let explanation = explain(&suggestion(input(0.8996)), Language::En);
    insta::assert_snapshot!(explanation.text, @"
    An agent was shown a draft.

    Why:
    - The draft is longer than the channel takes. (too_long: The draft has 1001 characters; the channel takes 1000.)
    - The confidence is under the certified threshold. (below_threshold: Confidence 0.90 is under the certified threshold 0.90.)
    - The call, or what came before, allowed no automatic reply. (mode_cap: The call allows drafts at most.)
    - Confidence 0.8996, threshold 0.9000.

    What would have changed it:
    - An automatic reply, if the check `too_long` had found nothing, the confidence had been at least 0.9000 instead of 0.8996 and the call had run in the mode auto.

    Weakest signals:
    - how high the cited passage ranks 0.250 (cited_rank)
    ");
    let explanation = explain(&suggestion(input(0.8996)), Language::Pt);
    insta::assert_snapshot!(explanation.text, @"
    Um atendente recebeu um rascunho.

    Por quê:
    - O rascunho é mais longo do que o canal aceita. (too_long: The draft has 1001 characters; the channel takes 1000.)
    - A confiança está abaixo do limite certificado. (below_threshold: Confidence 0.90 is under the certified threshold 0.90.)
    - A chamada, ou o que veio antes, não permitia resposta automática. (mode_cap: The call allows drafts at most.)
    - Confiança 0,8996, limite 0,9000.

    O que teria mudado a decisão:
    - Uma resposta automática, se a verificação `too_long` não tivesse encontrado nada, a confiança tivesse sido de pelo menos 0,9000 em vez de 0,8996 e a chamada tivesse sido feita no modo auto.

    Sinais mais fracos:
    - que lugar o trecho citado ocupa 0,250 (cited_rank)
    ");
}

#[test]
fn an_automatic_reply_is_explained() {
    let sent = DecisionInput { mode: Mode::Auto, checks: Vec::new(), ..input(0.95) };
    let explanation = explain(&suggestion(sent), Language::It);
    insta::assert_snapshot!(explanation.text, @"
    La risposta è stata inviata automaticamente.

    Perché:
    - Nessuna regola si è opposta, ogni frase poggia su un passaggio citato e la fiducia ha raggiunto la soglia certificata.
    - Fiducia 0,950, soglia 0,900.

    Che cosa avrebbe cambiato la decisione:
    - Una bozza per un operatore, se la fiducia fosse stata sotto 0,900 (era 0,950).

    Segnali più deboli:
    - che posto occupa il passaggio citato 0,250 (cited_rank)
    ");
}

#[test]
fn a_stored_decision_replays_and_a_forged_one_does_not() {
    let mut stored = suggestion(input(0.5));
    assert_eq!(replays(&stored), Some(true));
    // A reason of an earlier version, which had no evidence.
    let reason = &mut stored.answer.decision.reasons[1];
    assert!(!std::mem::take(&mut reason.evidence).is_empty());
    assert_eq!(replays(&stored), Some(true));
    stored.answer.decision.reasons[1].detail.push('!');
    assert_eq!(replays(&stored), Some(false));
    stored = suggestion(input(0.5));
    stored.answer.decision.action = Action::AutoReply;
    assert_eq!(replays(&stored), Some(false));
    stored.trace.decided = None;
    assert_eq!(replays(&stored), None);
}

/// Every reason code, as the API's document lists them.
#[test]
fn every_reason_has_words() {
    let schema = serde_json::to_value(<ReasonCode as utoipa::PartialSchema>::schema()).unwrap();
    let codes = schema.to_string();
    let listed: Vec<String> = schema
        .pointer("/oneOf")
        .or_else(|| schema.pointer("/enum"))
        .and_then(|listed| listed.as_array())
        .unwrap_or_else(|| panic!("the codes are not listed: {codes}"))
        .iter()
        .filter_map(|entry| {
            entry.as_str().or_else(|| entry.pointer("/enum/0").and_then(|name| name.as_str()))
        })
        .map(str::to_owned)
        .collect();
    assert!(listed.len() > 15, "{codes}");
    for language in Language::ALL {
        for code in &listed {
            assert_ne!(word(language, "reason", code), *code, "{}", language.code());
        }
    }
}

#[test]
fn what_a_calibration_weighs_most_against_the_draft_comes_first() {
    let mut suggestion = suggestion(input(0.5));
    let names = |suggestion: &Suggestion| -> Vec<String> {
        explain(suggestion, Language::En).weakest.into_iter().map(|signal| signal.name).collect()
    };
    assert_eq!(names(&suggestion), ["cited_rank"], "by its value");
    let confidence = &mut suggestion.trace.judgement.as_mut().unwrap().confidence;
    confidence.signals.insert("grounded".into(), 0.9);
    confidence.contributions =
        [("cited_rank", -0.1), ("grounded", -1.5), ("finished", 0.2), ("not_measured", -2.0)]
            .map(|(name, part)| (name.to_owned(), part))
            .into();
    assert_eq!(names(&suggestion), ["grounded", "cited_rank"]);
}
