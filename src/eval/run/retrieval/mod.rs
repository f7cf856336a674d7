//! Running a set of kind `retrieval`: an index a knowledge base and language, and every question through the retriever
//! that serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Progress, unless_cancelled};
use crate::conversation::{Audience, Channel, Conversation, Labels, Language, Message, Role, WorkspaceId};
use crate::eval::EvalError;
use crate::eval::dataset::retrieval::{PassageRow, QuestionRow, RetrievalSet};
use crate::inference::extractive::rank::rank;
use crate::inference::{Embedder, InferenceError, Purpose, Source};
use crate::retrieval::index::edge::EdgeIndex;
use crate::retrieval::index::{IndexPoint, PassageIndex};
use crate::retrieval::{Passage, RetrievalConfig, Retrieved, Retriever, query};

mod summary;

pub use summary::{DEPTH, Outcome, method};

/// Passages that are embedded in one call.
const BATCH: usize = 16;
/// Questions that are asked at a time.
const AT_A_TIME: usize = 4;
/// Passages, best first, whose sentences say whether a question can be answered.
const ANSWERING: usize = 3;

/// Which questions search which passages.
type Group<'a> = (Vec<&'a PassageRow>, Vec<&'a QuestionRow>);

/// Indexes the passages and asks every question. `scratch` is an empty folder for the indexes.
pub async fn run(
    set: &RetrievalSet,
    embedder: Arc<dyn Embedder>,
    config: &RetrievalConfig,
    scratch: &std::path::Path,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Vec<Outcome>, EvalError> {
    let groups = groups(set);
    let passages = groups.values().map(|(passages, _)| passages.len()).sum();
    progress.start("indexing", passages);
    let mut retrievers = Vec::new();
    for (number, (passages, questions)) in groups.into_values().enumerate() {
        let workspace = WorkspaceId("evaluation".into());
        let index = Arc::new(EdgeIndex::open(
            &scratch.join(number.to_string()),
            embedder.info().dimensions,
            &embedder.info().fingerprint,
        )?);
        for batch in passages.chunks(BATCH) {
            unless_cancelled(cancel, fill(&*index, &*embedder, &workspace, batch)).await?;
            progress.advance(batch.len());
        }
        index.optimize().await?;
        let retriever = Retriever::new(index, Arc::clone(&embedder), config.clone());
        retrievers.push((workspace, retriever, questions));
    }
    progress.start("asking", set.questions.len());
    // Where every question can be answered there is nothing to tell apart.
    let telling = set.questions.iter().any(|question| !question.answerable).then_some(&*embedder);
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    for (workspace, retriever, questions) in &retrievers {
        let asked: Vec<Outcome> = stream::iter(questions)
            .map(|question| unless_cancelled(cancel, ask(retriever, telling, workspace, question)))
            .buffered(AT_A_TIME)
            .inspect_ok(|_| progress.advance(1))
            .try_collect()
            .await?;
        outcomes.extend(questions.iter().map(|question| question.id.as_str()).zip(asked));
    }
    // The order of the set, so that seeded resampling does not depend on the grouping.
    Ok(set.questions.iter().filter_map(|question| outcomes.remove(question.id.as_str())).collect())
}

/// Passages and questions by knowledge base and languages. Passages that nobody asks for are left out as a group, never
/// one by one.
fn groups(set: &RetrievalSet) -> BTreeMap<(&str, Languages), Group<'_>> {
    let mut groups: BTreeMap<(&str, Languages), Group<'_>> = BTreeMap::new();
    for question in &set.questions {
        let languages = match (set.cross_lingual, question.own_language_is_lacking) {
            (false, _) => Languages::Only(question.lang),
            (true, true) => Languages::AllBut(question.lang),
            (true, false) => Languages::All,
        };
        groups.entry((&question.kb, languages)).or_default().1.push(question);
    }
    for passage in &set.passages {
        for ((kb, languages), group) in &mut groups {
            if *kb == passage.kb && languages.hold(passage.lang) {
                group.0.push(passage);
            }
        }
    }
    groups
}

/// Languages of the passages that a question searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Languages {
    All,
    Only(Language),
    AllBut(Language),
}

impl Languages {
    fn hold(self, language: Language) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => language == only,
            Self::AllBut(lacking) => language != lacking,
        }
    }
}

async fn fill(
    index: &dyn PassageIndex,
    embedder: &dyn Embedder,
    workspace: &WorkspaceId,
    rows: &[&PassageRow],
) -> Result<(), EvalError> {
    let passages: Vec<Passage> = rows.iter().map(|row| passage(workspace, row)).collect();
    let texts = passages.iter().map(Passage::indexed_text).collect();
    let vectors = embedder.embed(texts, Purpose::Passage).await?;
    let points =
        passages.into_iter().zip(vectors).map(|(passage, dense)| IndexPoint { passage, dense }).collect();
    Ok(index.upsert(points).await?)
}

/// A passage of the set; its id there becomes the document's id, because the index wants UUIDs.
fn passage(workspace: &WorkspaceId, row: &PassageRow) -> Passage {
    let hash: [u8; 32] = Sha256::digest(&row.id).into();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    Passage {
        id: uuid::Builder::from_custom_bytes(id).into_uuid().to_string(),
        workspace: workspace.clone(),
        document_id: row.id.clone(),
        title: row.title.clone(),
        heading_path: Vec::new(),
        text: row.text.clone(),
        language: Some(row.lang),
        url: None,
        span: (0, row.text.chars().count()),
        ordinal: 0,
        version: 0,
        audience: Audience::Public,
        labels: Labels::default(),
    }
}

async fn ask(
    retriever: &Retriever,
    telling: Option<&dyn Embedder>,
    workspace: &WorkspaceId,
    row: &QuestionRow,
) -> Result<Outcome, EvalError> {
    let failed = |message: String| EvalError::Retrieval { question: row.id.clone(), message };
    // A model that writes queries belongs to the assistant; here the rule stands in for it.
    let query = query::of(&conversation(row), retriever.rewrite().0);
    let found = retriever
        .search(workspace, &query, Some(row.lang), DEPTH)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let answerability = match telling {
        Some(embedder) => answerability(embedder, &query, row.lang, &found)
            .await
            .map_err(|error| failed(error.to_string()))?,
        None => -1.0,
    };
    let relevant: BTreeSet<&str> = row.relevant.iter().map(String::as_str).collect();
    Ok(Outcome {
        id: row.id.clone(),
        language: row.lang,
        question: row.question.clone(),
        answerable: row.answerable,
        relevant: relevant.len(),
        relevance: found
            .iter()
            .take(DEPTH)
            .map(|retrieved| relevant.contains(retrieved.passage.document_id.as_str()))
            .collect(),
        answerability,
    })
}

/// How surely the passages hold an answer: the mean of the highest cosine among them and of how surely one of their
/// sentences answers, both of which judgement weighs for every draft. −1 where nothing was found.
async fn answerability(
    embedder: &dyn Embedder,
    query: &str,
    language: Language,
    found: &[Retrieved],
) -> Result<f64, InferenceError> {
    let closest =
        found.iter().filter_map(|hit| hit.scores.dense).map(f64::from).max_by(f64::total_cmp).unwrap_or(-1.0);
    let sources: Vec<Source> = found.iter().take(ANSWERING).map(|hit| hit.passage.as_source()).collect();
    let mut ranking = rank(query, language.code(), &sources);
    ranking.weigh_meaning(embedder, query, &sources).await?;
    Ok(f64::midpoint(closest, ranking.answerability().unwrap_or(closest)))
}

fn conversation(row: &QuestionRow) -> Conversation {
    let earlier = row.history.iter().map(|turn| (turn.role, turn.text.clone()));
    let messages = earlier
        .chain(std::iter::once((Role::Customer, row.question.clone())))
        .enumerate()
        .map(|(index, (role, text))| Message { id: format!("{}-{index}", row.id), role, text, at: None })
        .collect();
    Conversation {
        id: row.id.clone(),
        channel: Channel::Api,
        locale: Some(row.lang.code().to_owned()),
        customer: None,
        labels: Labels::default(),
        handed_back_after: None,
        messages,
    }
}
