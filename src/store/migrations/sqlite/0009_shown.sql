-- What agents may see: a workspace in `shadow` may hold any number of suggestions before the next one.
CREATE INDEX suggestions_shown ON suggestions (workspace, sequence DESC)
    WHERE json_extract(body, '$.mode') IS NOT 'shadow';
