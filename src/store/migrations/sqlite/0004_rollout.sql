-- How far the rollout has come: every change of a slice's stage; the newest of a slice is in force. A column without a value
-- stands for any.
CREATE TABLE rollout_steps (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    channel   TEXT,
    topic     TEXT,
    language  TEXT,
    stage     TEXT NOT NULL,
    share     REAL,
    changed_by TEXT NOT NULL,
    why       TEXT NOT NULL,
    at        TEXT NOT NULL
);
CREATE INDEX rollout_steps_by_workspace ON rollout_steps (workspace, sequence);

-- Automatic replies that were drawn for an audit. `step` is the change of the rollout that allowed them, 0 for none.
-- `wrong` is an agent's verdict; no value: none yet.
CREATE TABLE audits (
    suggestion_id TEXT PRIMARY KEY,
    workspace     TEXT NOT NULL,
    step          INTEGER NOT NULL,
    share         REAL NOT NULL,
    max_error     REAL NOT NULL,
    drawn_at      TEXT NOT NULL,
    wrong         INTEGER,
    judged_at     TEXT
);
CREATE INDEX audits_by_step ON audits (workspace, step, judged_at);

CREATE INDEX suggestions_by_conversation ON suggestions (workspace, conversation_id, sequence);
