//! The task `out_of_scope`: which messages does nothing known answer? The known messages are passages of an index, one for
//! each bot; every row searches it through the retriever that serves, and the further its best passage is, by the measure
//! that also tells answerable questions from others, the more it is out of scope.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Progress, retrieval};
use crate::conversation::Language;
use crate::eval::EvalError;
use crate::eval::case::Case;
use crate::eval::dataset::retrieval::{PassageRow, QuestionRow, RetrievalSet};
use crate::eval::dataset::rows::{Row, RowSet};
use crate::inference::Embedder;
use crate::retrieval::RetrievalConfig;

/// Indexes the known messages and asks every row. `scratch` is an empty folder for the indexes.
pub async fn run(
    set: &RowSet,
    embedder: Arc<dyn Embedder>,
    config: &RetrievalConfig,
    scratch: &std::path::Path,
    texts: bool,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Vec<Case>, EvalError> {
    let language = |row: &Row| row.language().unwrap_or(Language::En);
    let bot = |row: &Row| row.bot.clone().unwrap_or_default();
    let passages = set.examples.iter().map(|row| PassageRow {
        id: row.id.clone(),
        title: String::new(),
        text: row.text().to_owned(),
        lang: language(row),
        kb: bot(row),
    });
    let questions = set.rows.iter().map(|row| {
        QuestionRow::alone(
            row.id.clone(),
            language(row),
            row.text().to_owned(),
            bot(row),
            row.oos != Some(true),
        )
    });
    let asked =
        RetrievalSet { passages: passages.collect(), questions: questions.collect(), cross_lingual: false };
    let outcomes = retrieval::run(&asked, embedder, config, scratch, progress, cancel).await?;
    Ok(set
        .rows
        .iter()
        .zip(outcomes)
        .map(|(row, outcome)| {
            let out = row.oos == Some(true);
            Case {
                id: row.id.clone(),
                language: row.lang.clone(),
                channel: row.channel.map(|channel| channel.as_str().to_owned()),
                group: row.bot.clone(),
                text: texts.then(|| row.text().to_owned()),
                ..Case::default()
            }
            .with("score", 1.0 - outcome.answerability)
            .with_yes("out_of_scope", out)
            .traced("answerability", format!("{:.3}", outcome.answerability))
        })
        .collect())
}
