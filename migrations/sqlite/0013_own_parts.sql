-- Messages that go as several of their own, a request each.

-- how many of its own the message goes as, one after the other; null: as one
ALTER TABLE attempts ADD COLUMN own_parts INTEGER;
