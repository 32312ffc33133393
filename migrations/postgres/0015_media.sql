-- Files that providers have, so that each is handed over once; and those that they did not take.
CREATE TABLE media_uploads (
    -- configured channel, clear
    channel TEXT NOT NULL,
    -- SHA-256 of the file, or of the URL of a link, lower-case hex, clear: teaching material, nobody's data
    content TEXT NOT NULL,
    -- the provider's id, clear; empty: it has none
    provider_id TEXT NOT NULL,
    -- how long messages may name it, ms since 1970 UTC; 0: it has none
    until_ms BIGINT NOT NULL,
    -- how often in a row it was not taken
    refused BIGINT NOT NULL,
    -- when last, ms since 1970 UTC; 0: never
    refused_at_ms BIGINT NOT NULL,
    PRIMARY KEY (channel, content)
);
