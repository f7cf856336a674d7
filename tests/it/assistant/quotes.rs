//! What is kept and told of a quote that was measured beside the model.

use ponto::explanation::explain;
use ponto::store::suggestion::TriedQuote;

use super::earlier::Recording;
use super::*;

fn quote_first(calibrations: Calibrations, policies: Option<Policies>) -> Options {
    Options { chat: Some(Recording::new()), quote_first: true, calibrations, policies, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_that_fell_short_stays_in_the_trace() {
    let mut short = certain().await.find(&quoting("").await, &workspace()).unwrap().as_ref().clone();
    short.intercept = 2.0;
    let mut calibrations = Calibrations::default();
    calibrations.add(short);
    let drafted = ask(&assistant(quote_first(calibrations, None)).await, QUESTIONS[3].1, Mode::Auto).await;
    assert_eq!(drafted.answer.usage.backend, "test", "{:?}", drafted.answer);
    let TriedQuote { confidence, threshold, held } = drafted.trace.quote.clone().unwrap();
    assert!((confidence - 0.8808).abs() < 1e-4 && threshold == Some(0.9), "{confidence} {threshold:?}");
    assert_eq!(held, [ReasonCode::BelowThreshold]);
    let told = explain(&drafted, Language::En);
    assert_eq!(told.quote.unwrap(), "A quote of the sources came to 0.881, short of 0.900.");
    let json = serde_json::to_value(&drafted).unwrap();
    assert_eq!(serde_json::from_value::<Suggestion>(json.clone()).unwrap().trace.quote, drafted.trace.quote);

    // A trace of an earlier version holds none.
    let mut earlier = json;
    earlier["trace"].as_object_mut().unwrap().remove("quote").unwrap();
    assert_eq!(serde_json::from_value::<Suggestion>(earlier).unwrap().trace.quote, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_quote_that_was_sent_the_model_is_told() {
    let certified = assistant(quote_first(certain().await, None)).await;
    let sent = ask(&certified, QUESTIONS[3].1, Mode::Auto).await;
    assert_eq!(sent.answer.decision.action, Action::AutoReply, "{:?}", sent.answer);
    assert!(sent.trace.quote.as_ref().unwrap().held.is_empty());
    let told = &explain(&sent, Language::En).otherwise[0].text;
    assert!(told.starts_with("The model would have been asked"), "{told}");

    // Where quotes are all there is, nobody else would have been asked.
    let alone = ask(&self::certified().await, QUESTIONS[3].1, Mode::Auto).await;
    assert_eq!((alone.answer.decision.action, &alone.trace.quote), (Action::AutoReply, &None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_takes_over_reads_of_the_quote() {
    let block =
        "[[rules]]\nname = \"b\"\nwhen.pattern = { regex = '\\w', in = \"draft\" }\nthen.block = true";
    let policies = Policies::of(vec![("shop.toml".into(), block.into())], Known::default()).unwrap();
    let blocked = assistant(quote_first(Calibrations::default(), Some(policies))).await;
    let blocked = ask(&blocked, QUESTIONS[3].1, Mode::Auto).await;
    let tried = blocked.answer.handoff.unwrap().tried;
    assert_eq!(tried.draft, TriedDraft::Withheld);
    assert_eq!(tried.quote.as_ref().unwrap().held, [ReasonCode::Policy]);
    assert_eq!(tried.quote, blocked.trace.quote);
}

/// A model that finds an answer in what agents alone read about December, and nowhere else.
struct Insider(ModelInfo);

#[async_trait]
impl ChatModel for Insider {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    async fn stream(&self, request: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
        let knows = request
            .grounding
            .is_some_and(|grounding| grounding.sources.iter().any(|source| source.text.contains("December")));
        let text = if knows { "In December it takes 9 days [1]." } else { "NO_ANSWER" };
        let done = Completion {
            text: text.into(),
            finish: FinishReason::Stop,
            usage: TokenUsage::default(),
            logprobs: None,
            model: self.0.clone(),
        };
        Ok(Box::pin(futures::stream::iter([Ok(ChatEvent::Done(done))])))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quote_that_is_kept_is_of_what_customers_may_read() {
    let (shop, library) = Shop::open().await;
    let delivery = "# Delivery\n\nStandard delivery to Ireland takes 4 business days.";
    put(&library, "delivery", Audience::Public, delivery).await;
    let december = "# Christmas\n\nIn December standard delivery to Ireland takes 9 business days.";
    put(&library, "december", Audience::Agents, december).await;
    let block = "[[rules]]\nname = \"b\"\nwhen.pattern = { regex = 'business days', in = \"draft\" }\nthen.block = true";
    let policies = Policies::of(vec![("shop.toml".into(), block.into())], Known::default()).unwrap();
    let chat: Arc<dyn ChatModel> = Arc::new(Insider(down().info));
    let options =
        Options { chat: Some(chat), quote_first: true, policies: Some(policies), ..Options::default() };
    let assistant = assistant_of(&shop, options);
    let question = "How long does standard delivery to Ireland take in December?";
    let drafted = ask(&assistant, question, Mode::Auto).await;
    assert_eq!(drafted.answer.usage.backend, "test", "{:?}", drafted.answer);
    let text = drafted.answer.drafts.first().map(|draft| draft.text.as_str());
    assert!(text.is_some_and(|text| text.contains("9 days")), "{:?}", drafted.answer);
    assert_eq!(drafted.trace.quote.unwrap().held, [ReasonCode::Policy]);
}
