-- When the document of a version was removed. Unknown of removals before this.
ALTER TABLE document_versions ADD COLUMN gone_at TEXT;
