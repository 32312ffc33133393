-- What sources call things, and what they said last: the importer's memory.

-- Names by which sources know patients, plans, activities and consents.
CREATE TABLE source_names (
    -- keyed hash of kind and name
    name_hash BYTEA NOT NULL PRIMARY KEY,
    -- what the name stands for: patient, plan, activity, consent; member (of a plan), replaced-plan, replaced-activity
    kind TEXT NOT NULL,
    -- whose
    patient_id UUID NOT NULL REFERENCES patients (id),
    -- the patient, plan, activity or consent it names; member: the plan; replaced: what took its place
    subject_id UUID NOT NULL,
    -- names of source and id: keyed hash of source and type; one thing has one id there
    scope_hash BYTEA
);

-- Which version of a thing was taken last.
CREATE TABLE source_marks (
    -- patient, plan, activity or consent
    subject_id UUID NOT NULL PRIMARY KEY,
    -- whose
    patient_id UUID NOT NULL REFERENCES patients (id),
    -- the source's version
    version TEXT,
    -- when the source changed it, ms since 1970 UTC
    updated_at_ms BIGINT,
    -- activities: 'plan' when it is in force only as a line of its plan
    enrolled TEXT NOT NULL CHECK (enrolled IN ('itself', 'plan')),
    -- activities: where the anchor comes from
    anchor_from TEXT,
    -- consents: keyed hash of what it says
    fingerprint BYTEA
);

-- the consent of the source that the row comes from; null: another way. Its rows go when it changes
ALTER TABLE consents ADD COLUMN imported_as UUID;
-- keyed hash of what is in quarantine, so that it is there once; null: not in quarantine
ALTER TABLE intake ADD COLUMN content_hash BYTEA;
-- how often the row broke its step
ALTER TABLE intake ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;

CREATE INDEX source_names_by_patient ON source_names (patient_id);
CREATE INDEX source_marks_by_patient ON source_marks (patient_id);
CREATE INDEX consents_by_origin ON consents (imported_as) WHERE imported_as IS NOT NULL;
CREATE UNIQUE INDEX intake_by_content ON intake (content_hash) WHERE content_hash IS NOT NULL;
