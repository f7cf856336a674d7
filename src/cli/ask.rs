//! `ponto ask`: one question through the whole pipeline, on the terminal. Nothing is stored.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;

use super::progress::FetchProgress;
use super::{Loaded, Printer};
use crate::app::App;
use crate::conversation::{Channel, Conversation, Labels, Message, Role, WorkspaceId};
use crate::decision::{Action, Mode, Verdict};
use crate::explanation::{Explanation, SignalShare, explain};
use crate::inference::BackendKind;
use crate::store::suggestion::Suggestion;
use crate::text::collapse;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the customer asks
    question: String,
    /// Where the customer writes
    #[arg(long, value_enum, default_value = "web-chat")]
    channel: ChannelName,
    /// The customer's locale, such as pt-BR
    #[arg(long)]
    locale: Option<String>,
    /// How far an answer may go
    #[arg(long, value_enum, default_value = "auto")]
    mode: ModeName,
    /// The workspace whose knowledge is asked
    #[arg(long, default_value = "default")]
    workspace: String,
    /// The one backend that drafts; overrides `inference.backends`
    #[arg(long, value_enum)]
    backend: Option<BackendKind>,
}

/// A channel on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ChannelName {
    Whatsapp,
    WebChat,
    Email,
    Instagram,
    Api,
}

impl ChannelName {
    /// The channel it names.
    pub(super) fn channel(self) -> Channel {
        match self {
            Self::Whatsapp => Channel::Whatsapp,
            Self::WebChat => Channel::WebChat,
            Self::Email => Channel::Email,
            Self::Instagram => Channel::Instagram,
            Self::Api => Channel::Api,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeName {
    Auto,
    Draft,
    Shadow,
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let mut config = config?;
    config.inference.use_only(args.backend);
    config.validate()?;
    let app = App::build(config, Arc::new(FetchProgress::new(*printer))).await?;
    let conversation = Conversation {
        id: app.ids.id("ask_"),
        channel: args.channel.channel(),
        locale: args.locale,
        customer: None,
        labels: Labels::default(),
        handed_back_after: None,
        messages: vec![Message {
            id: "m-1".into(),
            role: Role::Customer,
            text: args.question,
            at: Some(app.clock.now()),
        }],
    };
    let mode = match args.mode {
        ModeName::Auto => Mode::Auto,
        ModeName::Draft => Mode::Draft,
        ModeName::Shadow => Mode::Shadow,
    };
    let language = app.config.generation.agents_language;
    let suggestion = app.assistant.answer(&WorkspaceId(args.workspace), &conversation, mode, None).await;
    printer.line(report(&suggestion, &explain(&suggestion, language)));
    printer.json(&suggestion.answer)?;
    Ok(ExitCode::SUCCESS)
}

/// The answer for people: what is done, why, the draft with its sources, and how sure it is.
fn report(suggestion: &Suggestion, explanation: &Explanation) -> String {
    let answer = &suggestion.answer;
    let mut out = String::new();
    let done = match answer.decision.action {
        Action::AutoReply => "auto_reply: this reply would be sent",
        Action::Draft => "draft: an agent decides",
        Action::Escalate => "escalate: a person takes over",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{done}");
    for because in &explanation.reasons {
        let _ = writeln!(out, "  {}: {} {}", wire_name(&because.code), because.text, because.evidence);
    }
    if let Some(quote) = &explanation.quote {
        let _ = writeln!(out, "  {quote}");
    }
    for draft in &answer.drafts {
        let _ = writeln!(out, "\n{}", indented(&draft.text));
        for (number, citation) in draft.citations.iter().enumerate() {
            let url = citation.url.as_deref().map_or_else(String::new, |url| format!(" <{url}>"));
            let _ = writeln!(out, "\n  [{}] {}{url}", number + 1, citation.title);
            let _ = writeln!(out, "      “{}”", collapse(&citation.quote));
        }
    }
    if let Some(handoff) = &answer.handoff {
        let _ = writeln!(out, "\nSummary for the agent\n{}", indented(&handoff.summary));
        if let Some(message) = &handoff.holding_message {
            let _ = writeln!(out, "\nMessage for the customer\n{}", indented(message));
        }
    }
    if !answer.confidence.signals.is_empty() {
        let kind = if answer.confidence.calibrated { "calibrated" } else { "not calibrated" };
        let threshold =
            suggestion.trace.threshold.map_or_else(String::new, |value| format!(", threshold {value:.2}"));
        let _ = writeln!(out, "\nConfidence {:.2} ({kind}{threshold})", answer.confidence.value);
        for SignalShare { name, value, weight, .. } in &explanation.signals {
            let _ = writeln!(out, "  {name:<24} {value:.2} {:>7}", weight.as_deref().unwrap_or_default());
        }
    }
    let objections = answer.policy.iter().filter(|check| check.verdict != Verdict::Pass).count();
    let language = suggestion.trace.language.map_or("another", |language| language.code());
    let _ = writeln!(
        out,
        "\nLanguage {language} · {} passages · {} of {} checks passed · {} · {} + {} tokens",
        suggestion.trace.retrieved.len(),
        answer.policy.len() - objections,
        answer.policy.len(),
        format!("{} {}", answer.usage.backend, answer.usage.model).trim(),
        answer.usage.tokens.prompt_tokens,
        answer.usage.tokens.completion_tokens,
    );
    let timings = answer.timings_ms;
    let _ = write!(
        out,
        "Retrieval {:.0} ms · generation {:.0} ms · judgement {:.0} ms · total {:.0} ms",
        timings.retrieval, timings.generation, timings.judgement, timings.total
    );
    out
}

/// A code as it is written in JSON.
fn wire_name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
