-- Documents keep their versions, and change through change sets: what one commits is one generation to readers.

ALTER TABLE documents ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE documents ADD COLUMN audience TEXT NOT NULL DEFAULT 'public';
ALTER TABLE documents ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE passages ADD COLUMN audience TEXT NOT NULL DEFAULT 'public';
ALTER TABLE passages ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';

-- `epoch` grows whenever points that a reader of the index may be looking at are about to change.
CREATE TABLE generations (
    workspace  TEXT PRIMARY KEY,
    generation INTEGER NOT NULL DEFAULT 0,
    epoch      INTEGER NOT NULL DEFAULT 0
);

-- `state` is open, committed (its retired passages may still be in the index) or abandoned (its staged passages may).
-- `revision` grows with every change of what is staged; `attempt` with every try to commit, and with the id it makes the
-- mark of the passages that are retired.
CREATE TABLE change_sets (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    kind      TEXT NOT NULL,
    state     TEXT NOT NULL DEFAULT 'open',
    revision  INTEGER NOT NULL DEFAULT 0,
    attempt   INTEGER NOT NULL DEFAULT 0,
    begun_at  TEXT NOT NULL
);
CREATE INDEX change_sets_by_workspace ON change_sets (workspace, state);

-- What a change set will make of a document; at most one of them at a time. Without a text the document goes.
CREATE TABLE staged_documents (
    workspace    TEXT NOT NULL,
    id           TEXT NOT NULL,
    change_set   INTEGER NOT NULL REFERENCES change_sets (id),
    source       TEXT NOT NULL,
    title        TEXT,
    url          TEXT,
    language     TEXT,
    audience     TEXT,
    labels       TEXT,
    content_hash TEXT,
    text_hash    TEXT,
    text         TEXT,
    updated_at   TEXT,
    restores     INTEGER,
    refuses      TEXT NOT NULL DEFAULT '[]',
    seen         INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX staged_documents_by_change_set ON staged_documents (change_set);

-- Every passage of the staged documents; `kept` are those that the document has already.
CREATE TABLE staged_passages (
    id           TEXT PRIMARY KEY,
    workspace    TEXT NOT NULL,
    document_id  TEXT NOT NULL,
    change_set   INTEGER NOT NULL REFERENCES change_sets (id),
    kept         INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    title        TEXT NOT NULL,
    heading_path TEXT NOT NULL,
    text         TEXT NOT NULL,
    language     TEXT,
    url          TEXT,
    span_start   INTEGER NOT NULL,
    span_end     INTEGER NOT NULL,
    audience     TEXT NOT NULL,
    labels       TEXT NOT NULL,
    indexed_for  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX staged_passages_by_document ON staged_passages (workspace, document_id);
CREATE INDEX staged_passages_by_change_set ON staged_passages (change_set, kept, indexed_for);

-- Numbered from 1 for each document; they stay when the document goes. `passages` is a JSON list.
CREATE TABLE document_versions (
    workspace    TEXT NOT NULL,
    document_id  TEXT NOT NULL,
    version      INTEGER NOT NULL,
    generation   INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    restores     INTEGER,
    refused      INTEGER NOT NULL DEFAULT 0,
    source       TEXT NOT NULL,
    title        TEXT NOT NULL,
    url          TEXT,
    language     TEXT,
    audience     TEXT NOT NULL,
    labels       TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    text         TEXT NOT NULL,
    passages     TEXT NOT NULL,
    at           TEXT NOT NULL,
    PRIMARY KEY (workspace, document_id, version)
);
CREATE INDEX document_versions_by_source ON document_versions (workspace, source);

-- Texts that were rolled back: no document of the workspace takes them again until a person allows it.
CREATE TABLE refused_texts (
    workspace   TEXT NOT NULL,
    text_hash   TEXT NOT NULL,
    document_id TEXT NOT NULL,
    version     INTEGER NOT NULL,
    source      TEXT NOT NULL,
    at          TEXT NOT NULL,
    PRIMARY KEY (workspace, text_hash)
);

ALTER TABLE index_removals ADD COLUMN change_set INTEGER;

-- What is there becomes the first version.
INSERT INTO document_versions (workspace, document_id, version, generation, kind, source, title, url, language, audience,
                               labels, content_hash, text, passages, at)
SELECT d.workspace, d.id, 1, 0, 'put', d.source, d.title, d.url, d.language, d.audience, d.labels, d.content_hash, d.text,
       (SELECT json_group_array(json(p.passage)) FROM (
            SELECT json_object('id', id, 'workspace', workspace, 'document_id', document_id, 'title', title,
                               'heading_path', json(heading_path), 'text', text, 'language', language, 'url', url,
                               'span', json_array(span_start, span_end), 'ordinal', ordinal) AS passage
            FROM passages WHERE workspace = d.workspace AND document_id = d.id ORDER BY ordinal) p),
       d.updated_at
FROM documents d;
