//! Markdown with optional front matter: `title`, `url`, `language`, `audience` and `labels` between two lines of `---`.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

use super::{Loaded, Structure, check_language, check_url};
use crate::conversation::{Audience, Labels};
use crate::knowledge::LoadError;

pub(super) fn load(content: &str) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded { structure: Structure::Markdown, ..Loaded::default() };
    let body = match front_matter(content)? {
        Some((lines, body)) => {
            read(&lines, &mut loaded)?;
            body
        }
        None => content,
    };
    body.clone_into(&mut loaded.text);
    if loaded.title.is_none() {
        loaded.title = first_heading(body);
    }
    Ok(loaded)
}

type Lines<'text> = Vec<(usize, &'text str)>;

/// The numbered lines of the front matter, and what follows it.
fn front_matter(content: &str) -> Result<Option<(Lines<'_>, &str)>, LoadError> {
    let Some(rest) = content.strip_prefix("---\n") else { return Ok(None) };
    let mut lines = Vec::new();
    let mut offset = 0;
    for (index, line) in rest.split_inclusive('\n').enumerate() {
        offset += line.len();
        let line = line.trim_end();
        if matches!(line, "---" | "...") {
            return Ok(Some((lines, &rest[offset..])));
        }
        // A rule at the top of a document without front matter: what follows has no `key: value`.
        if index == 0 && !line.contains(':') && !line.starts_with('#') {
            return Ok(None);
        }
        lines.push((index + 2, line));
    }
    Err(LoadError::at(1, "the front matter has no end; close it with a line of ---"))
}

/// Reads the plain `key: value` lines; other keys, lists and nested values are somebody else's.
fn read(lines: &[(usize, &str)], loaded: &mut Loaded) -> Result<(), LoadError> {
    for &(number, line) in lines {
        if line.is_empty() || line.starts_with([' ', '\t', '#', '-']) {
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            return Err(LoadError::at(number, "front matter takes lines such as `title: Returns`"));
        };
        let value = unquoted(value.trim());
        if value.is_empty() {
            continue;
        }
        match key.trim().to_ascii_lowercase().as_str() {
            "title" => loaded.title = Some(value),
            "url" => {
                loaded.url = Some(check_url(&value).map_err(|message| LoadError::at(number, message))?);
            }
            "language" | "lang" => {
                loaded.language =
                    Some(check_language(&value).map_err(|message| LoadError::at(number, message))?);
            }
            "audience" => {
                loaded.marks.audience =
                    Some(Audience::parse(&value).map_err(|message| LoadError::at(number, message))?);
            }
            "labels" => {
                loaded.marks.labels =
                    Labels::parse_list(&value).map_err(|message| LoadError::at(number, message))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn unquoted(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        return inner.replace("\\\"", "\"").replace("\\\\", "\\");
    }
    if let Some(inner) = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
        return inner.replace("''", "'");
    }
    // A comment starts with a space and a hash.
    value.split(" #").next().unwrap_or_default().trim_end().to_owned()
}

/// Plain text of the first heading of the first level.
fn first_heading(body: &str) -> Option<String> {
    let mut inside = false;
    let mut text = String::new();
    for event in Parser::new(body) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) => inside = true,
            Event::End(TagEnd::Heading(HeadingLevel::H1)) => {
                let text = text.trim();
                return (!text.is_empty()).then(|| text.to_owned());
            }
            Event::Text(words) | Event::Code(words) if inside => text.push_str(&words),
            Event::SoftBreak | Event::HardBreak if inside => text.push(' '),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Language;

    #[test]
    fn front_matter_is_read_and_left_out() {
        let loaded = load(
            "---\ntitle: \"Trocas: como \\\"pedir\\\"\"\nurl: https://a.example/x # now\nlanguage: pt-BR\ntags:\n  - a\n\
             ---\n\n## Prazo\n\n30 dias.\n",
        )
        .unwrap();
        assert_eq!(loaded.title.as_deref(), Some("Trocas: como \"pedir\""));
        assert_eq!(loaded.url.as_deref(), Some("https://a.example/x"));
        assert_eq!(loaded.language, Some(Language::Pt));
        assert_eq!(loaded.text, "\n## Prazo\n\n30 dias.\n");
    }

    #[test]
    fn without_front_matter_the_first_heading_is_the_title() {
        let loaded = load("intro\n\n# The *whole* `truth`\n\ntext").unwrap();
        assert_eq!(loaded.title.as_deref(), Some("The whole truth"));
        let ruled = load("---\nnot front matter\n---\ntext").unwrap();
        assert_eq!(ruled.text, "---\nnot front matter\n---\ntext");
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line) in [
            ("---\ntitle: x\nurl: javascript:x\n---\ny", 3),
            ("---\nlanguage: klingon\n---\ny", 2),
            ("---\ntitle: x\nnonsense\n---\ny", 3),
            ("---\ntitle: x\n\ntext for ever", 1),
        ] {
            assert_eq!(load(text).unwrap_err().line, Some(line), "{text}");
        }
    }
}
