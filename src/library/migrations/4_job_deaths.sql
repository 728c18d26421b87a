-- How many workers died while they had a job: one that kills its workers is given up.

ALTER TABLE jobs ADD COLUMN deaths BIGINT NOT NULL DEFAULT 0;
