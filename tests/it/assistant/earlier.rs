//! What a model is asked in a conversation that goes on.

use std::sync::Mutex;

use ponto::inference::ChatMessage;

use super::*;

/// A model that gives one reply, and keeps what it was asked.
pub(super) struct Recording(ModelInfo, Mutex<Vec<Vec<ChatMessage>>>);

#[async_trait]
impl ChatModel for Recording {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    async fn stream(&self, request: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
        // Summaries have none.
        if request.grounding.is_some() {
            self.1.lock().unwrap().push(request.messages);
        }
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

impl Recording {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(down().info, Mutex::default()))
    }

    /// The last prompt, without the words behind the question.
    fn asked(&self) -> Option<String> {
        let prompt = self.1.lock().unwrap().pop()?.pop()?;
        prompt.content.rsplit_once("\n\nReply in").map(|(asked, _)| asked.to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_prompt_of_a_conversation_that_goes_on_begins_as_the_one_before() {
    let chat = Recording::new();
    let assistant = assistant(Options { chat: Some(chat.clone()), ..Options::default() }).await;
    let asked = async |talk: &[(Role, &str)]| {
        let answer = assistant.answer(&workspace(), &conversation(talk), Mode::Draft, None).await;
        (chat.asked().unwrap(), answer)
    };
    let (first, second, third) = (
        "How much is standard delivery in the United Kingdom?",
        "Can I return a lamp that I have already used?",
        "How many days do I have to return a product?",
    );
    let mut talk = vec![(Role::Customer, first)];
    let (one, answer) = asked(&talk).await;
    let found = answer.trace.retrieved;

    talk.extend([(Role::Agent, "It is £4.50."), (Role::Customer, second)]);
    let (two, answer) = asked(&talk).await;
    let news = two.strip_prefix(&one).unwrap();
    assert!(news.contains(r#"<message from="agent">It is £4.50.</message>"#) && news.ends_with("</message>"));
    assert!(news.len() < one.len(), "{news}");
    let held = |id: &str| answer.trace.retrieved.iter().any(|hit| hit.passage.id == id);
    assert!(found.iter().take(GenerationConfig::default().max_passages).all(|hit| held(&hit.passage.id)));

    talk.extend([(Role::Agent, "Yes, you can."), (Role::Customer, third)]);
    let (three, _) = asked(&talk).await;
    assert!(three.starts_with("<source") && !three.starts_with(&one), "a prompt holds two turns");
    assert!(three.contains("It is £4.50."), "what was said before is its history");

    talk.extend([(Role::Agent, "You do."), (Role::Customer, first)]);
    assert!(asked(&talk).await.0.starts_with(&three));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_model_was_asked_is_no_beginning_of_a_prompt() {
    let chat = Recording::new();
    let options = || Options { chat: Some(chat.clone()), quote_first: true, ..Options::default() };
    let drafting = assistant(options()).await;
    // Certified quotes are sent, but never about lamps.
    let rule =
        "[[rules]]\nname = \"r\"\nwhen.pattern = { regex = 'lamp', in = \"message\" }\nthen.draft = true";
    let policies = Policies::of(vec![("shop.toml".into(), rule.into())], Known::default()).unwrap();
    let calibrations = certain_of(shop().await, policies.rules().version()).await;
    let quoting = assistant(Options { calibrations, policies: Some(policies), ..options() }).await;
    let goes_on = async |assistant: &Assistant, first: &str, mode| {
        let question = "How many days do I have to return a lamp?";
        let talk = [(Role::Customer, first), (Role::Bot, "Yes."), (Role::Customer, question)];
        let answer = assistant.answer(&workspace(), &conversation(&talk), mode, None).await.answer;
        // The sources of a second turn stand behind the first one's question.
        let prompt = chat.asked().unwrap_or_else(|| panic!("{first} {mode:?}: {:?}", answer.decision));
        let (_, behind) = prompt.split_once("</message>").unwrap();
        behind.contains("<source")
    };
    assert!(goes_on(&drafting, QUESTIONS[3].1, Mode::Draft).await);
    assert!(goes_on(&drafting, QUESTIONS[3].1, Mode::Auto).await);
    assert!(!goes_on(&drafting, "I want to talk to a human", Mode::Draft).await, "a check decided");
    assert!(!goes_on(&drafting, QUESTIONS[0].1, Mode::Draft).await, "in another language");
    assert!(!goes_on(&quoting, QUESTIONS[3].1, Mode::Auto).await, "a quote was sent");
    assert!(goes_on(&quoting, QUESTIONS[3].1, Mode::Draft).await, "agents get drafts of the model");
}
