//! The task `groundedness`: a reply against its source, through the judge and the policy that serve. The source is the one
//! passage that was found, and the reply cites it.

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::{Progress, messages, unless_cancelled};
use crate::conversation::language::{Hint, detect};
use crate::conversation::{Channel, Conversation, Language};
use crate::decision::policy::{PolicyInput, check_draft};
use crate::decision::{DecisionConfig, ReasonCode, Verdict};
use crate::eval::EvalError;
use crate::eval::case::Case;
use crate::eval::dataset::rows::{Row, RowSet};
use crate::generation::{Citation, Draft};
use crate::inference::Budget;
use crate::judgement::{Judge, JudgeInput, Judgement};
use crate::understanding::Understanding;

/// Rows that are judged at a time: embedding goes in batches behind them.
const AT_A_TIME: usize = 4;

/// What judges and decides.
pub struct Parts {
    /// Measures the replies.
    pub judge: Judge,
    /// Floors of the policy.
    pub decision: DecisionConfig,
    /// Longest time for one reply.
    pub deadline: std::time::Duration,
}

/// Judges every row; `texts` says whether cases may hold the rows' texts.
pub async fn run(
    set: &RowSet,
    parts: &Parts,
    texts: bool,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Vec<Case>, EvalError> {
    progress.start("judging", set.rows.len());
    stream::iter(&set.rows)
        .map(|row| unless_cancelled(cancel, case(row, parts, texts)))
        .buffered(AT_A_TIME)
        .inspect_ok(|_| progress.advance(1))
        .try_collect()
        .await
}

async fn case(row: &Row, parts: &Parts, texts: bool) -> Result<Case, EvalError> {
    let (context, response) =
        (row.context.as_deref().unwrap_or_default(), row.response.as_deref().unwrap_or_default());
    let question = row.question.as_deref().unwrap_or_default();
    let language =
        row.language().or_else(|| detect(response, Hint::default()).language).unwrap_or(Language::En);
    let retrieved = [messages::retrieved(&row.id, context)];
    let draft = draft(response, language, &row.id);
    let input = JudgeInput {
        conversation: None,
        workspace: &messages::workspace(),
        question,
        language,
        draft: &draft,
        retrieved: &retrieved,
        policies: "",
        budget: &Budget::of(parts.deadline),
    };
    let judgement = parts.judge.judge(input).await?;
    let conversation = Conversation::new(row.id.clone(), Channel::Api, Vec::new());
    let checks = check_draft(&PolicyInput {
        conversation: &conversation,
        question,
        language: Some(language),
        understanding: &Understanding::default(),
        now: chrono::DateTime::UNIX_EPOCH,
        retrieved: &retrieved,
        draft: Some(&draft),
        judgement: Some(&judgement),
        opt_outs: &[],
        lacking: 0,
        sent_draft: None,
        config: &parts.decision,
    });
    let said =
        checks.iter().any(|check| check.check == ReasonCode::Ungrounded && check.verdict == Verdict::Pass);
    Ok(outcome(row, said, &judgement, texts))
}

fn outcome(row: &Row, said: bool, judgement: &Judgement, texts: bool) -> Case {
    let grounded = row.label.as_deref() == Some("grounded");
    let unsupported: Vec<&str> =
        judgement.sentences.iter().flat_map(|sentence| &sentence.unsupported).map(String::as_str).collect();
    let mut case = Case {
        id: row.id.clone(),
        language: row.lang.clone(),
        group: row.src.clone().or_else(|| row.kind.clone()),
        text: texts.then(|| row.response.clone()).flatten(),
        ..Case::default()
    }
    .with("score", judgement.groundedness())
    .with_yes("said_grounded", said)
    .with_yes("grounded", grounded)
    .at_fault(said && !grounded, 2, "an unsupported reply passed")
    .at_fault(!said && grounded, 1, "a supported reply was held");
    let weakest = judgement.sentences.iter().map(|sentence| sentence.support).fold(1.0, f64::min);
    case = case.traced("weakest sentence", format!("support {weakest:.2}"));
    case = case.traced("claims without a source", unsupported.len().to_string());
    if let Some(supported) = judgement.second_reading() {
        case = case.traced("read again", format!("supported with a probability of {supported:.3}"));
    }
    if texts && !unsupported.is_empty() { case.traced("they are", unsupported.join(", ")) } else { case }
}

/// A reply that somebody else wrote, citing its source.
fn draft(text: &str, language: Language, passage: &str) -> Draft {
    let citation = Citation {
        passage_id: passage.to_owned(),
        document_id: passage.to_owned(),
        version: 0,
        title: String::new(),
        url: None,
        quote: String::new(),
    };
    Draft::given(text, language, vec![citation])
}
