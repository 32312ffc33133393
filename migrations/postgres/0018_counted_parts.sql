-- Messages that a provider cuts and names part by part, and messages that it counts.

-- how many parts the provider may name, each by an id of its own; null: it names the whole
ALTER TABLE attempts ADD COLUMN named_parts BIGINT;
-- how many messages of its day the provider counts it as; null: the channel has no such limit
ALTER TABLE attempts ADD COLUMN day_costs BIGINT;

-- What a sender took of its day; empty where no channel has a limit.
CREATE INDEX attempts_of_day ON attempts (channel, intent_at_ms) WHERE day_costs IS NOT NULL;
