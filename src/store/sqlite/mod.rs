//! The store in one `SQLite` file.
//!
//! Write-ahead log with `synchronous = FULL`: a commit that returned has been synced. Writers take the lock at the
//! start of their transaction and wait for each other up to twenty seconds, so commands can run beside a server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::error::DatabaseError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use super::StoreError;

mod changes;
mod documents;
mod erasure;
mod idempotency;
mod keys;
mod opt_outs;
mod rollout;
mod suggestions;
mod versions;
mod visits;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(20);

/// A [`Store`](super::Store) in one `SQLite` file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the database, making folders, file and tables as needed, and brings it to this version's form.
    /// A database that a newer version made is refused as [`StoreError::Incompatible`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_private_folder(folder).map_err(|error| {
                StoreError::Unavailable(format!("cannot make the folder {}: {error}", folder.display()))
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What is deleted is overwritten.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY);
        // A new database takes no second connection while the first one turns the write-ahead log on, and does not wait.
        let connect = || {
            SqlitePoolOptions::new().max_connections(8).acquire_timeout(BUSY).connect_with(options.clone())
        };
        let often = ConstantBuilder::default().with_delay(Duration::from_millis(20)).with_max_times(250);
        let pool = connect
            .retry(often)
            .when(|error| {
                error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == "5")
            })
            .await
            .map_err(|error| StoreError::Unavailable(format!("cannot open {}: {error}", path.display())))?;
        // Under the write lock, because two processes may open a new database at once.
        let store = Self { pool, path: path.to_path_buf() };
        let mut transaction = store.write().await?;
        MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(|error| refusal(path, &error))?;
        transaction.commit().await?;
        Ok(store)
    }

    /// Closes every connection; the log is written back into the database file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that holds the write lock from its start.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// What the database holds is for its owner's eyes; folders that exist keep their permissions.
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn refusal(path: &Path, error: &MigrateError) -> StoreError {
    let path = path.display();
    match error {
        MigrateError::VersionMissing(version) => StoreError::Incompatible(format!(
            "the database {path} was made by a newer version of Ponto (it has change {version}, which this one \
             does not know); run that version, or name another folder with --data-dir"
        )),
        MigrateError::VersionMismatch(version) => StoreError::Incompatible(format!(
            "the database {path} was made by another build of Ponto (change {version} differs); run that build, \
             or name another folder with --data-dir"
        )),
        other => StoreError::Unavailable(format!("cannot prepare the database {path}: {other}")),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::TypeNotFound { .. } => Self::Corrupt(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// A list of ids as one bound parameter, read with `json_each`.
fn id_list(ids: &[String]) -> String {
    serde_json::Value::from(ids).to_string()
}

fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Invalid(error.to_string()))
}

fn from_json<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
}

/// The wire name of a plain enum.
fn to_word(value: &impl Serialize) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(StoreError::Invalid("a value without a name".into())),
    }
}

fn from_word<T: DeserializeOwned>(what: &str, word: String) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word))
        .map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
}

/// Hides a list's position from its readers, who hand it back as it is.
fn to_cursor(position: &str) -> String {
    hex::encode(position)
}

fn from_cursor(cursor: &str) -> Result<String, StoreError> {
    hex::decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| StoreError::Invalid("the cursor is not one that a list gave".into()))
}

/// A size as SQL takes it.
fn sql_number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A page's limit, plus one row that tells whether there is more.
fn one_more(limit: usize) -> i64 {
    sql_number(limit).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::erasure::{Erased, Whose};
    use super::super::versions::Versions;
    use super::super::{Documents, Erasure, Keys, Suggestions};
    use super::*;
    use crate::conversation::{Audience, Channel, Conversation, Customer, WorkspaceId};
    use crate::decision::policy::opted_out::OptOut;

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/on/the/way/ponto.db");
        let store = SqliteStore::open(&path).await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'later', TRUE, x'00', 0)",
        )
        .execute(&store.pool)
        .await
        .unwrap();
        store.close().await;
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Incompatible(_)), "{error:?}");
        assert!(error.to_string().contains("newer version"), "{error}");
    }

    /// A database as the version with so many changes left it.
    async fn older(path: &Path, changes: i64, statements: &[String]) {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let old = SqlitePool::connect_with(options).await.unwrap();
        let mut connection = old.acquire().await.unwrap();
        MIGRATIONS.run_direct(Some(changes), &mut *connection, false).await.unwrap();
        for statement in statements {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&mut *connection).await.unwrap();
        }
        drop(connection);
        old.close().await;
    }

    #[tokio::test]
    async fn a_database_of_an_older_version_keeps_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ponto.db");
        let passage = |id: &str, ordinal: u8, text: &str| {
            format!(
                "INSERT INTO passages (id, workspace, document_id, ordinal, title, heading_path, text, language, span_start, \
                 span_end, indexed_for) VALUES ('{id}', 'w', 'd1', {ordinal}, 'Prazos', '[\"Prazos\"]', '{text}', 'pt', 0, 9, 'e')"
            )
        };
        let statements = [
            "INSERT INTO documents VALUES ('w', 'd1', 'pt/prazos.md', 'Prazos', NULL, 'pt', 'h', 'Cinco dias. Três dias.', \
             '2026-01-02T03:04:05Z')"
                .to_owned(),
            // The second comes first in the table.
            passage("p2", 1, "Três dias."),
            passage("p1", 0, "Cinco dias."),
            "INSERT INTO api_keys VALUES ('k1', 'w', 'hub', '[\"suggest\"]', x'01', '2026-01-02T03:04:05Z', NULL)".to_owned(),
        ];
        older(&path, 1, &statements).await;

        let store = SqliteStore::open(&path).await.unwrap();
        let workspace = WorkspaceId("w".into());
        let document = Documents::get(&store, &workspace, "d1").await.unwrap().unwrap();
        assert_eq!((document.version, document.audience), (1, Audience::Public));
        assert_eq!(document.text, "Cinco dias. Três dias.");
        let current = store.passages(&workspace, "d1").await.unwrap();
        assert_eq!(current.iter().map(|passage| passage.id.as_str()).collect::<Vec<_>>(), ["p1", "p2"]);
        assert_eq!(store.count_not_indexed("e").await.unwrap(), 0);
        let history = store.history(&workspace, "d1").await.unwrap();
        assert_eq!(history.len(), 1);
        assert!(history[0].current && history[0].passages == 2, "{history:?}");
        let first = store.version(&workspace, "d1", 1).await.unwrap().unwrap();
        assert_eq!(first.passages, current);
        assert_eq!(Keys::list(&store, Some(&workspace)).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn opt_outs_of_an_older_version_are_honoured() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ponto.db");
        let heard = |id: &str, conversation: &str, message: &str, customer: &str, day: u8, found: &str| {
            let body = format!(
                "{{\"conversation\": {{\"customer\": {customer}}}, \"answer\": {{\"policy\": [\
                 {{\"check\": \"too_long\", \"verdict\": \"pass\"}}, {found}]}}}}"
            );
            format!(
                "INSERT INTO suggestions (id, workspace, conversation_id, message_id, channel, question, action, \
                 confidence, created_at, body) VALUES ('{id}', 'w', '{conversation}', {message}, 'whatsapp', '', \
                 'escalate', 0, '2026-01-0{day}T03:04:05Z', '{body}')"
            )
        };
        let said = "{\"check\": \"opted_out\", \"verdict\": \"escalate\"}";
        let (ana, nobody) = ("{\"id\": \"ana\"}", "null");
        older(
            &path,
            5,
            &[
                // Heard again, by a call that came into the table first and did not name the customer.
                heard("s1", "c-1", "'m1'", nobody, 3, said),
                heard("s2", "c-1", "'m1'", ana, 2, said),
                // Held because of it, for another reason, or with nothing to point to.
                heard("s3", "c-1", "'m2'", ana, 4, &said.replace("escalate", "draft")),
                heard("s4", "c-2", "'m3'", ana, 4, &said.replace("opted_out", "asks_for_human")),
                heard("s5", "c-2", "NULL", ana, 4, said),
                heard("s6", "c-3", "'m4'", nobody, 5, said),
            ],
        )
        .await;

        let store = SqliteStore::open(&path).await.unwrap();
        let heard = async |conversation: &str, channel, customer: Option<&str>| {
            let mut asked = Conversation::new(conversation, channel, Vec::new());
            asked.customer = customer.map(|id| Customer {
                id: id.into(),
                name: None,
                attributes: BTreeMap::new(),
                opted_in_at: None,
            });
            store.opt_outs(&WorkspaceId("w".into()), &asked).await.unwrap()
        };
        let at = |day: u8| format!("2026-01-0{day}T03:04:05Z").parse().unwrap();
        let first = OptOut { conversation_id: "c-1".into(), message_id: "m1".into(), at: at(2) };
        assert_eq!(heard("c-1", Channel::Whatsapp, None).await, std::slice::from_ref(&first));
        assert_eq!(heard("c-9", Channel::Whatsapp, Some("ana")).await, [first]);
        assert_eq!(heard("c-9", Channel::Email, Some("ana")).await, [], "another channel");
        assert_eq!(heard("c-2", Channel::Whatsapp, None).await, []);
        let nameless = OptOut { conversation_id: "c-3".into(), message_id: "m4".into(), at: at(5) };
        assert_eq!(heard("c-3", Channel::Whatsapp, Some("rui")).await, [nameless]);
    }

    #[tokio::test]
    async fn answers_of_an_older_version_go_with_their_suggestion() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ponto.db");
        let answer = |key: &str, body: &str| {
            format!("INSERT INTO idempotency VALUES ('w', '{key}', 'r', 0, 200, '{body}')")
        };
        let suggestion = "INSERT INTO suggestions (id, workspace, conversation_id, channel, question, action, confidence, \
                          created_at, body) VALUES ('s1', 'w', 'c-1', 'whatsapp', '', 'draft', 0, '2026-01-02T03:04:05Z', '{}')";
        let statements = [
            suggestion.to_owned(),
            answer("suggested", "{\"id\": \"s1\"}"),
            answer("verdict", "{\"suggestion_id\": \"s1\"}"),
            answer("document", "{\"id\": \"d1\"}"),
            answer("text", "no JSON"),
            "INSERT INTO idempotency VALUES ('w', 'running', 'r', 0, NULL, NULL)".to_owned(),
        ];
        older(&path, 6, &statements).await;
        let store = SqliteStore::open(&path).await.unwrap();
        let erased = store.erase(&WorkspaceId("w".into()), Whose::Conversation("c-1")).await.unwrap();
        assert_eq!(erased, Erased { suggestions: 1, events: 0, answers: 2 });
    }

    #[tokio::test]
    async fn commits_are_synced_and_foreign_keys_hold() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("ponto.db")).await.unwrap();
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&store.pool).await.unwrap();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.pool).await.unwrap();
        let foreign: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(&store.pool).await.unwrap();
        assert_eq!((synchronous, journal.as_str(), foreign), (2, "wal", 1));
    }

    #[tokio::test]
    async fn many_may_open_a_new_database_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ponto.db");
        let opened = futures::future::join_all((0..6).map(|_| SqliteStore::open(&path))).await;
        for store in opened {
            store.unwrap();
        }
    }

    #[tokio::test]
    async fn a_path_that_cannot_be_a_database_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = SqliteStore::open(folder.path()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
}
