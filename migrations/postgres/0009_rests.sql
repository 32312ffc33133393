-- Why a channel rests, and since when: each instance goes by its own rests as it goes by holds.

-- since when, ms since 1970 UTC
ALTER TABLE channel_rests ADD COLUMN since_ms bigint NOT NULL DEFAULT 0;

-- what the provider's trouble was, clear: an error code or where a request broke
ALTER TABLE channel_rests ADD COLUMN because text NOT NULL DEFAULT '';
