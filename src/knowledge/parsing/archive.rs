//! The zip archive that an office file is: what it unpacks to is measured before anybody trusts it.

use std::io::{Cursor, Read};

use super::Limits;
use crate::knowledge::LoadError;

/// Entries of an archive; real documents have some hundreds.
const MAX_ENTRIES: usize = 10_000;

/// Below this an archive may be as dense as it likes.
const DENSE_BYTES: u64 = 1 << 20;

/// Unpacks everything into nothing and counts: sizes that an archive declares may be wrong.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    let damaged = |error: zip::result::ZipError| {
        LoadError::whole(format!("the file is damaged, or not what its name says: {error}"))
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > MAX_ENTRIES {
        return Err(LoadError::whole(format!(
            "it is an archive of {} entries, and documents may have {MAX_ENTRIES}",
            archive.len()
        )));
    }
    let by_ratio = (bytes.len() as u64).saturating_mul(limits.ratio).max(DENSE_BYTES);
    let most = limits.unpacked_bytes.min(by_ratio);
    let mut left = most;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(damaged)?;
        let unpacked = std::io::copy(&mut entry.take(left + 1), &mut std::io::sink())
            .map_err(|error| LoadError::whole(format!("the file is damaged: {error}")))?;
        left = left.checked_sub(unpacked).ok_or_else(|| {
            let setting = if most < limits.unpacked_bytes { "max_ratio" } else { "max_unpacked_bytes" };
            LoadError::whole(format!(
                "its {} bytes unpack to more than {most}; if it can be trusted, raise knowledge.parsing.{setting}",
                bytes.len()
            ))
        })?;
    }
    Ok(())
}
