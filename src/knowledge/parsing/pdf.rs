//! PDF: letters with their places, page by page; `layout` makes a text of them.

use pdf_extract::{Document, MediaBox, OutputDev, OutputError, Transform, output_doc_page};

use super::layout::{self, Line};
use super::{Limits, Part};
use crate::knowledge::{Format, LoadError};

/// A gap of so many sizes of a letter parts two words.
const WORD_GAP: f64 = 0.15;

/// A gap of so many sizes of a letter parts two cells of a table.
const CELL_GAP: f64 = 1.0;

pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Vec<Part>, LoadError> {
    let mut document = Document::load_mem(bytes)
        .map_err(|error| LoadError::whole(format!("this is no PDF that can be read: {error}")))?;
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(LoadError::whole("the PDF opens with a password only; save it without one"));
    }
    let pages = document.get_pages();
    if pages.len() > limits.pages {
        return Err(LoadError::whole(format!(
            "{} pages, and a PDF may have {}; part the file, or raise knowledge.parsing.max_pages",
            pages.len(),
            limits.pages
        )));
    }
    if pages.is_empty() {
        return Err(LoadError::whole("no page is found in the PDF: it is damaged; save it again"));
    }
    let mut read = Vec::new();
    for number in pages.into_keys() {
        let mut page = Page::default();
        output_doc_page(&document, &mut page, number).map_err(|error| {
            LoadError::whole(format!("page {number} cannot be read: {error}; save the PDF again, or as text"))
        })?;
        read.push((number, page.lines()));
    }
    let content = layout::markdown(&read);
    if content.trim().is_empty() {
        return Err(LoadError::whole(
            "the PDF holds no text, only pictures of it; recognise the text (OCR) and save it again",
        ));
    }
    let title = title(&document);
    Ok(vec![Part { name: None, title, url: None, language: None, format: Format::Markdown, content }])
}

/// The title that the document gives itself, unless it is the name of a file or of a template.
fn title(document: &Document) -> Option<String> {
    let info = document.trailer.get(b"Info").ok()?;
    let info = document.dereference(info).ok()?.1.as_dict().ok()?;
    let title = pdf_extract::decode_text_string(info.get(b"Title").ok()?).ok()?;
    let title = title.trim();
    let is_name = title.contains(['/', '\\']) || title.starts_with("Microsoft Word");
    let has_ending =
        title.rsplit_once('.').is_some_and(|(_, ending)| ending.len() <= 4 && !ending.contains(' '));
    (!title.is_empty()
        && !matches!(title, "untitled" | "(anonymous)" | "unspecified")
        && !is_name
        && !has_ending)
        .then(|| title.to_owned())
}

/// Letters of one page that stand side by side.
#[derive(Debug, Default)]
struct Page {
    lines: Vec<Line>,
    end: f64,
}

impl Page {
    fn lines(self) -> Vec<Line> {
        self.lines.into_iter().filter(|line| !line.text().is_empty()).collect()
    }
}

impl OutputDev for Page {
    fn begin_page(
        &mut self,
        _page: u32,
        _media_box: &MediaBox,
        _art_box: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn output_character(
        &mut self,
        place: &Transform,
        width: f64,
        _spacing: f64,
        font_size: f64,
        letter: &str,
    ) -> Result<(), OutputError> {
        let (x, y) = (place.m31, place.m32);
        // The size that is seen: of the font, and of the page that it is set on.
        let size = font_size.abs() * (place.m11 * place.m22 - place.m12 * place.m21).abs().sqrt();
        if !(size.is_finite() && x.is_finite() && y.is_finite()) || size == 0.0 {
            return Ok(());
        }
        let (gap, end) = (x - self.end, x + width * size);
        match self.lines.last_mut() {
            // On one height, and not back at the beginning: superscripts and kerning are.
            Some(line) if (y - line.y).abs() < 0.4 * size.max(line.size()) && gap > -size => {
                if gap > CELL_GAP * size {
                    line.new_cell(x);
                } else if gap > WORD_GAP * size {
                    line.push(" ", size, x);
                }
                line.push(letter, size, end);
            }
            _ => {
                let mut line = Line::at(x, y);
                line.push(letter, size, end);
                self.lines.push(line);
            }
        }
        self.end = end;
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}
