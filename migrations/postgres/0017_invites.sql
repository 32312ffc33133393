-- Calendar entries of appointments that went to patients, one row for each attempt that carried one: what moves or is
-- called off is told to where the entry went.
CREATE TABLE invites (
    -- the attempt that carried it, clear
    attempt_id UUID NOT NULL PRIMARY KEY REFERENCES attempts (id),
    -- to whom, clear
    patient_id UUID NOT NULL,
    -- the appointment, clear
    activity_id UUID NOT NULL,
    -- the address it went to, clear
    contact_point_id UUID NOT NULL,
    -- configured channel, clear
    channel TEXT NOT NULL,
    -- its number in the calendar: the highest holds, clear
    sequence BIGINT NOT NULL,
    -- when the appointment begins, ms since 1970 UTC, clear
    start_ms BIGINT NOT NULL,
    -- the message that takes it back or moves it, clear; null: none yet
    followed_by UUID
);

-- Entries of patients that are to come.
CREATE INDEX invites_to_come ON invites (patient_id, start_ms);
-- What a message takes back or moves.
CREATE INDEX invites_followed ON invites (followed_by) WHERE followed_by IS NOT NULL;
