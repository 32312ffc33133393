-- A database that went back in time: a restored backup, or a promoted standby that lagged.

-- What each state folder remembers that its database does not. What was due before the gap's end and is not known to
-- have gone may have gone; settled rows go on saying so.
CREATE TABLE regressions (
    -- the state folder's own id
    home_id UUID NOT NULL,
    -- what the folder remembered: the database's identity, its timeline, sends of its own and of all
    knew TEXT NOT NULL,
    -- forgot: sends are missing; other-database; new-timeline
    kind TEXT NOT NULL CHECK (kind IN ('forgot','other-database','new-timeline')),
    -- host of the daemon that found it, clear
    host TEXT NOT NULL,
    -- sends of this folder, by its own file
    file_sends BIGINT NOT NULL,
    -- sends of this folder, by the database
    database_sends BIGINT NOT NULL,
    -- the last send of this folder that the database knows of, ms since 1970 UTC; null: it knows of none
    from_ms BIGINT,
    -- after it nothing that the database does not know of can have gone, ms since 1970 UTC
    until_ms BIGINT NOT NULL,
    -- when it was found, ms since 1970 UTC
    found_at_ms BIGINT NOT NULL,
    -- when a person settled it, ms since 1970 UTC; null: not yet
    settled_at_ms BIGINT,
    PRIMARY KEY (home_id, knew)
);
