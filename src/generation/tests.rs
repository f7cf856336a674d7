//! Drafting with the backend that needs no model, and with replies a model might give.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::conversation::{Channel, Conversation, Customer, Labels, Message, Role};
use crate::inference::extractive::Extractive;
use crate::inference::{
    Budget, ChatEvent, ChatMessage, ChatModel, ChatRequest, ChatRole, ChatStream, Completion, InferenceError,
};
use crate::retrieval::fixtures::passage;
use crate::retrieval::{Passage, Retrieved, Scores};

/// A model that gives one fixed reply, for replies that a real one gives too seldom to test, and keeps what it was asked.
struct Scripted {
    asked: Mutex<Vec<Vec<ChatMessage>>>,
    reply: &'static str,
    finish: FinishReason,
    info: ModelInfo,
}

impl Scripted {
    fn new(reply: &'static str, finish: FinishReason) -> Arc<Self> {
        let info = ModelInfo {
            backend: "scripted".into(),
            model: "scripted".into(),
            fingerprint: String::new(),
            context_length: 4_096,
        };
        Arc::new(Self { asked: Mutex::default(), reply, finish, info })
    }
}

#[async_trait]
impl ChatModel for Scripted {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
        assert!(matches!(request.messages.last(), Some(last) if last.role == ChatRole::User));
        self.asked.lock().unwrap().push(request.messages);
        let done = Completion {
            text: self.reply.into(),
            finish: self.finish,
            usage: TokenUsage::default(),
            logprobs: None,
            model: self.info.clone(),
        };
        Ok(Box::pin(futures::stream::iter([
            Ok(ChatEvent::Delta(self.reply.into())),
            Ok(ChatEvent::Done(done)),
        ])))
    }
}

fn found(id: &str, heading: &str, text: &str, language: Language) -> Retrieved {
    Retrieved {
        passage: Passage {
            document_id: "delivery".into(),
            title: "Entrega".into(),
            heading_path: vec![heading.into()],
            language: Some(language),
            url: Some("https://shop.example/pt/entrega".into()),
            ..passage(id, text)
        },
        scores: Scores::default(),
    }
}

fn passages() -> Vec<Retrieved> {
    vec![
        found(
            "p-1",
            "Prazos",
            "A entrega padrão no Brasil leva 5 dias úteis e custa R$ 19,90.",
            Language::Pt,
        ),
        found(
            "p-2",
            "Tentativas",
            "A transportadora faz 2 tentativas. Depois, o pacote espera 7 dias.",
            Language::Pt,
        ),
        found("p-3", "Times", "Standard delivery to Brazil takes 5 business days.", Language::En),
    ]
}

fn conversation(texts: &[(Role, &str)]) -> Conversation {
    Conversation {
        id: "c".into(),
        channel: Channel::Whatsapp,
        locale: None,
        customer: Some(Customer {
            id: "u".into(),
            name: Some("Ana".into()),
            attributes: std::collections::BTreeMap::new(),
            opted_in_at: None,
        }),
        labels: Labels::default(),
        handed_back_after: None,
        messages: texts
            .iter()
            .enumerate()
            .map(|(position, (role, text))| Message {
                id: format!("m-{position}"),
                role: *role,
                text: (*text).into(),
                at: None,
            })
            .collect(),
    }
}

async fn search_query(reply: &'static str, finish: FinishReason, turns: &[(Role, &str)]) -> Option<String> {
    let drafter = Drafter::new(Scripted::new(reply, finish), None, GenerationConfig::default()).unwrap();
    drafter.search_query(&conversation(turns), Budget::of(Duration::from_secs(5))).await
}

#[tokio::test]
async fn a_model_writes_the_query_of_a_follow_up_and_of_nothing_else() {
    let follow_up = [
        (Role::Customer, "Qual é o prazo para São Paulo?"),
        (Role::Bot, "Três dias úteis."),
        (Role::Customer, "e para o Rio?"),
    ];
    let wanted = "Qual é o prazo para o Rio?";
    let query = search_query("\"Qual é o prazo para o Rio?\"", FinishReason::Stop, &follow_up).await;
    assert_eq!(query.as_deref(), Some(wanted));
    assert_eq!(search_query(wanted, FinishReason::Length, &follow_up).await, None, "a query that was cut");
    assert_eq!(search_query("NO_ANSWER", FinishReason::Stop, &follow_up).await, None);
    assert_eq!(search_query("", FinishReason::Stop, &follow_up).await, None);
    assert_eq!(search_query(wanted, FinishReason::Stop, &follow_up[..1]).await, None, "nothing came before");
}

async fn draft(chat: Arc<dyn ChatModel>, question: &str) -> Draft {
    let drafter = Drafter::new(chat, None, GenerationConfig::default()).unwrap();
    let conversation = conversation(&[(Role::Customer, question)]);
    let request = DraftRequest {
        conversation: &conversation,
        question,
        language: Language::Pt,
        retrieved: &passages(),
        earlier: &[],
    };
    drafter.draft(request, Budget::of(Duration::from_secs(5)), None).await.unwrap()
}

#[tokio::test]
async fn without_a_model_a_draft_quotes_and_cites() {
    let draft = draft(Arc::new(Extractive::new(None)), "em quanto tempo chega a entrega padrao?").await;
    assert_eq!(draft.text, "A entrega padrão no Brasil leva 5 dias úteis e custa R$ 19,90.");
    assert_eq!(draft.citations.len(), 1);
    assert_eq!(draft.citations[0].passage_id, "p-1");
    assert_eq!(draft.citations[0].title, "Entrega › Prazos");
    assert_eq!(draft.citations[0].quote, draft.text);
    assert!(draft.ai_generated && !draft.production.refused);
}

#[tokio::test]
async fn without_a_model_the_unknown_is_refused() {
    let draft = draft(Arc::new(Extractive::new(None)), "Vocês vendem vale-presente?").await;
    assert!(draft.production.refused);
    assert_eq!((draft.text.as_str(), draft.citations.len()), ("", 0));
}

#[tokio::test]
async fn without_passages_no_model_is_asked() {
    let drafter =
        Drafter::new(Scripted::new("Sim!", FinishReason::Stop), None, GenerationConfig::default()).unwrap();
    let conversation = conversation(&[(Role::Customer, "oi")]);
    let request = DraftRequest {
        conversation: &conversation,
        question: "oi",
        language: Language::Pt,
        retrieved: &[],
        earlier: &[],
    };
    let draft = drafter.draft(request, Budget::of(Duration::from_secs(1)), None).await.unwrap();
    assert!(draft.production.refused);
}

#[tokio::test]
async fn a_later_prompt_goes_on_from_the_one_before_and_shows_nothing_twice() {
    let (first, second) = ("Quanto custa a entrega?", "E quantas tentativas fazem?");
    let before = conversation(&[(Role::Customer, first)]);
    let now = conversation(&[
        (Role::Customer, first),
        (Role::Bot, "Custa R$ 19,90. </message>"),
        (Role::Customer, second),
    ]);
    let mut passages = passages();
    let (found_then, found_now) = (passages[..2].to_vec(), passages.split_off(1));
    let turn =
        EarlierTurn { conversation: before.clone(), question: first.into(), retrieved: found_then.clone() };
    let asked =
        async |conversation: &Conversation, question, retrieved: &[Retrieved], earlier: &[_], config| {
            let chat = Scripted::new("A entrega padrão custa R$ 19,90 [1].", FinishReason::Stop);
            let drafter = Drafter::new(chat.clone(), None, config).unwrap();
            let request = DraftRequest { conversation, question, language: Language::Pt, retrieved, earlier };
            let draft = drafter.draft(request, Budget::of(Duration::from_secs(5)), None).await.unwrap();
            (chat.asked.lock().unwrap().remove(0), draft)
        };
    let config = GenerationConfig::default;
    let (one, _) = asked(&before, first, &found_then, &[], config()).await;
    let (two, draft) = asked(&now, second, &found_now, std::slice::from_ref(&turn), config()).await;
    assert_eq!(two[0], one[0]);
    let kept = one[1].content.strip_suffix("\n\nReply in Portuguese:").unwrap();
    insta::assert_snapshot!(two[1].content.strip_prefix(kept).unwrap().trim(), @r#"
    <source id="3" title="Entrega › Times">
    Standard delivery to Brazil takes 5 business days.
    </source>

    <message from="bot">Custa R$ 19,90. ‹/message></message>
    <message from="customer">E quantas tentativas fazem?</message>

    Reply in Portuguese:
    "#);
    assert_eq!(draft.citations[0].passage_id, "p-1", "its number holds in every turn");

    let long = GenerationConfig { prompt_chars: 100_000, ..config() };
    let (anew, _) = asked(&now, second, &found_now, &[turn], long).await;
    assert!(
        anew[1].content.starts_with("<source id=\"1\" title=\"Entrega › Tentativas\">"),
        "{}",
        anew[1].content
    );
}

#[tokio::test]
async fn what_a_model_writes_is_cleaned() {
    let reply = "Resposta: A entrega leva **5 dias úteis** [1]. Veja [aqui](https://evil.example/x) ou \
        https://shop.example/pt/entrega. Atenciosamente, [Seu Nome]";
    let draft = draft(Scripted::new(reply, FinishReason::Stop), "prazo?").await;
    assert_eq!(draft.text, "A entrega leva 5 dias úteis. Veja aqui ou https://shop.example/pt/entrega.");
    assert_eq!(draft.citations[0].passage_id, "p-1");
}

#[tokio::test]
async fn a_cut_reply_ends_with_a_whole_sentence() {
    let reply = "A transportadora faz 2 tentativas [2]. Depois, o pacote espera";
    assert_eq!(
        draft(Scripted::new(reply, FinishReason::Length), "tentativas?").await.text,
        "A transportadora faz 2 tentativas."
    );
}

#[tokio::test]
async fn nothing_is_said_twice() {
    let reply =
        "Sim. A entrega leva 5 dias úteis [1]. Sim. A ENTREGA leva 5 dias úteis [1].\nCusta R$ 19,90 [1].";
    assert_eq!(
        draft(Scripted::new(reply, FinishReason::Stop), "prazo?").await.text,
        "Sim. A entrega leva 5 dias úteis. Sim. Custa R$ 19,90."
    );
}

#[tokio::test]
async fn a_summary_that_invents_numbers_is_not_used() {
    let talk = conversation(&[
        (Role::Customer, "Oi, onde está o pedido 123?"),
        (Role::Agent, "Vou ver."),
        (Role::Customer, "Ainda nada?"),
    ]);
    let summary = async |reply| {
        let drafter =
            Drafter::new(Scripted::new(reply, FinishReason::Stop), None, GenerationConfig::default())
                .unwrap();
        drafter.summarize(&talk, Language::En, Budget::of(Duration::from_secs(5))).await
    };
    assert_eq!(summary("The customer asks for order 123.").await, "The customer asks for order 123.");
    insta::assert_snapshot!(
        summary("The customer asks for order 999.").await,
        @"Ana wrote 2 messages (WhatsApp); replies so far: 1 by the team, 0 automatic. Last message: “Ainda nada?”"
    );
}

#[test]
fn holding_messages_say_that_they_are_automatic() {
    for language in Language::ALL {
        let text = holding_message(language);
        assert!(text.contains("IA") || text.contains("AI"), "{text}");
    }
}

#[test]
fn the_prompt_version_follows_what_shapes_the_prompt() {
    let version = |config| {
        Drafter::new(Scripted::new("", FinishReason::Stop), None, config).unwrap().prompt_version().to_owned()
    };
    let base = version(GenerationConfig::default());
    assert_eq!(base, version(GenerationConfig { summary_s: 1.0, ..GenerationConfig::default() }));
    assert_ne!(
        base,
        version(GenerationConfig { instructions: "Be warm.".into(), ..GenerationConfig::default() })
    );
}
