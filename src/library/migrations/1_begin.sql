-- One schema for both engines: identifiers are TEXT, times are BIGINT milliseconds since the epoch, flags are SMALLINT.

CREATE TABLE uploads (
    id TEXT NOT NULL PRIMARY KEY,
    asset TEXT NOT NULL,
    file TEXT NOT NULL,
    title TEXT,
    length BIGINT,
    durable BIGINT NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('receiving', 'received', 'published', 'refused', 'cancelled')),
    reason TEXT,
    metadata TEXT NOT NULL,
    saved TEXT NOT NULL DEFAULT '',
    report TEXT,
    job TEXT,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    epoch BIGINT NOT NULL DEFAULT 0,
    CHECK (durable >= 0 AND (length IS NULL OR durable <= length))
);
CREATE INDEX uploads_newest ON uploads (created, id);
CREATE INDEX uploads_by_state ON uploads (state, created, id);
CREATE INDEX uploads_expiring ON uploads (state, expires, id) WHERE state = 'receiving';

CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    priority SMALLINT NOT NULL,
    dedupe TEXT,
    max_attempts BIGINT NOT NULL CHECK (max_attempts > 0),
    run_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'dead', 'cancelled')),
    attempt BIGINT NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until BIGINT NOT NULL DEFAULT 0,
    progress BIGINT NOT NULL DEFAULT 0,
    reason TEXT,
    cancel SMALLINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    finished BIGINT
);
CREATE UNIQUE INDEX jobs_alike ON jobs (dedupe) WHERE dedupe IS NOT NULL AND state IN ('queued', 'running');
CREATE INDEX jobs_waiting ON jobs (state, priority DESC, run_at, id) WHERE state = 'queued';
CREATE INDEX jobs_leased ON jobs (state, lease_until) WHERE state = 'running';
CREATE INDEX jobs_newest ON jobs (created, id);
CREATE INDEX jobs_by_state ON jobs (state, created, id);
CREATE INDEX jobs_finished ON jobs (finished) WHERE finished IS NOT NULL;

CREATE TABLE keys (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    expires BIGINT,
    used BIGINT,
    revoked BIGINT
);

CREATE TABLE assets (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT,
    searched TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    millis BIGINT NOT NULL,
    files BIGINT NOT NULL,
    deleted BIGINT,
    purge_at BIGINT,
    asset_json TEXT
);
CREATE INDEX assets_by_created ON assets (created, id);
CREATE INDEX assets_by_updated ON assets (updated, id);
CREATE INDEX assets_by_bytes ON assets (bytes, id);
CREATE INDEX assets_purged ON assets (purge_at) WHERE deleted IS NOT NULL;

CREATE TABLE asset_locks (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    held_until BIGINT NOT NULL
);
