//! Ragas: rows of a question with its contexts, to a retrieval set: every context is a passage, and the right one is to be
//! found among all. Reference answers travel along.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Imported, language, strings};

const QUESTIONS: [&str; 2] = ["user_input", "question"];
const CONTEXTS: [&str; 4] = ["reference_contexts", "contexts", "retrieved_contexts", "context"];
const REFERENCES: [&str; 3] = ["reference", "ground_truth", "ground_truths"];

pub(super) fn import(rows: &[&Map<String, Value>]) -> Result<Imported, String> {
    let mut imported = Imported { from: "ragas", ..Imported::default() };
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let (mut passages, mut questions) = (Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        let first =
            |names: &[&str]| names.iter().map(|name| listed(row.get(*name))).find(|found| !found.is_empty());
        let mut skip = |why: &str| *imported.skipped.entry(format!("row: {why}")).or_default() += 1;
        let Some(question) = first(&QUESTIONS).map(|found| found.join("\n")) else {
            skip("neither user_input nor question");
            continue;
        };
        let Some(contexts) = first(&CONTEXTS) else {
            skip("no contexts");
            continue;
        };
        let Some(lang) = language(None, &question) else {
            skip("the question is in no supported language");
            continue;
        };
        let mut relevant = Vec::new();
        for context in contexts {
            // A passage is searched in the language of its questions, so that it is found whatever a detector thinks of it.
            let key = format!("{}\n{context}", lang.code());
            let next = format!("p-{}", known.len() + 1);
            let id = known.entry(key).or_insert_with(|| {
                passages.push(json!({ "id": next.clone(), "title": "", "text": context, "lang": lang }));
                next
            });
            relevant.push(id.clone());
        }
        questions.push(json!({
            "id": format!("ragas-{:04}", index + 1),
            "lang": lang,
            "question": question,
            "relevant": relevant,
            "answerable": true,
            "answer": first(&REFERENCES).map(|found| found.join("\n")),
        }));
    }
    if questions.is_empty() {
        return Err(
            "no row has a question (user_input, question) with contexts (reference_contexts, contexts)"
                .into(),
        );
    }
    imported.rows = questions.len();
    imported.files.insert("passages.jsonl", passages);
    imported.files.insert("questions.jsonl", questions);
    Ok(imported)
}

/// Strings of a cell; in a CSV file a list is JSON, or Python's way of writing one.
fn listed(value: Option<&Value>) -> Vec<String> {
    let found = strings(value);
    let [only] = &found[..] else {
        return found.into_iter().filter(|text| !text.trim().is_empty()).collect();
    };
    let cell = only.trim();
    if cell.is_empty() {
        return Vec::new();
    }
    let parsed = cell.starts_with('[').then(|| serde_norway::from_str::<Vec<String>>(cell).ok()).flatten();
    parsed.unwrap_or_else(|| vec![only.clone()])
}

#[cfg(test)]
mod tests {
    use super::super::{Options, read};
    use super::*;

    #[test]
    fn contexts_become_passages_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.csv");
        std::fs::write(
            &path,
            "user_input,reference_contexts,reference\nHow long is the guarantee?,\"['Two years.', 'Kettles last.']\",Two \
             years\nWhen does it end?,\"[\"\"Two years.\"\"]\",After two years\nAnd this?,,\n",
        )
        .unwrap();
        let imported = read(&path, &Options::default()).unwrap();
        assert_eq!((imported.from, imported.rows), ("ragas", 2));
        assert_eq!(imported.files["passages.jsonl"].len(), 2);
        let questions = &imported.files["questions.jsonl"];
        assert_eq!(questions[0]["relevant"], json!(["p-1", "p-2"]));
        assert_eq!(
            (&questions[1]["relevant"], &questions[1]["answer"]),
            (&json!(["p-1"]), &json!("After two years"))
        );
        assert_eq!(imported.skipped["row: no contexts"], 1);
        let path = folder.path().join("old.jsonl");
        std::fs::write(&path, "{\"question\": \"Where are you?\", \"contexts\": [\"In Lisbon.\"]}\n")
            .unwrap();
        assert_eq!(read(&path, &Options::default()).unwrap().rows, 1);
        std::fs::write(&path, "{\"question\": \"Where are you?\"}\n").unwrap();
        assert!(read(&path, &Options::default()).unwrap_err().to_string().contains("with contexts"));
    }
}
