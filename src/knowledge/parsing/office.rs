//! Word documents (.docx) as Markdown: headings by style, lists, tables.

use std::io::Cursor;

use office_oxide::options::{OnIncomplete, ParseOptions};
use office_oxide::{Document, DocumentFormat};

use super::{Limits, Part, archive};
use crate::knowledge::{Format, LoadError};

pub(super) fn read(bytes: Vec<u8>, limits: &Limits) -> Result<Vec<Part>, LoadError> {
    archive::check(&bytes, limits)?;
    let document = Document::from_reader_with(Cursor::new(bytes), DocumentFormat::Docx, &options(limits))
        .map_err(|error| LoadError::whole(format!("this is no Word document that can be read: {error}")))?;
    let title = document.to_ir().metadata.title.filter(|title| !title.trim().is_empty());
    Ok(vec![Part {
        name: None,
        title,
        url: None,
        language: None,
        format: Format::Markdown,
        content: document.to_markdown(),
    }])
}

/// Nobody can tell half a document from a whole one, so what is too large is refused.
pub(super) fn options(limits: &Limits) -> ParseOptions {
    let mut options = ParseOptions::default();
    options.on_incomplete = OnIncomplete::Error;
    options.limits.package_bytes = limits.unpacked_bytes;
    options.limits.part_bytes = limits.unpacked_bytes;
    options.limits.memory_bytes = limits.memory_bytes;
    options
}
