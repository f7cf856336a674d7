//! The calling side: starts the process that parses, and ends it.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use url::Url;

use super::{Answer, Confined, ParsingConfig, Part};
use crate::knowledge::LoadError;
use crate::knowledge::fetch::Tags;

/// Files that are parsed at once, whoever asks: memory is limited by process.
static TURNS: Semaphore = Semaphore::const_new(2);

/// What is kept of what a parser says while it dies.
const LAST_WORDS: u64 = 4_000;

/// Parses a file in a process of its own, which does not outlive this call.
pub(in crate::knowledge) async fn parse(
    config: &ParsingConfig,
    kind: Confined,
    bytes: Vec<u8>,
) -> Result<Vec<Part>, LoadError> {
    match ask(config, kind, None, bytes).await? {
        Answer::Parts(parts) => Ok(parts),
        _ => Err(no_answer(&"another question was answered")),
    }
}

/// Parses a web page in a process of its own: its main text, as Markdown.
pub(in crate::knowledge) async fn page(config: &ParsingConfig, html: String) -> Result<Part, LoadError> {
    let mut parts = parse(config, Confined::Html, html.into_bytes()).await?;
    parts.pop().ok_or_else(|| no_answer(&"no text"))
}

/// Reads the tags of a web page at this address in a process of its own.
pub(in crate::knowledge) async fn tags(
    config: &ParsingConfig,
    html: &str,
    at: &Url,
) -> Result<Tags, LoadError> {
    match ask(config, Confined::Tags, Some(at), html.as_bytes().to_vec()).await? {
        Answer::Tags(tags) => Ok(tags),
        _ => Err(no_answer(&"another question was answered")),
    }
}

async fn ask(
    config: &ParsingConfig,
    kind: Confined,
    at: Option<&Url>,
    bytes: Vec<u8>,
) -> Result<Answer, LoadError> {
    // Unit tests have no program to start, and write their files themselves.
    #[cfg(test)]
    if config.program.is_none() {
        return super::child::read(kind, at, bytes, &config.limits());
    }
    let program = config.program.as_deref().ok_or_else(|| {
        LoadError::whole(
            "such files are parsed by a process of their own, and no program is named; set knowledge.parsing.program",
        )
    })?;
    let turn = TURNS.acquire().await.map_err(|error| LoadError::whole(error.to_string()))?;
    let limits =
        serde_json::to_string(&config.limits()).map_err(|error| LoadError::whole(error.to_string()))?;
    let mut command = Command::new(program);
    // Ctrl-C is for the one who waits, and kills no parser before it is told to.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command
        .args(["parse-document", kind.name(), "--limits", &limits])
        .args(at.map(|at| format!("--at={at}")))
        // Nothing that the service knows: no keys, no place.
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            let program = program.display();
            LoadError::whole(format!("{program} does not start: {error}; see knowledge.parsing.program"))
        })?;
    let ended = tokio::time::timeout(
        Duration::from_secs_f64(config.timeout_s),
        talk(&mut child, &bytes, config.max_unpacked_bytes),
    )
    .await;
    let Ok(ended) = ended else {
        // It may have ended by itself in this moment.
        let _ = child.kill().await;
        return Err(took_too_long(config));
    };
    drop(turn);
    let ended =
        ended.map_err(|error| LoadError::whole(format!("its parser cannot be spoken to: {error}")))?;
    ended.answer(config)
}

/// How a process ended, and what it said.
struct Ended {
    status: ExitStatus,
    output: Vec<u8>,
    last_words: String,
}

async fn talk(child: &mut Child, bytes: &[u8], most: u64) -> std::io::Result<Ended> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut input) = input {
            // A parser that died needs no more; how it died says why.
            let _ = input.write_all(bytes).await;
        }
    };
    let ((), output, last_words) = tokio::join!(write, read(output, most), read(errors, LAST_WORDS));
    let status = child.wait().await?;
    Ok(Ended { status, output: output?, last_words: String::from_utf8_lossy(&last_words?).into_owned() })
}

/// Everything that is said, up to a limit; whoever says more finds nobody listening.
async fn read(from: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut said = Vec::new();
    if let Some(from) = from {
        from.take(most).read_to_end(&mut said).await?;
    }
    Ok(said)
}

impl Ended {
    fn answer(self, config: &ParsingConfig) -> Result<Answer, LoadError> {
        if !self.status.success() {
            tracing::debug!(status = %self.status, said = self.last_words, "a parser failed");
            return Err(self.reason(config));
        }
        let answer = self.output.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        match serde_json::from_slice(answer) {
            Ok(Answer::Error { line, message }) => Err(LoadError { line, message }),
            Ok(answer) => Ok(answer),
            Err(_) if self.output.len() as u64 == config.max_unpacked_bytes => {
                Err(LoadError::whole(format!(
                    "it holds more than {} bytes of text; part the file, or raise knowledge.parsing.max_unpacked_bytes",
                    config.max_unpacked_bytes
                )))
            }
            Err(error) => Err(no_answer(&error)),
        }
    }

    fn reason(&self, config: &ParsingConfig) -> LoadError {
        let signal = signal(self.status);
        if self.last_words.contains("memory allocation of") {
            return LoadError::whole(format!(
                "parsing it takes more than {} bytes of memory; part the file, or raise \
                 knowledge.parsing.max_memory_bytes",
                config.max_memory_bytes
            ));
        }
        if signal.is_some_and(|signal| signal == SIGXCPU) {
            return took_too_long(config);
        }
        let how = signal.map_or_else(|| self.status.to_string(), |signal| format!("signal {signal}"));
        LoadError::whole(format!(
            "its parser failed ({how}): the file is damaged, or not what its name says; save it again, or as text"
        ))
    }
}

/// The processor time that the process was given is spent.
const SIGXCPU: i32 = 24;

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

fn no_answer(why: &dyn std::fmt::Display) -> LoadError {
    LoadError::whole(format!("its parser gave no answer ({why}); see knowledge.parsing.program"))
}

fn took_too_long(config: &ParsingConfig) -> LoadError {
    LoadError::whole(format!(
        "parsing it takes more than {} s; part the file, or raise knowledge.parsing.timeout_s",
        config.timeout_s
    ))
}
