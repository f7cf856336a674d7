//! What comes from anybody and has a large parser: a PDF, a Word document, a workbook, a web page.
//!
//! Each is parsed by a process of its own, `ponto parse-document`, which gets it on its standard input, confines itself
//! ([`serve`]) and answers in JSON on its standard output. Where it takes too long, too much memory, or crashes, whoever
//! asked ([`parse`], [`page`], [`tags`]) reports the file and goes on.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fetch::Tags;
use super::{Format, LoadError};
use crate::conversation::Language;
use crate::settings::Problem;

mod archive;
mod child;
mod html;
mod layout;
mod office;
mod pdf;
mod process;
mod sheets;

pub use child::serve;
pub(super) use process::{page, parse, tags};

/// What is parsed by a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Confined {
    /// PDF, by its text; scanned pages hold none.
    Pdf,
    /// A Word document (.docx).
    Docx,
    /// A workbook (.xlsx, .xlsm): each sheet is a document.
    Sheets,
    /// A web page, by its main text.
    Html,
    /// A web page, by what its tags say about it: links, for the most part.
    Tags,
}

impl Confined {
    /// As the command line has it.
    fn name(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Sheets => "sheets",
            Self::Html => "html",
            Self::Tags => "tags",
        }
    }
}

/// One document of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Tells it from the others of its file: the name of a sheet, the id of an article. `None` where the file is the
    /// document.
    pub name: Option<String>,
    /// Its own title.
    pub title: Option<String>,
    /// Its own address.
    pub url: Option<String>,
    /// Its own word on its language.
    pub language: Option<Language>,
    /// How to read the content.
    pub format: Format,
    /// The content.
    pub content: String,
}

/// What a file may cost. Handed to the process that parses it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Pages of a PDF.
    pub pages: usize,
    /// Bytes that the file unpacks to.
    pub unpacked_bytes: u64,
    /// How many times more bytes it unpacks to than it has.
    pub ratio: u64,
    /// Bytes of memory of the process.
    pub memory_bytes: u64,
    /// Seconds.
    pub timeout_s: f64,
}

/// `[knowledge.parsing]`: what a PDF, a Word document, a workbook or a web page may cost. Each is parsed by a process of its
/// own, which is ended at these limits; the file is reported, and the others go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ParsingConfig {
    /// The program that parses, called as `PROGRAM parse-document …`: a wrapper that sandboxes Ponto, say. Ponto itself
    /// when left out.
    pub program: Option<PathBuf>,
    /// Largest file in bytes.
    pub max_file_bytes: u64,
    /// Pages of a PDF, at most.
    pub max_pages: usize,
    /// Bytes that a file may unpack to.
    pub max_unpacked_bytes: u64,
    /// How many times more bytes a file may unpack to than it has, once they are more than a mebibyte.
    pub max_ratio: u64,
    /// Memory of the parsing process in bytes.
    pub max_memory_bytes: u64,
    /// Seconds that one file gets.
    pub timeout_s: f64,
}

impl Default for ParsingConfig {
    fn default() -> Self {
        Self {
            program: None,
            max_file_bytes: 50 << 20,
            max_pages: 2_000,
            max_unpacked_bytes: 256 << 20,
            max_ratio: 200,
            max_memory_bytes: 1 << 30,
            timeout_s: 60.0,
        }
    }
}

impl ParsingConfig {
    /// Settings that make no sense.
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) {
        let limits = [
            ("knowledge.parsing.max_file_bytes", self.max_file_bytes, 1, 2 << 30),
            ("knowledge.parsing.max_pages", self.max_pages as u64, 1, 1_000_000),
            ("knowledge.parsing.max_unpacked_bytes", self.max_unpacked_bytes, 1, 16 << 30),
            ("knowledge.parsing.max_ratio", self.max_ratio, 1, 1_000_000),
            ("knowledge.parsing.max_memory_bytes", self.max_memory_bytes, 256 << 20, 64 << 30),
        ];
        for (setting, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                problems.push(Problem::new(setting, format!("{value} is outside {least} to {most}")));
            }
        }
        if !(0.01..=3600.0).contains(&self.timeout_s) {
            problems.push(Problem::new(
                "knowledge.parsing.timeout_s",
                "write a number of seconds from 0.01 to 3600",
            ));
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            file_bytes: self.max_file_bytes,
            pages: self.max_pages,
            unpacked_bytes: self.max_unpacked_bytes,
            ratio: self.max_ratio,
            memory_bytes: self.max_memory_bytes,
            timeout_s: self.timeout_s,
        }
    }
}

/// What the process answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Parts(Vec<Part>),
    Tags(Tags),
    Error { line: Option<usize>, message: String },
}

impl From<LoadError> for Answer {
    fn from(LoadError { line, message }: LoadError) -> Self {
        Self::Error { line, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_make_no_sense_are_named() {
        let mut problems = Vec::new();
        ParsingConfig::default().validate(&mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let wrong = ParsingConfig {
            max_pages: 0,
            max_ratio: 0,
            max_memory_bytes: 1 << 20,
            timeout_s: 0.0,
            ..ParsingConfig::default()
        };
        wrong.validate(&mut problems);
        let settings: Vec<&str> = problems.iter().map(|problem| problem.setting.as_str()).collect();
        let parsing = |name: &str| format!("knowledge.parsing.{name}");
        assert_eq!(settings, ["max_pages", "max_ratio", "max_memory_bytes", "timeout_s"].map(parsing));
    }
}
