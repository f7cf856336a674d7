//! What a model is asked in a conversation that goes on.

use std::sync::Mutex;

use ponto::inference::{ChatMessage, ChatRole};

use super::*;

/// A model that gives one reply, and keeps what it was asked.
struct Recording(ModelInfo, Mutex<Vec<Vec<ChatMessage>>>);

#[async_trait]
impl ChatModel for Recording {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    async fn stream(&self, request: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
        self.1.lock().unwrap().push(request.messages);
        let done = Completion {
            text: "Standard delivery to Ireland takes 3 business days [1].".into(),
            finish: FinishReason::Stop,
            usage: TokenUsage::default(),
            logprobs: None,
            model: self.0.clone(),
        };
        Ok(Box::pin(futures::stream::iter([Ok(ChatEvent::Done(done))])))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_prompt_of_a_conversation_that_goes_on_begins_as_the_one_before() {
    let chat = Arc::new(Recording(down().info, Mutex::default()));
    let assistant = assistant(Options { chat: Some(chat.clone()), ..Options::default() }).await;
    let asked = async |talk: &[(Role, &str)]| {
        let answer = assistant.answer(&workspace(), &conversation(talk), Mode::Draft, None).await;
        (chat.1.lock().unwrap().pop().unwrap(), answer)
    };
    let (first, second, third) = (
        "How much is standard delivery in the United Kingdom?",
        "Can I return a lamp that I have already used?",
        "Who pays for sending a lamp back?",
    );
    let mut talk = vec![(Role::Customer, first)];
    let (one, answer) = asked(&talk).await;
    assert_eq!(one.len(), 2);
    let found = answer.trace.retrieved;

    talk.extend([(Role::Agent, "It is £4.50."), (Role::Customer, second)]);
    let (two, answer) = asked(&talk).await;
    assert_eq!((two.len(), &two[..2]), (4, &one[..]));
    assert_eq!((two[2].role, two[2].content.as_str()), (ChatRole::Assistant, "It is £4.50."));
    let held = |id: &str| answer.trace.retrieved.iter().any(|hit| hit.passage.id == id);
    assert!(found.iter().take(GenerationConfig::default().max_passages).all(|hit| held(&hit.passage.id)));

    talk.extend([(Role::Agent, "Yes, you can."), (Role::Customer, third)]);
    let (three, _) = asked(&talk).await;
    assert_eq!(three.len(), 2, "a prompt holds two turns");
    assert!(three[1].content.contains("It is £4.50."), "what was said before is its history");

    talk.extend([(Role::Agent, "You do."), (Role::Customer, first)]);
    assert_eq!(asked(&talk).await.0[..2], three[..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_model_was_asked_is_no_beginning_of_a_prompt() {
    let chat = Arc::new(Recording(down().info, Mutex::default()));
    let options = || Options { chat: Some(chat.clone()), quote_first: true, ..Options::default() };
    let drafting = assistant(options()).await;
    // Certified quotes are sent, but never about lamps.
    let rule =
        "[[rules]]\nname = \"r\"\nwhen.pattern = { regex = 'lamp', in = \"message\" }\nthen.draft = true";
    let policies =
        Policies::of(vec![("shop.toml".into(), rule.into())], std::collections::BTreeSet::new()).unwrap();
    let calibrations = certain_of(shop().await, policies.rules().version()).await;
    let quoting = assistant(Options { calibrations, policies: Some(policies), ..options() }).await;
    let question = "Can I return a lamp that I have already used?";
    let turns = async |assistant: &Assistant, first, mode| {
        let talk = [(Role::Customer, first), (Role::Bot, "Yes."), (Role::Customer, question)];
        assistant.answer(&workspace(), &conversation(&talk), mode, None).await;
        chat.1.lock().unwrap().pop().map(|messages| messages.len())
    };
    assert_eq!(turns(&drafting, QUESTIONS[3].1, Mode::Draft).await, Some(4));
    assert_eq!(turns(&drafting, QUESTIONS[3].1, Mode::Auto).await, Some(4));
    assert_eq!(turns(&drafting, "I want to talk to a human", Mode::Draft).await, Some(2), "a check decided");
    assert_eq!(turns(&drafting, QUESTIONS[0].1, Mode::Draft).await, Some(2), "in another language");
    assert_eq!(turns(&quoting, QUESTIONS[3].1, Mode::Auto).await, Some(2), "a quote was sent");
    assert_eq!(turns(&quoting, QUESTIONS[3].1, Mode::Draft).await, Some(4), "agents get drafts of the model");
}
