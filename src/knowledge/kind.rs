//! How a file or a page is read, by its ending or by what its server says.

use std::path::Path;

use super::Format;
use super::parsing::Confined;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text that is one document.
    Text(Format),
    /// Parsed by a process of its own.
    Binary(Confined),
    /// JSON: the articles of a help centre, or nothing that is read.
    Export,
}

/// The endings that are read, for people.
pub(super) const ENDINGS: &str =
    ".md, .html, .txt, .csv, .tsv, .jsonl, .json (help-centre exports), .pdf, .docx and .xlsx";

impl Kind {
    /// The kind that a file's ending tells; `None` for endings that are not read.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "pdf" => Self::Binary(Confined::Pdf),
            "docx" | "docm" => Self::Binary(Confined::Docx),
            "xlsx" | "xlsm" => Self::Binary(Confined::Sheets),
            "json" => Self::Export,
            _ => Self::Text(Format::of_path(path)?),
        })
    }

    /// The kind that a content type tells, or else the ending of the path; `None` for types that are not read.
    pub(super) fn of_type(content_type: Option<&str>, path: &str) -> Option<Self> {
        let by_path = || Self::of_path(Path::new(path));
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        Some(match essence.to_ascii_lowercase().as_str() {
            "text/html" | "application/xhtml+xml" => Self::Text(Format::Html),
            "text/markdown" | "text/x-markdown" => Self::Text(Format::Markdown),
            "text/csv" | "text/tab-separated-values" => Self::Text(Format::Csv),
            "application/jsonl" | "application/x-ndjson" => Self::Text(Format::Jsonl),
            // Many servers know no better.
            "text/plain" => match by_path() {
                Some(Self::Text(format)) if format != Format::Html => Self::Text(format),
                _ => Self::Text(Format::Text),
            },
            "application/json" => Self::Export,
            "application/pdf" | "application/x-pdf" => Self::Binary(Confined::Pdf),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => {
                Self::Binary(Confined::Docx)
            }
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => {
                Self::Binary(Confined::Sheets)
            }
            "" | "application/octet-stream" | "binary/octet-stream" => return by_path(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_types_tell_the_kind() {
        assert_eq!(Kind::of_path(Path::new("a/b.PDF")), Some(Kind::Binary(Confined::Pdf)));
        assert_eq!(Kind::of_path(Path::new("a/b.md")), Some(Kind::Text(Format::Markdown)));
        assert_eq!(Kind::of_path(Path::new("a/b.png")), None);
        for (content_type, path, kind) in [
            (Some("text/html; charset=utf-8"), "/x.pdf", Some(Kind::Text(Format::Html))),
            (Some("Application/PDF"), "/x", Some(Kind::Binary(Confined::Pdf))),
            (Some("text/plain"), "/x.md", Some(Kind::Text(Format::Markdown))),
            (Some("text/plain"), "/x", Some(Kind::Text(Format::Text))),
            (Some("application/octet-stream"), "/x.docx", Some(Kind::Binary(Confined::Docx))),
            (None, "/x.csv", Some(Kind::Text(Format::Csv))),
            (Some("image/png"), "/x.md", None),
            (None, "/x", None),
        ] {
            assert_eq!(Kind::of_type(content_type, path), kind, "{content_type:?} {path}");
        }
    }
}
