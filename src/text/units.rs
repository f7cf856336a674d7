//! Units of Markdown or plain text: sentences of paragraphs and list items, rows of tables, headings.

use std::ops::Range;

use super::sentences::{has_word, sentences, trimmed};
use super::words::collapse;

/// The smallest piece of a passage that can be quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its bytes in the text, without markers and surrounding space.
    pub span: Range<usize>,
    /// What it is.
    pub kind: UnitKind,
    /// Units of one paragraph, list or table share a block.
    pub block: usize,
}

/// What a unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitKind {
    /// A sentence of a paragraph.
    Sentence,
    /// A sentence of a list item.
    Item,
    /// A row of a table, with the row of its headings.
    Row {
        /// Bytes of the heading row.
        header: Range<usize>,
    },
    /// A heading, or a sentence that asks.
    Lead,
}

impl Unit {
    /// Its words in `text`.
    pub fn text<'a>(&self, text: &'a str) -> &'a str {
        &text[self.span.clone()]
    }

    /// What can be read aloud: white space collapsed; a row as its first cell and `heading: cell` pairs.
    pub fn render(&self, text: &str) -> String {
        let UnitKind::Row { header } = &self.kind else {
            return collapse(self.text(text));
        };
        let headings = cells(&text[header.clone()]);
        let row = cells(self.text(text));
        let mut parts = Vec::new();
        for (position, cell) in row.iter().enumerate().skip(1).filter(|(_, cell)| !cell.is_empty()) {
            parts.push(match headings.get(position).filter(|heading| !heading.is_empty()) {
                Some(heading) => format!("{heading}: {cell}"),
                None => (*cell).to_owned(),
            });
        }
        match row.first().filter(|first| !first.is_empty()) {
            Some(first) if parts.is_empty() => (*first).to_owned(),
            Some(first) => format!("{first} – {}.", parts.join("; ")),
            None => parts.join("; "),
        }
    }
}

impl Unit {
    /// Whether it can only be understood with what follows it.
    pub fn announces(&self, text: &str) -> bool {
        self.kind == UnitKind::Lead || self.text(text).ends_with(':')
    }
}

/// The line that announces the list of the item at `index`: "What is not covered:" turns the meaning of what stands below
/// it around.
pub fn announcer(units: &[Unit], index: usize, text: &str) -> Option<usize> {
    let above = units[..index].iter().rposition(|above| above.kind != UnitKind::Item)?;
    (units[index].kind == UnitKind::Item && units[above].announces(text)).then_some(above)
}

/// The sentence after the unit at `index` in the same paragraph: conditions and details stand behind what they belong to.
pub fn next_sentence(units: &[Unit], index: usize) -> Option<usize> {
    let next = units.get(index + 1)?;
    (next.kind == UnitKind::Sentence && next.block == units[index].block).then_some(index + 1)
}

fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_start_matches('|').trim_end_matches('|').split('|').map(str::trim).collect()
}

/// Splits a text into its units, in order.
pub fn units(text: &str) -> Vec<Unit> {
    let mut splitter = Splitter { text, units: Vec::new(), block: 0, open: None };
    let mut table: Option<Table> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let whole = start..start + line.len();
        start = whole.end;
        let span = trimmed(text, whole);
        let content = &text[span.clone()];
        if content.starts_with('|') && content.len() > 1 {
            splitter.close();
            table.get_or_insert_with(Table::default).line(&mut splitter, span);
            continue;
        }
        if table.take().is_some() {
            splitter.block += 1;
        }
        if content.is_empty() {
            splitter.close();
            splitter.block += 1;
        } else if content.starts_with('#') {
            splitter.close();
            splitter.block += 1;
            let marks = content.len() - content.trim_start_matches(['#', ' ']).len();
            splitter.push(span.start + marks..span.end, UnitKind::Lead);
        } else if let Some(marker) = item_marker(content) {
            splitter.close();
            splitter.open = Some((span.start + marker..span.end, UnitKind::Item));
        } else {
            match &mut splitter.open {
                Some((open, _)) => open.end = span.end,
                None => splitter.open = Some((span, UnitKind::Sentence)),
            }
        }
    }
    splitter.close();
    splitter.units
}

fn item_marker(line: &str) -> Option<usize> {
    for bullet in ["- ", "* ", "+ ", "• "] {
        if line.starts_with(bullet) {
            return Some(bullet.len());
        }
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &line[digits..];
    ((1..=3).contains(&digits) && (rest.starts_with(". ") || rest.starts_with(") "))).then_some(digits + 2)
}

struct Splitter<'a> {
    text: &'a str,
    units: Vec<Unit>,
    block: usize,
    open: Option<(Range<usize>, UnitKind)>,
}

impl Splitter<'_> {
    fn close(&mut self) {
        let Some((span, kind)) = self.open.take() else { return };
        // Line breaks within a paragraph end no sentence; spaces keep every offset.
        let flat = self.text[span.clone()].replace(['\n', '\r'], " ");
        for sentence in sentences(&flat) {
            let sentence = span.start + sentence.start..span.start + sentence.end;
            let asks = self.text[sentence.clone()].ends_with('?');
            self.push(sentence, if asks { UnitKind::Lead } else { kind.clone() });
        }
    }

    fn push(&mut self, span: Range<usize>, kind: UnitKind) {
        if has_word(&self.text[span.clone()]) {
            self.units.push(Unit { span, kind, block: self.block });
        }
    }
}

#[derive(Default)]
struct Table {
    header: Option<Range<usize>>,
}

impl Table {
    fn line(&mut self, splitter: &mut Splitter<'_>, span: Range<usize>) {
        let content = &splitter.text[span.clone()];
        if content.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) {
            return;
        }
        match &self.header {
            None => self.header = Some(span),
            Some(header) => splitter.push(span, UnitKind::Row { header: header.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Vec<String> {
        units(text).iter().map(|unit| unit.render(text)).collect()
    }

    #[test]
    fn paragraphs_items_and_rows_become_units() {
        let text = "Orders leave on\nMonday. See no. 5 for more.\n\n- First thing.\n- Second: 3.50 a kg\n\n\
            | Country | Time | Cost |\n|---|---|---|\n| Spain | 3 days | €4.90 |\n\nWhat then? Nothing.";
        assert_eq!(
            rendered(text),
            [
                "Orders leave on Monday.",
                "See no. 5 for more.",
                "First thing.",
                "Second: 3.50 a kg",
                "Spain – Time: 3 days; Cost: €4.90.",
                "What then?",
                "Nothing.",
            ]
        );
        assert_eq!(units(text)[5].kind, UnitKind::Lead);
    }

    #[test]
    fn every_unit_is_a_part_of_its_text() {
        for text in ["", "|", "| |", "# ", "- ", "1.", "¿Sí? ¡Ya!\r\n* á\u{301}. B", "a\n\n\n|x|\n|-|\n|y|\n"]
        {
            for unit in units(text) {
                assert!(!unit.text(text).trim().is_empty(), "{text:?}");
            }
        }
    }
}
