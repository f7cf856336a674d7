-- Times are RFC 3339 in UTC unless the column says otherwise. Lists and whole values are JSON.

CREATE TABLE documents (
    workspace    TEXT NOT NULL,
    id           TEXT NOT NULL,
    source       TEXT NOT NULL,
    title        TEXT NOT NULL,
    url          TEXT,
    language     TEXT,
    content_hash TEXT NOT NULL,
    text         TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, source)
);

-- `indexed_for` is the fingerprint of the embedder whose vector of this row the index holds; empty while it holds none.
CREATE TABLE passages (
    id           TEXT PRIMARY KEY,
    workspace    TEXT NOT NULL,
    document_id  TEXT NOT NULL,
    ordinal      INTEGER NOT NULL,
    title        TEXT NOT NULL,
    heading_path TEXT NOT NULL,
    text         TEXT NOT NULL,
    language     TEXT,
    url          TEXT,
    span_start   INTEGER NOT NULL,
    span_end     INTEGER NOT NULL,
    indexed_for  TEXT NOT NULL DEFAULT '',
    FOREIGN KEY (workspace, document_id) REFERENCES documents (workspace, id) ON DELETE CASCADE
);
CREATE INDEX passages_by_document ON passages (workspace, document_id, ordinal);
CREATE INDEX passages_by_index ON passages (indexed_for);

-- Passages that are gone here and may still be in the index.
CREATE TABLE index_removals (
    passage_id TEXT PRIMARY KEY,
    workspace  TEXT NOT NULL
);

CREATE TABLE suggestions (
    sequence        INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    workspace       TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    message_id      TEXT,
    channel         TEXT NOT NULL,
    customer        TEXT,
    question        TEXT NOT NULL,
    action          TEXT NOT NULL,
    reason          TEXT,
    confidence      REAL NOT NULL,
    created_at      TEXT NOT NULL,
    body            TEXT NOT NULL,
    outcome         TEXT,
    feedback        TEXT
);
CREATE INDEX suggestions_newest ON suggestions (workspace, sequence DESC);
CREATE INDEX suggestions_open ON suggestions (workspace, sequence DESC) WHERE outcome IS NULL;
-- At most one automatic reply to one customer message.
CREATE UNIQUE INDEX suggestions_auto_replied ON suggestions (workspace, conversation_id, message_id)
    WHERE action = 'auto_reply';

CREATE TABLE events (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace     TEXT NOT NULL,
    kind          TEXT NOT NULL,
    suggestion_id TEXT NOT NULL,
    at            TEXT NOT NULL
);
CREATE INDEX events_by_workspace ON events (workspace, sequence);

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    workspace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    revoked_at TEXT
);

-- `claimed_at` is in milliseconds since 1970, to compare with the age of a claim. No status: still in flight.
CREATE TABLE idempotency (
    workspace    TEXT NOT NULL,
    key          TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    claimed_at   INTEGER NOT NULL,
    status       INTEGER,
    body         TEXT,
    PRIMARY KEY (workspace, key)
);
CREATE INDEX idempotency_by_age ON idempotency (claimed_at);
