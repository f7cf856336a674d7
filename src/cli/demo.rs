//! `ponto demo`: the models, the demo knowledge base, a key, and the server, in one command.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use rust_embed::RustEmbed;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::progress::FetchProgress;
use super::serve::{Addresses, Listening, prepare};
use super::{Loaded, Printer, keys};
use crate::app::App;
use crate::conversation::{Labels, Language, WorkspaceId};
use crate::knowledge::{Change, Format, NewDocument};
use crate::store::{Keys, Scope};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    listening: Listening,
}

/// The help centre of a fictional shop, as it stands in the repository.
#[derive(RustEmbed)]
#[folder = "eval/demo/knowledge"]
struct DemoKnowledge;

/// The shop's own rules.
const POLICIES: &str = include_str!("../../eval/demo/policies/shop.toml");

const WORKSPACE: &str = "demo";
const KEY_NAME: &str = "demo";

/// What a program needs to go on.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    api: &'a str,
    console: &'a str,
    key: &'a str,
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let (mut config, server) = prepare(config, &args.listening).await?;
    if !config.policies.path().is_dir() {
        config.policies.folder = Some(own_policies(&config.server.data_dir)?);
    }
    let addresses = server.addresses.clone();
    let printer = *printer;
    let secret = Arc::new(OnceLock::new());
    let made = Arc::clone(&secret);
    let build = async move {
        let app = App::open(config, Arc::new(FetchProgress::new(printer))).await?;
        load_knowledge(&app, printer).await?;
        // Set once, here.
        let _ = made.set(new_key(&app).await?);
        anyhow::Ok(app)
    };
    server
        .run(build, move |app| {
            let Addresses { api, console, docs } = &addresses;
            let key = secret.get().map_or("", |secret| secret.expose_secret());
            printer.line(welcome(app, api, console, docs, key));
            if let Err(error) = printer.json(&Ready { api, console, key }) {
                printer.error(&error);
            }
        })
        .await
}

/// A folder with the shop's rules, which may be changed while the demo runs and stay as they were changed.
fn own_policies(data: &Path) -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(data.join("policies"))?;
    let file = folder.join("shop.toml");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    if !file.exists() {
        std::fs::write(&file, POLICIES).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(folder)
}

/// Loads the demo documents; those that are there already cost nothing.
async fn load_knowledge(app: &App, printer: Printer) -> anyhow::Result<()> {
    let workspace = WorkspaceId(WORKSPACE.into());
    let names: Vec<_> = DemoKnowledge::iter().collect();
    let mut changed = 0;
    for name in &names {
        let file =
            DemoKnowledge::get(name).with_context(|| format!("the demo document {name} is missing"))?;
        let document = NewDocument {
            source: format!("demo/{name}"),
            title: None,
            url: None,
            language: name.split('/').next().and_then(Language::from_locale),
            audience: None,
            labels: Labels::default(),
            format: Format::Markdown,
            content: String::from_utf8_lossy(&file.data).into_owned(),
        };
        let put =
            app.library.put(&workspace, document).await.with_context(|| format!("demo document {name}"))?;
        changed += usize::from(put.change != Change::Unchanged);
    }
    printer.note(format!("demo knowledge: {} documents, {changed} of them new", names.len()));
    Ok(())
}

/// Every start of the demo has a key of its own; the one before stops working.
async fn new_key(app: &App) -> anyhow::Result<SecretString> {
    let workspace = WorkspaceId(WORKSPACE.into());
    let store = app.store.as_ref();
    for old in Keys::list(store, Some(&workspace)).await? {
        if old.name == KEY_NAME && old.revoked_at.is_none() {
            Keys::revoke(store, &old.id, app.clock.now()).await?;
        }
    }
    let scopes = vec![Scope::Suggest, Scope::Knowledge, Scope::Feedback];
    let (_, secret) = keys::issue(store, KEY_NAME.into(), workspace, scopes).await?;
    Ok(secret)
}

fn welcome(app: &App, api: &str, console: &str, docs: &str, secret: &str) -> String {
    let model = app.chat.info();
    format!(
        "Ponto is ready ({} · {})\n\n  Console  {console}\n  Key      {secret}\n  API      {api}\n  Docs     {docs}\n\n\
         Try:\n\n  curl -s {api}/v1/suggest -H 'Authorization: Bearer {secret}' -H 'Content-Type: application/json' \\\n    \
         -d '{{\"conversation\": {{\"id\": \"c-1\", \"channel\": \"web_chat\", \"messages\": [{{\"id\": \"m-1\", \
         \"role\": \"customer\", \"text\": \"How long does delivery to Ireland take?\"}}]}}, \"mode\": \"auto\"}}'\n\n\
         Stop with Ctrl-C.",
        model.backend, model.model
    )
}
