//! `ponto erase`: the right to be forgotten, on the command line.

use std::process::ExitCode;

use super::confirm::confirmed;
use super::{Loaded, Printer, stored};
use crate::conversation::WorkspaceId;
use crate::store::Erasure;
use crate::store::erasure::Whose;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The workspace
    #[arg(long, default_value = "default")]
    workspace: String,
    /// Delete everything of this conversation, by the hub's id
    #[arg(long, value_name = "ID", required_unless_present = "customer", conflicts_with = "customer")]
    conversation: Option<String>,
    /// Delete everything of every conversation of this customer, by the hub's id
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let config = config?;
    let (whose, what) = match (&args.conversation, &args.customer) {
        (Some(id), None) => (Whose::Conversation(id), format!("the conversation {id}")),
        (None, Some(id)) => (Whose::Customer(id), format!("every conversation of the customer {id}")),
        _ => anyhow::bail!("name a --conversation or a --customer"),
    };
    let store = stored::open(&config).await?;
    if !args.yes {
        printer.note(format!("deletes {what} from the workspace {}, for good", args.workspace));
        if !confirmed(*printer, "a deletion")? {
            printer.note("nothing was deleted");
            return Ok(ExitCode::FAILURE);
        }
    }
    let erased = store.erase(&WorkspaceId(args.workspace), whose).await?;
    printer.line(format!(
        "deleted {} suggestions with their conversations and traces, {} events and {} kept answers",
        erased.suggestions, erased.events, erased.answers
    ));
    if erased.is_nothing() {
        printer.note("nothing is stored there; `--workspace` names another workspace");
    }
    printer.json(&erased)?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
