-- The watch's memory: whom it has looked at, and what it found hour by hour.

-- Programme and zone together: what falls silent as one is looked at as one.
CREATE TABLE watch_strata (
    -- programme name, opaque, clear
    programme TEXT NOT NULL,
    -- IANA zone, clear
    zone TEXT NOT NULL,
    -- start of the quarter of an hour looked at last, ms since 1970 UTC
    quarter_ms BIGINT NOT NULL,
    -- the look at that quarter began after this patient id
    began_after UUID NOT NULL,
    -- the last patient id looked at; the next look goes on after it
    looked_until UUID NOT NULL,
    -- looking: from began_after to the last id; again: from the first id to began_after; done
    phase TEXT NOT NULL CHECK (phase IN ('looking','again','done')),
    -- when it was looked at last, ms since 1970 UTC
    looked_at_ms BIGINT NOT NULL,
    PRIMARY KEY (programme, zone)
);

-- What should have a reminder and has none, by the hour in which it was due. Counts of a sample, or of all patients
-- where there are few.
CREATE TABLE watch_hours (
    -- start of the hour, ms since 1970 UTC
    hour_ms BIGINT NOT NULL,
    -- programme name, opaque, clear
    programme TEXT NOT NULL,
    -- IANA zone, clear
    zone TEXT NOT NULL,
    -- looks at a patient for a quarter of the hour
    looks BIGINT NOT NULL,
    -- slots that these patients' plans have in it
    expected BIGINT NOT NULL,
    -- those of them without a reminder
    missing BIGINT NOT NULL,
    -- looks at patients whose plan could not be expanded
    unreadable BIGINT NOT NULL,
    PRIMARY KEY (hour_ms, programme, zone)
);

CREATE INDEX patients_by_stratum ON patients (programme, zone, id);
