//! Where commands write: text for people, or one JSON document for programs.

use std::io::Write;

use serde::Serialize;

/// Writes to stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    json: bool,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the reader is a program.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// A line for people on stdout; nothing when the reader is a program.
    pub(super) fn line(self, text: impl AsRef<str>) {
        if !self.json {
            // A closed pipe is the reader's choice.
            let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
        }
    }

    /// A line about progress on stderr, for both kinds of readers.
    pub(super) fn note(self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
    }

    /// One JSON document on one line of stdout; nothing when the reader is a person.
    pub(super) fn json(self, value: &impl Serialize) -> anyhow::Result<()> {
        if self.json {
            let mut out = std::io::stdout();
            serde_json::to_writer(&mut out, value)?;
            writeln!(out)?;
            out.flush()?;
        }
        Ok(())
    }

    /// An error with its causes, on stderr.
    pub(super) fn error(self, error: &anyhow::Error) {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
    }
}
