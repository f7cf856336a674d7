//! `ponto policy test`: what the rules alone do with example conversations. No model writes; the embedder is loaded where
//! topics have to be found out.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::examples::{Example, Expected, read};
use super::{Folder, Printer};
use crate::app::{SystemClock, load_embedder};
use crate::cli::progress::FetchProgress;
use crate::config::Config;
use crate::conversation::language::{Hint, detect};
use crate::conversation::{Audience, Clock, Labels, Language, WorkspaceId};
use crate::decision::policy::PolicyInput;
use crate::decision::rules::document::OneOrMore;
use crate::decision::rules::{RuleMatch, Rules, edited};
use crate::decision::{Action, PolicyCheck, Verdict};
use crate::generation::{Citation, Draft};
use crate::inference::models::Registry;
use crate::judgement::{Confidence, Judgement};
use crate::retrieval::{Passage, Retrieved, Scores};
use crate::understanding::{MatchedBy, MessageReader, TopicMatch, Understanding};

/// Longest wait for the topics of one message.
const READING: Duration = Duration::from_mins(1);

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of examples: TOML with [[examples]], or JSONL
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    folder: Folder,
}

/// What came of one example.
#[derive(Debug, Serialize)]
struct Tried {
    file: String,
    name: String,
    passed: bool,
    expected: Expected,
    found: Expected,
    /// What is otherwise than expected.
    differs: Vec<&'static str>,
    /// Every rule that applies, with its evidence.
    matches: Vec<PolicyCheck>,
    topics: Vec<TopicMatch>,
}

pub(super) async fn run(config: &Config, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let rules = args.folder.rules(config)?;
    let mut examples = Vec::new();
    for file in &args.files {
        examples.extend(read(file)?.into_iter().map(|example| (file.display().to_string(), example)));
    }
    let asks = rules.rules().any(|rule| rule.when.asks_for_topics());
    let reader = if asks && examples.iter().any(|(_, example)| example.topics.is_none()) {
        let registry = Registry::open(&config.models)?;
        let embedder = load_embedder(config, &registry, &FetchProgress::new(*printer)).await?;
        Some(MessageReader::new(&config.understanding, Some(Arc::clone(&embedder)), None))
    } else {
        None
    };
    let known: BTreeSet<String> = crate::understanding::known(&config.understanding);
    let mut tried = Vec::new();
    for (file, example) in examples {
        if let Some(topic) = example.topics.iter().flatten().find(|topic| !known.contains(*topic)) {
            anyhow::bail!(
                "{file}: the example {:?} has a topic {topic:?}, which does not exist",
                example.name
            );
        }
        tried.push(attempt(&rules, config, reader.as_ref(), file, example).await);
    }
    report(&tried, *printer)?;
    Ok(if tried.iter().all(|one| one.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn attempt(
    rules: &Rules,
    config: &Config,
    reader: Option<&MessageReader>,
    file: String,
    example: Example,
) -> Tried {
    let conversation = example.conversation();
    let question = conversation.pending_question();
    let language = example.language.or_else(|| detect(&question, Hint::default()).language);
    let understanding = match (&example.topics, reader) {
        (Some(names), _) => given(names),
        (None, Some(reader)) => reader.read(&question, READING).await,
        (None, None) => MessageReader::by_phrases(&question),
    };
    let now = example.at.unwrap_or_else(|| SystemClock.now());
    let workspace = WorkspaceId(example.workspace.clone());
    let retrieved: Vec<Retrieved> =
        example.cites.iter().map(|labels| cited(&workspace, labels.clone())).collect();
    let draft = example.draft.as_ref().map(|text| draft(text, language, &retrieved));
    let judgement = Judgement {
        sentences: Vec::new(),
        confidence: Confidence { value: example.confidence, calibrated: true, ..Confidence::default() },
    };
    let matches = rules.matches(
        &workspace,
        &PolicyInput {
            conversation: &conversation,
            question: &question,
            language,
            now,
            understanding: &understanding,
            retrieved: &retrieved,
            draft: draft.as_ref(),
            judgement: draft.as_ref().map(|_| &judgement),
            opt_outs: &[],
            lacking: 0,
            sent_draft: None,
            config: &config.decision,
        },
    );
    let (queue, priority) = rules.route(&matches, &[], &[], now);
    let verdict = matches.iter().map(|found| found.verdict).max().unwrap_or(Verdict::Pass);
    let action = match verdict {
        Verdict::Pass => Action::AutoReply,
        Verdict::Draft => Action::Draft,
        Verdict::Escalate => Action::Escalate,
    };
    let reply = draft.map(|draft| edited(&matches, &draft.text, draft.language).unwrap_or(draft.text));
    let found = Expected {
        action: Some(action),
        rules: Some(OneOrMore(matches.iter().map(|found| found.rule.name.clone()).collect())),
        queue: queue.filter(|_| action == Action::Escalate).map(|queue| queue.name),
        priority: (action == Action::Escalate).then_some(priority),
        reply,
    };
    let differs = differences(&example.expect, &found);
    Tried {
        file,
        name: example.name,
        passed: differs.is_empty(),
        expected: example.expect,
        found,
        differs,
        matches: matches.iter().map(RuleMatch::check).collect(),
        topics: understanding.topics,
    }
}

fn differences(expected: &Expected, found: &Expected) -> Vec<&'static str> {
    let names = |rules: &Option<OneOrMore<String>>| -> BTreeSet<String> {
        rules.iter().flat_map(|rules| rules.0.clone()).collect()
    };
    [
        ("action", expected.action.is_some() && expected.action != found.action),
        ("rules", expected.rules.is_some() && names(&expected.rules) != names(&found.rules)),
        ("queue", expected.queue.is_some() && expected.queue != found.queue),
        ("priority", expected.priority.is_some() && expected.priority != found.priority),
        ("reply", expected.reply.is_some() && expected.reply != found.reply),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

fn report(tried: &[Tried], printer: Printer) -> anyhow::Result<()> {
    let failed = tried.iter().filter(|one| !one.passed).count();
    printer.json(&json!({"examples": tried.len(), "failed": failed, "items": tried}))?;
    for one in tried {
        printer.line(format!("{}  {}: {}", if one.passed { "ok  " } else { "FAIL" }, one.file, one.name));
        if one.passed {
            continue;
        }
        let (expected, found) = (serde_json::to_value(&one.expected)?, serde_json::to_value(&one.found)?);
        for field in &one.differs {
            printer.line(format!("      {field}: expected {}, found {}", expected[field], found[field]));
        }
        for check in &one.matches {
            printer.line(format!("      {}", check.detail.as_deref().unwrap_or_default()));
            for evidence in &check.evidence {
                printer.line(format!("        {}", serde_json::to_string(evidence)?));
            }
        }
        let topics: Vec<String> =
            one.topics.iter().map(|topic| format!("{} ({:.2})", topic.name, topic.score)).collect();
        printer.line(format!(
            "      topics: {}",
            if topics.is_empty() { "none".into() } else { topics.join(", ") }
        ));
    }
    printer.line(format!("{} of {} examples as expected", tried.len() - failed, tried.len()));
    Ok(())
}

/// A passage with labels, for the draft to cite.
fn cited(workspace: &WorkspaceId, labels: Labels) -> Retrieved {
    let passage = Passage {
        id: "example".into(),
        workspace: workspace.clone(),
        document_id: "example".into(),
        title: String::new(),
        heading_path: Vec::new(),
        text: String::new(),
        language: None,
        url: None,
        span: (0, 0),
        ordinal: 0,
        version: 0,
        audience: Audience::Public,
        labels,
    };
    Retrieved { passage, scores: Scores::default() }
}

fn draft(text: &str, language: Option<Language>, retrieved: &[Retrieved]) -> Draft {
    let citations = retrieved.iter().map(|hit| Citation {
        passage_id: hit.passage.id.clone(),
        document_id: hit.passage.document_id.clone(),
        title: String::new(),
        url: None,
        quote: String::new(),
        version: 0,
    });
    Draft::given(text, language.unwrap_or(Language::En), citations.collect())
}

fn given(names: &[String]) -> Understanding {
    let topics = names.iter().map(|name| TopicMatch {
        name: name.clone(),
        score: 1.0,
        by: MatchedBy::Example,
        example: String::new(),
    });
    Understanding { topics: topics.collect(), ..Understanding::default() }
}
