//! The pipeline on real parts: the real embedder, the embedded index, the SQL store, and quoting. Scripted parts fail.

#![expect(clippy::unwrap_used, reason = "a case that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use ponto::assistant::{Assistant, AssistantParts};
use ponto::conversation::{
    Audience, Channel, Clock, Conversation, Ids, Labels, Language, Message, Role, WorkspaceId,
};
use ponto::decision::policy;
use ponto::decision::rollout::RolloutConfig;
use ponto::decision::rules::{Known, Policies};
use ponto::decision::{Action, DecisionConfig, Mode, ReasonCode};
use ponto::generation::{Drafter, GenerationConfig};
use ponto::inference::extractive::Extractive;
use ponto::inference::{
    Budget, ChatEvent, ChatModel, ChatRequest, ChatStream, Completion, Embedder, EmbedderInfo, FinishReason,
    InferenceConfig, InferenceError, ModelInfo, Purpose, TokenUsage,
};
use ponto::judgement::calibration::{
    Calibration, CalibrationKey, Calibrations, Certificate, GroupCertificate, LanguageCertificate, Origin,
    Procedure, Split,
};
use ponto::judgement::{Judge, JudgementConfig};
use ponto::knowledge::{Format, KnowledgeConfig, Library, NewDocument};
use ponto::personal_data::PrivacyConfig;
use ponto::retrieval::index::Readers;
use ponto::retrieval::index::edge::EdgeIndex;
use ponto::retrieval::{self, RetrievalConfig, Retriever, Rewrite};
use ponto::store::Suggestions;
use ponto::store::sqlite::SqliteStore;
use ponto::store::suggestion::{Suggestion, TriedDraft};
use ponto::understanding::{self, MessageReader, UnderstandingConfig};
use tokio::sync::OnceCell;

use crate::support::models;

mod channels;
mod earlier;
mod meanwhile;
mod quotes;
mod rollout;
mod sent_draft;

struct Still;

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap()
    }
}

#[derive(Default)]
struct Counting(AtomicU64);

impl Ids for Counting {
    fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Two documents a language of the demo knowledge base, indexed once a test binary.
struct Shop {
    embedder: Arc<dyn Embedder>,
    index: Arc<EdgeIndex>,
    readers: Arc<Readers>,
    _dir: tempfile::TempDir,
}

fn workspace() -> WorkspaceId {
    WorkspaceId("shop".into())
}

async fn shop() -> &'static Shop {
    static SHOP: OnceCell<Shop> = OnceCell::const_new();
    SHOP.get_or_init(async || {
        let (shop, library) = Shop::open().await;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("eval/demo/knowledge");
        for language in Language::ALL {
            for name in ["delivery", "returns"] {
                let path = root.join(language.code()).join(format!("{name}.md"));
                let document = NewDocument {
                    source: path.display().to_string(),
                    title: None,
                    url: None,
                    language: Some(language),
                    audience: None,
                    labels: Labels::default(),
                    format: Format::Markdown,
                    content: std::fs::read_to_string(&path).unwrap(),
                };
                library.put(&workspace(), document).await.unwrap();
            }
        }
        shop
    })
    .await
}

impl Shop {
    /// One without documents, and what adds them.
    async fn open() -> (Self, Library) {
        let dir = tempfile::tempdir().unwrap();
        let embedder: Arc<dyn Embedder> = models::embedder().await;
        let info = embedder.info().clone();
        let index =
            Arc::new(EdgeIndex::open(&dir.path().join("index"), info.dimensions, &info.fingerprint).unwrap());
        let store = Arc::new(SqliteStore::open(&dir.path().join("knowledge.db")).await.unwrap());
        let library =
            Library::new(store, index.clone(), embedder.clone(), Arc::new(Still), KnowledgeConfig::default());
        (Self { embedder, index, readers: library.readers(), _dir: dir }, library)
    }
}

#[derive(Default)]
struct Options {
    calibrations: Calibrations,
    chat: Option<Arc<dyn ChatModel>>,
    search: Option<Arc<dyn Embedder>>,
    quote_first: bool,
    retrieval: RetrievalConfig,
    policies: Option<Policies>,
    rollout: RolloutConfig,
}

async fn assistant(options: Options) -> Assistant {
    assistant_of(shop().await, options)
}

/// One reader a test binary: embedding the examples of topics takes seconds.
fn reader(embedder: &Arc<dyn Embedder>) -> Arc<MessageReader> {
    static READER: OnceLock<Arc<MessageReader>> = OnceLock::new();
    let read = || Arc::new(MessageReader::new(&UnderstandingConfig::default(), Some(embedder.clone()), None));
    READER.get_or_init(read).clone()
}

fn assistant_of(shop: &Shop, options: Options) -> Assistant {
    let chat = options.chat.unwrap_or_else(|| Arc::new(Extractive::new(Some(shop.embedder.clone()))));
    let search = options.search.unwrap_or_else(|| shop.embedder.clone());
    let quoter = options.quote_first.then(|| {
        let quotes = Arc::new(Extractive::new(Some(shop.embedder.clone())));
        Arc::new(Drafter::new(quotes, Some(shop.embedder.clone()), GenerationConfig::default()).unwrap())
    });
    Assistant::new(AssistantParts {
        reader: reader(&shop.embedder),
        retriever: Arc::new(
            Retriever::new(shop.index.clone(), search, options.retrieval).with_readers(shop.readers.clone()),
        ),
        drafter: Arc::new(
            Drafter::new(chat.clone(), Some(shop.embedder.clone()), GenerationConfig::default()).unwrap(),
        ),
        quoter,
        judge: Arc::new(judge(shop, options.calibrations)),
        chat: chat.info().clone(),
        decision: DecisionConfig::default(),
        policies: Arc::new(options.policies.unwrap_or_else(Policies::none)),
        rollout: options.rollout,
        privacy: PrivacyConfig::default(),
        agents: Language::En,
        deadline: Duration::from_mins(10),
        clock: Arc::new(Still),
        ids: Arc::new(Counting::default()),
    })
}

async fn plain() -> Assistant {
    assistant(Options::default()).await
}

/// An assistant whose calibration finds every draft nearly certain, and certifies it.
async fn certified() -> Assistant {
    assistant(Options { calibrations: certain().await, ..Options::default() }).await
}

/// What a calibration of quotes must be for, under this version of the rules.
async fn quoting(policies: &str) -> CalibrationKey {
    let shop = shop().await;
    let chat: Arc<dyn ChatModel> = Arc::new(Extractive::new(Some(shop.embedder.clone())));
    let drafter =
        Drafter::new(chat.clone(), Some(shop.embedder.clone()), GenerationConfig::default()).unwrap();
    judge(shop, Calibrations::default()).key_of(chat.info(), drafter.prompt_version(), policies)
}

/// A judge among parts with the settings of an installation that has none of its own.
fn judge(shop: &Shop, calibrations: Calibrations) -> Judge {
    let quote_first = InferenceConfig::default().quote_first;
    let topics = UnderstandingConfig::default();
    let decides =
        (policy::REVISION, DecisionConfig::default(), quote_first, topics, understanding::revision());
    let procedure = Procedure::of(&(retrieval::REVISION, RetrievalConfig::default()), &decides);
    Judge::new(shop.embedder.clone(), calibrations, JudgementConfig::default(), procedure)
}

/// A calibration that finds every quote nearly certain, and certifies it.
async fn certain() -> Calibrations {
    certain_of(shop().await, "").await
}

async fn certain_of(shop: &Shop, policies: &str) -> Calibrations {
    let share = LanguageCertificate { n: 300, errors: 0, upper_bound: 0.01 };
    let mut calibrations = Calibrations::default();
    calibrations.add(Calibration {
        key: quoting(policies).await,
        workspace: workspace(),
        description: String::new(),
        intercept: 9.0,
        language_intercepts: BTreeMap::new(),
        weights: BTreeMap::new(),
        missing: BTreeMap::new(),
        isotonic: Vec::new(),
        certificate: Some(Certificate {
            alpha: 0.02,
            delta: 0.05,
            groups: vec![GroupCertificate {
                languages: Language::ALL.to_vec(),
                delta: 0.05,
                threshold: 0.9,
                n: 1200,
                errors: 0,
                upper_bound: 0.01,
                coverage: 0.5,
            }],
            by_language: Language::ALL.into_iter().map(|language| (language, share)).collect(),
            rows: 2400,
            base_error: 0.1,
            origin: Origin {
                dataset_hash: "test".into(),
                made_at: DateTime::<Utc>::UNIX_EPOCH,
                knowledge: shop.readers.sketch(&workspace()).await.unwrap().as_ref().clone(),
                split: Split::Hash(0.5),
                seed: 1,
                labels_hash: "test".into(),
                hashes: BTreeMap::new(),
            },
        }),
    });
    calibrations
}

fn said(role: Role, text: &str, number: usize) -> Message {
    Message { id: format!("m-{number}"), role, text: text.into(), at: Some(Still.now()) }
}

fn conversation(messages: &[(Role, &str)]) -> Conversation {
    Conversation::new(
        "c-1",
        Channel::Whatsapp,
        messages.iter().enumerate().map(|(at, (role, text))| said(*role, text, at)).collect(),
    )
}

async fn ask(assistant: &Assistant, text: &str, mode: Mode) -> Suggestion {
    assistant.answer(&workspace(), &conversation(&[(Role::Customer, text)]), mode, None).await
}

fn codes(suggestion: &Suggestion) -> Vec<ReasonCode> {
    suggestion.answer.decision.reasons.iter().map(|reason| reason.code).collect()
}

const QUESTIONS: [(Language, &str); 4] = [
    (Language::Pt, "Quanto custa a entrega padrão em Portugal?"),
    (Language::It, "Quanto costa la consegna standard in Italia?"),
    (Language::Es, "¿Cuánto cuesta el envío estándar en España?"),
    (Language::En, "How much is standard delivery in the United Kingdom?"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_drafted_in_its_language_with_citations() {
    let assistant = plain().await;
    for (language, question) in QUESTIONS {
        let suggestion = ask(&assistant, question, Mode::Auto).await;
        let answer = &suggestion.answer;
        assert_eq!(answer.decision.action, Action::Draft, "{question}: {:?}", answer.decision);
        assert!(codes(&suggestion).contains(&ReasonCode::NotCertified), "{:?}", answer.decision);
        let draft = &answer.drafts[0];
        assert_eq!(draft.language, language);
        assert!(draft.ai_generated);
        let cited = draft.citations.first().unwrap();
        let passage = suggestion
            .trace
            .retrieved
            .iter()
            .find(|hit| hit.passage.id == cited.passage_id)
            .unwrap_or_else(|| panic!("{cited:?} was not retrieved"));
        assert!(passage.passage.text.contains(&cited.quote), "{cited:?}");
        assert!(!answer.confidence.calibrated);
        assert!(answer.confidence.signals["groundedness_min"] > 0.6, "{:?}", answer.confidence);
        assert!(answer.handoff.is_none());
        assert_eq!(suggestion.trace.language, Some(language));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_for_a_person_costs_no_model_call() {
    let assistant = plain().await;
    for (text, holding) in [
        ("quero falar com um atendente sobre a entrega", "pessoas"),
        ("vorrei parlare con una persona della consegna", "person"),
        ("quiero hablar con una persona sobre el envío", "person"),
        ("I want to talk to a human about my delivery", "people of our team"),
    ] {
        let suggestion = ask(&assistant, text, Mode::Auto).await;
        let answer = &suggestion.answer;
        assert_eq!(answer.decision.action, Action::Escalate);
        assert!(codes(&suggestion).contains(&ReasonCode::AsksForHuman), "{:?}", answer.decision);
        assert_eq!(answer.usage.backend, "none");
        assert!(answer.drafts.is_empty());
        assert!(!suggestion.trace.retrieved.is_empty(), "agents see the passages all the same");
        let handoff = answer.handoff.as_ref().unwrap();
        assert!(handoff.holding_message.as_ref().unwrap().contains(holding), "{handoff:?}");
        assert!(!handoff.summary.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_knowledge_does_not_hold_is_handed_over() {
    let assistant = plain().await;
    for text in
        ["Do you sell gift cards?", "que horas são em Tóquio agora?", "Wie lange dauert der Versand?", "👍"]
    {
        let suggestion = ask(&assistant, text, Mode::Auto).await;
        assert_eq!(suggestion.answer.decision.action, Action::Escalate, "{text}: {:?}", suggestion.answer);
        assert!(suggestion.answer.drafts.is_empty(), "{text}");
        let reasons = suggestion.answer.handoff.unwrap().reasons;
        assert!(reasons.iter().all(|reason| !reason.evidence.is_empty()), "{text}: {reasons:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certified_answer_is_sent_once_and_says_what_it_is() {
    let assistant = certified().await;
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ponto.db")).await.unwrap();
    let first = conversation(&[(Role::Customer, QUESTIONS[3].1)]);
    let sent = assistant.suggest(&store, &workspace(), &first, Mode::Auto, None).await.unwrap();
    assert_eq!(sent.answer.decision.action, Action::AutoReply, "{:?}", sent.answer);
    assert!(sent.answer.decision.reasons.is_empty());
    assert!(sent.answer.drafts[0].text.contains("AI assistant"), "{}", sent.answer.drafts[0].text);
    assert_eq!(sent.trace.threshold, Some(0.9));

    let again = assistant.suggest(&store, &workspace(), &first, Mode::Auto, None).await.unwrap();
    assert_eq!(again.answer.decision.action, Action::Draft);
    assert_eq!(codes(&again), [ReasonCode::ModeCap]);
    assert!(!again.answer.drafts[0].text.contains("AI assistant"));

    // A menu of the hub says nothing of an AI; what was sent before does.
    for (said, disclosed) in [("Hello! Choose 1 or 2.", true), (sent.answer.drafts[0].text.as_str(), false)] {
        let later =
            conversation(&[(Role::Customer, "hi"), (Role::Bot, said), (Role::Customer, QUESTIONS[3].1)]);
        let later = assistant.answer(&workspace(), &later, Mode::Auto, None).await;
        assert_eq!(later.answer.decision.action, Action::AutoReply, "{:?}", later.answer);
        assert_eq!(later.answer.drafts[0].text.contains("AI assistant"), disclosed, "{said}");
    }

    let stored = store.get(&workspace(), &sent.answer.id).await.unwrap().unwrap();
    assert_eq!(stored.answer.decision, sent.answer.decision);
}

/// An assistant that would send, under rules.
async fn ruled(rules: &str) -> Assistant {
    let policies = Policies::of(vec![("shop.toml".into(), rules.into())], Known::default()).unwrap();
    let calibrations = certain_of(shop().await, policies.rules().version()).await;
    assistant(Options { calibrations, policies: Some(policies), ..Options::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_add_and_hand_over() {
    let rule =
        |rest: &str| format!("[[queues]]\nname = \"care\"\n[[rules]]\nname = \"r\"\nwhen = {{}}\n{rest}\n");
    let held = ask(&ruled(&rule("then.draft = true")).await, QUESTIONS[3].1, Mode::Auto).await;
    assert_eq!((held.answer.decision.action, codes(&held)), (Action::Draft, vec![ReasonCode::Policy]));
    assert!(!held.answer.decision.reasons[0].evidence.is_empty());
    assert!(!held.trace.policies.is_empty());

    // The channel would take the asterisks for formatting.
    let texts = "{ pt = \"P.\", it = \"I.\", es = \"E.\", en = \"*The* shop.\" }";
    let added = ask(&ruled(&rule(&format!("then.append = {texts}"))).await, QUESTIONS[3].1, Mode::Auto).await;
    assert_eq!(added.answer.decision.action, Action::AutoReply, "{:?}", added.answer.decision);
    let text = &added.answer.drafts[0].text;
    assert!(text.contains("\n\nThe shop.\n\n") && text.ends_with("a person."), "{text}");
    assert!(added.answer.policy.iter().any(|check| check.check == ReasonCode::Policy));

    let over = rule(&format!("then.escalate = {{ queue = \"care\" }}\nthen.holding_message = {texts}"));
    let over = ask(&ruled(&over).await, QUESTIONS[3].1, Mode::Auto).await;
    let handoff = over.answer.handoff.unwrap();
    assert_eq!(handoff.queue.unwrap().name, "care");
    let introduced = "The shop.\n\nI am an automated assistant (AI).";
    assert_eq!(handoff.holding_message.as_deref(), Some(introduced), "the first automatic message says it");
    assert_eq!((handoff.tried.draft, handoff.tried.queries.len()), (TriedDraft::None, 1));
    assert!(!handoff.tried.passages.is_empty());

    let block =
        "[[rules]]\nname = \"b\"\nwhen.pattern = { regex = '\\w', in = \"draft\" }\nthen.block = true";
    let (deltas, mut shown) = tokio::sync::mpsc::unbounded_channel();
    let question = conversation(&[(Role::Customer, QUESTIONS[3].1)]);
    let blocked = ruled(block).await.answer(&workspace(), &question, Mode::Auto, Some(deltas)).await;
    assert_eq!(blocked.answer.decision.action, Action::Escalate);
    assert!(blocked.answer.drafts.is_empty());
    assert_eq!(blocked.answer.handoff.unwrap().tried.draft, TriedDraft::Withheld);
    let mut text = String::new();
    while let Some(delta) = shown.recv().await {
        if delta == ponto::generation::RESTART { text.clear() } else { text.push_str(&delta) }
    }
    assert_eq!(text, "", "agents are not left with what may not be shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_twice_in_a_row_nor_over_a_persons_head() {
    let assistant = certified().await;
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ponto.db")).await.unwrap();
    let mut talk = vec![(Role::Customer, "I want to talk to a human")];
    let said = async |talk: &[(Role, &str)], back: Option<&str>| {
        let mut conversation = conversation(talk);
        conversation.handed_back_after = back.map(str::to_owned);
        let answer =
            assistant.suggest(&store, &workspace(), &conversation, Mode::Auto, None).await.unwrap().answer;
        let holding = answer.handoff.as_ref().map(|handoff| handoff.holding_message.is_some());
        (answer.decision.action, holding)
    };
    assert_eq!(said(&talk, None).await, (Action::Escalate, Some(true)));
    assert_eq!(said(&talk, None).await, (Action::Escalate, Some(true)), "the same message again");
    talk.extend([(Role::Bot, "One moment."), (Role::Customer, "a real person please")]);
    assert_eq!(said(&talk, None).await, (Action::Escalate, Some(false)), "not twice in a row");
    talk.extend([(Role::Agent, "Hi, Rui here."), (Role::Customer, QUESTIONS[3].1)]);
    assert_eq!(said(&talk, None).await, (Action::Draft, None), "a person is there");
    assert_eq!(said(&talk, Some("m-3")).await, (Action::AutoReply, None), "handed back");
    talk.extend([(Role::Bot, "It takes."), (Role::Customer, "let me talk to a human")]);
    assert_eq!(said(&talk, Some("m-3")).await, (Action::Escalate, Some(true)), "the last word was a reply");
    talk.extend([(Role::Agent, "Me again."), (Role::Customer, "I want a human")]);
    assert_eq!(said(&talk, Some("m-3")).await, (Action::Escalate, Some(false)), "a person is there again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_the_same_time_send_one_reply() {
    let assistant = Arc::new(certified().await);
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&dir.path().join("ponto.db")).await.unwrap());
    let calls = (0..4).map(|_| {
        let (assistant, store) = (assistant.clone(), store.clone());
        tokio::spawn(async move {
            let question = conversation(&[(Role::Customer, QUESTIONS[3].1)]);
            assistant.suggest(store.as_ref(), &workspace(), &question, Mode::Auto, None).await.unwrap()
        })
    });
    let mut sent = 0;
    for call in futures::future::join_all(calls).await {
        let suggestion = call.unwrap();
        match suggestion.answer.decision.action {
            Action::AutoReply => sent += 1,
            action => {
                assert_eq!(action, Action::Draft);
                assert_eq!(codes(&suggestion), [ReasonCode::ModeCap]);
            }
        }
    }
    assert_eq!(sent, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modes_and_the_reply_window_hold_a_certified_answer() {
    let assistant = certified().await;
    for mode in [Mode::Draft, Mode::Shadow] {
        let suggestion = ask(&assistant, QUESTIONS[0].1, mode).await;
        assert_eq!(suggestion.answer.decision.action, Action::Draft);
        assert_eq!(codes(&suggestion), [ReasonCode::ModeCap]);
    }
    let mut late = conversation(&[(Role::Customer, QUESTIONS[1].1)]);
    late.messages[0].at = Some(Still.now() - TimeDelta::hours(25));
    let late = assistant.answer(&workspace(), &late, Mode::Auto, None).await;
    assert_eq!(late.answer.decision.action, Action::Draft);
    assert_eq!(codes(&late), [ReasonCode::ReplyWindowClosed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certified_quote_is_sent_without_asking_the_model() {
    let model = Arc::new(down());
    let options = || Options { chat: Some(model.clone()), quote_first: true, ..Options::default() };
    let certified = assistant(Options { calibrations: certain().await, ..options() }).await;
    let (deltas, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let question = conversation(&[(Role::Customer, QUESTIONS[3].1)]);
    let sent = certified.answer(&workspace(), &question, Mode::Auto, Some(deltas)).await;
    assert_eq!(sent.answer.decision.action, Action::AutoReply, "{:?}", sent.answer);
    assert_eq!(sent.answer.usage.backend, "extractive");
    assert_eq!(model.asked.load(Ordering::Relaxed), 0);
    let mut shown = Vec::new();
    seen.recv_many(&mut shown, 9).await;
    assert!(sent.answer.drafts[0].text.starts_with(shown.last().unwrap()), "{shown:?}");
}

/// Fails when quoting changes and the certificate was not made anew: `ponto calibrate` says how.
#[tokio::test]
async fn the_certificate_of_the_binary_is_for_what_it_quotes() {
    // It is for the demo, with the rules of the demo.
    let policies = Policies::open("eval/demo/policies".into(), Known::default()).unwrap();
    let key = quoting(policies.rules().version()).await;
    let calibrations = Calibrations::load(None).unwrap();
    let of =
        |workspace: &str| calibrations.find(&key, &WorkspaceId(workspace.into())).expect("a calibration");
    let demo = of("demo");
    let certificate = demo.certificate.as_ref().expect("a certificate");
    for language in Language::ALL {
        assert!(certificate.threshold_for(language).is_some(), "{language:?}");
    }
    assert_eq!(of("default").certificate, None, "it says nothing of other people's customers");
}

/// Fails when prompts or signals change and the calibration of the default model's drafts was not made anew.
#[tokio::test]
async fn every_calibration_of_the_binary_is_for_what_is_asked_and_measured() {
    let policies = Policies::open("eval/demo/policies".into(), Known::default()).unwrap();
    let embedder = shop().await.embedder.clone();
    let drafter = Drafter::new(Arc::new(down()), Some(embedder), GenerationConfig::default()).unwrap();
    let judge = judge(shop().await, Calibrations::default());
    let quoted = quoting(policies.rules().version()).await;
    let mut drafted = 0;
    for file in std::fs::read_dir("models/calibrations").unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let made = Calibration::read(&path).unwrap();
        if made.key != quoted {
            let model = ModelInfo { fingerprint: made.key.model.clone(), ..down().info().clone() };
            let key = judge.key_of(&model, drafter.prompt_version(), policies.rules().version());
            assert_eq!(made.key.differences(&key), [""; 0], "{}", path.display());
            drafted += 1;
        }
    }
    assert_eq!(drafted, 1, "of the default local model");
}

#[tokio::test]
async fn who_wants_no_more_messages_gets_none() {
    let assistant = assistant(Options::default()).await;
    let handed = ask(&assistant, "I want to talk to a person", Mode::Auto).await;
    assert!(handed.answer.handoff.unwrap().holding_message.is_some());
    let stopped = ask(&assistant, "Stop sending me messages", Mode::Auto).await;
    assert_eq!(stopped.answer.decision.reasons[0].code, ReasonCode::OptedOut);
    assert_eq!(stopped.answer.handoff.unwrap().holding_message, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_model_has_no_answer_an_agent_gets_the_quote() {
    let model = Arc::new(down());
    let options = || Options { chat: Some(model.clone()), quote_first: true, ..Options::default() };
    let certified = assistant(Options { calibrations: certain().await, ..options() }).await;
    let uncertified = assistant(options()).await;
    for (assistant, mode) in [(&certified, Mode::Draft), (&uncertified, Mode::Auto)] {
        let suggestion = ask(assistant, QUESTIONS[3].1, mode).await;
        assert_eq!(suggestion.answer.decision.action, Action::Draft, "{mode:?}: {:?}", suggestion.answer);
        assert_eq!(suggestion.answer.usage.backend, "extractive");
    }
    assert_eq!(model.asked.load(Ordering::Relaxed), 2);
    let unknown = ask(&uncertified, "Do you sell gift cards?", Mode::Auto).await;
    assert_eq!(unknown.answer.decision.action, Action::Escalate, "{:?}", unknown.answer);
}

fn down() -> Down {
    let info = ModelInfo {
        backend: "test".into(),
        model: "down".into(),
        fingerprint: "down".into(),
        context_length: 4096,
    };
    Down { info, asked: AtomicUsize::new(0) }
}

/// A model that is down, and counts who finds out.
struct Down {
    info: ModelInfo,
    asked: AtomicUsize,
}

#[async_trait]
impl ChatModel for Down {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn stream(&self, _: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Err(InferenceError::DeadlineExceeded)
    }
}

/// A model that writes queries, and no replies.
struct Rewriting(ModelInfo);

#[async_trait]
impl ChatModel for Rewriting {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    async fn stream(&self, request: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
        if request.grounding.is_some() || !request.messages[1].content.ends_with("Search query:") {
            return Err(InferenceError::DeadlineExceeded);
        }
        let done = Completion {
            text: "how long does delivery to Ireland take?".into(),
            finish: FinishReason::Stop,
            usage: TokenUsage::default(),
            logprobs: None,
            model: self.0.clone(),
        };
        Ok(Box::pin(futures::stream::iter([Ok(ChatEvent::Done(done))])))
    }
}

#[tokio::test]
async fn a_model_writes_the_query_where_configured_and_the_rule_stands_in_for_it() {
    let follow_up = conversation(&[
        (Role::Customer, "How long does delivery to Portugal take?"),
        (Role::Bot, "Three business days."),
        (Role::Customer, "and to Ireland?"),
    ]);
    let query = async |chat: Arc<dyn ChatModel>, rewrite| {
        let retrieval = RetrievalConfig { rewrite, ..RetrievalConfig::default() };
        let assistant = assistant(Options { chat: Some(chat), retrieval, ..Options::default() }).await;
        assistant.answer(&workspace(), &follow_up, Mode::Draft, None).await.trace.query
    };
    let by_rule = "How long does delivery to Portugal take?\nand to Ireland?";
    let rewriting = || Arc::new(Rewriting(down().info));
    assert_eq!(query(rewriting(), Rewrite::Model).await, "how long does delivery to Ireland take?");
    assert_eq!(query(Arc::new(down()), Rewrite::Model).await, by_rule, "the model is down");
    assert_eq!(query(rewriting(), Rewrite::Rule).await, by_rule);
    assert_eq!(query(rewriting(), Rewrite::None).await, "and to Ireland?");
}

/// An embedder that is down.
struct Mute(EmbedderInfo);

#[async_trait]
impl Embedder for Mute {
    fn info(&self) -> &EmbedderInfo {
        &self.0
    }

    async fn embed(&self, _: Vec<String>, _: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
        Err(InferenceError::Permanent("down".into()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_down_becomes_an_escalation() {
    let no_model = assistant(Options { chat: Some(Arc::new(down())), ..Options::default() }).await;
    let mute = Mute(shop().await.embedder.info().clone());
    let no_search = assistant(Options { search: Some(Arc::new(mute)), ..Options::default() }).await;
    for assistant in [no_model, no_search] {
        let suggestion = ask(&assistant, QUESTIONS[3].1, Mode::Auto).await;
        assert_eq!(suggestion.answer.decision.action, Action::Escalate);
        assert_eq!(codes(&suggestion), [ReasonCode::Unavailable]);
        let handoff = suggestion.answer.handoff.unwrap();
        assert!(!handoff.summary.is_empty() && handoff.holding_message.is_some());
        assert!(!handoff.reasons[0].evidence.is_empty());
    }
}

/// Puts an English page into the knowledge base.
async fn put(library: &Library, source: &str, audience: Audience, content: &str) {
    let document = NewDocument {
        source: source.into(),
        title: None,
        url: None,
        language: Some(Language::En),
        audience: Some(audience),
        labels: Labels::default(),
        format: Format::Markdown,
        content: content.into(),
    };
    library.put(&workspace(), document).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_lapses_when_the_knowledge_has_changed() {
    let (shop, library) = Shop::open().await;
    let put = async |source, audience, content| put(&library, source, audience, content).await;
    put("delivery", Audience::Public, "# Delivery\n\nStandard delivery to Ireland takes 4 business days.")
        .await;
    let calibrations = certain_of(&shop, "").await;
    let assistant = assistant_of(&shop, Options { calibrations, ..Options::default() });
    let question = "How long does standard delivery to Ireland take?";
    put("notes", Audience::Agents, "# Notes\n\nWhat agents alone read is not what is answered from.").await;
    assert_eq!(ask(&assistant, question, Mode::Auto).await.answer.decision.action, Action::AutoReply);
    put("refunds", Audience::Public, "# Refunds\n\nRefunds take 14 days.").await;
    let held = ask(&assistant, question, Mode::Auto).await;
    assert_eq!(held.answer.decision.action, Action::Draft, "{:?}", held.answer.decision);
    assert_eq!(codes(&held), [ReasonCode::CertificateLapsed]);
    assert_eq!((held.trace.threshold, held.trace.lapsed), (None, Some(0.5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_agents_alone_is_never_sent_by_itself() {
    let (shop, library) = Shop::open().await;
    let documents = [
        ("delivery", Audience::Public, "# Delivery\n\nStandard delivery to Ireland takes 4 business days."),
        (
            "discounts",
            Audience::Agents,
            "# Discounts\n\nA customer who complains about a broken kettle may get a discount of 15 percent.",
        ),
    ];
    for (source, audience, content) in documents {
        put(&library, source, audience, content).await;
    }
    let calibrations = certain_of(&shop, "").await;
    let assistant = assistant_of(&shop, Options { calibrations, ..Options::default() });
    // Both passages are found for either question; what is public still answers by itself.
    let sent = ask(&assistant, "How long does standard delivery to Ireland take?", Mode::Auto).await;
    assert_eq!(sent.answer.decision.action, Action::AutoReply, "{:?}", sent.answer.decision);
    assert!(sent.trace.retrieved.iter().all(|hit| hit.passage.audience == Audience::Public));
    let held = ask(&assistant, "What discount may a customer with a broken kettle get?", Mode::Auto).await;
    assert_eq!(held.answer.decision.action, Action::Draft, "{:?}", held.answer.decision);
    assert_eq!(codes(&held), [ReasonCode::AgentsOnlySource]);
    assert!(held.answer.drafts[0].text.contains("15 percent"), "{:?}", held.answer.drafts);
}
