-- WhatsApp as it is: templates as the provider lists them and what is held of them, the window in which free text is
-- taken, by what else a person is known, who wants no education, and how a number stands.

-- Templates as a provider listed them last, one row a language.
CREATE TABLE provider_templates (
    -- configured channel, clear
    channel TEXT NOT NULL,
    -- its name at the provider, clear
    name TEXT NOT NULL,
    -- the provider's language code, clear
    language TEXT NOT NULL,
    -- the provider's word: UTILITY, MARKETING, ..., clear
    category TEXT NOT NULL,
    -- the provider's word: APPROVED, PAUSED, DISABLED, ..., clear
    status TEXT NOT NULL,
    -- the provider's word: GREEN, YELLOW, RED, UNKNOWN; empty: not told, clear
    quality TEXT NOT NULL,
    -- how many parameters its body has
    parameters INTEGER NOT NULL,
    -- their names as a JSON list, empty where they go by number, clear
    parameter_names TEXT NOT NULL,
    -- kind of its header, empty without one, clear
    header TEXT NOT NULL,
    -- how many quick replies it has
    buttons INTEGER NOT NULL,
    -- how long the provider tries, in seconds; null: not set
    ttl_seconds INTEGER,
    -- when it was listed or told of last, ms since 1970 UTC
    known_at_ms INTEGER NOT NULL,
    PRIMARY KEY (channel, name, language)
) STRICT, WITHOUT ROWID;

-- Templates by which the messages of a programme do not go; derived from the list, from news and from refusals.
CREATE TABLE held_templates (
    -- configured channel, clear
    channel TEXT NOT NULL,
    -- the programme, clear
    programme TEXT NOT NULL,
    -- the template's name at the provider, clear
    name TEXT NOT NULL,
    -- the provider's language code, clear
    language TEXT NOT NULL,
    -- why, in words for operators, clear
    why TEXT NOT NULL,
    -- since when, ms since 1970 UTC
    since_ms INTEGER NOT NULL,
    -- when it is tried again, ms since 1970 UTC; null: when the provider's list or its news allow it
    until_ms INTEGER,
    PRIMARY KEY (channel, programme, name, language)
) STRICT, WITHOUT ROWID;

-- How a channel's account stands with its provider, as it was asked last.
CREATE TABLE channel_standings (
    -- configured channel, clear
    channel TEXT NOT NULL PRIMARY KEY,
    -- when it was asked, ms since 1970 UTC
    asked_at_ms INTEGER NOT NULL,
    -- when its templates were listed whole, ms since 1970 UTC; null: never
    listed_at_ms INTEGER,
    -- pairs of a name and a value as a JSON list, clear: quality, limits
    facts TEXT NOT NULL,
    -- what will hurt, as a JSON list of sentences, clear
    warnings TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Until when a provider takes free text for an address: 24 hours from what its owner wrote last.
CREATE TABLE windows (
    -- the address
    contact_point_id BLOB NOT NULL REFERENCES contact_points (id),
    -- configured channel, clear
    channel TEXT NOT NULL,
    -- ms since 1970 UTC
    open_until_ms INTEGER NOT NULL,
    PRIMARY KEY (contact_point_id, channel)
) STRICT, WITHOUT ROWID;

-- By what else the owner of an address is known at a provider: an id of its own, the number in another form.
CREATE TABLE contact_aliases (
    -- alias id
    id BLOB NOT NULL PRIMARY KEY,
    -- the address it stands for
    contact_point_id BLOB NOT NULL REFERENCES contact_points (id),
    -- owner
    patient_id BLOB NOT NULL,
    -- the id or number, sealed
    alias BLOB NOT NULL,
    -- keyed hash of it
    alias_hash BLOB NOT NULL,
    -- when it was learnt, ms since 1970 UTC
    learned_at_ms INTEGER NOT NULL,
    UNIQUE (contact_point_id, alias_hash)
) STRICT;
CREATE INDEX contact_aliases_by_hash ON contact_aliases (alias_hash);

-- Addresses whose owner told the provider to let no marketing through: education is not sent there.
CREATE TABLE marketing_stops (
    -- the address
    contact_point_id BLOB NOT NULL PRIMARY KEY REFERENCES contact_points (id),
    -- since when, ms since 1970 UTC
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
