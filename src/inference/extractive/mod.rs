//! Answers without a model: the best-supported sentences of the best passages, quoted. It cannot invent, because every
//! word of a reply stands in a source, and it is what remains when every model is down.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::inference::{
    Budget, ChatEvent, ChatModel, ChatRequest, ChatStream, Completion, Embedder, FinishReason, Grounding,
    InferenceError, ModelInfo, TokenUsage,
};

mod compose;
mod meaning;
pub mod rank;

/// Name of the backend.
pub const BACKEND: &str = "extractive";

/// What a model answers when the sources do not hold the answer.
pub const NO_ANSWER: &str = "NO_ANSWER";

/// Part of the fingerprint: raise it when the choice or the form of sentences changes.
const REVISION: &str = "extractive-3";
/// Below this [answerability](rank::Ranking::answerability) nothing is quoted.
const MIN_ANSWERABILITY: f64 = 0.88;
/// Without an embedder: below this share of the question's weight in the best sentence and its context nothing is quoted.
const MIN_SUPPORT: f64 = 0.18;
/// Least time for the embedder, and its share of the budget where that is more; past it shared words decide alone.
const EMBEDDING_WAIT: Duration = Duration::from_millis(600);
const EMBEDDING_SHARE: u32 = 4;

/// A [`ChatModel`] that quotes the sources of [`ChatRequest::grounding`].
pub struct Extractive {
    info: ModelInfo,
    embedder: Option<Arc<dyn Embedder>>,
}

impl Extractive {
    /// With an embedder, sentences are compared by meaning; without, by shared words alone.
    pub fn new(embedder: Option<Arc<dyn Embedder>>) -> Self {
        let fingerprint = match &embedder {
            Some(embedder) => format!("{REVISION}+{}", embedder.info().fingerprint),
            None => REVISION.to_owned(),
        };
        let info = ModelInfo {
            backend: BACKEND.into(),
            model: "quoted sentences".into(),
            fingerprint,
            context_length: i32::MAX as usize,
        };
        Self { info, embedder }
    }

    /// The reply, quoted sentences or [`NO_ANSWER`], and what chose it: where the embedder gave no vectors in time, that
    /// is another procedure, and no calibration of this one speaks for it.
    async fn answer(
        &self,
        grounding: &Grounding,
        budget: &Budget,
    ) -> Result<(String, ModelInfo), InferenceError> {
        let mut ranking = rank::rank(&grounding.question, &grounding.language, &grounding.sources);
        if let Some(embedder) = &self.embedder
            && budget.remaining() > EMBEDDING_WAIT
            && !ranking.candidates.is_empty()
        {
            let wait = EMBEDDING_WAIT.max(budget.remaining() / EMBEDDING_SHARE);
            let mut weighed = ranking.clone();
            let meaning = weighed.weigh_meaning(embedder.as_ref(), &grounding.question, &grounding.sources);
            tokio::select! {
                () = budget.cancel.cancelled() => return Err(InferenceError::Cancelled),
                // Without an answer in time, words alone decide.
                outcome = tokio::time::timeout(wait, meaning) => {
                    if matches!(outcome, Ok(Ok(()))) {
                        ranking = weighed;
                    }
                }
            }
        }
        let supported = match ranking.answerability() {
            Some(answerability) => answerability >= MIN_ANSWERABILITY,
            None => ranking.candidates.first().is_some_and(|best| best.support >= MIN_SUPPORT),
        };
        let text = if supported { compose::compose(grounding, &ranking) } else { NO_ANSWER.to_owned() };
        let mut model = self.info.clone();
        if ranking.answerability().is_none() {
            REVISION.clone_into(&mut model.fingerprint);
        }
        Ok((text, model))
    }
}

#[async_trait]
impl ChatModel for Extractive {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest, budget: Budget) -> Result<ChatStream, InferenceError> {
        if budget.cancel.is_cancelled() {
            return Err(InferenceError::Cancelled);
        }
        if budget.remaining().is_zero() {
            return Err(InferenceError::DeadlineExceeded);
        }
        let Some(grounding) = request.grounding else {
            return Err(InferenceError::Permanent(
                "the extractive backend answers from sources alone, and this call has none".into(),
            ));
        };
        let (text, model) = self.answer(&grounding, &budget).await?;
        let done = Completion {
            text: text.clone(),
            finish: FinishReason::Stop,
            usage: TokenUsage::default(),
            logprobs: None,
            model,
        };
        Ok(Box::pin(futures::stream::iter([Ok(ChatEvent::Delta(text)), Ok(ChatEvent::Done(done))])))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::inference::Source;
    use crate::text::words;

    fn source(title: &str, text: &str) -> Source {
        Source { title: title.into(), text: text.into() }
    }

    fn delivery() -> Vec<Source> {
        vec![
            source(
                "Delivery › Times and costs",
                "Delivery times count from dispatch.\n\n| Country | Standard | Cost | Express | Cost |\n|---|---|---|---|---|\n\
                 | Ireland | 5 business days | €6.90 | 3 business days | €12.90 |\n\
                 | Brazil | 5 business days | R$ 19.90 | 2 business days | R$ 39.90 |\n\n\
                 The Scottish Highlands take 2 business days longer. The cost is the same.",
            ),
            source(
                "Delivery › Attempts",
                "The carrier tries twice:\n\n- The first attempt is on the announced day.\n- The second attempt is on the next business day.\n",
            ),
        ]
    }

    async fn reply(question: &str, language: &str, sources: Vec<Source>) -> String {
        let grounding = Grounding { question: question.into(), language: language.into(), sources };
        let request = ChatRequest { grounding: Some(grounding), ..ChatRequest::default() };
        Extractive::new(None).complete(request, Budget::of(Duration::from_secs(5))).await.unwrap().text
    }

    #[tokio::test]
    async fn quotes_the_sentence_that_answers_with_the_one_it_needs() {
        insta::assert_snapshot!(
            reply("how much longer to the scottish highlands?", "en", delivery()).await,
            @"The Scottish Highlands take 2 business days longer. The cost is the same."
        );
        insta::assert_snapshot!(
            reply("is the cost the same in the highlands?", "en", delivery()).await,
            @"The Scottish Highlands take 2 business days longer. The cost is the same."
        );
        insta::assert_snapshot!(
            reply("does the carrier try twice?", "en", delivery()).await,
            @"The carrier tries twice: The first attempt is on the announced day. The second attempt is on the next business day."
        );
    }

    #[tokio::test]
    async fn answers_with_a_row_and_its_headings() {
        insta::assert_snapshot!(
            reply("express to Ireland", "en", delivery()).await,
            @"Ireland – Standard: 5 business days; Cost: €6.90; Express: 3 business days; Cost: €12.90."
        );
    }

    #[tokio::test]
    async fn refuses_what_no_source_speaks_of() {
        assert_eq!(reply("Do you sell gift cards?", "en", delivery()).await, NO_ANSWER);
        assert_eq!(reply("Do you sell gift cards?", "en", Vec::new()).await, NO_ANSWER);
        assert_eq!(reply("", "en", delivery()).await, NO_ANSWER);
    }

    proptest::proptest! {
        #[test]
        fn cannot_invent(question in "[a-zé ?]{0,40}", one in "[a-zé.?:|\\-\n #*0-9]{0,200}", two in "[a-z. \n|-]{0,200}") {
            let sources = vec![source("t", &one), source("u", &two)];
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let text = runtime.block_on(reply(&question, "pt", sources));
            let known: HashSet<&str> = words(&one).chain(words(&two)).chain([NO_ANSWER]).collect();
            for word in words(&text) {
                proptest::prop_assert!(known.contains(word), "{word:?} is in no source");
            }
        }
    }
}
