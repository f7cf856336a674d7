-- What is deleted by its age, by its customer, and with a suggestion.
CREATE INDEX suggestions_by_age ON suggestions (created_at);
CREATE INDEX suggestions_by_customer ON suggestions (workspace, json_extract(body, '$.conversation.customer.id'));
CREATE INDEX events_by_suggestion ON events (suggestion_id);
