//! The command line: one file a command, each an async function that writes through a [`Printer`].

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod ask;
mod calibrate;
mod config;
mod confirm;
mod demo;
mod doctor;
mod erase;
mod eval;
mod evaluation;
mod explain;
mod ingest;
mod keys;
mod knowledge;
mod models;
mod parse_document;
mod policy;
mod printer;
mod progress;
mod replay;
mod rollout;
mod serve;
mod stored;
mod sync;

use printer::Printer;

use crate::config::{Config, ConfigError};
use crate::inference::candle;

/// Ponto: grounded drafts, calibrated decisions and honest handoffs for customer conversations.
#[derive(Debug, Parser)]
#[command(name = "ponto", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
struct Global {
    /// Configuration file [default: ./ponto.toml if it exists]
    #[arg(long, global = true, env = "PONTO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the database and the embedded index; overrides `server.data_dir`
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Machine-readable output
    #[arg(long, global = true)]
    json: bool,
}

/// The configuration in force, or why it does not load: a command that needs it says so.
type Loaded = Result<Config, ConfigError>;

impl Global {
    /// The configuration in force: defaults, file, environment, then these options.
    fn load_config(&self) -> Loaded {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(folder) = &self.data_dir {
            config.server.data_dir.clone_from(folder);
        }
        Ok(config)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Pull the models, load the demo knowledge base and serve it
    Demo(demo::Args),
    /// Serve the API and the console
    Serve(serve::Args),
    /// Load documents into the knowledge base
    Ingest(ingest::Args),
    /// Bring the knowledge base in line with the sources of the configuration
    Sync(sync::Args),
    /// Show versions of documents, roll them back, and list what the knowledge base lacks
    Knowledge(knowledge::Args),
    /// Ask one question on the command line
    Ask(ask::Args),
    /// Say why a suggestion came out as it did, and what would have changed it
    Explain(explain::Args),
    /// Run offline evaluations
    Eval(eval::Args),
    /// Run stored conversations through this configuration and show what would have been decided
    Replay(replay::Args),
    /// Fit a calibration and certify the auto-reply threshold, or verify a certificate
    Calibrate(calibrate::Args),
    /// Check, list and try the rules of the policies' folder
    Policy(policy::Args),
    /// Show how far automatic replies have come, and promote or demote them
    Rollout(rollout::Args),
    /// Delete for good what is stored of a conversation or a customer
    Erase(erase::Args),
    /// List, fetch and verify models
    Models(models::Args),
    /// Create, list and revoke API keys
    Keys(keys::Args),
    /// Show the configuration in force, or its schema
    Config(config::Args),
    /// Check configuration, models, index, store, disk and ports
    Doctor(doctor::Args),
    /// Parse one file from standard input, within limits
    #[command(hide = true)]
    ParseDocument(parse_document::Args),
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::ParseDocument(args) = &cli.command {
        return parse_document::run(args);
    }
    let printer = Printer::new(cli.global.json);
    let config = cli.global.load_config();
    let threads = config.as_ref().map_or(0, |config| config.candle.threads);
    // SAFETY: the process has this one thread; the runtime is built below.
    unsafe { candle::threads::configure(threads) };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(cli.command, config, printer)),
        Err(error) => {
            printer.error(&anyhow::Error::new(error).context("the runtime does not start"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command, config: Loaded, printer: Printer) -> ExitCode {
    let result = match command {
        Command::Demo(args) => Box::pin(demo::run(config, args, &printer)).await,
        Command::Serve(args) => Box::pin(serve::run(config, args, &printer)).await,
        Command::Ingest(args) => ingest::run(config, args, &printer).await,
        Command::Sync(args) => sync::run(config, args, &printer).await,
        Command::Knowledge(args) => knowledge::run(config, args, &printer).await,
        Command::Ask(args) => ask::run(config, args, &printer).await,
        Command::Explain(args) => explain::run(config, args, &printer).await,
        Command::Eval(args) => eval::run(config, args, &printer).await,
        Command::Replay(args) => replay::run(config, args, &printer).await,
        Command::Calibrate(args) => calibrate::run(config, args, &printer).await,
        Command::Policy(args) => policy::run(config, args, &printer).await,
        Command::Rollout(args) => rollout::run(config, args, &printer).await,
        Command::Erase(args) => erase::run(config, args, &printer).await,
        Command::Models(args) => models::run(config, args, &printer).await,
        Command::Keys(args) => keys::run(config, args, &printer).await,
        Command::Config(args) => config::run(config, args, &printer).await,
        Command::Doctor(args) => doctor::run(config, args, &printer).await,
        Command::ParseDocument(args) => Ok(parse_document::run(&args)),
    };
    match result {
        Ok(status) => status,
        Err(error) => {
            printer.error(&error);
            ExitCode::FAILURE
        }
    }
}
