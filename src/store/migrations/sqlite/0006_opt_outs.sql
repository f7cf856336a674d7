-- Customers who wanted no more messages: each message that said so. A row outlives the suggestion that heard
-- it, for the wish does not end when a conversation is deleted; it holds ids and no text.
CREATE TABLE opt_outs (
    workspace       TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    channel         TEXT NOT NULL,
    customer_id     TEXT,
    message_id      TEXT NOT NULL,
    at              TEXT NOT NULL,
    PRIMARY KEY (workspace, conversation_id, message_id)
);
CREATE INDEX opt_outs_by_customer ON opt_outs (workspace, channel, customer_id);

-- Those that were heard before there was this table. Of the rows of a message, SQLite takes the columns from the first.
INSERT INTO opt_outs (workspace, conversation_id, channel, customer_id, message_id, at)
SELECT workspace, conversation_id, channel, json_extract(body, '$.conversation.customer.id'), message_id, min(created_at)
FROM suggestions
WHERE message_id IS NOT NULL AND EXISTS (
    SELECT 1 FROM json_each(body, '$.answer.policy') found
    WHERE json_extract(found.value, '$.check') = 'opted_out' AND json_extract(found.value, '$.verdict') = 'escalate')
GROUP BY workspace, conversation_id, message_id;
