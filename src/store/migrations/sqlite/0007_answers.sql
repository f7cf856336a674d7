-- The suggestion that a kept answer speaks of: they are erased together.
ALTER TABLE idempotency ADD COLUMN suggestion_id TEXT;
UPDATE idempotency
SET suggestion_id = (
    SELECT id FROM suggestions
    WHERE suggestions.workspace = idempotency.workspace
        AND id = COALESCE(json_extract(idempotency.body, '$.suggestion_id'), json_extract(idempotency.body, '$.id')))
WHERE json_valid(body);
CREATE INDEX idempotency_by_suggestion ON idempotency (suggestion_id);
