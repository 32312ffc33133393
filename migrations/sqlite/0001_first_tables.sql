-- The house's first tables. Same number, same names in the other engine's folder; a test holds them alike.
-- Instants are BIGINT/INTEGER milliseconds since 1970-01-01T00:00:00Z. Ids are UUIDs. Sealed columns open only
-- with the patient's key, bound to table, row and column.

-- Facts about this database: identity, mode, host, key fingerprint, holds.
CREATE TABLE meta (
    -- name of the fact
    key TEXT NOT NULL PRIMARY KEY,
    -- its value, clear
    value TEXT NOT NULL
) STRICT;

-- Patients. The row is the lock of everything that belongs to the patient.
CREATE TABLE patients (
    -- patient id (UUID v7)
    id BLOB NOT NULL PRIMARY KEY,
    -- programme name, opaque, clear
    programme TEXT NOT NULL,
    -- keyed hash of the identity in the source
    key_hash BLOB NOT NULL UNIQUE,
    -- the patient's key, wrapped by the master key; destroyed on erasure
    wrapped_key BLOB NOT NULL,
    -- care::Patient as JSON, sealed
    document BLOB NOT NULL,
    -- keyed hash of the canonical record, tells unchanged from updated
    fingerprint BLOB NOT NULL,
    -- standing, clear
    status TEXT NOT NULL CHECK (status IN ('active','paused','admitted','deceased','left')),
    -- IANA zone, clear
    zone TEXT NOT NULL,
    -- hash of the zone rules the reminders were made with
    zone_hash BLOB NOT NULL,
    -- BCP 47 language, clear
    language TEXT NOT NULL,
    -- counts changes of this record
    revision INTEGER NOT NULL,
    -- slots before this instant have their row or gap row, ms since 1970 UTC
    expanded_until_ms INTEGER NOT NULL,
    -- slots before it without a row were made by a change, ms since 1970 UTC
    changed_until_ms INTEGER NOT NULL,
    -- the alarm this patient names, ms since 1970 UTC; null: none
    wake_at_ms INTEGER,
    -- steps that broke on this patient in a row
    failures INTEGER NOT NULL DEFAULT 0,
    -- ms since 1970 UTC
    created_at_ms INTEGER NOT NULL,
    -- ms since 1970 UTC
    updated_at_ms INTEGER NOT NULL
) STRICT;

-- Addresses of patients.
CREATE TABLE contact_points (
    -- contact point id
    id BLOB NOT NULL PRIMARY KEY,
    -- owner
    patient_id BLOB NOT NULL REFERENCES patients (id),
    -- kind of channel
    channel TEXT NOT NULL CHECK (channel IN ('whatsapp','sms','email')),
    -- lower is preferred
    rank INTEGER NOT NULL,
    -- address in normal form, sealed
    address BLOB NOT NULL,
    -- keyed hash of the address
    address_hash BLOB NOT NULL,
    -- how well it works
    health TEXT NOT NULL CHECK (health IN ('ok','suspect','bad','opted-out')),
    -- code or word that moved the health last
    health_code TEXT,
    -- when the health moved last, ms since 1970 UTC
    health_at_ms INTEGER,
    -- 0 when the source no longer has it
    in_use INTEGER NOT NULL CHECK (in_use IN (0, 1)),
    UNIQUE (patient_id, channel, address_hash)
) STRICT;

-- What a person decided about messages. Rows are only added.
CREATE TABLE consents (
    -- row id
    id BLOB NOT NULL PRIMARY KEY,
    -- who
    patient_id BLOB NOT NULL REFERENCES patients (id),
    -- kind of channel; empty: all
    channel TEXT NOT NULL,
    -- yes or no
    decision TEXT NOT NULL CHECK (decision IN ('given','refused')),
    -- how it reached us
    source TEXT NOT NULL CHECK (source IN ('import','assertion','reply','provider','person')),
    -- wording or source as recorded, sealed
    basis BLOB NOT NULL,
    -- keyed hash of the wording, for repeated imports
    basis_hash BLOB NOT NULL,
    -- when it was decided, ms since 1970 UTC
    at_ms INTEGER NOT NULL,
    -- when we learnt it, ms since 1970 UTC
    recorded_at_ms INTEGER NOT NULL,
    UNIQUE (patient_id, channel, decision, source, at_ms, basis_hash)
) STRICT;

-- Care plans.
CREATE TABLE plans (
    -- plan id
    id BLOB NOT NULL PRIMARY KEY,
    -- whose
    patient_id BLOB NOT NULL REFERENCES patients (id),
    -- keyed hash of the identity in the source
    key_hash BLOB NOT NULL,
    -- active, on-hold, stopped, entered-in-error, inactive
    status TEXT NOT NULL,
    -- the plan as JSON, sealed
    document BLOB NOT NULL,
    -- keyed hash of the canonical record
    fingerprint BLOB NOT NULL,
    -- counts changes
    revision INTEGER NOT NULL,
    -- ms since 1970 UTC
    updated_at_ms INTEGER NOT NULL,
    UNIQUE (patient_id, key_hash)
) STRICT;

-- Lines of care plans.
CREATE TABLE activities (
    -- activity id; lives on across revisions
    id BLOB NOT NULL PRIMARY KEY,
    -- whose
    patient_id BLOB NOT NULL REFERENCES patients (id),
    -- keyed hash of the identity in the source
    key_hash BLOB NOT NULL,
    -- the plan it hangs on, if any
    plan_key_hash BLOB,
    -- medication, measurement, appointment, ...
    kind TEXT NOT NULL,
    -- time-critical-dose, dose, appointment, measurement, education, notice
    class TEXT NOT NULL,
    -- active, on-hold, stopped, entered-in-error, inactive
    status TEXT NOT NULL,
    -- exact, defaulted, review, none: of the current revision
    confidence TEXT NOT NULL,
    -- care::Activity as JSON, sealed
    document BLOB NOT NULL,
    -- keyed hash of the canonical record
    fingerprint BLOB NOT NULL,
    -- counts changes
    revision INTEGER NOT NULL,
    -- the revision a person confirmed; null: none
    confirmed_revision INTEGER,
    -- the revision a person rejected; null: none
    rejected_revision INTEGER,
    -- no slot before it is written, ms since 1970 UTC
    reminders_from_ms INTEGER NOT NULL,
    -- ms since 1970 UTC
    created_at_ms INTEGER NOT NULL,
    -- ms since 1970 UTC
    updated_at_ms INTEGER NOT NULL,
    UNIQUE (patient_id, key_hash)
) STRICT;

-- What is due when, in due order. Derived data: rebuildable from its owners.
CREATE TABLE alarms (
    -- whose alarm
    kind TEXT NOT NULL CHECK (kind IN ('patient','message','settle')),
    -- messages: priority and sender; else empty
    lane TEXT NOT NULL,
    -- when, ms since 1970 UTC
    wake_at_ms INTEGER NOT NULL,
    -- patient, message or attempt
    id BLOB NOT NULL,
    PRIMARY KEY (kind, lane, wake_at_ms, id)
) STRICT, WITHOUT ROWID;

-- The ledger: one row per slot that came due.
CREATE TABLE reminders (
    -- reminder id
    id BLOB NOT NULL PRIMARY KEY,
    -- whose
    patient_id BLOB NOT NULL REFERENCES patients (id),
    -- of which activity
    activity_id BLOB NOT NULL REFERENCES activities (id),
    -- dosage number, from 1
    dosage INTEGER NOT NULL,
    -- planned local date-time, or the UTC instant with Z for elapsed intervals
    slot TEXT NOT NULL,
    -- the instant it falls on, ms since 1970 UTC
    due_at_ms INTEGER NOT NULL,
    -- what the patient's clock shows then
    local_time TEXT NOT NULL,
    -- class of its activity when written
    class TEXT NOT NULL,
    -- never sent at or after it, ms since 1970 UTC
    valid_until_ms INTEGER NOT NULL,
    -- queued, sending, sent, failed, expired, suppressed, blocked, cancelled, superseded, unknown, parked
    state TEXT NOT NULL,
    -- care::Reason as JSON
    reason TEXT NOT NULL,
    -- the message that speaks for it
    message_id BLOB,
    -- ms since 1970 UTC
    created_at_ms INTEGER NOT NULL,
    -- ms since 1970 UTC
    updated_at_ms INTEGER NOT NULL,
    UNIQUE (activity_id, dosage, slot)
) STRICT;

-- Slots found more than two days overdue, counted instead of listed.
CREATE TABLE gaps (
    -- of which activity
    activity_id BLOB NOT NULL REFERENCES activities (id),
    -- first instant, ms since 1970 UTC
    from_ms INTEGER NOT NULL,
    -- after the last instant, ms since 1970 UTC
    to_ms INTEGER NOT NULL,
    -- how many
    slots INTEGER NOT NULL,
    -- care::Reason as JSON
    reason TEXT NOT NULL,
    PRIMARY KEY (activity_id, from_ms)
) STRICT;

-- What is said at one moment to one patient.
CREATE TABLE messages (
    -- message id
    id BLOB NOT NULL PRIMARY KEY,
    -- to whom
    patient_id BLOB NOT NULL REFERENCES patients (id),
    -- the minute it is due, ms since 1970 UTC
    minute_ms INTEGER NOT NULL,
    -- classes that may share a message; answers: the reply they answer
    class_group TEXT NOT NULL,
    -- 0 first, then nudges and snoozes
    step INTEGER NOT NULL,
    -- 0; 1 for reminders that arrive after the earlier part has its intent
    part INTEGER NOT NULL,
    -- class that decides validity, quiet hours and retry
    class TEXT NOT NULL,
    -- catalogue name: reminder, stop-confirmation, start-confirmation, help
    name TEXT NOT NULL,
    -- queued, sending, sent, failed, expired, blocked, cancelled, unknown, parked
    state TEXT NOT NULL,
    -- care::Reason as JSON
    reason TEXT NOT NULL,
    -- priority and sender of its alarm
    lane TEXT NOT NULL,
    -- the alarm this message names; null: none
    wake_at_ms INTEGER,
    -- ms since 1970 UTC
    valid_until_ms INTEGER NOT NULL,
    -- answers: the address that asked
    contact_point_id BLOB,
    -- contact points that failed for good, as a JSON list of ids
    tried TEXT NOT NULL,
    -- attempts so far
    tries INTEGER NOT NULL,
    -- resends after an unknown outcome
    repeats INTEGER NOT NULL,
    -- steps that broke on this message in a row
    failures INTEGER NOT NULL DEFAULT 0,
    -- ms since 1970 UTC
    created_at_ms INTEGER NOT NULL,
    -- ms since 1970 UTC
    updated_at_ms INTEGER NOT NULL,
    UNIQUE (patient_id, minute_ms, class_group, step, part)
) STRICT;

-- Calls to providers. The intent is committed before the first byte.
CREATE TABLE attempts (
    -- attempt id; the correlation id that providers echo
    id BLOB NOT NULL PRIMARY KEY,
    -- for which message
    message_id BLOB NOT NULL REFERENCES messages (id),
    -- to whom
    patient_id BLOB NOT NULL REFERENCES patients (id),
    -- over which address
    contact_point_id BLOB NOT NULL REFERENCES contact_points (id),
    -- configured channel, for example twilio
    channel TEXT NOT NULL,
    -- 1, 2, ... within the message
    number INTEGER NOT NULL,
    -- 1 when marked as a repeat of an unknown one
    repeat INTEGER NOT NULL CHECK (repeat IN (0, 1)),
    -- intent, unknown, settled-not-accepted, not-sent, refused, accepted, sent, failed, delivered, read
    state TEXT NOT NULL,
    -- care::Reason as JSON
    reason TEXT NOT NULL,
    -- the daemon that holds the intent
    instance_id BLOB NOT NULL,
    -- fence: a late writer with another token changes nothing
    token BLOB NOT NULL,
    -- database's real clock, ms since 1970 UTC
    lease_until_ms INTEGER NOT NULL,
    -- ms since 1970 UTC
    intent_at_ms INTEGER NOT NULL,
    -- when the outcome was recorded, ms since 1970 UTC
    ended_at_ms INTEGER,
    -- provider's code
    code TEXT,
    -- provider's message id
    provider_id TEXT,
    -- what was sent where, sealed
    content BLOB NOT NULL,
    -- the settle alarm this attempt names; null: none
    wake_at_ms INTEGER,
    UNIQUE (message_id, number)
) STRICT;

-- What providers say of attempts, each once.
CREATE TABLE receipts (
    -- receipt id
    id BLOB NOT NULL PRIMARY KEY,
    -- configured channel
    channel TEXT NOT NULL,
    -- provider's message id
    provider_id TEXT NOT NULL,
    -- accepted, sent, failed, delivered, read
    status TEXT NOT NULL,
    -- provider's error code; empty: none
    code TEXT NOT NULL,
    -- the attempt; null while parked
    attempt_id BLOB,
    -- provider's time, ms since 1970 UTC
    at_ms INTEGER,
    -- ms since 1970 UTC
    received_at_ms INTEGER NOT NULL,
    UNIQUE (channel, provider_id, status, code)
) STRICT;

-- Raw callbacks, stored before they are understood.
CREATE TABLE inbound (
    -- inbound id
    id BLOB NOT NULL PRIMARY KEY,
    -- configured channel
    channel TEXT NOT NULL,
    -- the same callback twice has the same key
    dedupe_key TEXT NOT NULL,
    -- the callback as JSON, sealed
    payload BLOB NOT NULL,
    -- new until its events are applied
    state TEXT NOT NULL CHECK (state IN ('new','done','failed')),
    -- how often it was read
    tries INTEGER NOT NULL,
    -- why it failed; never its content
    note TEXT NOT NULL,
    -- ms since 1970 UTC
    received_at_ms INTEGER NOT NULL,
    UNIQUE (channel, dedupe_key)
) STRICT;

-- What patients sent.
CREATE TABLE replies (
    -- reply id
    id BLOB NOT NULL PRIMARY KEY,
    -- who
    patient_id BLOB NOT NULL REFERENCES patients (id),
    -- from which address
    contact_point_id BLOB NOT NULL,
    -- configured channel
    channel TEXT NOT NULL,
    -- provider's id of the reply
    provider_id TEXT NOT NULL,
    -- stop, start, help, other
    keyword TEXT NOT NULL,
    -- what they wrote, sealed
    text BLOB NOT NULL,
    -- ms since 1970 UTC
    received_at_ms INTEGER NOT NULL,
    UNIQUE (patient_id, channel, provider_id)
) STRICT;

-- What a person of the care team must do.
CREATE TABLE tasks (
    -- task id
    id BLOB NOT NULL PRIMARY KEY,
    -- whom it concerns; null: an operator
    patient_id BLOB,
    -- unknown-dose, review, parked, reply, channel, no-text
    kind TEXT NOT NULL,
    -- id of what it is about; one open task per kind and subject
    subject TEXT NOT NULL,
    -- care::Reason as JSON
    reason TEXT NOT NULL,
    -- open until a person closes it
    state TEXT NOT NULL CHECK (state IN ('open','done')),
    -- ms since 1970 UTC
    opened_at_ms INTEGER NOT NULL,
    -- when it should be done, ms since 1970 UTC
    due_at_ms INTEGER NOT NULL,
    UNIQUE (kind, subject)
) STRICT;

-- The open door: other programs insert rows here, the daemon imports them.
CREATE TABLE intake (
    -- row number
    id INTEGER PRIMARY KEY,
    -- who inserted it
    source TEXT NOT NULL DEFAULT '',
    -- ms since 1970 UTC; 0: the daemon fills it
    received_at_ms INTEGER NOT NULL DEFAULT 0,
    -- fhir (a resource) or csv (a JSON object of columns)
    kind TEXT NOT NULL DEFAULT 'fhir',
    -- programme of new patients
    programme TEXT NOT NULL DEFAULT 'general',
    -- the resource; emptied once imported
    payload TEXT NOT NULL,
    -- the payload, sealed, while it waits in quarantine
    sealed BLOB,
    -- waiting: its subject is not known yet
    state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new','done','waiting','rejected')),
    -- outcome as JSON, without health data
    report TEXT NOT NULL DEFAULT ''
) STRICT;

-- Housekeeping jobs: lease, last runs.
CREATE TABLE job_runs (
    -- job
    name TEXT NOT NULL PRIMARY KEY,
    -- fence of the run under way; null: none
    token BLOB,
    -- database's real clock, ms since 1970 UTC
    lease_until_ms INTEGER NOT NULL,
    -- last start, ms since 1970 UTC
    started_at_ms INTEGER,
    -- last success, ms since 1970 UTC
    succeeded_at_ms INTEGER,
    -- what the last run said
    outcome TEXT NOT NULL,
    -- runs so far
    runs INTEGER NOT NULL,
    -- failed runs so far
    failures INTEGER NOT NULL
) STRICT;

-- Daemons that share this database.
CREATE TABLE instances (
    -- instance id, new at each start
    id BLOB NOT NULL PRIMARY KEY,
    -- host name
    host TEXT NOT NULL,
    -- process id
    pid INTEGER NOT NULL,
    -- program version
    version TEXT NOT NULL,
    -- ms since 1970 UTC
    started_at_ms INTEGER NOT NULL,
    -- database's real clock, ms since 1970 UTC
    heartbeat_ms INTEGER NOT NULL
) STRICT;

-- Turns of the story that no other row tells: waits, moves, retries, cancellations.
CREATE TABLE transitions (
    -- row id, in order of time
    id BLOB NOT NULL PRIMARY KEY,
    -- reminder, message or attempt
    subject_id BLOB NOT NULL,
    -- ms since 1970 UTC
    at_ms INTEGER NOT NULL,
    -- state after it
    state TEXT NOT NULL,
    -- care::Reason as JSON
    reason TEXT NOT NULL
) STRICT;

-- Acts of people and of operators. Rows are only added.
CREATE TABLE audit (
    -- row id, in order of time
    id BLOB NOT NULL PRIMARY KEY,
    -- ms since 1970 UTC
    at_ms INTEGER NOT NULL,
    -- who
    actor TEXT NOT NULL,
    -- what
    action TEXT NOT NULL,
    -- on what: an id
    subject TEXT NOT NULL,
    -- facts of the act, without health data
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX contact_points_by_address ON contact_points (address_hash);
CREATE INDEX reminders_by_patient ON reminders (patient_id, due_at_ms);
CREATE INDEX reminders_by_message ON reminders (message_id);
CREATE INDEX reminders_by_due ON reminders (due_at_ms);
CREATE INDEX activities_in_review ON activities (confidence) WHERE confidence = 'review';
CREATE INDEX attempts_open ON attempts (lease_until_ms) WHERE state = 'intent';
CREATE INDEX attempts_by_patient ON attempts (patient_id, intent_at_ms);
CREATE INDEX attempts_by_provider_id ON attempts (provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX receipts_parked ON receipts (provider_id) WHERE attempt_id IS NULL;
CREATE INDEX receipts_by_attempt ON receipts (attempt_id) WHERE attempt_id IS NOT NULL;
CREATE INDEX inbound_new ON inbound (received_at_ms) WHERE state = 'new';
CREATE INDEX intake_open ON intake (id) WHERE state IN ('new', 'waiting');
CREATE INDEX messages_by_patient ON messages (patient_id);
CREATE INDEX transitions_by_subject ON transitions (subject_id, at_ms);
