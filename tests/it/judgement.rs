//! The judge with the real embedder: meaning, calibration keys, time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ponto::conversation::{Audience, Channel, Conversation, Customer, Labels, Language, WorkspaceId};
use ponto::generation::{Citation, Draft, Production};
use ponto::inference::{
    Budget, ChatEvent, ChatModel, ChatRequest, ChatStream, Completion, Embedder, FinishReason,
    InferenceError, ModelInfo, Persons, TokenUsage,
};
use ponto::judgement::calibration::{Calibration, Calibrations, Procedure};
use ponto::judgement::{Judge, JudgeInput, Judgement, JudgementConfig};
use ponto::retrieval::{Passage, Retrieved, Scores};

use crate::support::models;

const PASSAGE: &str = "Refunds go back to the card that was used to pay. They take up to 10 business days after we \
    receive the parcel. Gift wrapping is not refunded.";

fn shop() -> WorkspaceId {
    WorkspaceId("shop".into())
}

fn hit() -> Retrieved {
    Retrieved {
        passage: Passage {
            id: "p1".into(),
            workspace: shop(),
            document_id: "d1".into(),
            title: "Refunds".into(),
            heading_path: Vec::new(),
            text: PASSAGE.into(),
            language: Some(Language::En),
            url: None,
            span: (0, PASSAGE.chars().count()),
            ordinal: 0,
            version: 0,
            audience: Audience::Public,
            labels: Labels::default(),
        },
        scores: Scores { dense: Some(0.9), sparse: Some(5.0), coverage: 0.8, fused: 1.0 },
    }
}

fn draft(text: &str, model: &str) -> Draft {
    Draft {
        text: text.into(),
        language: Language::En,
        ai_generated: true,
        citations: vec![Citation {
            passage_id: "p1".into(),
            document_id: "d1".into(),
            title: "Refunds".into(),
            url: None,
            quote: PASSAGE.into(),
            version: 1,
        }],
        production: Production {
            model: info(model),
            usage: TokenUsage::default(),
            finish: FinishReason::Stop,
            logprobs: None,
            prompt_version: "p".into(),
            refused: false,
        },
    }
}

fn info(fingerprint: &str) -> ModelInfo {
    ModelInfo {
        backend: "test".into(),
        model: "test".into(),
        fingerprint: fingerprint.into(),
        context_length: 4096,
    }
}

fn judge(embedder: Arc<dyn Embedder>, calibrations: Calibrations, config: JudgementConfig) -> Judge {
    Judge::new(embedder, calibrations, config, Procedure::of(&"search", &"floors"))
}

/// Answers every question alike: what a real model does not do on demand.
struct Answering {
    text: &'static str,
    logprobs: Option<Vec<f32>>,
    info: ModelInfo,
    /// Fingerprint of the model that answers in place of the preferred one.
    stands_in: Option<&'static str>,
    /// Whom the prompts speak of.
    persons: Mutex<Vec<Persons>>,
}

#[async_trait]
impl ChatModel for Answering {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
        if self.text.is_empty() {
            return Err(InferenceError::Overloaded { queue: 1 });
        }
        self.persons.lock().unwrap().push(request.persons);
        let asked = &request.messages[1].content;
        assert!(asked.contains("up to 10 business days") && asked.contains("<reply>"), "{asked}");
        let done = Completion {
            text: self.text.into(),
            finish: FinishReason::Stop,
            usage: TokenUsage::default(),
            logprobs: self.logprobs.clone(),
            model: self.stands_in.map_or_else(|| self.info.clone(), info),
        };
        Ok(Box::pin(futures::stream::iter([Ok(ChatEvent::Done(done))])))
    }
}

async fn judged(judge: &Judge, draft: &Draft) -> Judgement {
    let question = "how long does a refund take?";
    judge
        .judge(JudgeInput {
            conversation: None,
            workspace: &shop(),
            question,
            language: Language::En,
            draft,
            retrieved: &[hit()],
            policies: "",
            budget: &Budget::of(Duration::from_mins(1)),
        })
        .await
        .expect("the embedder answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meaning_supports_a_paraphrase_more_than_an_invention() {
    let judge = judge(models::embedder().await, Calibrations::default(), JudgementConfig::default());
    let said =
        judged(&judge, &draft("Your money returns to the payment card within ten working days.", "m")).await;
    let invented =
        judged(&judge, &draft("Our shop in Madrid sells blue kitchen chairs and lamps.", "m")).await;
    let quoted =
        judged(&judge, &draft("They take up to 10 business days after we receive the parcel.", "m")).await;
    let signal = |judgement: &Judgement, name: &str| judgement.confidence.signals[name];
    assert!(signal(&said, "semantic_support") > signal(&invented, "semantic_support") + 0.1);
    assert!(signal(&quoted, "semantic_support") > 0.99);
    assert!(signal(&quoted, "groundedness_min") > 0.9, "{quoted:?}");
    assert!(quoted.sentences[0].unsupported.is_empty());
    assert_eq!(invented.sentences[0].unsupported, ["Madrid"]);
    assert!(quoted.confidence.value > invented.confidence.value);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_calibration_of_the_same_model_is_applied() {
    let embedder = models::embedder().await;
    let config = |semantic| JudgementConfig { semantic, ..Default::default() };
    let mut calibrations = Calibrations::default();
    calibrations.add(Calibration {
        key: judge(embedder.clone(), Calibrations::default(), config(false)).key_of(&info("m1"), "p", ""),
        workspace: shop(),
        description: String::new(),
        intercept: 0.0,
        language_intercepts: BTreeMap::from([(Language::En, 2.0)]),
        weights: BTreeMap::new(),
        missing: BTreeMap::new(),
        isotonic: Vec::new(),
        certificate: None,
    });
    let words = judge(embedder.clone(), calibrations.clone(), config(false));
    let text = "They take up to 10 business days.";
    let same = judged(&words, &draft(text, "m1")).await.confidence;
    assert!(same.calibrated);
    assert!((same.value - 1.0 / (1.0 + f64::exp(-2.0))).abs() < 1e-9);
    assert!(!same.signals.contains_key("semantic_support"));
    let with_vectors = judge(embedder.clone(), calibrations.clone(), config(true));
    assert!(!judged(&with_vectors, &draft(text, "m1")).await.confidence.calibrated, "other signals");
    let elsewhere =
        Judge::new(embedder, calibrations, config(false), Procedure::of(&"another search", &"floors"));
    assert!(!judged(&elsewhere, &draft(text, "m1")).await.confidence.calibrated, "another search");
    let other = judged(&words, &draft(text, "m2")).await.confidence;
    assert!(!other.calibrated);
    let mean = other.signals.values().sum::<f64>() / other.signals.len() as f64;
    assert!((other.value - mean).abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn judging_words_is_quick() {
    let config = JudgementConfig { semantic: false, ..Default::default() };
    let judge = judge(models::embedder().await, Calibrations::default(), config);
    let long = draft(&"They take up to 10 business days after we receive the parcel. ".repeat(10), "m");
    judged(&judge, &long).await;
    // The best of a few runs: the machine may be busy with other tests.
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let started = Instant::now();
        judged(&judge, &long).await;
        best = best.min(started.elapsed());
    }
    assert!(best < Duration::from_millis(50), "{best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_reading_is_a_signal_and_anything_but_a_yes_of_the_same_model_is_a_no() {
    let embedder = models::embedder().await;
    let config =
        |second_reading_s| JudgementConfig { second_reading_s, semantic: false, ..Default::default() };
    let reading = |text, logprobs, stands_in, seconds| {
        let chat = Answering { text, logprobs, info: info("m1"), stands_in, persons: Mutex::default() };
        judge(embedder.clone(), Calibrations::default(), config(seconds))
            .with_second_reading(Arc::new(chat))
            .expect("the prompt compiles")
    };
    let draft = draft("They take up to 10 business days.", "m1");
    let yes = r#"{"verdict": "yes"}"#;
    for (text, logprobs, stands_in, expected) in [
        (yes, Some(vec![0.0, -0.105_360_5]), None, 0.9),
        (r#"{"verdict": "no"}"#, Some(vec![-0.105_360_5]), None, 0.1),
        (yes, None, None, 1.0),
        (yes, None, Some("m2"), 0.0),
        ("perhaps", None, None, 0.0),
        ("", None, None, 0.0),
    ] {
        let judgement = judged(&reading(text, logprobs, stands_in, 5.0), &draft).await;
        let supported = judgement.second_reading().expect("a signal");
        assert!((supported - expected).abs() < 1e-6, "{text} {stands_in:?}: {supported}");
    }
    let off = reading(yes, None, None, 0.0);
    assert_eq!(judged(&off, &draft).await.second_reading(), None);

    let on = reading(yes, None, None, 5.0);
    assert_ne!(on.key(&draft, ""), off.key(&draft, ""), "a calibration is for drafts with it or without");
    let mut quote = draft.clone();
    quote.production.model.backend = "extractive".into();
    assert_eq!(judged(&on, &quote).await.second_reading(), None, "quotes are in their sources");
    let mut refusal = draft.clone();
    refusal.production.refused = true;
    assert_eq!(judged(&on, &refusal).await.second_reading(), None, "it says nothing");
    assert_eq!(on.key(&quote, ""), off.key(&quote, ""), "what certifies quotes stays");
    let more = judged(&on, &draft).await.groundedness();
    assert!(more > judged(&off, &draft).await.groundedness(), "{more}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_reading_says_whom_it_speaks_of() {
    let chat = Arc::new(Answering {
        text: r#"{"verdict": "yes"}"#,
        logprobs: None,
        info: info("m1"),
        stands_in: None,
        persons: Mutex::default(),
    });
    let config = JudgementConfig { second_reading_s: 5.0, semantic: false, ..Default::default() };
    let judge = judge(models::embedder().await, Calibrations::default(), config)
        .with_second_reading(chat.clone())
        .expect("the prompt compiles");
    let mut conversation = Conversation::new("c", Channel::Api, Vec::new());
    conversation.customer = Some(Customer {
        id: "u".into(),
        name: Some("Ana".into()),
        attributes: BTreeMap::new(),
        opted_in_at: None,
    });
    let input = JudgeInput {
        conversation: Some(&conversation),
        workspace: &shop(),
        question: "how long does a refund take?",
        language: Language::En,
        draft: &draft("Ana, they take up to 10 business days.", "m1"),
        retrieved: &[hit()],
        policies: "",
        budget: &Budget::of(Duration::from_mins(1)),
    };
    judge.judge(input).await.expect("the embedder is not asked");
    let persons = chat.persons.lock().unwrap().pop().expect("asked once");
    assert_eq!(persons.name.as_deref(), Some("Ana"), "a hosted model must not read it");
    assert_eq!(persons.published, [PASSAGE], "what customers may read is no secret");
}
