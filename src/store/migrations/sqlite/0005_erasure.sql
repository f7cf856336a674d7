-- What is deleted by its age, and with a suggestion.
CREATE INDEX suggestions_by_age ON suggestions (created_at);
CREATE INDEX events_by_suggestion ON events (suggestion_id);
