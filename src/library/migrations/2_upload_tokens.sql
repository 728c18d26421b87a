-- Upload tokens: each is good for one upload of one asset, within its bounds.

CREATE TABLE upload_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    asset TEXT NOT NULL,
    largest BIGINT NOT NULL CHECK (largest > 0),
    types TEXT NOT NULL,
    key_id TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    upload TEXT
);
CREATE INDEX upload_tokens_expiring ON upload_tokens (expires);
