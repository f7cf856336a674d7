//! What the knowledge base lacks: questions that found no answer, by subject, most asked first, each with a stub of the
//! article that would answer them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::KnowledgeError;
use crate::conversation::{Language, WorkspaceId};
use crate::inference::{Embedder, Purpose};
use crate::personal_data::left_out;
use crate::store::Suggestions;
use crate::store::suggestion::Asked;
use crate::text::collapse;

mod cluster;
mod stub;

use cluster::{Cluster, clusters, cosine};

/// Suggestions that are looked at, the newest ones.
const MOST: usize = 4_000;
/// Characters of a question that count.
const QUESTION_CHARS: usize = 600;
/// Questions that are embedded in one call.
const BATCH: usize = 64;
/// Example questions of a gap.
const EXAMPLES: usize = 5;
/// Replies of agents that a gap carries.
const ANSWERS: usize = 3;

/// Questions that any business gets. What their vectors have in common is that they are questions of customers: it is
/// taken off every vector, for otherwise all questions are near each other.
const ANY: [&str; 16] = [
    "Em quanto tempo chega o meu pedido?",
    "Como faço para devolver um produto?",
    "Quais são as formas de pagamento?",
    "Qual é o horário de atendimento?",
    "Quando arriva il mio ordine?",
    "Come posso restituire un prodotto?",
    "Quali metodi di pagamento accettate?",
    "Quali sono gli orari del servizio clienti?",
    "¿Cuánto tarda en llegar mi pedido?",
    "¿Cómo devuelvo un producto?",
    "¿Qué formas de pago aceptan?",
    "¿Cuál es el horario de atención?",
    "How long does delivery take?",
    "How do I return a product?",
    "Which payment methods do you accept?",
    "What are your opening hours?",
];

/// Which questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapRequest {
    /// Asked since then.
    pub since: DateTime<Utc>,
    /// At most so many gaps, most asked first.
    pub limit: usize,
}

/// A subject that customers ask about and the knowledge base does not answer. Personal data is left out of its texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gap {
    /// The question that stands for the others.
    pub title: String,
    /// How many times it was asked.
    pub count: usize,
    /// The language most of them are in; null when it is none of the supported ones.
    pub language: Option<Language>,
    /// When it was asked first.
    pub first_at: DateTime<Utc>,
    /// When it was asked last.
    pub last_at: DateTime<Utc>,
    /// Example questions, the one that stands for the others first.
    pub questions: Vec<String>,
    /// What agents answered to such questions.
    pub answers: Vec<String>,
    /// Suggestions that found no answer, newest first.
    pub suggestions: Vec<String>,
    /// The beginning of an article, in Markdown.
    pub stub: String,
}

/// A question with its place in the space of meanings.
struct Question {
    asked: Asked,
    text: String,
    vector: Vec<f32>,
}

/// Finds the gaps of a workspace. The same questions give the same gaps.
pub async fn find_gaps(
    store: &dyn Suggestions,
    embedder: &dyn Embedder,
    workspace: &WorkspaceId,
    request: GapRequest,
) -> Result<Vec<Gap>, KnowledgeError> {
    let asked = store.asked(workspace, request.since, MOST).await?;
    let questions = embedded(embedder, asked).await?;
    let (unanswered, answered): (Vec<_>, Vec<_>) =
        questions.into_iter().partition(|question| question.asked.unanswered);
    let vectors: Vec<&[f32]> = unanswered.iter().map(|question| question.vector.as_slice()).collect();
    let mut clusters = clusters(&vectors);
    clusters.sort_by(|a, b| b.members.len().cmp(&a.members.len()).then(a.members.cmp(&b.members)));
    clusters.truncate(request.limit);
    Ok(clusters.iter().map(|cluster| gap(cluster, &unanswered, &answered)).collect())
}

async fn embedded(embedder: &dyn Embedder, asked: Vec<Asked>) -> Result<Vec<Question>, KnowledgeError> {
    let mut questions: Vec<Question> = asked
        .into_iter()
        .map(|asked| Question { text: without_person(&asked), asked, vector: Vec::new() })
        .filter(|question| !question.text.is_empty())
        .collect();
    if questions.is_empty() {
        return Ok(questions);
    }
    let any = embedder.embed(ANY.map(ToOwned::to_owned).to_vec(), Purpose::Query).await?;
    for batch in questions.chunks_mut(BATCH) {
        let texts = batch.iter().map(|question| question.text.clone()).collect();
        for (question, mut vector) in batch.iter_mut().zip(embedder.embed(texts, Purpose::Query).await?) {
            for common in &any {
                vector.iter_mut().zip(common).for_each(|(value, common)| *value -= common / any.len() as f32);
            }
            question.vector = vector;
        }
    }
    questions.retain(|question| !question.vector.is_empty());
    Ok(questions)
}

/// The question on one line, without what tells who asks.
fn without_person(asked: &Asked) -> String {
    let question: String = asked.conversation.pending_question().chars().take(QUESTION_CHARS).collect();
    collapse(&unnamed(&left_out(&question), asked))
}

/// A text without the customer's name.
fn unnamed(text: &str, asked: &Asked) -> String {
    let name = asked.conversation.customer.as_ref().and_then(|customer| customer.name.as_deref());
    let names = name.unwrap_or_default().split_whitespace().filter(|word| word.chars().count() > 2);
    let names: Vec<String> = names.map(str::to_lowercase).collect();
    if names.is_empty() {
        return text.to_owned();
    }
    text.split_inclusive(|c: char| !c.is_alphanumeric())
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
            if names.contains(&word.to_lowercase()) {
                format!("[name]{}", &piece[word.len()..])
            } else {
                piece.to_owned()
            }
        })
        .collect()
}

fn gap(cluster: &Cluster, unanswered: &[Question], answered: &[Question]) -> Gap {
    let members: Vec<&Question> = cluster.members.iter().map(|place| &unanswered[*place]).collect();
    let medoid = &unanswered[cluster.medoid];
    let mut examples: Vec<String> = Vec::new();
    for question in std::iter::once(medoid).chain(members.iter().copied()) {
        if examples.len() < EXAMPLES && !examples.contains(&question.text) {
            examples.push(question.text.clone());
        }
    }
    // What agents said to these very questions first, then to others about the same, nearest first.
    let mut others: Vec<(f32, &Question)> = answered
        .iter()
        .map(|question| (cosine(&question.vector, &cluster.centroid), question))
        .filter(|(near, _)| *near >= cluster::SAME)
        .collect();
    others.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut answers: Vec<String> = Vec::new();
    for question in members.iter().copied().chain(others.into_iter().map(|(_, question)| question)) {
        let Some(reply) = &question.asked.reply else { continue };
        let reply = unnamed(&left_out(reply), &question.asked);
        if answers.len() < ANSWERS && !answers.contains(&reply) {
            answers.push(reply);
        }
    }
    let at = || members.iter().map(|question| question.asked.at);
    let language = most_frequent(members.iter().map(|question| question.asked.language));
    let title = stub::title(&medoid.text);
    let stub = stub::article(&title, language, &examples, &answers);
    Gap {
        title,
        count: members.len(),
        language,
        first_at: at().min().unwrap_or_default(),
        last_at: at().max().unwrap_or_default(),
        questions: examples,
        answers,
        suggestions: members.iter().map(|question| question.asked.id.clone()).collect(),
        stub,
    }
}

fn most_frequent(languages: impl Iterator<Item = Option<Language>>) -> Option<Language> {
    let mut counts: Vec<(usize, Language)> =
        Language::ALL.into_iter().map(|language| (0, language)).collect();
    for language in languages.flatten() {
        counts.iter_mut().filter(|entry| entry.1 == language).for_each(|entry| entry.0 += 1);
    }
    // The first of equals.
    counts.into_iter().rev().max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 0).map(|it| it.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Channel, Conversation, Customer, Labels, Message, Role};

    fn asked(text: &str) -> Asked {
        Asked {
            id: "sug_1".into(),
            at: DateTime::default(),
            conversation: Conversation {
                id: "c".into(),
                channel: Channel::WebChat,
                locale: None,
                customer: Some(Customer {
                    id: "u".into(),
                    name: Some("Ana de Souza".into()),
                    attributes: std::collections::BTreeMap::new(),
                    opted_in_at: None,
                }),
                labels: Labels::default(),
                handed_back_after: None,
                messages: vec![Message { id: "m".into(), role: Role::Customer, text: text.into(), at: None }],
            },
            language: None,
            unanswered: true,
            reply: None,
        }
    }

    #[test]
    fn a_question_tells_the_matter_and_not_the_person() {
        let asked = asked("Sou a ANA Souza,\n meu e-mail é ana@mail.example.com. Vendem vale-presente?");
        assert_eq!(
            without_person(&asked),
            "Sou a [name] [name], meu e-mail é [email]. Vendem vale-presente?"
        );
    }

    #[test]
    fn the_language_of_most_counts() {
        let of = |languages: &[Option<Language>]| most_frequent(languages.iter().copied());
        assert_eq!(
            of(&[Some(Language::En), None, Some(Language::Pt), Some(Language::En)]),
            Some(Language::En)
        );
        assert_eq!(of(&[Some(Language::En), Some(Language::Pt)]), Some(Language::Pt));
        assert_eq!(of(&[None]), None);
    }
}
