-- How an attempt ends where nobody tells: how long a provider may try before the next channel does.

-- until when the provider may deliver it where another channel would follow, ms since 1970 UTC; null: none would
ALTER TABLE attempts ADD COLUMN hop_until_ms INTEGER;
