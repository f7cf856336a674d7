//! Stored suggestions that a command goes through again.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::config::Config;
use crate::conversation::WorkspaceId;
use crate::store::sqlite::SqliteStore;
use crate::store::suggestion::{Suggestion, Which};
use crate::store::{Page, Suggestions};

/// Rows that are read at a time.
const PAGE: usize = 200;

/// The database of a data folder, which must be there.
pub(super) async fn open(config: &Config) -> anyhow::Result<SqliteStore> {
    let database = config.server.database();
    anyhow::ensure!(
        database.is_file(),
        "there is no database {}; name the data folder with --data-dir",
        database.display()
    );
    Ok(SqliteStore::open(&database).await?)
}

/// The beginning of the time that is looked at.
pub(super) fn since(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    let date = || {
        let day =
            text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|day| day.and_utc());
        day.or_else(|| text.parse::<DateTime<Utc>>().ok())
    };
    let span = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: i64 = number.parse().ok().filter(|number| *number > 0)?;
        let span = match unit {
            "m" => TimeDelta::try_minutes(number),
            "h" => TimeDelta::try_hours(number),
            "d" => TimeDelta::try_days(number),
            "w" => TimeDelta::try_weeks(number),
            _ => None,
        };
        now.checked_sub_signed(span?)
    };
    date().or_else(span).with_context(|| {
        format!("--since takes a number with m, h, d or w (7d), or a date (2026-03-01), not {text}")
    })
}

/// Suggestions since a time, at most `limit`, the newest; oldest first.
pub(super) async fn suggestions(
    store: &SqliteStore,
    workspace: &WorkspaceId,
    since: DateTime<Utc>,
    limit: usize,
) -> anyhow::Result<Vec<Suggestion>> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = Suggestions::list(store, workspace, Which::default(), Page { after, limit: PAGE }).await?;
        let listed = page.items.len();
        let recent: Vec<_> =
            page.items.into_iter().take_while(|summary| summary.created_at >= since).collect();
        let all_recent = recent.len() == listed;
        for summary in recent.into_iter().take(limit - found.len()) {
            found.extend(Suggestions::get(store, workspace, &summary.id).await?);
        }
        after = page.next;
        if after.is_none() || !all_recent || found.len() >= limit {
            found.reverse();
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spans_or_dates() {
        let now: DateTime<Utc> = "2026-03-10T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("7d", "2026-03-03T12:00:00Z"),
            ("2w", "2026-02-24T12:00:00Z"),
            ("90m", "2026-03-10T10:30:00Z"),
            ("12h", "2026-03-10T00:00:00Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z"),
        ] {
            assert_eq!(since(text, now).unwrap(), expected.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
        for wrong in ["", "7", "d", "-3d", "soon", "7é", "99999999999999d"] {
            assert!(since(wrong, now).unwrap_err().to_string().contains("--since"), "{wrong}");
        }
    }
}
