//! The blocks of a text: what belongs together before anything is cut.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::shortened;
use crate::text::trimmed;

/// What stands under one heading.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Headings from the outermost, without the title.
    pub(super) headings: Vec<String>,
    /// In the order of the text.
    pub(super) blocks: Vec<Block>,
}

/// A paragraph, a list, a table, or something else at the outermost level.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Without white space at the ends.
    pub(super) bytes: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Its words, without markup: they may lead into the next block.
    Paragraph(String),
    /// Ranges of its items.
    List(Vec<Range<usize>>),
    /// The header's cells, and the ranges of the rows below it.
    Table(String, Vec<Range<usize>>),
    /// Code, quotes, HTML.
    Other,
}

/// Sections of a Markdown text. A heading of the first level that repeats the title adds nothing to the path.
pub(super) fn markdown(text: &str, title: &str) -> Vec<Section> {
    let mut reader = Reader { text, title, sections: vec![Section::default()], ..Reader::default() };
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        reader.read(event, range);
    }
    reader.sections
}

#[derive(Default)]
struct Reader<'text> {
    text: &'text str,
    title: &'text str,
    sections: Vec<Section>,
    path: Vec<(HeadingLevel, String)>,
    depth: usize,
    words: String,
    parts: Vec<Range<usize>>,
    header: String,
}

impl Reader<'_> {
    fn read(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => {
                if self.depth == 0 {
                    self.words.clear();
                    self.parts.clear();
                    self.header.clear();
                }
                if self.depth == 1 && matches!(tag, Tag::Item | Tag::TableRow) {
                    self.parts.push(trimmed(self.text, range));
                }
                self.depth += 1;
            }
            Event::End(tag) => {
                self.depth -= 1;
                match tag {
                    TagEnd::TableCell if self.depth == 2 => self.words.push_str(" | "),
                    TagEnd::TableHead if self.depth == 1 => {
                        self.header = shortened(self.words.trim_end_matches([' ', '|']));
                    }
                    _ => {}
                }
                if self.depth == 0 {
                    self.close(tag, range);
                }
            }
            Event::Text(words) | Event::Code(words) => self.words.push_str(&words),
            Event::SoftBreak | Event::HardBreak => self.words.push(' '),
            Event::Rule if self.depth == 0 => self.part(),
            _ => {}
        }
    }

    /// A block of the outermost level ends.
    fn close(&mut self, tag: TagEnd, range: Range<usize>) {
        let bytes = trimmed(self.text, range);
        let kind = match tag {
            TagEnd::Heading(level) => return self.open_section(level),
            TagEnd::HtmlBlock if is_comment(&self.text[bytes.clone()]) => return self.part(),
            TagEnd::Paragraph => Kind::Paragraph(std::mem::take(&mut self.words)),
            TagEnd::List(_) => Kind::List(std::mem::take(&mut self.parts)),
            TagEnd::Table => Kind::Table(std::mem::take(&mut self.header), std::mem::take(&mut self.parts)),
            _ => Kind::Other,
        };
        if !bytes.is_empty()
            && let Some(section) = self.sections.last_mut()
        {
            section.blocks.push(Block { bytes, kind });
        }
    }

    /// A rule or a comment: what follows stands under the same headings, and no passage reaches across.
    fn part(&mut self) {
        let headings = self.sections.last().map(|section| section.headings.clone()).unwrap_or_default();
        self.sections.push(Section { headings, blocks: Vec::new() });
    }

    fn open_section(&mut self, level: HeadingLevel) {
        let heading = shortened(&self.words);
        self.path.retain(|(above, _)| *above < level);
        let is_title = level == HeadingLevel::H1 && heading == shortened(self.title);
        if !heading.is_empty() && !is_title {
            self.path.push((level, heading));
        }
        let headings = self.path.iter().map(|(_, heading)| heading.clone()).collect();
        self.sections.push(Section { headings, blocks: Vec::new() });
    }
}

fn is_comment(html: &str) -> bool {
    html.strip_prefix("<!--").is_some_and(|rest| rest.find("-->").is_none_or(|end| end + 3 == rest.len()))
}

/// The paragraphs of a plain text, parted by empty lines, in one section.
pub(super) fn plain(text: &str) -> Vec<Section> {
    let mut blocks = Vec::new();
    let mut offset = 0;
    let mut open: Option<Range<usize>> = None;
    for line in text.split_inclusive('\n') {
        let range = offset..offset + line.len();
        offset = range.end;
        if line.trim().is_empty() {
            blocks.extend(open.take());
        } else {
            open = Some(open.map_or(range.start, |open| open.start)..range.end);
        }
    }
    blocks.extend(open);
    let blocks = blocks
        .into_iter()
        .map(|range| {
            let bytes = trimmed(text, range);
            let kind = Kind::Paragraph(text[bytes.clone()].to_owned());
            Block { bytes, kind }
        })
        .collect();
    vec![Section { headings: Vec::new(), blocks }]
}
