use std::collections::BTreeMap;

use chrono::DateTime;

use super::*;
use crate::conversation::{Audience, Channel, Conversation, Labels, Message, Role, WorkspaceId};
use crate::decision::rollout::Allowed;
use crate::decision::rollout::{Slice, Stage};
use crate::decision::{
    DecisionInput, Demand, DraftFacts, Evidence, FoundIn, Mode, PolicyCheck, Unavailable, Verdict,
};
use crate::judgement::{Confidence, Judgement, SentenceGrounding};
use crate::store::suggestion::{Answer, Timings, Trace, TriedQuote, Usage};
use crate::understanding::{MatchedBy, TopicMatch, Understanding};
use ReasonCode as Code;

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
            quote: None,
        },
        feedback: None,
    }
}

fn signal(name: &str, found: &str, limit: Option<&str>) -> Evidence {
    Evidence::Signal { name: name.into(), found: found.into(), limit: limit.map(str::to_owned) }
}

fn input(confidence: f64) -> DecisionInput {
    DecisionInput {
        mode: Mode::Draft,
        checks: vec![PolicyCheck {
            check: ReasonCode::TooLong,
            verdict: Verdict::Draft,
            detail: Some("The draft has 1001 characters; the channel takes 1000.".into()),
            evidence: vec![signal("characters", "1001", Some("1000"))],
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
    - The draft is longer than the channel takes. The draft has 1001 characters, and the channel takes 1000. (too_long)
    - The confidence is under the certified threshold. Confidence 0.8996, threshold 0.9000. (below_threshold)
    - The call, or what came before, allowed no automatic reply. The call allowed a draft at most. (mode_cap)

    What would have changed it:
    - An automatic reply, if the draft had been no longer than the channel takes, the confidence had been at least 0.9000 instead of 0.8996 and the call had run in the mode auto.

    What would raise the confidence:
    - how high the cited passage ranks: 0.250

    Signals:
    - how high the cited passage ranks: 0.250 (cited_rank)
    - whether the model ended by itself: 1.000 (finished)
    ");
    let explanation = explain(&suggestion(input(0.8996)), Language::Pt);
    insta::assert_snapshot!(explanation.text, @"
    Um atendente recebeu um rascunho.

    Por quê:
    - O rascunho é mais longo do que o canal aceita. O rascunho tem 1001 caracteres, e o canal aceita 1000. (too_long)
    - A confiança está abaixo do limite certificado. Confiança 0,8996, limite 0,9000. (below_threshold)
    - A chamada, ou o que veio antes, não permitia resposta automática. A chamada permitia no máximo um rascunho. (mode_cap)

    O que teria mudado a decisão:
    - Uma resposta automática, se o rascunho não fosse mais longo do que o canal aceita, a confiança tivesse sido de pelo menos 0,9000 em vez de 0,8996 e a chamada tivesse sido feita no modo auto.

    O que elevaria a confiança:
    - que lugar o trecho citado ocupa: 0,250

    Sinais:
    - que lugar o trecho citado ocupa: 0,250 (cited_rank)
    - se o modelo terminou por si: 1,000 (finished)
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

    Che cosa alzerebbe la fiducia:
    - che posto occupa il passaggio citato: 0,250

    Segnali:
    - che posto occupa il passaggio citato: 0,250 (cited_rank)
    - se il modello ha finito da sé: 1,000 (finished)
    ");
}

#[test]
fn what_was_made_in_shadow_was_shown_to_nobody() {
    let mut stored = suggestion(DecisionInput { mode: Mode::Shadow, ..input(0.95) });
    for (action, told) in [
        (Action::Draft, "A draft was made in shadow and shown to nobody."),
        (Action::Escalate, "In shadow: the conversation would have been handed to a person."),
    ] {
        stored.answer.decision.action = action;
        assert_eq!(explain(&stored, Language::En).text.lines().next(), Some(told));
    }
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
    // What the decision adds to the checks.
    let own = [
        "mode_cap",
        "rollout",
        "not_certified",
        "certificate_lapsed",
        "below_threshold",
        "low_confidence",
        "unavailable",
    ];
    for language in Language::ALL {
        for code in &listed {
            assert_ne!(word(language, "reason", code), *code, "{}", language.code());
            let told = word(language, "otherwise", code) != *code;
            assert_eq!(told, !own.contains(&code.as_str()), "{} {code}", language.code());
        }
    }
}

/// What would have changed a decision, in each language.
fn otherwise(stored: &Suggestion) -> [Vec<String>; 4] {
    Language::ALL.map(|language| {
        let told = explain(stored, language).otherwise.into_iter().map(|otherwise| otherwise.text);
        told.inspect(|text| assert!(!text.contains(['{', '}', '_', '`']), "{text}")).collect()
    })
}

#[test]
fn what_would_have_changed_it_is_told_in_plain_words() {
    let without_draft = |check| DecisionInput { draft: None, ..found(check, Verdict::Escalate, Vec::new()) };
    let asked = otherwise(&suggestion(without_draft(Code::AsksForHuman)));
    insta::assert_debug_snapshot!(asked, @r#"
    [
        [
            "Um rascunho para um atendente, se o cliente não tivesse pedido uma pessoa e um rascunho tivesse sido escrito.",
        ],
        [
            "Una bozza per un operatore, se il cliente non avesse chiesto una persona e fosse stata scritta una bozza.",
        ],
        [
            "Un borrador para un agente, si el cliente no hubiera pedido una persona y se hubiera escrito un borrador.",
        ],
        [
            "A draft for an agent, if the customer had not asked for a person and a draft had been written.",
        ],
    ]
    "#);
    let lacking = otherwise(&suggestion(without_draft(Code::NothingRelevant)));
    assert_eq!(
        lacking[3],
        [
            "A draft for an agent, if a passage of the knowledge base had been about the question and the sources had held an answer to draft from."
        ]
    );
    let demand = Evidence::Demand { rule: "caro".into(), description: None, demand: Demand::Escalate };
    let ruled = otherwise(&suggestion(found(Code::Policy, Verdict::Escalate, vec![demand])));
    assert_eq!(ruled[0], ["Uma resposta automática, se a regra “caro” não se aplicasse."]);
    assert_eq!(ruled[3], ["An automatic reply, if the rule “caro” had not applied."]);
}

#[test]
fn a_quote_that_was_measured_is_told() {
    let draft = |change: fn(&mut DraftFacts)| {
        let mut input = DecisionInput { mode: Mode::Auto, checks: Vec::new(), ..input(0.95) };
        change(input.draft.as_mut().unwrap());
        suggestion(input)
    };
    let quoted = |mut stored: Suggestion, held: Vec<Code>| {
        stored.trace.quote = Some(TriedQuote { confidence: 0.897, threshold: Some(0.8988), held });
        stored
    };
    let short = quoted(draft(|draft| draft.calibrated = false), vec![Code::BelowThreshold]);
    let told = Language::ALL.map(|language| explain(&short, language).quote.unwrap());
    insta::assert_debug_snapshot!(told, @r#"
    [
        "Uma citação das fontes chegou a 0,897, abaixo de 0,899.",
        "Una citazione delle fonti è arrivata a 0,897, sotto 0,899.",
        "Una cita de las fuentes llegó a 0,897, por debajo de 0,899.",
        "A quote of the sources came to 0.897, short of 0.899.",
    ]
    "#);
    assert!(explain(&short, Language::En).text.contains(&told[3]));
    assert_eq!(
        otherwise(&short)[3],
        ["An automatic reply, if a quote of the sources had come to at least 0.899 instead of 0.897."]
    );
    let held = quoted(draft(|draft| draft.calibrated = false), vec![Code::SeveralQuestions]);
    assert_eq!(
        explain(&held, Language::En).quote.as_deref(),
        Some(
            "A quote of the sources came to 0.897 and was not sent. The message asks more than one question."
        )
    );
    let sent = quoted(draft(|_| ()), Vec::new());
    assert_eq!(explain(&sent, Language::En).quote, None);
    insta::assert_debug_snapshot!(otherwise(&sent).concat(), @r#"
    [
        "O modelo teria sido consultado para um rascunho, se a confiança tivesse ficado abaixo de 0,900 (foi de 0,950).",
        "Al modello sarebbe stata chiesta una bozza, se la fiducia fosse stata sotto 0,900 (era 0,950).",
        "Se habría pedido un borrador al modelo, si la confianza hubiera estado por debajo de 0,900 (fue 0,950).",
        "The model would have been asked for a draft, if the confidence had been under 0.900 (it was 0.950).",
    ]
    "#);
    // Of a trace from before quotes were kept, nothing is said of the model.
    assert!(otherwise(&draft(|_| ()))[3][0].starts_with("A draft for an agent"));
}

#[test]
fn what_a_calibration_weighs_most_against_the_draft_comes_first() {
    let mut suggestion = suggestion(input(0.5));
    let names = |suggestion: &Suggestion| -> Vec<(String, bool)> {
        let told = explain(suggestion, Language::En).signals.into_iter();
        told.map(|signal| (signal.name, signal.raise.is_some())).collect()
    };
    let expected = |names: &[(&str, bool)]| -> Vec<(String, bool)> {
        names.iter().map(|(name, raise)| ((*name).to_owned(), *raise)).collect()
    };
    assert_eq!(names(&suggestion), expected(&[("cited_rank", true), ("finished", false)]), "by its value");
    let confidence = &mut suggestion.trace.judgement.as_mut().unwrap().confidence;
    confidence.signals.extend([("grounded".into(), 0.9), ("length_fit".into(), 0.1)]);
    confidence.contributions =
        [("cited_rank", -0.1), ("grounded", -1.5), ("finished", 0.2), ("not_measured", -2.0)]
            .map(|(name, part)| (name.to_owned(), part))
            .into();
    assert_eq!(
        names(&suggestion),
        expected(&[("grounded", true), ("cited_rank", true), ("length_fit", false), ("finished", false)])
    );
    let told = explain(&suggestion, Language::Pt);
    insta::assert_snapshot!(told.text.split("O que elevaria").nth(1).unwrap(), @"
     a confiança:
    - o que palavras, números, nomes, opostos e negações dizem em conjunto: 0,900; com o valor de uma resposta média, somaria +1,50
    - que lugar o trecho citado ocupa: 0,250; com o valor de uma resposta média, somaria +0,10

    Sinais, e quanto cada um soma à confiança (log-odds, em relação a uma resposta média):
    - −1,50 o que palavras, números, nomes, opostos e negações dizem em conjunto: 0,900 (grounded)
    - −0,10 que lugar o trecho citado ocupa: 0,250 (cited_rank)
    - se o tamanho é usual: 0,100 (length_fit)
    - +0,20 se o modelo terminou por si: 1,000 (finished)
    ");
}

/// The first reason of a decision on this input, in each language.
fn because(input: &DecisionInput, change: impl Fn(&mut Suggestion)) -> [String; 4] {
    let mut stored = suggestion(input.clone());
    change(&mut stored);
    Language::ALL.map(|language| explain(&stored, language).reasons[0].evidence.clone())
}

fn found(check: ReasonCode, verdict: Verdict, evidence: Vec<Evidence>) -> DecisionInput {
    let detail = Some("an English sentence that nobody is to read".to_owned());
    let checks = vec![PolicyCheck { check, verdict, detail, evidence }];
    DecisionInput { mode: Mode::Auto, checks, ..input(0.95) }
}

fn topic(name: &str, phrase: &str) -> Vec<Evidence> {
    vec![Evidence::Topic { name: name.into(), found: phrase.into() }]
}

#[test]
fn the_evidence_of_every_reason_is_told_in_every_language() {
    let message = || vec![Evidence::Message { id: "m".into() }];
    let passage = |found: &str| {
        vec![Evidence::Passage { id: "p".into(), title: "Entrega".into(), found: found.into() }]
    };
    let draft = |change: fn(&mut DraftFacts)| {
        let mut input = DecisionInput { mode: Mode::Auto, checks: Vec::new(), ..input(0.95) };
        change(input.draft.as_mut().unwrap());
        input
    };
    let rolled = |rollout: Allowed| DecisionInput { rollout, ..draft(|_| ()) };
    let slice = Slice { channel: Some(Channel::Whatsapp), topic: None, language: Some(Language::It) };
    let sample = Allowed { stage: Stage::Sample, share: Some(0.25), slice, ..Allowed::default() };
    let shadow = Allowed { stage: Stage::Shadow, ..Allowed::default() };
    let down = |unavailable| DecisionInput { unavailable: Some(unavailable), ..draft(|_| ()) };
    let rule = |condition: &str, found: &str, place| Evidence::Rule {
        name: "caro".into(),
        condition: condition.into(),
        found: found.into(),
        place,
    };
    let demand = |demand| Evidence::Demand {
        rule: "caro".into(),
        description: Some("Reembolsos grandes".into()),
        demand,
    };
    let rules = vec![
        rule("channel", "whatsapp", None),
        rule("amount_over", "“900 €”", Some(FoundIn::Message)),
        rule("confidence_below", "0.31", None),
        demand(Demand::Escalate),
        demand(Demand::Redact),
    ];
    let cases = [
        (
            found(Code::AsksForHuman, Verdict::Escalate, topic("asks_for_human", "quero alguém")),
            "A mensagem diz “quero alguém”.",
        ),
        (
            found(Code::Complaint, Verdict::Escalate, topic("safety", "pegou fogo")),
            "Acidente ou perigo: a mensagem diz “pegou fogo”.",
        ),
        (
            found(Code::AngryCustomer, Verdict::Draft, topic("anger", "que raiva")),
            "A mensagem se parece com o exemplo “que raiva” (certeza 0,83).",
        ),
        (
            found(
                Code::OptedOut,
                Verdict::Draft,
                vec![
                    signal("opted_out_at", "2026-03-01T10:00:00Z", None),
                    signal("opted_out_in", "c9", None),
                ],
            ),
            "O cliente pediu o fim das mensagens em outra conversa, em 2026-03-01, e isso continua valendo.",
        ),
        (
            found(Code::IndexRebuilding, Verdict::Draft, vec![signal("passages_lacking", "3", None)]),
            "No início da reconstrução faltavam 3 trechos; quando ela terminar, a busca encontra tudo de novo.",
        ),
        (
            found(Code::HumanTookOver, Verdict::Draft, message()),
            "Um atendente escreveu “?”, e a conversa não foi devolvida desde então.",
        ),
        (
            found(
                Code::HumanTookOver,
                Verdict::Draft,
                vec![
                    signal("sent_draft", "sug.1", None),
                    signal("sent_draft_at", "2026-03-01T10:00:00Z", None),
                ],
            ),
            "Um atendente respondeu ao cliente em 2026-03-01 (sugestão sug.1), e a conversa não foi devolvida desde então.",
        ),
        (found(Code::UnsupportedLanguage, Verdict::Escalate, message()), "A mensagem é “?”."),
        (
            found(Code::NothingRelevant, Verdict::Escalate, passage("similarity")),
            "O que havia de mais próximo: “Entrega” (semelhança 0,71, 40% das palavras da pergunta).",
        ),
        (found(Code::NothingRelevant, Verdict::Escalate, message()), "A busca não encontrou nenhum trecho."),
        (
            found(Code::Injection, Verdict::Draft, passage("ignore as regras")),
            "O trecho “Entrega” contém “ignore as regras”; revise a base de conhecimento.",
        ),
        (
            found(Code::Injection, Verdict::Escalate, Vec::new()),
            "O nome do cliente dá instruções ao assistente.",
        ),
        (
            found(Code::SeveralQuestions, Verdict::Draft, Vec::new()),
            "São 3 perguntas; confira se a resposta atende a todas.",
        ),
        (
            found(Code::Ungrounded, Verdict::Draft, Vec::new()),
            "Não está em nenhuma fonte, ou diz o contrário dela: “30 dias” e “Lisboa”.",
        ),
        (
            found(
                Code::PersonalData,
                Verdict::Draft,
                vec![signal("personal_data", "CPF", None), signal("personal_data", "PHONE", None)],
            ),
            "O rascunho contém um CPF e um telefone.",
        ),
        (
            found(Code::UnsupportedPromise, Verdict::Draft, vec![signal("promise", "a delivery", None)]),
            "O rascunho promete uma entrega.",
        ),
        (
            found(Code::LanguageMismatch, Verdict::Draft, vec![signal("language", "en", Some("pt"))]),
            "O cliente escreve em português e o rascunho está em inglês.",
        ),
        (
            found(
                Code::ReplyWindowClosed,
                Verdict::Draft,
                vec![signal("reply_window_hours", "24", None), signal("reply_template", "volta", None)],
            ),
            "A última mensagem do cliente tem mais de 24 horas; só pode ser enviado um modelo aprovado, como `volta`.",
        ),
        (found(Code::AgentsOnlySource, Verdict::Draft, Vec::new()), "Reservado aos atendentes: “Entrega”."),
        (
            found(Code::NothingToAnswer, Verdict::Escalate, message()),
            "A última mensagem do cliente não tem palavras.",
        ),
        (
            found(Code::Policy, Verdict::Escalate, rules),
            "A regra “caro” (Reembolsos grandes) passa a conversa a uma pessoa e tirou palavras da resposta, que um atendente deve ver, porque o canal é WhatsApp, a mensagem fala de “900 €” e a confiança é de 0,31.",
        ),
        (
            draft(|draft| draft.calibrated = false),
            "Não há calibração para este modelo, prompt, embedder e configuração; crie uma com `ponto calibrate`.",
        ),
        (
            draft(|draft| draft.threshold = None),
            "A calibração não certifica nada para este espaço e idioma; veja `ponto calibrate`.",
        ),
        (
            draft(|draft| draft.lapsed = Some(0.4)),
            "40% do conhecimento mudou desde então; refaça o certificado com `ponto calibrate`.",
        ),
        (
            draft(|draft| (draft.floor, draft.confidence) = (Some(0.25), 0.2)),
            "Confiança 0,200; abaixo de 0,250, uma pessoa assume.",
        ),
        (
            rolled(sample),
            "25% das conversas recebem resposta automática (canal: WhatsApp, idioma: italiano), e esta não foi sorteada.",
        ),
        (
            rolled(shadow),
            "A implantação está no estágio shadow (todas as conversas), em que nada é mostrado.",
        ),
        (down(Unavailable::Index), "A base de conhecimento não pôde ser consultada."),
        (down(Unavailable::IndexInTime), "A busca demorou mais do que a resposta pode demorar."),
        (down(Unavailable::Model), "Nenhum modelo respondeu a tempo."),
        (down(Unavailable::Judgement), "O rascunho não pôde ser conferido a tempo."),
        (
            DecisionInput { already_replied: true, ..draft(|_| ()) },
            "Esta mensagem já tinha sido respondida automaticamente.",
        ),
    ];
    for (input, portuguese) in cases {
        let told = because(&input, |stored| {
            stored.trace.understanding.questions = 3;
            stored.trace.understanding.topics = vec![TopicMatch {
                name: "anger".into(),
                score: 0.83,
                by: MatchedBy::Example,
                example: "que raiva".into(),
            }];
            let mut hit = crate::judgement::tests::hit("p", "Leva 4 dias.", 0.71, 0.4);
            hit.passage.heading_path.clear();
            (hit.passage.title, hit.passage.audience) = ("Entrega".into(), Audience::Agents);
            stored.trace.retrieved = vec![hit];
            if let Some(judgement) = &mut stored.trace.judgement {
                judgement.sentences = vec![SentenceGrounding {
                    text: "Leva 30 dias a Lisboa.".into(),
                    support: 0.2,
                    passage_id: None,
                    unsupported: vec!["30 dias".into(), "Lisboa".into()],
                }];
            }
        });
        assert_eq!(told[0], portuguese);
        for (place, other) in told.iter().enumerate() {
            assert!(!other.contains(['{', '}', '_']) && !other.is_empty(), "{other:?}");
            assert!(!other.contains("nobody is to read"), "{other}");
            assert!(told[..place].iter().all(|earlier| earlier != other), "{other} is not translated");
        }
    }
}

#[test]
fn what_is_filled_in_is_not_filled_again() {
    let fill = [("{rule}", "{about}"), ("{about}", " (x)")];
    assert_eq!(filled("the rule “{rule}”{about} {demand}", &fill), "the rule “{about}” (x) {demand}");
}
