//! What follows from the topics of a message: one check for each reason.

use super::{Finding, PolicyInput, last_message};
use crate::decision::{Evidence, Verdict};
use crate::understanding::{MatchedBy, TopicMatch, names};

/// A wish for a person is always granted.
pub(super) fn asks_for_human(input: &PolicyInput<'_>) -> Finding {
    on(input, names::ASKS_FOR_HUMAN, Verdict::Escalate, "The customer asks to be helped by a person")
}

/// Accidents, legal steps and accusations are a person's business, however well the knowledge base could answer.
pub(super) fn complaint(input: &PolicyInput<'_>) -> Finding {
    [
        (names::SAFETY, "The customer reports an accident or a danger"),
        (names::LEGAL_THREAT, "The customer announces legal steps or a complaint to an authority"),
        (names::COMPLAINT, "The customer makes a complaint"),
    ]
    .into_iter()
    .map(|(topic, sentence)| on(input, topic, Verdict::Escalate, sentence))
    .find(|finding| finding.verdict != Verdict::Pass)
    .unwrap_or_else(Finding::pass)
}

/// The knowledge base cannot know the customer's own order, payment or account.
pub(super) fn needs_account_data(input: &PolicyInput<'_>) -> Finding {
    let sentence = "The customer asks about their own order, payment or account";
    on(input, names::ACCOUNT_DATA, Verdict::Escalate, sentence)
}

/// Who wants no more messages gets none by itself, not even a confirmation.
pub(super) fn opted_out(input: &PolicyInput<'_>) -> Finding {
    on(input, names::OPT_OUT, Verdict::Escalate, "The customer wants no more messages")
}

/// Rights over personal data have deadlines and need proof of identity, also where they are asked for as a question.
pub(super) fn data_request(input: &PolicyInput<'_>) -> Finding {
    let sentence =
        "The customer asks for access to their personal data, its erasure or correction, or for a review";
    on(input, names::DATA_REQUEST, Verdict::Escalate, sentence)
}

/// A person chooses the words for an angry customer.
pub(super) fn angry_customer(input: &PolicyInput<'_>) -> Finding {
    on(input, names::ANGER, Verdict::Draft, "The customer is angry or upset")
}

/// The company's knowledge is not for other matters; where it holds something all the same, a person sees it.
pub(super) fn off_topic(input: &PolicyInput<'_>) -> Finding {
    on(input, names::OFF_TOPIC, Verdict::Draft, "The message seems to have nothing to do with the company")
}

/// Thanks and greetings ask nothing; no passage is quoted at them by itself.
pub(super) fn small_talk(input: &PolicyInput<'_>) -> Finding {
    on(input, names::SMALL_TALK, Verdict::Draft, "The message is a greeting, thanks or a goodbye")
}

/// A reply to several questions may leave one out.
pub(super) fn several_questions(input: &PolicyInput<'_>) -> Finding {
    match input.understanding.questions {
        0 | 1 => Finding::pass(),
        questions => Finding::draft(format!(
            "The message asks {questions} questions; make sure that the reply answers each."
        ))
        .with([Evidence::measured("questions", questions.to_string())])
        .with(last_message(input)),
    }
}

fn on(input: &PolicyInput<'_>, topic: &str, verdict: Verdict, sentence: &str) -> Finding {
    input.understanding.topic(topic).map_or_else(Finding::pass, |found| Finding {
        verdict,
        detail: Some(format!("{sentence} ({}).", evidence(found))),
        evidence: vec![Evidence::Topic { name: found.name.clone(), found: found.example.clone() }],
    })
}

/// What the topic was found by.
fn evidence(found: &TopicMatch) -> String {
    match found.by {
        MatchedBy::Phrase => format!("“{}”", found.example),
        MatchedBy::Example => format!("like “{}”, {:.2}", found.example, found.score),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::*;
    use crate::understanding::Understanding;

    #[test]
    fn a_topic_gives_its_evidence() {
        let mut case = Case::asking("quiero hablar con una persona");
        let finding = asks_for_human(&case.input());
        assert_eq!(finding.verdict, Verdict::Escalate);
        assert!(finding.detail.unwrap().ends_with("(“hablar con una persona”)."));
        assert_eq!(complaint(&case.input()).verdict, Verdict::Pass);
        case.understanding = Understanding {
            topics: vec![TopicMatch {
                name: names::ANGER.into(),
                score: 0.81,
                by: MatchedBy::Example,
                example: "I am so annoyed".into(),
            }],
            questions: 2,
            ..Understanding::default()
        };
        let finding = angry_customer(&case.input());
        assert_eq!(finding.verdict, Verdict::Draft);
        assert!(finding.detail.unwrap().ends_with("(like “I am so annoyed”, 0.81)."));
        case.understanding.topics[0].name = names::DATA_REQUEST.into();
        assert_eq!(data_request(&case.input()).verdict, Verdict::Escalate);
        assert!(several_questions(&case.input()).detail.unwrap().contains("2 questions"));
    }
}
