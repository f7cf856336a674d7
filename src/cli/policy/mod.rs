//! `ponto policy`: the rules of the policies' folder, checked, listed and tried on examples.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Loaded, Printer};
use crate::config::Config;
use crate::decision::rules::Rules;
use crate::decision::rules::document::PolicyFile;
use crate::decision::rules::load::{compile, sources};

mod examples;
mod test;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check every file of the folder
    Check(Folder),
    /// List the rules and queues
    List(Folder),
    /// Try the rules on example conversations; exits with 1 where one comes out otherwise than expected
    Test(test::Args),
    /// Print the JSON schema of a policy file
    Schema,
}

/// Where the policies are.
#[derive(Debug, Clone, clap::Args)]
struct Folder {
    /// Folder of the policy files; overrides `policies.folder`
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Folder {
    fn path(&self, config: &Config) -> PathBuf {
        self.folder.clone().unwrap_or_else(|| config.policies.path())
    }

    /// The rules of the folder, which has to be there.
    fn rules(&self, config: &Config) -> anyhow::Result<Rules> {
        let folder = self.path(config);
        anyhow::ensure!(
            folder.is_dir(),
            "there is no folder {}; make it, or name another with --folder or `policies.folder`",
            folder.display()
        );
        Ok(compile(&sources(&folder)?, &config.known_to_rules())?)
    }
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check(folder) => {
            let config = config?;
            let rules = folder.rules(&config)?;
            let (count, queues) = (rules.rules().count(), rules.queues().len());
            let path = folder.path(&config);
            printer.line(format!("{}: {count} rules and {queues} queues are fine", path.display()));
            printer.json(&json!({"rules": count, "queues": queues, "version": rules.version()}))?;
        }
        Command::List(folder) => list(&folder.rules(&config?)?, *printer)?,
        Command::Test(args) => return test::run(&config?, args, printer).await,
        Command::Schema => {
            let schema = schemars::schema_for!(PolicyFile);
            printer.line(serde_json::to_string_pretty(&schema)?);
            printer.json(&schema)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(rules: &Rules, printer: Printer) -> anyhow::Result<()> {
    printer.json(&json!({
        "version": rules.version(),
        "rules": rules.rules().collect::<Vec<_>>(),
        "queues": rules.queues(),
    }))?;
    for rule in rules.rules() {
        let about = rule.description.as_deref().unwrap_or_default().trim();
        printer.line(format!("{}  {about}", rule.name).trim_end());
        let only = rule.workspaces.as_ref().map(|only| format!("workspaces {}; ", only.0.join(", ")));
        printer.line(format!("  when {}{}", only.unwrap_or_default(), compact(&rule.when)?));
        printer.line(format!("  then {}", compact(&rule.then)?));
    }
    for queue in rules.queues() {
        let hours = queue.hours.as_ref().map(compact).transpose()?;
        printer.line(format!("queue {}  {}", queue.name, hours.as_deref().unwrap_or("always open")));
    }
    Ok(())
}

/// A part of a rule on one line.
fn compact(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string(value)?)
}
