//! Checking files by hash, and remembering what has been checked so that a start need not read a gigabyte again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ModelError;

/// Name of the record beside the files.
const RECORD: &str = "verified.json";

/// What is remembered of a file that was hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    sha256: String,
    bytes: u64,
    /// Time of the last change, in nanoseconds since 1970.
    modified_ns: u64,
}

/// The record of a folder: file name → what it was when it was hashed.
#[derive(Debug)]
pub(super) struct Verified {
    path: PathBuf,
    files: BTreeMap<String, Seen>,
}

impl Verified {
    /// Reads the record of `dir`; an absent or unreadable one is empty, which only costs hashing again.
    pub(super) fn read(dir: &Path) -> Self {
        let path = dir.join(RECORD);
        let files = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, files: files.unwrap_or_default() }
    }

    /// The remembered hash of `key`, if `file` is still as it was then.
    pub(super) fn hash_of(&self, key: &str, file: &Path) -> Option<&str> {
        let seen = self.files.get(key)?;
        let (bytes, modified_ns) = stamp(file).ok()?;
        (seen.bytes == bytes && seen.modified_ns == modified_ns).then_some(seen.sha256.as_str())
    }

    /// The hash that `key` had when it was last recorded, whatever the file is now.
    pub(super) fn recorded(&self, key: &str) -> Option<&str> {
        self.files.get(key).map(|seen| seen.sha256.as_str())
    }

    /// Remembers that `file` has this hash, and writes the record.
    pub(super) fn remember(&mut self, key: &str, file: &Path, sha256: &str) -> Result<(), ModelError> {
        let (bytes, modified_ns) = stamp(file).map_err(|error| ModelError::io(file, &error))?;
        self.files.insert(key.into(), Seen { sha256: sha256.into(), bytes, modified_ns });
        let text = serde_json::to_vec_pretty(&self.files)
            .map_err(|error| ModelError::io(&self.path, &std::io::Error::other(error)))?;
        let draft = self.path.with_extension(format!("json.{}", std::process::id()));
        fs::write(&draft, text).map_err(|error| ModelError::io(&draft, &error))?;
        fs::rename(&draft, &self.path).map_err(|error| ModelError::io(&self.path, &error))
    }
}

fn stamp(file: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = fs::metadata(file)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    Ok((metadata.len(), modified))
}

/// SHA-256 of a file in lower-case hexadecimal.
pub(super) fn sha256_of(path: &Path) -> Result<String, ModelError> {
    let mut file = File::open(path).map_err(|error| ModelError::io(path, &error))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(|error| ModelError::io(path, &error))?;
        if read == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

/// Moves a file that is not what it should be out of the way, so that nothing loads it.
///
/// Gives the path where it lies now.
pub(super) fn quarantine(path: &Path) -> Result<PathBuf, ModelError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".refused");
    let refused = path.with_file_name(name);
    fs::rename(path, &refused).map_err(|error| ModelError::io(path, &error))?;
    Ok(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("model.gguf");
        fs::write(&file, "abc").unwrap();
        let hash = sha256_of(&file).unwrap();
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        Verified::read(dir.path()).remember("model.gguf", &file, &hash).unwrap();

        let record = Verified::read(dir.path());
        assert_eq!(record.hash_of("model.gguf", &file), Some(hash.as_str()));
        fs::write(&file, "abcd").unwrap();
        assert_eq!(record.hash_of("model.gguf", &file), None);
        assert_eq!(record.recorded("model.gguf"), Some(hash.as_str()));
    }

    #[test]
    fn a_damaged_record_only_costs_hashing_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(RECORD), "{").unwrap();
        assert_eq!(Verified::read(dir.path()).recorded("model.gguf"), None);
    }
}
