-- How an attempt ends where nobody tells, and what is told of outages.

-- until when the provider may deliver it where another channel would follow, ms since 1970 UTC; null: none would
ALTER TABLE attempts ADD COLUMN hop_until_ms BIGINT;

-- Stretches in which nothing, or nothing over one channel, could leave; each is reported once.
CREATE TABLE outages (
    -- configured channel that rested; empty: no daemon ran
    channel TEXT NOT NULL,
    -- from, ms since 1970 UTC
    since_ms BIGINT NOT NULL,
    -- to, as far as is known, ms since 1970 UTC
    until_ms BIGINT NOT NULL,
    -- when its toll was counted last, ms since 1970 UTC; 0: never
    looked_ms BIGINT NOT NULL,
    -- when it was reported, ms since 1970 UTC; null: not yet
    reported_ms BIGINT,
    PRIMARY KEY (channel, since_ms)
);

CREATE INDEX outages_open ON outages (since_ms) WHERE reported_ms IS NULL;
