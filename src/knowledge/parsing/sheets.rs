//! Workbooks: each sheet that is shown is a document, of questions and answers where its first row names such columns, else
//! of tables.

use std::fmt::Write;
use std::io::Cursor;

use office_oxide::xlsx::SheetState;
use office_oxide::{Document, DocumentFormat};
use serde_json::{Map, Value};

use super::{Limits, Part, archive, office};
use crate::knowledge::loaders::qa;
use crate::knowledge::{Format, LoadError};
use crate::text::collapse;

type Row = Vec<String>;

pub(super) fn read(bytes: Vec<u8>, limits: &Limits) -> Result<Vec<Part>, LoadError> {
    archive::check(&bytes, limits)?;
    let unreadable = |error: office_oxide::OfficeError| {
        LoadError::whole(format!("this is no workbook that can be read: {error}"))
    };
    let document =
        Document::from_reader_with(Cursor::new(bytes), DocumentFormat::Xlsx, &office::options(limits))
            .map_err(unreadable)?;
    let workbook = document.as_xlsx().ok_or_else(|| LoadError::whole("this is no workbook"))?;
    let mut parts = Vec::new();
    for (index, sheet) in workbook.workbook.sheets.iter().enumerate() {
        if sheet.state != SheetState::Visible {
            continue;
        }
        let csv = workbook.sheet_to_csv(index).unwrap_or_default();
        parts.extend(part(&sheet.name, &rows(&csv)?));
    }
    if parts.is_empty() {
        return Err(LoadError::whole("the workbook holds no text"));
    }
    Ok(parts)
}

fn rows(csv: &str) -> Result<Vec<Row>, LoadError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv.as_bytes());
    let rows = reader.records().map(|record| {
        let record =
            record.map_err(|error| LoadError::whole(format!("this sheet cannot be read: {error}")))?;
        Ok(record.iter().map(|cell| cell.trim().to_owned()).collect())
    });
    rows.collect()
}

fn is_empty(row: &Row) -> bool {
    row.iter().all(String::is_empty)
}

/// The document of a sheet; nothing for an empty one.
fn part(name: &str, rows: &[Row]) -> Option<Part> {
    let first = rows.iter().position(|row| !is_empty(row))?;
    let (format, content) = if qa::names_pairs(&rows[first]) {
        (Format::Jsonl, pairs(rows, first))
    } else {
        (Format::Markdown, tables(rows))
    };
    Some(Part { name: Some(name.to_owned()), title: None, url: None, language: None, format, content })
}

/// One object a row, each on the line that has the number of its row, so that a complaint names it.
fn pairs(rows: &[Row], first: usize) -> String {
    let mut lines = "\n".repeat(first + 1);
    for row in &rows[first + 1..] {
        if !is_empty(row) {
            let object: Map<String, Value> =
                rows[first].iter().cloned().zip(row.iter().cloned().map(Value::String)).collect();
            lines.push_str(&Value::Object(object).to_string());
        }
        lines.push('\n');
    }
    lines
}

/// Tables, parted by empty rows; rows of a single cell above one are a text that leads into it.
fn tables(rows: &[Row]) -> String {
    let mut text = String::new();
    for block in rows.split(is_empty) {
        let alone = |row: &&Row| row.iter().filter(|cell| !cell.is_empty()).count() == 1;
        let words = block.iter().take_while(alone).count();
        for row in &block[..words] {
            let _ = writeln!(text, "{}\n", collapse(&row.join(" ")));
        }
        table(&block[words..], &mut text);
    }
    text
}

fn table(rows: &[Row], text: &mut String) {
    let used = |column: usize| rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()));
    let width = rows.iter().map(Vec::len).max().unwrap_or_default();
    let columns: Vec<usize> = (0..width).filter(|column| used(*column)).collect();
    for (index, row) in rows.iter().enumerate() {
        let cell = |column: &usize| {
            row.get(*column).map(|cell| collapse(cell).replace('|', "\\|")).unwrap_or_default()
        };
        let _ = writeln!(text, "| {} |", columns.iter().map(cell).collect::<Vec<_>>().join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(columns.len()));
        }
    }
    if !rows.is_empty() {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(csv: &str) -> Part {
        part("S", &rows(csv).unwrap()).unwrap()
    }

    #[test]
    fn tables_stay_tables_with_what_leads_into_them() {
        let part = sheet(
            ",Prices 2026,,\n,,,\n,Product,Price,\n,Cup,9.50 €,\n,\"Table | round\",100 €,\n,,,\n,Only words.,,\n",
        );
        assert_eq!(part.format, Format::Markdown);
        assert_eq!(
            part.content,
            "Prices 2026\n\n| Product | Price |\n| --- | --- |\n| Cup | 9.50 € |\n| Table \\| round | 100 € |\n\nOnly words.\n\n"
        );
    }

    #[test]
    fn a_sheet_of_questions_is_read_as_such_and_keeps_its_row_numbers() {
        let part = sheet(",,\nPergunta,Resposta,Categoria\nPosso?,\"Sim,\nem 30 dias.\",x\n,,\nB?,,x\n");
        assert_eq!(part.format, Format::Jsonl);
        let error = qa::load_jsonl(&part.content).unwrap_err();
        assert_eq!(error.line, Some(5), "{error}");
        let loaded = qa::load_jsonl(&part.content.replace(r#""Resposta":"""#, r#""Resposta":"b""#)).unwrap();
        assert!(loaded.text.contains("Sim,\nem 30 dias."), "{}", loaded.text);
    }

    #[test]
    fn an_empty_sheet_is_no_document() {
        assert!(part("S", &rows(",,\n,,\n").unwrap()).is_none());
    }
}
