-- What people are told of an asset, as JSON; empty for nothing.

ALTER TABLE assets ADD COLUMN details TEXT NOT NULL DEFAULT '';
