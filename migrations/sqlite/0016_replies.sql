-- Which message a reply belongs to, how we know, and what was pressed.

-- the callback that brought it; null: it came by no callback, or before this was kept
ALTER TABLE replies ADD COLUMN inbound_id BLOB;

-- the message it belongs to; null: none is known
ALTER TABLE replies ADD COLUMN message_id BLOB;

-- payload, quote or only-open; else why no message is known: other-sender, stranger, unknown, several, nothing; empty: not asked
ALTER TABLE replies ADD COLUMN known_by TEXT NOT NULL DEFAULT '';

-- what it quotes as the provider names it, clear, where no message is known by it yet; else empty
ALTER TABLE replies ADD COLUMN quoted TEXT NOT NULL DEFAULT '';

-- what the patient pressed under the message, clear: done, later, coming, cannot, help; empty: no button of ours
ALTER TABLE replies ADD COLUMN press TEXT NOT NULL DEFAULT '';

-- when the patient said it by the provider's clock, else when it came, ms since 1970 UTC; null: before this was kept
ALTER TABLE replies ADD COLUMN said_at_ms INTEGER;

CREATE INDEX replies_by_message ON replies (message_id) WHERE message_id IS NOT NULL;

CREATE INDEX replies_by_inbound ON replies (inbound_id) WHERE inbound_id IS NOT NULL;

-- Quotes of what is not known yet: they wait for the provider's id.
CREATE INDEX replies_unknown ON replies (channel, quoted) WHERE known_by = 'unknown';
