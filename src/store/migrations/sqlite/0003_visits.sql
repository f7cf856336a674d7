-- What a web server said of a page when it was last read, so that an unchanged page costs one conditional request.
CREATE TABLE visits (
    workspace     TEXT NOT NULL,
    url           TEXT NOT NULL,
    etag          TEXT,
    last_modified TEXT,
    links         TEXT NOT NULL,
    reading       TEXT NOT NULL,
    PRIMARY KEY (workspace, url)
);
