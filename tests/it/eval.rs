//! Sets and the commands that run them, through the binary and on the real embedder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ponto::eval::dataset::assistant::{Expected, Row};
use ponto::eval::dataset::{Dataset, Rows};
use ponto::eval::task::Task;
use serde_json::{Value, json};

fn manifest_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn ponto(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ponto")).current_dir(folder).args(arguments).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Public data to develop against lies beside some checkouts.
fn shared_sets() -> Option<PathBuf> {
    let folder = manifest_dir().join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no folder ../shared/data beside this checkout");
    None
}

#[test]
fn the_demo_set_is_whole() {
    let set = Dataset::load(&manifest_dir().join("eval/demo/suite.toml"), None, None).unwrap();
    let Rows::Assistant(rows) = &set.rows else { panic!("the demo set is of kind assistant") };
    let documents: BTreeSet<&String> = rows.questions.iter().flat_map(|row| &row.relevant).collect();
    assert!(documents.len() >= 40, "{} documents are asked about", documents.len());
    let mut by_language: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in &rows.questions {
        let counts = by_language.entry(row.lang.code()).or_default();
        counts.0 += 1;
        counts.1 += usize::from(row.expected == Expected::Escalate);
        assert_eq!(row.why.is_some(), row.expected == Expected::Escalate, "{}", row.id);
    }
    assert_eq!(by_language.len(), 4);
    for (language, (rows, escalations)) in by_language {
        let share = escalations as f64 / rows as f64;
        assert!(rows >= 100 && (0.25..0.4).contains(&share), "{language}: {escalations} of {rows}");
    }
    assert!(set.texts_in_report);
}

/// The text of a document as wordings are looked for in it: without marks of Markdown, on one line, in small letters.
fn plain(document: &str) -> String {
    document.replace(['*', '|'], " ").split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[test]
fn the_held_out_conversations_are_new_and_their_facts_stand_in_the_documents() {
    let demo = manifest_dir().join("eval/demo");
    let load = |suite: &str| {
        let set = Dataset::load(&demo.join(suite), None, None).unwrap();
        let Rows::Assistant(rows) = set.rows else { panic!("{suite} is of kind assistant") };
        rows.questions
    };
    let last = |row: &Row| row.messages.last().unwrap().text.to_lowercase();
    let known: BTreeSet<String> =
        load("suite.toml").iter().filter(|row| row.messages.len() == 1).map(last).collect();
    let mut by_language: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    let rows = load("held-out.toml");
    for row in &rows {
        let counts = by_language.entry(row.lang.code()).or_default();
        counts.0 += 1;
        counts.1 += usize::from(row.answerable);
        counts.2 += usize::from(row.messages.len() > 1);
        assert_eq!(row.why.is_none(), row.answerable, "{}", row.id);
        assert_eq!(row.answerable, row.expected == Expected::Answer, "{}", row.id);
        assert!(row.messages.len() > 1 || !known.contains(&last(row)), "{} is not new", row.id);
        let documents: String = row
            .relevant
            .iter()
            .map(|name| plain(&std::fs::read_to_string(demo.join(format!("knowledge/{name}.md"))).unwrap()))
            .collect();
        assert_eq!(documents.is_empty(), !row.answerable, "{}", row.id);
        for fact in &row.facts {
            let stands = fact.iter().any(|wording| documents.contains(&wording.to_lowercase()));
            assert!(stands, "{}: {fact:?} stands in none of {:?}", row.id, row.relevant);
        }
    }
    assert_eq!(by_language.len(), 4);
    for (language, (rows, answerable, turns)) in by_language {
        let share = |part: usize| part as f64 / rows as f64;
        assert!(rows >= 200 && share(turns) >= 0.25, "{language}: {turns} of {rows} have several turns");
        assert!(
            (0.5..0.7).contains(&share(answerable)),
            "{language}: {answerable} of {rows} can be answered"
        );
    }
}

#[test]
fn the_pairs_and_the_messages_are_whole() {
    for (suite, task, least) in
        [("groundedness", Task::Groundedness, 1_100), ("messages/handoff.toml", Task::Handoff, 800)]
    {
        let set = Dataset::load(&manifest_dir().join("eval").join(suite), None, None).unwrap();
        assert_eq!(set.task, task);
        let Rows::Labelled(rows) = &set.rows else { panic!("{suite} is of kind rows") };
        assert!(rows.rows.len() >= least, "{suite}");
        let grounded = rows.rows.iter().filter(|row| row.label.as_deref() == Some("grounded")).count();
        assert!(task == Task::Handoff || grounded * 2 == rows.rows.len(), "{suite}: {grounded} are grounded");
    }
}

/// What the public sets measure where nobody says.
const PUBLIC: [(&str, Task); 30] = [
    ("adguard_kb", Task::Retrieval),
    ("arduino_help", Task::Retrieval),
    ("br_tax_faq", Task::Retrieval),
    ("covid_faq", Task::Retrieval),
    ("disflqa_en", Task::Retrieval),
    ("faq_products", Task::Retrieval),
    ("faquad_pt", Task::Retrieval),
    ("fiqa_small", Task::Retrieval),
    ("quac_dialog", Task::Retrieval),
    ("squad2_pt", Task::Retrieval),
    ("squad_it", Task::Retrieval),
    ("xquad_en_es", Task::Retrieval),
    ("summedits", Task::Groundedness),
    ("begin", Task::Groundedness),
    ("faithbench", Task::Groundedness),
    ("language_id", Task::Language),
    ("rasa_demo_en", Task::Handoff),
    ("hint3", Task::OutOfScope),
    ("clinc150", Task::OutOfScope),
    ("tais_pt", Task::OutOfScope),
    ("prompt_injection", Task::Injection),
    ("bipia_indirect", Task::Injection),
    ("pii_identifiers", Task::PersonalData),
    ("pii_presidio_en", Task::PersonalData),
    ("banking77", Task::Retrieval),
    ("nlupp", Task::Handoff),
    ("smalltalk_multi", Task::Topics),
    ("umsab_sentiment", Task::Topics),
    ("xed_emotion", Task::Topics),
    ("multidogo", Task::Handoff),
];

#[test]
fn public_sets_are_read_as_they_are_and_tell_their_task() {
    let Some(folder) = shared_sets() else { return };
    for (name, task) in PUBLIC {
        let path = folder.join(name);
        if !path.is_dir() {
            println!("skipped: there is no set {name}");
            continue;
        }
        let set = Dataset::load(&path, None, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((set.task, set.name.as_str()), (task, name));
        assert!(!set.is_empty() && !set.texts_in_report, "{name}");
    }
}

#[test]
fn a_broken_row_is_named_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "passages.jsonl", &[json!({"id": "p", "text": "t", "lang": "pt"})]);
    std::fs::write(folder.path().join("questions.jsonl"), "\n{\"id\": \"q\", \"lang\": \"de\"}\n").unwrap();
    let output = ponto(folder.path(), &["eval", "run", "."]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("questions.jsonl:2:"), "{}", stderr(&output));

    write(
        folder.path(),
        "questions.jsonl",
        &[json!({"id": "q", "lang": "pt", "question": "?", "relevant": ["absent"]})],
    );
    let output = ponto(folder.path(), &["eval", "run", "."]);
    assert!(stderr(&output).contains("absent"), "{}", stderr(&output));
}

pub(crate) fn write(folder: &Path, name: &str, rows: &[Value]) {
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(folder.join(name), text).unwrap();
}

/// Two knowledge bases in two languages; the same words answer in one and not in the other.
pub(crate) fn small_set(folder: &Path) {
    let passage = |id: &str, kb: &str, lang: &str, text: &str| json!({"id": id, "kb": kb, "lang": lang, "title": "", "text": text, "source": "test"});
    write(
        folder,
        "passages.jsonl",
        &[
            passage("pt-1", "a", "pt", "A encomenda chega em cinco dias úteis depois do pagamento."),
            passage("pt-2", "a", "pt", "A garantia das chaleiras é de dois anos."),
            passage("pt-3", "a", "pt", "As lojas abrem às nove e fecham às vinte horas."),
            passage("en-1", "a", "en", "Parcels arrive within five working days of payment."),
            passage("en-2", "a", "en", "Kettles have a guarantee of two years."),
            passage("other", "b", "en", "Parcels of the other shop arrive within nine days."),
        ],
    );
    let question = |id: &str, lang: &str, text: &str, relevant: &[&str]| {
        json!({"id": id, "kb": "a", "lang": lang, "question": text, "relevant": relevant,
            "answerable": !relevant.is_empty()})
    };
    write(
        folder,
        "questions.jsonl",
        &[
            question("q1", "pt", "Quanto tempo demora a entrega?", &["pt-1"]),
            question("q2", "pt", "A que horas abrem as lojas?", &["pt-3"]),
            question("q3", "pt", "Qual é a capital da Mongólia?", &[]),
            question("q4", "en", "How long is the guarantee of a kettle?", &["en-2"]),
            question("q5", "en", "When will my parcel arrive?", &["en-1"]),
        ],
    );
}

#[test]
fn a_retrieval_set_is_measured_by_language_and_again_the_same() {
    let folder = tempfile::tempdir().unwrap();
    small_set(folder.path());
    let run = || ponto(folder.path(), &["eval", "run", ".", "--json", "--out", "report"]);
    let first = json_of(&run());
    assert_eq!((&first["kind"], &first["task"]), (&json!("retrieval"), &json!("retrieval")));
    let keys: BTreeSet<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["set", "kind", "task", "config_hash", "by_language", "all"]));
    assert_eq!(first["by_language"]["pt"]["n"], 3);
    assert_eq!(first["all"]["n"], 5);
    for language in ["pt", "en"] {
        let metrics = &first["by_language"][language]["metrics"];
        assert_eq!(metrics["hit@5"]["value"], 1.0, "{metrics}");
        for metric in ["hit@1", "hit@5", "hit@10", "ndcg@10", "mrr"] {
            let value = |end: &str| metrics[metric][end].as_f64().unwrap();
            assert!(value("low") <= value("value") && value("value") <= value("high"), "{metric}");
        }
    }
    assert_eq!(first["by_language"]["pt"]["metrics"]["answerable_auroc"]["value"], 1.0);
    assert!(first["by_language"]["en"]["metrics"].get("answerable_auroc").is_none());
    assert_eq!(json_of(&run()), first, "a second run, from cached embeddings, is the same");

    let page = std::fs::read_to_string(folder.path().join("report/report.html")).unwrap();
    assert!(page.contains("hit@5") && !page.contains("Mongólia"), "texts of a set that is not ours stay out");
    assert!(folder.path().join("report/report.md").is_file());
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("report/report.json")).unwrap()).unwrap();
    assert_eq!(report["all"], first["all"]);

    let limited =
        json_of(&ponto(folder.path(), &["eval", "run", ".", "--json", "--limit", "2", "--seed", "3"]));
    assert_eq!(limited["all"]["n"], 2);
}

#[test]
fn a_cross_lingual_suite_searches_every_language() {
    let folder = tempfile::tempdir().unwrap();
    small_set(folder.path());
    std::fs::write(
        folder.path().join("cross.toml"),
        "name = \"cross\"\nkind = \"retrieval\"\npassages = \"passages.jsonl\"\nquestions = [\"cross.jsonl\"]\n\
         cross_lingual = true\n",
    )
    .unwrap();
    let row = json!({"id": "x", "kb": "a", "lang": "en", "question": "When do the shops open?", "relevant": ["pt-3"]});
    write(folder.path(), "cross.jsonl", &[row]);
    let report = json_of(&ponto(folder.path(), &["eval", "run", "cross.toml", "--json"]));
    assert_eq!(report["all"]["metrics"]["hit@5"]["value"], 1.0, "{report}");
    // As if the English passages were not there: the Portuguese one is the first.
    let row = json!({"id": "y", "kb": "a", "lang": "en", "question": "How long is the guarantee of a kettle?",
        "relevant": ["en-2"], "relevant_xling": ["pt-2"]});
    write(folder.path(), "cross.jsonl", &[row]);
    let report = json_of(&ponto(folder.path(), &["eval", "run", "cross.toml", "--json"]));
    assert_eq!(report["all"]["metrics"]["hit@1"]["value"], 1.0, "{report}");
}
