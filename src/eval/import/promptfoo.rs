//! promptfoo: `tests` with `vars` and `assert`, to rows of an assistant suite. Assertions on words become facts, forbidden
//! wordings and patterns; those that need a model, code or another tool are named as skipped.

use serde_json::{Map, Value, json};

use super::{Imported, Options, language, strings};

/// Variables that usually hold the customer's message.
const MESSAGES: [&str; 7] = ["question", "query", "message", "input", "user_input", "prompt", "text"];
const LANGUAGES: [&str; 3] = ["lang", "language", "locale"];

type Test = Map<String, Value>;

/// What a reply has to be.
#[derive(Default)]
struct Right {
    facts: Vec<Vec<String>>,
    forbidden: Vec<String>,
    patterns: Vec<String>,
}

pub(super) fn import(content: &Value, tests: &[&Test], options: &Options<'_>) -> Result<Imported, String> {
    let Some(knowledge) = options.knowledge else {
        return Err(
            "these tests ask the assistant: name the folder of documents it answers from with --knowledge"
                .into(),
        );
    };
    let knowledge = knowledge.canonicalize().map_err(|error| format!("{}: {error}", knowledge.display()))?;
    let mut imported = Imported { from: "promptfoo", ..Imported::default() };
    let default = content.get("defaultTest").and_then(Value::as_object);
    let mut rows = Vec::new();
    for (index, test) in tests.iter().enumerate() {
        match row(index, test, default, options, &mut imported) {
            Ok(row) => rows.push(row),
            Err(why) => *imported.skipped.entry(format!("test: {why}")).or_default() += 1,
        }
    }
    imported.rows = rows.len();
    let suite = json!({
        "name": options.name,
        "kind": "assistant",
        "knowledge": knowledge.to_string_lossy(),
        "questions": ["questions.jsonl"],
        "texts_in_report": true,
    });
    imported.suite = Some(toml::to_string(&suite).map_err(|error| error.to_string())?);
    imported.files.insert("questions.jsonl", rows);
    Ok(imported)
}

fn row(
    index: usize,
    test: &Test,
    default: Option<&Test>,
    options: &Options<'_>,
    imported: &mut Imported,
) -> Result<Value, &'static str> {
    let vars = |test: Option<&Test>| test.and_then(|t| t.get("vars")).and_then(Value::as_object).cloned();
    let mut variables = vars(default).unwrap_or_default();
    variables.extend(vars(Some(test)).ok_or("its `vars` are not in this file")?);
    let text = |name: &str| variables.get(name).and_then(Value::as_str);
    let named = options.message.into_iter().chain(MESSAGES).find_map(text);
    let single = || match variables.values().filter_map(Value::as_str).collect::<Vec<_>>()[..] {
        [only] => Some(only),
        _ => None,
    };
    let message = named.or_else(single).ok_or("no variable holds the message; name it with --message-var")?;
    let written_in = LANGUAGES.iter().find_map(|name| text(name));
    let language = language(written_in, message).ok_or("the message is in no supported language")?;
    let mut right = Right::default();
    let asserted =
        |test: Option<&Test>| test.and_then(|t| t.get("assert")).and_then(Value::as_array).cloned();
    let assertions =
        asserted(default).unwrap_or_default().into_iter().chain(asserted(Some(test)).unwrap_or_default());
    for assertion in assertions {
        if let Err(kind) = understand(&assertion, &mut right) {
            *imported.skipped.entry(format!("assert: {kind}")).or_default() += 1;
        }
    }
    if right.facts.is_empty() && right.forbidden.is_empty() && right.patterns.is_empty() {
        return Err("no assertion on the words of the reply");
    }
    Ok(json!({
        "id": format!("promptfoo-{:04}", index + 1),
        "lang": language,
        "channel": "api",
        "messages": [{ "role": "customer", "text": message }],
        "expected": "answer",
        "answerable": true,
        "facts": right.facts,
        "forbidden": right.forbidden,
        "patterns": right.patterns,
    }))
}

/// Adds what an assertion asks for, or gives its type where a set cannot say it.
fn understand(assertion: &Value, right: &mut Right) -> Result<(), String> {
    let kind = assertion.get("type").and_then(Value::as_str).unwrap_or("without a type");
    let values = strings(assertion.get("value"));
    let templated = values.iter().any(|value| value.contains("{{") || value.starts_with("file://"));
    if values.is_empty() || templated {
        return Err(kind.to_owned());
    }
    let first = || regex::escape(values.first().map_or("", String::as_str));
    match kind {
        "contains" | "icontains" | "contains-any" | "icontains-any" => right.facts.push(values),
        "contains-all" | "icontains-all" => right.facts.extend(values.into_iter().map(|value| vec![value])),
        "not-contains" | "not-icontains" | "not-contains-any" | "not-icontains-any" => {
            right.forbidden.extend(values);
        }
        "equals" => right.patterns.push(format!(r"^\s*{}\s*$", first())),
        "starts-with" => right.patterns.push(format!(r"^\s*{}", first())),
        "regex" if values.iter().all(|pattern| regex::Regex::new(pattern).is_ok()) => {
            right.patterns.extend(values);
        }
        other => return Err(other.to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read;
    use super::*;

    #[test]
    fn assertions_on_words_become_rows_and_the_others_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tests.yaml");
        std::fs::write(
            &path,
            "prompts: [answer]\ndefaultTest:\n  assert:\n    - {type: not-icontains, value: as an AI}\ntests:\n  - vars: {question: How \
             long does delivery take?}\n    assert:\n      - {type: contains, value: 4 days}\n      - {type: icontains-any, \
             value: [free, no charge]}\n      - {type: regex, value: '[0-9]+ days'}\n      - {type: llm-rubric, value: is \
             polite}\n  - vars: {a: one, b: two}\n    assert: [{type: contains, value: x}]\n  - vars: {question: Quanto costa \
             la spedizione?}\n",
        )
        .unwrap();
        let options = Options { name: "shop", knowledge: Some(folder.path()), message: None };
        let imported = read(&path, &options).unwrap();
        assert_eq!((imported.from, imported.rows), ("promptfoo", 2));
        let rows = &imported.files["questions.jsonl"];
        assert_eq!(rows[0]["facts"], json!([["4 days"], ["free", "no charge"]]));
        assert_eq!(rows[0]["forbidden"], json!(["as an AI"]));
        assert_eq!(rows[0]["patterns"], json!(["[0-9]+ days"]));
        assert_eq!((&rows[0]["lang"], &rows[1]["lang"]), (&json!("en"), &json!("it")));
        assert_eq!(imported.skipped["assert: llm-rubric"], 1);
        assert_eq!(imported.skipped.len(), 2, "{:?}", imported.skipped);
        assert!(imported.suite.unwrap().contains("kind = \"assistant\""));
        let nowhere = Options { name: "shop", knowledge: None, message: None };
        assert!(read(&path, &nowhere).unwrap_err().to_string().contains("--knowledge"));
        assert!(read(Path::new("absent.yaml"), &nowhere).unwrap_err().to_string().contains("absent.yaml"));
    }
}
