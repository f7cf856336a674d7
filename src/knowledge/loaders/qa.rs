//! Questions and answers: CSV with a header line, or one JSON object a line. One file is one document.
//!
//! Columns are known by their names in four languages, in any order and case, with or without accents; others are
//! ignored. A CSV's delimiter (`,`, `;` or a tab) is the one that the header line uses most.

use serde_json::{Map, Value};

use super::{Loaded, Marks, Pair, Structure, check_language, check_url};
use crate::conversation::{Audience, Labels};
use crate::knowledge::LoadError;
use crate::text::{collapse, fold};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Question,
    Answer,
    Title,
    Url,
    Language,
    Audience,
    Labels,
}

fn column(name: &str) -> Option<Column> {
    Some(match fold(name.trim()).as_str() {
        "question" | "pergunta" | "domanda" | "pregunta" | "q" => Column::Question,
        "answer" | "resposta" | "risposta" | "respuesta" | "a" => Column::Answer,
        "title" | "titulo" | "titolo" => Column::Title,
        "url" | "link" => Column::Url,
        "language" | "lang" | "idioma" | "lingua" | "locale" => Column::Language,
        "audience" | "publico" | "pubblico" => Column::Audience,
        "labels" | "etiquetas" | "etichette" => Column::Labels,
        _ => return None,
    })
}

/// Whether a row names exactly one column of questions and one of answers.
pub(in crate::knowledge) fn names_pairs(header: &[String]) -> bool {
    let count = |wanted| header.iter().filter(|name| column(name) == Some(wanted)).count();
    count(Column::Question) == 1 && count(Column::Answer) == 1
}

#[derive(Debug, Default)]
struct Row {
    question: String,
    answer: String,
    title: Option<String>,
    url: Option<String>,
    language: Option<String>,
    audience: Option<String>,
    labels: Option<String>,
}

impl Row {
    fn set(&mut self, column: Column, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        match column {
            Column::Question => value.clone_into(&mut self.question),
            Column::Answer => value.clone_into(&mut self.answer),
            Column::Title => self.title = Some(value.to_owned()),
            Column::Url => self.url = Some(value.to_owned()),
            Column::Language => self.language = Some(value.to_owned()),
            Column::Audience => self.audience = Some(value.to_owned()),
            Column::Labels => self.labels = Some(value.to_owned()),
        }
    }
}

/// The text grows pair by pair: question, answer, empty line.
#[derive(Default)]
struct Builder {
    text: String,
    pairs: Vec<Pair>,
}

impl Builder {
    fn push(&mut self, line: usize, row: Row) -> Result<(), LoadError> {
        let empty = if row.question.is_empty() {
            Some("question")
        } else if row.answer.is_empty() {
            Some("answer")
        } else {
            None
        };
        if let Some(what) = empty {
            return Err(LoadError::at(line, format!("the {what} is empty")));
        }
        let url = row.url.as_deref().map(check_url).transpose();
        let language = row.language.as_deref().map(check_language).transpose();
        let audience = row.audience.as_deref().map(Audience::parse).transpose();
        let labels = row.labels.as_deref().map(Labels::parse_list).transpose();
        let question = collapse(&row.question);
        self.text.push_str(&question);
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(&row.answer);
        let answer = start..self.text.len();
        self.text.push_str("\n\n");
        self.pairs.push(Pair {
            question,
            answer,
            title: row.title,
            url: url.map_err(|message| LoadError::at(line, message))?,
            language: language.map_err(|message| LoadError::at(line, message))?,
            marks: Marks {
                audience: audience.map_err(|message| LoadError::at(line, message))?,
                labels: labels.map_err(|message| LoadError::at(line, message))?.unwrap_or_default(),
            },
        });
        Ok(())
    }

    fn finish(self) -> Loaded {
        Loaded { text: self.text, structure: Structure::Pairs(self.pairs), ..Loaded::default() }
    }
}

pub(super) fn load_csv(content: &str) -> Result<Loaded, LoadError> {
    let header = content.lines().next().unwrap_or_default();
    let delimiter = [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|delimiter| header.bytes().filter(|byte| byte == delimiter).count())
        .unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(content.as_bytes());
    let headers = reader.headers().map_err(|error| unreadable(&error))?.clone();
    let columns: Vec<Option<Column>> = headers.iter().map(column).collect();
    for (wanted, name) in [(Column::Question, "question"), (Column::Answer, "answer")] {
        let count = columns.iter().filter(|column| **column == Some(wanted)).count();
        if count != 1 {
            return Err(LoadError::at(
                1,
                format!(
                    "{count} columns are called {name:?} (found: {}); the first line names the columns: question, \
                     answer and, if wanted, title, url, language",
                    headers.iter().collect::<Vec<_>>().join(", ")
                ),
            ));
        }
    }
    let mut builder = Builder::default();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        let line = record.position().map_or(0, |position| position.line() as usize);
        let mut row = Row::default();
        for (column, value) in columns.iter().zip(&record) {
            if let Some(column) = column {
                row.set(*column, value);
            }
        }
        builder.push(line, row)?;
    }
    Ok(builder.finish())
}

fn unreadable(error: &csv::Error) -> LoadError {
    let line = error.position().map(|position| position.line() as usize);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "{len} fields where the first line names {expected_len}; put fields with commas in quotes"
            )
        }
        other => format!("this is not CSV: {other:?}"),
    };
    LoadError { line, message }
}

pub(in crate::knowledge) fn load_jsonl(content: &str) -> Result<Loaded, LoadError> {
    let mut builder = Builder::default();
    for (index, line) in content.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let number = index + 1;
        let object: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
            LoadError::at(number, format!("this is not a JSON object: {error}; write one object a line"))
        })?;
        let mut row = Row::default();
        for (name, value) in &object {
            match (column(name), value) {
                (Some(column), Value::String(value)) => row.set(column, value),
                (Some(Column::Labels), Value::Array(labels)) => {
                    let labels: Vec<&str> = labels.iter().filter_map(Value::as_str).collect();
                    row.set(Column::Labels, &labels.join(","));
                }
                (None, _) | (Some(_), Value::Null) => {}
                (Some(_), _) => return Err(LoadError::at(number, format!("{name:?} must be a text"))),
            }
        }
        builder.push(number, row)?;
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Language;

    fn pairs(loaded: &Loaded) -> Vec<(String, String)> {
        let Structure::Pairs(pairs) = &loaded.structure else { panic!("no pairs") };
        pairs
            .iter()
            .map(|pair| (pair.question.clone(), loaded.text[pair.answer.clone()].to_owned()))
            .collect()
    }

    #[test]
    fn headers_are_known_in_four_languages() {
        for content in [
            "question,answer\nQ?,A.\n",
            "Resposta;Pergunta;interno\nA.;Q?;x\n",
            "risposta\tdomanda\nA.\tQ?\n",
            "PREGUNTA,Respuesta,Título\nQ?,A.,T\n",
        ] {
            let loaded = load_csv(content).unwrap();
            assert_eq!(pairs(&loaded), [("Q?".to_owned(), "A.".to_owned())], "{content}");
        }
    }

    #[test]
    fn quoted_fields_keep_their_lines_and_rows_their_own_facts() {
        let loaded = load_csv(
            "question,answer,url,language\n\"Posso\n trocar?\",\"Sim:\n- roupa\n- sapato\",https://a.example/1,pt\nB?,\"b, b\",,\n",
        )
        .unwrap();
        assert_eq!(
            pairs(&loaded),
            [
                ("Posso trocar?".to_owned(), "Sim:\n- roupa\n- sapato".to_owned()),
                ("B?".to_owned(), "b, b".to_owned())
            ]
        );
        let Structure::Pairs(found) = &loaded.structure else { panic!("no pairs") };
        assert_eq!(
            (found[0].url.as_deref(), found[0].language),
            (Some("https://a.example/1"), Some(Language::Pt))
        );
        assert_eq!((found[1].url.as_deref(), found[1].language), (None, None));
    }

    #[test]
    fn the_line_to_blame_is_named() {
        for (content, line) in [
            ("foo,bar\n1,2\n", 1),
            ("question,answer,pergunta\na,b,c\n", 1),
            ("question,answer\na,b\nc\n", 3),
            ("question,answer\na,b\n\"c\nd\",\n", 3),
            ("question,answer,url\na,b,ftp://x\n", 2),
            ("question,answer,language\na,b,de\n", 2),
        ] {
            assert_eq!(load_csv(content).unwrap_err().line, Some(line), "{content}");
        }
        for (content, line) in [
            ("{\"question\":\"a\",\"answer\":\"b\"}\n\n{\"question\":\"a\"}", 3),
            ("[1]", 1),
            ("{\"question\":1,\"answer\":\"b\"}", 1),
            ("{\"question\":\"a\",\"answer\":\"b\"}\n{\"question\"", 2),
        ] {
            assert_eq!(load_jsonl(content).unwrap_err().line, Some(line), "{content}");
        }
    }

    #[test]
    fn json_lines_take_the_same_names() {
        let loaded =
            load_jsonl("{\"Pergunta\":\"a\",\"resposta\":\"b\",\"id\":7,\"titulo\":null}\n").unwrap();
        assert_eq!(pairs(&loaded), [("a".to_owned(), "b".to_owned())]);
    }
}
