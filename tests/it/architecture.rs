//! One crate cannot make the compiler hold the direction of imports, so this test does: it reads every `crate::` path
//! under `src/` and checks it against the table of `src/ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

/// The table of `src/ARCHITECTURE.md`: `module -> module, module`.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let block = text
        .split("<!-- imports -->")
        .nth(1)
        .expect("src/ARCHITECTURE.md holds the table of imports between two `<!-- imports -->` marks");
    block
        .lines()
        .filter_map(|line| line.split_once('→'))
        .map(|(module, imports)| {
            let imports =
                imports.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
            (module.trim().to_owned(), imports.collect())
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top-level modules that a source text names through `crate::`, without its unit tests and comments.
fn imports(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let single = Regex::new(r"\bcrate::(\w+)").unwrap();
    let group = Regex::new(r"\bcrate::\{").unwrap();
    let mut names: BTreeSet<String> = single.captures_iter(&code).map(|found| found[1].to_owned()).collect();
    for start in group.find_iter(&code) {
        names.extend(heads_of_group(&code[start.end()..]));
    }
    names
}

/// First segments of the paths in a `{…}` group whose opening brace was already read.
fn heads_of_group(text: &str) -> Vec<String> {
    let (mut depth, mut at_head, mut heads) = (0_usize, true, vec![String::new()]);
    for character in text.chars() {
        match character {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(String::new());
                at_head = true;
            }
            ':' if depth == 0 => at_head = false,
            _ if depth == 0 && at_head && !character.is_whitespace() => {
                if let Some(head) = heads.last_mut() {
                    head.push(character);
                }
            }
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

#[test]
fn imports_go_one_way() {
    let allowed = allowed();
    let mut sources = Vec::new();
    files(&root(), &mut sources);
    let mut wrong = Vec::new();
    for path in sources {
        let relative = path.strip_prefix(root()).unwrap();
        let module = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(allowed) = allowed.get(&module) else {
            wrong.push(format!("{} is in `{module}`, which the table does not know", relative.display()));
            continue;
        };
        for import in imports(&std::fs::read_to_string(&path).unwrap()) {
            if import != module && !allowed.contains(&import) {
                wrong.push(format!("{}: `{module}` must not import `{import}`", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the table in src/ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    let allowed = allowed();
    let mut done = BTreeSet::new();
    while done.len() < allowed.len() {
        let next = allowed.iter().find(|(module, imports)| {
            !done.contains(*module) && imports.iter().all(|import| done.contains(import))
        });
        let (module, _) = next.expect("the modules left import each other in a circle");
        done.insert(module.clone());
    }
}

#[test]
fn grouped_imports_are_read() {
    let found = imports("use crate::{store::{Page, Listed}, api};\nuse crate::app::App;\n");
    assert_eq!(found, ["api", "app", "store"].map(str::to_owned).into());
}
