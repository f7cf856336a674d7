//! JSON Lines with the place in every error.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::{DatasetError, Hasher};

/// Reads one row a line; empty lines are skipped.
pub(super) fn read<T: DeserializeOwned>(path: &Path, hasher: &mut Hasher) -> Result<Vec<T>, DatasetError> {
    let bytes = std::fs::read(path)
        .map_err(|error| DatasetError::Unreadable { path: path.to_path_buf(), message: error.to_string() })?;
    hasher.add(&bytes);
    let mut rows = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        rows.push(serde_json::from_slice(line).map_err(|error| DatasetError::Row {
            path: path.to_path_buf(),
            line: index + 1,
            message: error.to_string(),
        })?);
    }
    Ok(rows)
}
