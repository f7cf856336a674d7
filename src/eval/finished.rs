//! Cases that a run has finished, kept until it ends: a run that was stopped goes on where it was.
//!
//! The file's name stands for everything that shapes an outcome (program, configuration, models, set, trial), a line for
//! a case: its id, and what came of it. It is deleted when the run ends: a run that was not stopped measures everything anew.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{EvalError, journal};

/// The finished cases of one run.
#[derive(Debug)]
pub struct Finished<T> {
    path: PathBuf,
    known: HashMap<String, T>,
    file: Mutex<std::fs::File>,
}

impl<T: Serialize + DeserializeOwned + Clone> Finished<T> {
    /// Opens what is known under a key, in a folder that is made where it is missing. A line that was cut off by a crash is
    /// asked again.
    pub fn open(folder: &Path, key: &str) -> Result<Self, EvalError> {
        let path = folder.join(format!("{key}.cases"));
        let (known, file) = journal::open::<(String, T)>(&path)?;
        Ok(Self { path, known: known.into_iter().collect(), file: Mutex::new(file) })
    }

    /// How many cases an earlier run finished.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether an earlier run finished none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// A case as an earlier run finished it, else as `work` does now, which is kept at once.
    pub(super) async fn once(
        &self,
        id: &str,
        work: impl Future<Output = Result<T, EvalError>>,
    ) -> Result<T, EvalError> {
        match self.get(id) {
            Some(case) => Ok(case),
            None => self.keep(id, &work.await?),
        }
    }

    /// A case that an earlier run finished.
    fn get(&self, id: &str) -> Option<T> {
        self.known.get(id).cloned()
    }

    /// Keeps a case, and gives it back as a later run would read it: JSON may turn the last bit of a number, and whether a
    /// run was stopped must not show in its figures.
    fn keep(&self, id: &str, case: &T) -> Result<T, EvalError> {
        let failed = |error: serde_json::Error| EvalError::io(&self.path, &error);
        let mut line = serde_json::to_vec(&(id, case)).map_err(failed)?;
        let (_, kept): (String, T) = serde_json::from_slice(&line).map_err(failed)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(|error| EvalError::io(&self.path, &error))?;
        Ok(kept)
    }

    /// Forgets everything: the run has ended.
    pub fn clear(self) -> Result<(), EvalError> {
        match std::fs::remove_file(&self.path) {
            // Another process that ran the same has ended first.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| EvalError::io(&self.path, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Channel, Language};
    use crate::decision::Action;
    use crate::eval::dataset::assistant::Expected;
    use crate::eval::run::assistant::Outcome;

    fn outcome(id: &str) -> Outcome {
        Outcome {
            id: id.into(),
            language: Language::Pt,
            channel: Channel::Api,
            why: None,
            expected: Expected::Answer,
            answerable: true,
            question: "q".into(),
            action: Action::Draft,
            reasons: Vec::new(),
            evidenced: None,
            draft: None,
            policies_passed: true,
            relevant: 1,
            found: vec!["pt/a".into()],
            document_rank: Some(1),
            confidence: 0.1 + 0.2,
            signals: std::collections::BTreeMap::from([("s".to_owned(), 1.0 / 3.0)]),
            calibration_key: "k".into(),
            worked_in: Some(Language::Pt),
            latency_ms: 1.5,
            prompt_tokens: 1,
            completion_tokens: 2,
            cost: None,
        }
    }

    #[test]
    fn what_was_finished_is_known_after_a_stop_and_forgotten_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let first = Finished::open(folder.path(), "key").unwrap();
        assert!(first.is_empty());
        let kept = first.keep("a", &outcome("a")).unwrap();
        first.keep("b", &outcome("b")).unwrap();
        drop(first);
        let path = folder.path().join("key.cases");
        let length = std::fs::metadata(&path).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 4).unwrap();

        let again = Finished::open(folder.path(), "key").unwrap();
        assert_eq!(again.get("a"), Some(kept), "to the last bit");
        assert_eq!((again.len(), again.get("b")), (1, None), "a cut line is asked again");
        again.keep("b", &outcome("b")).unwrap();
        drop(again);
        let third = Finished::<Outcome>::open(folder.path(), "key").unwrap();
        assert_eq!(third.len(), 2);
        assert!(Finished::<Outcome>::open(folder.path(), "other").unwrap().is_empty());
        third.clear().unwrap();
        assert!(!path.exists());
    }
}
