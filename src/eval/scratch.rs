//! A folder that lives as long as a run.

use std::path::{Path, PathBuf};

use super::EvalError;

/// A temporary folder, removed with everything in it when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty folder for `id`, which nobody else uses, in the system's folder of temporary files.
    pub fn new(id: &str) -> Result<Self, EvalError> {
        let path = std::env::temp_dir().join(format!("ponto-{id}"));
        std::fs::create_dir(&path).map_err(|error| EvalError::io(&path, &error))?;
        Ok(Self(path))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a temporary folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scratch;

    #[test]
    fn is_made_once_and_removed() {
        let id = format!("test-{}", std::process::id());
        let scratch = Scratch::new(&id).unwrap();
        std::fs::write(scratch.path().join("file"), "x").unwrap();
        assert!(Scratch::new(&id).is_err());
        let path = scratch.path().to_path_buf();
        drop(scratch);
        assert!(!path.exists());
    }
}
