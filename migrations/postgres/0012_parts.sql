-- Parts of a message of which its provider tells one by one: delivered only when all of them are (P8).
CREATE TABLE attempt_parts (
    -- the attempt
    attempt_id UUID NOT NULL,
    -- 1, 2, ... in the order of the text
    part BIGINT NOT NULL,
    -- configured channel
    channel TEXT NOT NULL,
    -- provider's id of the part, clear
    provider_id TEXT NOT NULL,
    -- accepted, sent, failed, delivered, read
    state TEXT NOT NULL,
    PRIMARY KEY (attempt_id, part)
);

-- Receipts that carry no id of ours name a part by the provider's.
CREATE INDEX attempt_parts_by_provider_id ON attempt_parts (channel, provider_id);
