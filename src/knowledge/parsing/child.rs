//! The process that parses: limits first, then the file, then the answer.

use std::io::{Read, Write};

use rlimit::Resource;
use url::Url;

use super::{Answer, Confined, Limits, html, office, pdf, sheets};
use crate::knowledge::LoadError;

/// Confines this process, parses the file on `input` and writes the answer to `output`; `at` is the address of a page whose
/// tags are read. For a process that does nothing else: the limits stay until it ends.
pub fn serve(
    kind: Confined,
    at: Option<&Url>,
    limits: Limits,
    mut input: impl Read,
    mut output: impl Write,
) -> std::io::Result<()> {
    confine(&limits)?;
    let mut bytes = Vec::new();
    input.by_ref().take(limits.file_bytes + 1).read_to_end(&mut bytes)?;
    let answer = if bytes.len() as u64 > limits.file_bytes {
        Err(LoadError::whole(format!("the file has more than {} bytes", limits.file_bytes)))
    } else {
        read(kind, at, bytes, &limits)
    };
    // A line of its own, the last one: parsers print what they wonder about.
    output.write_all(b"\n")?;
    serde_json::to_writer(&mut output, &answer.unwrap_or_else(Answer::from))?;
    output.flush()
}

/// Parses a file here and now.
pub(super) fn read(
    kind: Confined,
    at: Option<&Url>,
    bytes: Vec<u8>,
    limits: &Limits,
) -> Result<Answer, LoadError> {
    let parts = match kind {
        Confined::Pdf => pdf::read(&bytes, limits),
        Confined::Docx => office::read(bytes, limits),
        Confined::Sheets => sheets::read(bytes, limits),
        Confined::Html => html::read(bytes),
        Confined::Tags => return html::tags(bytes, at).map(Answer::Tags),
    };
    parts.map(Answer::Parts)
}

/// Memory and processor time come to an end, no file is written, and a crash leaves no core behind.
fn confine(limits: &Limits) -> std::io::Result<()> {
    let seconds = limits.timeout_s.ceil() as u64 + 1;
    Resource::CPU.set(seconds, seconds + 1)?;
    Resource::CORE.set(0, 0)?;
    Resource::FSIZE.set(0, 0)?;
    // macOS takes no limit of the address space below what is mapped already; processor time still ends there.
    if cfg!(target_os = "macos") {
        return Ok(());
    }
    Resource::AS.set(limits.memory_bytes, limits.memory_bytes)
}
