//! What lies in the index's folder beside the shard: the lock, and the marker that says which shard counts.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::retrieval::index::IndexError;

/// `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    pub(super) format: u32,
    pub(super) analyzer: u32,
    pub(super) embedder: String,
    pub(super) dimensions: usize,
    pub(super) generation: u64,
}

impl Marker {
    pub(super) fn fits(&self, other: &Self) -> bool {
        Self { generation: other.generation, ..self.clone() } == *other
    }

    pub(super) fn folder(&self, dir: &Path) -> PathBuf {
        dir.join(format!("shard-{}", self.generation))
    }

    pub(super) fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(dir.join("index.json")).ok()?).ok()
    }

    /// Replaces the file in one step, on disk when this returns.
    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        let next = dir.join("index.json.next");
        let mut file = File::create(&next)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&next, dir.join("index.json"))?;
        File::open(dir)?.sync_all()
    }
}

pub(super) fn lock(dir: &Path) -> Result<File, IndexError> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| cannot("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::InUse(format!(
            "{} is in use by another Ponto process; stop that one, or give this one its own `server.data_dir`",
            dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
    }
}

/// Removes shard folders that no longer count.
pub(super) fn remove_others(dir: &Path, kept: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_shard =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("shard-"));
        if is_shard
            && path != kept
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::warn!(%error, path = %path.display(), "an old passage index could not be removed");
        }
    }
}

pub(super) fn folder_size(folder: &Path) -> u64 {
    fs::read_dir(folder).map_or(0, |entries| {
        entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
    })
}

pub(super) fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> IndexError {
    IndexError::Internal(format!("cannot {verb} {}: {error}", path.display()))
}
