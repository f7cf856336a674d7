//! The rules in force, while their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rules;
use super::load::{Known, PolicyError, Source, compile, sources};
use crate::settings::Problem;

/// Where policies stand when nothing is said: beside the configuration file.
const FOLDER: &str = "policies";

/// `[policies]`: rules of your own, as files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PoliciesConfig {
    /// Folder of the policy files (`*.toml`), from the folder of the configuration file where it is relative. `policies`
    /// beside that file when left out, where there is one.
    pub folder: Option<PathBuf>,
    /// Seconds after which a running server looks for changes of the files; 0 waits for SIGHUP.
    pub reload_s: u64,
    /// Folder of the configuration file.
    #[serde(skip)]
    pub base: PathBuf,
}

impl Default for PoliciesConfig {
    fn default() -> Self {
        Self { folder: None, reload_s: 5, base: PathBuf::new() }
    }
}

impl PoliciesConfig {
    /// The folder of the policy files.
    pub fn path(&self) -> PathBuf {
        self.base.join(self.folder.as_deref().unwrap_or_else(|| Path::new(FOLDER)))
    }

    /// Checks the section.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        let path = self.path();
        if self.folder.is_some() && !path.is_dir() {
            let message = format!("there is no folder {}; make it, or leave the setting out", path.display());
            problems.push(Problem::new("policies.folder", message));
        }
        if self.reload_s > 3_600 {
            problems.push(Problem::new("policies.reload_s", "write at most 3600, or 0 to wait for SIGHUP"));
        }
    }
}

/// The rules in force. New files replace them as a whole, and only where every one of them is right.
#[derive(Debug)]
pub struct Policies {
    folder: Option<PathBuf>,
    known: Known,
    rules: ArcSwap<Rules>,
    /// What was read last, used or not.
    seen: ArcSwap<Vec<Source>>,
    refused: ArcSwapOption<PolicyError>,
}

/// What came of looking at the files again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// The files say what they said before.
    Unchanged,
    /// The new rules are in force.
    Replaced,
    /// The new files are wrong; the rules from before stay in force.
    Refused(Arc<PolicyError>),
}

impl Policies {
    /// Reads a folder.
    pub fn open(folder: PathBuf, known: Known) -> Result<Self, PolicyError> {
        let read = sources(&folder)?;
        Ok(Self { folder: Some(folder), ..Self::of(read, known)? })
    }

    /// Rules that stay what they are.
    pub fn of(sources: Vec<Source>, known: Known) -> Result<Self, PolicyError> {
        let rules = compile(&sources, &known)?;
        Ok(Self {
            folder: None,
            known,
            rules: ArcSwap::from_pointee(rules),
            seen: ArcSwap::from_pointee(sources),
            refused: ArcSwapOption::empty(),
        })
    }

    /// No rules at all.
    pub fn none() -> Self {
        Self {
            folder: None,
            known: Known::default(),
            rules: ArcSwap::from_pointee(Rules::default()),
            seen: ArcSwap::from_pointee(Vec::new()),
            refused: ArcSwapOption::empty(),
        }
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Why the files as they are now are not in force; `None` where they are.
    pub fn refused(&self) -> Option<Arc<PolicyError>> {
        self.refused.load_full()
    }

    /// Looks at the files again. A refusal is told once for each state of the files.
    pub fn reload(&self) -> Reload {
        let Some(folder) = &self.folder else { return Reload::Unchanged };
        let had_rules = !self.seen.load().is_empty();
        let read = match sources(folder) {
            // A folder that is gone is a mistake, or a volume that is not there yet: no reason to drop every rule.
            Ok(read) if read.is_empty() && had_rules && !folder.is_dir() => Err(PolicyError::Unreadable {
                path: folder.clone(),
                message: "the folder is gone; put it back, or restart to go on without rules".into(),
            }),
            other => other,
        };
        let read = match read {
            Ok(read) => read,
            Err(error) => return self.refuse(error),
        };
        let unread = matches!(self.refused.load().as_deref(), Some(PolicyError::Unreadable { .. }));
        if !unread && **self.seen.load() == read {
            return Reload::Unchanged;
        }
        let compiled = compile(&read, &self.known);
        self.seen.store(Arc::new(read));
        match compiled {
            Ok(rules) => {
                self.rules.store(Arc::new(rules));
                self.refused.store(None);
                Reload::Replaced
            }
            Err(error) => self.refuse(error),
        }
    }

    fn refuse(&self, error: PolicyError) -> Reload {
        if self.refused.load().as_deref() == Some(&error) {
            return Reload::Unchanged;
        }
        let error = Arc::new(error);
        self.refused.store(Some(Arc::clone(&error)));
        Reload::Refused(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_files_replace_the_rules_and_wrong_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policies");
        let write = |text: &str| std::fs::write(path.join("a.toml"), text).unwrap();
        let policies = Policies::open(path.clone(), Known::default()).unwrap();
        let names = || policies.rules().rules().map(|rule| rule.name.clone()).collect::<Vec<_>>();
        assert_eq!(policies.reload(), Reload::Unchanged, "no folder yet");
        std::fs::create_dir(&path).unwrap();
        write("[[rules]]\nname = 'a'\nwhen = {}\nthen.draft = true");
        assert_eq!(policies.reload(), Reload::Replaced);
        assert_eq!(names(), ["a"]);
        assert_eq!(policies.reload(), Reload::Unchanged);
        write("[[rules]]\nname = 'b'");
        assert!(matches!(policies.reload(), Reload::Refused(_)));
        assert_eq!(policies.reload(), Reload::Unchanged, "told once");
        assert!(policies.refused().is_some());
        assert_eq!(names(), ["a"]);
        write("[[rules]]\nname = 'c'\nwhen = {}\nthen.draft = true");
        assert_eq!(policies.reload(), Reload::Replaced);
        assert!(policies.refused().is_none());
        std::fs::rename(&path, folder.path().join("gone")).unwrap();
        assert!(matches!(policies.reload(), Reload::Refused(_)));
        assert_eq!(names(), ["c"], "a folder that is gone drops no rule");
        std::fs::rename(folder.path().join("gone"), &path).unwrap();
        assert_eq!(policies.reload(), Reload::Replaced);
        assert!(policies.refused().is_none());
        std::fs::remove_file(path.join("a.toml")).unwrap();
        assert_eq!(policies.reload(), Reload::Replaced);
        assert!(names().is_empty());
    }
}
