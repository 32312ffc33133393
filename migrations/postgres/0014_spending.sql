-- What the messages of programmes with a budget cost, counted in the transaction of their intents. Each state folder
-- has rows of its own, so that daemons do not wait for each other.
CREATE TABLE spending (
    -- the programme's name
    programme TEXT NOT NULL,
    -- first instant of the calendar month in the programme's zone, ms since 1970 UTC
    month_ms BIGINT NOT NULL,
    -- the state folder of the daemon that sent them
    home_id UUID NOT NULL,
    -- how many; what was surely not sent is taken off again
    messages BIGINT NOT NULL,
    -- what they cost at most, in millionths of the currency of prices.toml
    cost_micros BIGINT NOT NULL,
    PRIMARY KEY (programme, month_ms, home_id)
);
