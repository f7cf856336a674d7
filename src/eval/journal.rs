//! Files of JSON lines that a run adds to, so that a stop or a crash loses no more than the line it cuts.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::EvalError;

/// What the file holds, and the file, open for more; both it and its folder are made where they are missing. A line that
/// was cut off, or is of another form, is left out.
pub(super) fn open<T: DeserializeOwned>(path: &Path) -> Result<(Vec<T>, File), EvalError> {
    let failed = |error: std::io::Error| EvalError::io(path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.map_err(failed)?,
    };
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    if !text.is_empty() && !text.ends_with('\n') {
        file.write_all(b"\n").map_err(failed)?;
    }
    Ok((text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(), file))
}
