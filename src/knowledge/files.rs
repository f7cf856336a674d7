//! From paths, folders and globs to files.

use std::path::{Path, PathBuf};

use super::kind::{ENDINGS, Kind};

/// What a path, a folder or a glob stands for.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files to read, by name.
    pub(super) files: Vec<FoundFile>,
    /// Files with endings that are not read.
    pub(super) skipped: usize,
    /// What `--prune` looks at.
    pub(super) roots: Vec<Root>,
    /// Patterns that stand for nothing, with the reason.
    pub(super) failed: Vec<(String, String)>,
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    /// Where it is, absolute: the source of its document.
    pub(super) path: PathBuf,
    /// Below the folder it was found in, with `/` between the parts.
    pub(super) relative: String,
    /// How to read it.
    pub(super) kind: Kind,
    /// It was named, not found in a folder.
    pub(super) named: bool,
}

/// The documents that a pattern would have found.
#[derive(Debug)]
pub(super) enum Root {
    /// Everything below a folder.
    Folder(PathBuf),
    /// Everything that a glob names.
    Glob(glob::Pattern, PathBuf),
    /// One file.
    File(PathBuf),
}

impl Root {
    /// What the sources of its documents start with.
    pub(super) fn prefix(&self) -> String {
        match self {
            Self::Folder(path) | Self::Glob(_, path) => format!("{}/", source(path).trim_end_matches('/')),
            Self::File(path) => source(path),
        }
    }

    /// Whether a document with this source belongs to it.
    pub(super) fn holds(&self, document: &str) -> bool {
        // The file of a document that is one of several in it comes before a `#`, as does many another thing.
        let mut files = document.match_indices('#').map(|(at, _)| &document[..at]).chain([document]);
        match self {
            Self::Folder(_) => true,
            Self::Glob(pattern, _) => files.any(|file| pattern.matches_path_with(Path::new(file), OPTIONS)),
            Self::File(path) => {
                let path = source(path);
                files.any(|file| file == path)
            }
        }
    }
}

const OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The source of the document in a file.
pub(super) fn source(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// Finds the files behind every pattern. Blocking.
pub(super) fn find(patterns: &[String], prune: bool) -> Found {
    let mut found = Found::default();
    for pattern in patterns {
        if let Err(reason) = find_one(pattern, prune, &mut found) {
            found.failed.push((pattern.clone(), reason));
        }
    }
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    found.files.dedup_by(|a, b| a.path == b.path);
    found
}

fn find_one(pattern: &str, prune: bool, found: &mut Found) -> Result<(), String> {
    let path = Path::new(pattern);
    if path.is_dir() {
        let folder = path.canonicalize().map_err(|error| error.to_string())?;
        walk(&folder, "", found)?;
        found.roots.push(Root::Folder(folder));
        return Ok(());
    }
    if path.is_file() {
        let path = in_its_folder(path)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(kind) = Kind::of_path(&path) else {
            return Err(format!("this kind of file is not read; Ponto reads {ENDINGS}"));
        };
        found.roots.push(Root::File(path.clone()));
        found.files.push(FoundFile { path, relative: name, kind, named: true });
        return Ok(());
    }
    // Folders may have wildcard characters in their names.
    let in_real_folder = path.parent().is_some_and(Path::is_dir)
        && !path.file_name().is_some_and(|name| has_wildcard(&name.to_string_lossy()));
    if has_wildcard(pattern) && !in_real_folder {
        return find_glob(pattern, found);
    }
    if prune && let Ok(gone) = in_its_folder(path) {
        found.roots.push(Root::File(gone));
        return Ok(());
    }
    Err("there is no such file or folder".into())
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn find_glob(pattern: &str, found: &mut Found) -> Result<(), String> {
    // The folder above the first wildcard is made absolute, the rest is matched below it.
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let (base, below) = pattern[..wild].rfind('/').map_or(("", pattern), |at| pattern.split_at(at + 1));
    let base = Path::new(if base.is_empty() { "." } else { base })
        .canonicalize()
        .map_err(|error| format!("there is no folder {base:?}: {error}"))?;
    let absolute = format!("{}/{below}", glob::Pattern::escape(source(&base).trim_end_matches('/')));
    let compiled =
        glob::Pattern::new(&absolute).map_err(|error| format!("this is not a pattern: {error}"))?;
    let paths =
        glob::glob_with(&absolute, OPTIONS).map_err(|error| format!("this is not a pattern: {error}"))?;
    let mut any = false;
    for path in paths {
        let path = path.map_err(|error| error.to_string())?;
        if !path.is_file() {
            continue;
        }
        any = true;
        match Kind::of_path(&path) {
            Some(kind) => {
                let relative = path.strip_prefix(&base).map_or_else(|_| source(&path), source);
                found.files.push(FoundFile { path, relative, kind, named: false });
            }
            None => found.skipped += 1,
        }
    }
    found.roots.push(Root::Glob(compiled, base));
    if any { Ok(()) } else { Err("no file is called like this".into()) }
}

/// An absolute path whose folders are resolved; the file itself may be a link, or gone.
fn in_its_folder(path: &Path) -> Result<PathBuf, String> {
    let absolute = std::path::absolute(path).map_err(|error| error.to_string())?;
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err("this is not the path of a file".into());
    };
    Ok(folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?.join(name))
}

/// Everything below a folder, by name; hidden entries and links to folders are left out.
fn walk(folder: &Path, relative: &str, found: &mut Found) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut entries =
        std::fs::read_dir(folder).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        let relative = if relative.is_empty() { name } else { format!("{relative}/{name}") };
        if entry.file_type().map_err(unreadable)?.is_dir() {
            walk(&path, &relative, found)?;
        } else if path.is_file() {
            match Kind::of_path(&path) {
                Some(kind) => found.files.push(FoundFile { path, relative, kind, named: false }),
                None => found.skipped += 1,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("a [kb]");
        std::fs::create_dir_all(root.join("pt/deep")).unwrap();
        std::fs::create_dir_all(root.join(".git")).unwrap();
        for name in ["b.md", "a.HTML", "pt/c.txt", "pt/deep/d.csv", "x.png", ".git/e.md", "pt/.f.md"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        (folder, root)
    }

    fn relative(found: &Found) -> Vec<&str> {
        found.files.iter().map(|file| file.relative.as_str()).collect()
    }

    #[test]
    fn folders_are_read_whole_and_hidden_files_left_alone() {
        let (_folder, root) = tree();
        let found = find(&[source(&root)], false);
        assert_eq!(relative(&found), ["a.HTML", "b.md", "pt/c.txt", "pt/deep/d.csv"]);
        assert_eq!((found.skipped, found.failed.len()), (1, 0));
        assert!(found.files.iter().all(|file| source(&file.path).starts_with(&found.roots[0].prefix())));
    }

    #[test]
    fn globs_name_files_and_what_they_would_have_named() {
        let (_folder, root) = tree();
        let pattern = format!("{}/**/*.[mt]*", glob::Pattern::escape(&source(&root)));
        let found = find(&[pattern], false);
        // The escaped base holds a wildcard character, so the whole of it is matched.
        let names: Vec<_> = found.files.iter().filter_map(|file| file.path.file_name()).collect();
        assert_eq!(names, ["b.md", "c.txt"]);
        let root_of = &found.roots[0];
        assert!(root_of.holds(&format!("{}/gone.md", source(&root))));
        assert!(root_of.holds(&format!("{}/gone.md#part", source(&root))));
        assert!(!root_of.holds(&format!("{}/gone.csv", source(&root))));
    }

    #[test]
    fn what_is_not_there_is_said_unless_it_is_to_be_pruned() {
        let (_folder, root) = tree();
        let gone = source(&root.join("gone.md"));
        let missing = find(&[gone.clone(), source(&root.join("x.png")), source(&root.join("*.docx"))], false);
        assert_eq!(missing.failed.len(), 3, "{:?}", missing.failed);
        let pruned = find(std::slice::from_ref(&gone), true);
        assert!(pruned.failed.is_empty() && pruned.roots[0].holds(&gone));
    }

    #[test]
    fn a_file_named_twice_is_read_once() {
        let (_folder, root) = tree();
        let found = find(&[source(&root.join("b.md")), source(&root)], false);
        assert_eq!(found.files.len(), 4);
    }
}
