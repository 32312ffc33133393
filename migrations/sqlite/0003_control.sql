-- The operator's hand on the house: what is held back, and what shows that the database went back in time.

-- What is held back, by a person or by the house itself. No row: nothing is.
CREATE TABLE holds (
    -- sending: the emergency stop; restored: the database went back; channel.<name>: a paused channel
    scope TEXT NOT NULL PRIMARY KEY,
    -- when it ends by itself, ms since 1970 UTC; null: when a person lifts it
    until_ms INTEGER,
    -- who, clear
    actor TEXT NOT NULL,
    -- why, in their own words, clear: no health data belongs here
    because TEXT NOT NULL,
    -- since when, ms since 1970 UTC
    at_ms INTEGER NOT NULL
) STRICT;

-- Intents ever committed, by the state folder that made them; the folder remembers its own and the sum. A row for
-- each folder, so that instances do not wait for one another.
CREATE TABLE send_counters (
    -- the state folder's own id
    home_id BLOB NOT NULL PRIMARY KEY,
    -- intents so far; never goes down
    sends INTEGER NOT NULL,
    -- when it rose last, ms since 1970 UTC
    at_ms INTEGER NOT NULL
) STRICT;

-- Senders that rest because their provider refused us, as each instance knows them. For looking at only.
CREATE TABLE channel_rests (
    -- the daemon that rests it
    instance_id BLOB NOT NULL,
    -- configured channel
    channel TEXT NOT NULL,
    -- until when, ms since 1970 UTC
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (instance_id, channel)
) STRICT, WITHOUT ROWID;
