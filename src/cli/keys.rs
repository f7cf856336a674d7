//! `ponto keys`: API keys. A secret is shown once; the store keeps its hash.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Loaded, Printer};
use crate::app::{RandomIds, SystemClock};
use crate::conversation::{Clock, WorkspaceId};
use crate::store::keys::generate;
use crate::store::sqlite::SqliteStore;
use crate::store::{KeyRecord, Keys, Scope};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key and show its secret, once
    Create {
        /// A name for people, such as the program or person that will use it
        #[arg(long)]
        name: String,
        /// The workspace it opens
        #[arg(long, default_value = "default")]
        workspace: String,
        /// What it may do
        #[arg(long, value_enum, value_delimiter = ',', required = true, num_args = 1..)]
        scope: Vec<Scope>,
    },
    /// List keys, without their secrets
    List {
        /// Keys of this workspace alone
        #[arg(long)]
        workspace: Option<String>,
    },
    /// Make a key useless, now and for good
    Revoke {
        /// Its id, as `ponto keys list` shows it
        id: String,
    },
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let config = config?;
    let store = SqliteStore::open(&config.server.database()).await?;
    let status = match args.command {
        Command::Create { name, workspace, scope } => {
            create(&store, name, workspace, scope, printer).await?;
            ExitCode::SUCCESS
        }
        Command::List { workspace } => {
            list(&store, workspace.map(WorkspaceId), printer).await?;
            ExitCode::SUCCESS
        }
        Command::Revoke { id } => revoke(&store, &id, printer).await?,
    };
    store.close().await;
    Ok(status)
}

async fn create(
    store: &impl Keys,
    name: String,
    workspace: String,
    mut scopes: Vec<Scope>,
    printer: &Printer,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        !name.trim().is_empty(),
        "--name is empty; name the program or person that will use the key"
    );
    anyhow::ensure!(!workspace.trim().is_empty(), "--workspace is empty; leave it out for `default`");
    let mut seen = Vec::new();
    scopes.retain(|scope| {
        !seen.contains(scope) && {
            seen.push(*scope);
            true
        }
    });
    let (record, secret) = issue(store, name, WorkspaceId(workspace), scopes).await?;
    let secret = secret.expose_secret();
    printer.line(secret);
    if !printer.is_json() {
        printer.note(format!(
            "{} opens workspace {} for {}; the line above is its secret, shown this once",
            record.id,
            record.workspace,
            names(&record.scopes)
        ));
    }
    printer.json(&json!({
        "id": record.id,
        "key": secret,
        "name": record.name,
        "workspace": record.workspace,
        "scopes": record.scopes,
    }))
}

/// Makes a key and stores its hash; the secret is known here alone.
pub(super) async fn issue(
    store: &(impl Keys + ?Sized),
    name: String,
    workspace: WorkspaceId,
    scopes: Vec<Scope>,
) -> anyhow::Result<(KeyRecord, SecretString)> {
    #[expect(clippy::disallowed_methods, reason = "the command line is where randomness comes from")]
    let new = generate(&RandomIds, &mut rand::rng());
    let record =
        KeyRecord { id: new.id, workspace, name, scopes, created_at: SystemClock.now(), revoked_at: None };
    store.insert(&record, &new.hash).await.context("the key was not stored")?;
    Ok((record, new.secret))
}

async fn list(store: &impl Keys, workspace: Option<WorkspaceId>, printer: &Printer) -> anyhow::Result<()> {
    let keys = store.list(workspace.as_ref()).await?;
    printer.json(&json!({ "items": keys }))?;
    if keys.is_empty() && !printer.is_json() {
        printer.note("there are no keys; `ponto keys create --name NAME --scope suggest` makes one");
    }
    for key in keys {
        let state = key.revoked_at.map_or_else(
            || format!("since {}", key.created_at.format("%Y-%m-%d")),
            |at| format!("revoked {}", at.format("%Y-%m-%d")),
        );
        printer.line(format!("{}  {}  {}  {}  {state}", key.id, key.workspace, key.name, names(&key.scopes)));
    }
    Ok(())
}

async fn revoke(store: &impl Keys, id: &str, printer: &Printer) -> anyhow::Result<ExitCode> {
    let found = store.revoke(id, SystemClock.now()).await?;
    anyhow::ensure!(found, "there is no key {id}; `ponto keys list` shows their ids");
    printer.line(format!("{id} is revoked"));
    printer.json(&json!({ "id": id, "revoked": true }))?;
    Ok(ExitCode::SUCCESS)
}

fn names(scopes: &[Scope]) -> String {
    let names: Vec<String> = scopes
        .iter()
        .filter_map(|scope| {
            clap::ValueEnum::to_possible_value(scope).map(|value| value.get_name().to_owned())
        })
        .collect();
    names.join(", ")
}
