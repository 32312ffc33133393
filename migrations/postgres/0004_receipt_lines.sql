-- How long webhooks were answered: what silence is measured by.

-- Stretches of time in which an instance answered a channel's webhook.
CREATE TABLE listening (
    -- configured channel
    channel TEXT NOT NULL,
    -- the daemon that answered
    instance_id UUID NOT NULL,
    -- from, ms since 1970 UTC
    since_ms BIGINT NOT NULL,
    -- to, as last recorded, ms since 1970 UTC
    until_ms BIGINT NOT NULL,
    -- when it last turned a callback away, ms since 1970 UTC; null: never
    turned_away_ms BIGINT,
    PRIMARY KEY (channel, instance_id, since_ms)
);

CREATE INDEX receipts_by_arrival ON receipts (channel, received_at_ms);
