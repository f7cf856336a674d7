//! Documents of binary formats, made by the tests that read them.

use std::fmt::Write as _;
use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A line of a page: size of its letters, place from the left and from the bottom, words.
pub(crate) type Line<'text> = (u32, u32, u32, &'text str);

/// A PDF with a built-in font and Western letters, as simple programs write it.
pub(crate) fn pdf(pages: &[Vec<Line<'_>>]) -> Vec<u8> {
    let streams = pages.iter().map(|lines| {
        lines.iter().fold(String::new(), |mut stream, (size, x, y, words)| {
            let words: String = words.chars().map(octal).collect();
            let _ = writeln!(stream, "BT /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({words}) Tj ET");
            stream
        })
    });
    pdf_of(streams.map(|stream| ("", stream.into_bytes())).collect())
}

/// A PDF whose pages have these content streams, with what is said of each stream.
pub(crate) fn pdf_of(streams: Vec<(&str, Vec<u8>)>) -> Vec<u8> {
    let mut objects: Vec<Vec<u8>> = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        Vec::new(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    let mut kids = String::new();
    for (about, stream) in streams {
        let page = objects.len() + 1;
        let _ = write!(kids, "{page} 0 R ");
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> \
                 /Contents {} 0 R >>",
                page + 1
            )
            .into_bytes(),
        );
        let mut object = format!("<< /Length {} {about} >>\nstream\n", stream.len()).into_bytes();
        object.extend(stream);
        object.extend(b"\nendstream");
        objects.push(object);
    }
    objects[1] =
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", kids.matches('R').count()).into_bytes();
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        file.extend(format!("{} 0 obj\n", index + 1).into_bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    file.extend(table.into_bytes());
    let end = format!("trailer << /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1);
    file.extend(end.into_bytes());
    file
}

/// A letter of Latin-1 inside a PDF string.
fn octal(letter: char) -> String {
    match letter {
        '(' | ')' | '\\' => format!("\\{letter}"),
        '•' => "\\225".into(),
        '€' => "\\200".into(),
        letter if letter.is_ascii() => letter.to_string(),
        letter => format!("\\{:03o}", u32::from(letter)),
    }
}

/// So many zero bytes, packed as the streams of a PDF are.
pub(crate) fn packed_zeros(bytes: usize) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..bytes >> 20 {
        packer.write_all(&spaces).expect("memory");
    }
    packer.finish().expect("memory")
}

/// A zip archive of these files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("memory");
        writer.write_all(content).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;
const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const SHEET: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const TYPES: &str = "http://schemas.openxmlformats.org/package/2006/content-types";

/// A Word document with this body; `Heading1` and `Heading2` are its headings, list 1 has bullets.
pub(crate) fn docx(body: &str) -> Vec<u8> {
    let document = format!(r#"{XML}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>"#);
    let heading = |level: u32| {
        format!(
            r#"<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/>
            <w:pPr><w:outlineLvl w:val="{}"/></w:pPr></w:style>"#,
            level - 1
        )
    };
    let styles = format!(r#"{XML}<w:styles xmlns:w="{WORD}">{}{}</w:styles>"#, heading(1), heading(2));
    let numbering = format!(
        r#"{XML}<w:numbering xmlns:w="{WORD}"><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/>
        <w:numFmt w:val="bullet"/><w:lvlText w:val="•"/></w:lvl></w:abstractNum><w:num w:numId="1">
        <w:abstractNumId w:val="0"/></w:num></w:numbering>"#
    );
    let word = "application/vnd.openxmlformats-officedocument.wordprocessingml";
    let types = format!(
        r#"{XML}<Types xmlns="{TYPES}"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
        <Override PartName="/word/document.xml" ContentType="{word}.document.main+xml"/>
        <Override PartName="/word/styles.xml" ContentType="{word}.styles+xml"/>
        <Override PartName="/word/numbering.xml" ContentType="{word}.numbering+xml"/></Types>"#
    );
    let root = format!(
        r#"{XML}<Relationships xmlns="{RELATIONSHIPS}"><Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>"#
    );
    let relations = format!(
        r#"{XML}<Relationships xmlns="{RELATIONSHIPS}"><Relationship Id="r1" Type="{OFFICE}/styles" Target="styles.xml"/>
        <Relationship Id="r2" Type="{OFFICE}/numbering" Target="numbering.xml"/></Relationships>"#
    );
    archive(&[
        ("[Content_Types].xml", types.as_bytes()),
        ("_rels/.rels", root.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", relations.as_bytes()),
        ("word/styles.xml", styles.as_bytes()),
        ("word/numbering.xml", numbering.as_bytes()),
    ])
}

/// A paragraph of a Word document, in a style or a list.
pub(crate) fn paragraph(properties: &str, words: &str) -> String {
    format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{words}</w:t></w:r></w:p>")
}

/// A table of a Word document.
pub(crate) fn table(rows: &[&[&str]]) -> String {
    let cell = |words: &&str| format!("<w:tc>{}</w:tc>", paragraph("", words));
    let row = |cells: &&[&str]| format!("<w:tr>{}</w:tr>", cells.iter().map(cell).collect::<String>());
    format!("<w:tbl>{}</w:tbl>", rows.iter().map(row).collect::<String>())
}

/// A workbook of these sheets: name, whether it is hidden, rows of texts.
pub(crate) fn xlsx(sheets: &[(&str, bool, &[&[&str]])]) -> Vec<u8> {
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml";
    let (mut list, mut relations, mut types, mut files) =
        (String::new(), String::new(), String::new(), Vec::new());
    for (index, (name, hidden, rows)) in sheets.iter().enumerate() {
        let number = index + 1;
        let state = if *hidden { r#" state="hidden""# } else { "" };
        let _ = write!(list, r#"<sheet name="{name}" sheetId="{number}"{state} r:id="r{number}"/>"#);
        let _ = write!(
            relations,
            r#"<Relationship Id="r{number}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>"#
        );
        let _ = write!(
            types,
            r#"<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{kind}.worksheet+xml"/>"#
        );
        let mut data = String::new();
        for (row, cells) in rows.iter().enumerate() {
            let _ = write!(data, r#"<row r="{}">"#, row + 1);
            for (column, words) in (b'A'..).zip(cells.iter()) {
                let place = format!("{}{}", char::from(column), row + 1);
                if !words.is_empty() {
                    let _ = write!(data, r#"<c r="{place}" t="inlineStr"><is><t>{words}</t></is></c>"#);
                }
            }
            data.push_str("</row>");
        }
        let sheet = format!(r#"{XML}<worksheet xmlns="{SHEET}"><sheetData>{data}</sheetData></worksheet>"#);
        files.push((format!("xl/worksheets/sheet{number}.xml"), sheet));
    }
    let root = format!(
        r#"{XML}<Relationships xmlns="{RELATIONSHIPS}"><Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
    );
    files.extend([
        (
            "[Content_Types].xml".to_owned(),
            format!(
                r#"{XML}<Types xmlns="{TYPES}"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
                <Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>{types}</Types>"#
            ),
        ),
        ("_rels/.rels".to_owned(), root),
        (
            "xl/workbook.xml".to_owned(),
            format!(r#"{XML}<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>{list}</sheets></workbook>"#),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!(r#"{XML}<Relationships xmlns="{RELATIONSHIPS}">{relations}</Relationships>"#),
        ),
    ]);
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_bytes())).collect();
    archive(&files)
}
