-- What the workers do beside everything else, and what came of it. Times are unix microseconds UTC by the store's own clock, so that workers whose clocks differ agree.
CREATE TABLE jobs (
    job           TEXT    NOT NULL PRIMARY KEY,
    next_at       INTEGER,                                                       -- when it is due, as the worker that ran it last had planned
    trouble       TEXT    CHECK (trouble IN ('failed', 'attention')),            -- how its last run ended, where that was not well
    trouble_since INTEGER,                                                       -- when the first run of the row that ended so was started
    CHECK ((trouble IS NULL) = (trouble_since IS NULL))
) STRICT;

-- The last runs of each job. The worker says every few seconds that it lives; whose worker has said nothing for longer is lost.
CREATE TABLE job_runs (
    id         TEXT    NOT NULL PRIMARY KEY,
    job        TEXT    NOT NULL,
    worker     TEXT    NOT NULL,
    cause      TEXT    NOT NULL CHECK (cause IN ('schedule', 'recovery', 'request')),
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    ended_at   INTEGER,
    outcome    TEXT    CHECK (outcome IN ('done', 'attention', 'failed', 'lost', 'stopped')),
    did        TEXT,                                                             -- what it did, in words
    failure    TEXT,                                                             -- why it failed, in one short line
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
) STRICT;
CREATE INDEX job_runs_by_job ON job_runs (job, started_at);
-- However many workers there are and whatever their clocks say: one at a time.
CREATE UNIQUE INDEX job_runs_one_at_a_time ON job_runs (job) WHERE ended_at IS NULL;

-- Jobs that somebody wants run now. The row goes when such a run has ended: one whose worker dies is followed by another.
CREATE TABLE job_requests (
    job      TEXT    NOT NULL PRIMARY KEY,
    id       TEXT    NOT NULL,  -- another for each time that it is asked for
    asked_at INTEGER NOT NULL,
    asked_by TEXT    NOT NULL
) STRICT;

-- Of which price sheet, in which week, operators were told that nobody has compared it with its sources for long.
CREATE TABLE price_sheet_warnings (
    provider TEXT    NOT NULL,
    week     TEXT    NOT NULL,  -- ISO 8601: 2026-W49
    age_days INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (provider, week)
) STRICT;

-- Mails to operators, written with what they are about and sent after it. Sent twice, one has the same Message-Id.
CREATE TABLE operator_mails (
    id         TEXT    NOT NULL PRIMARY KEY,
    address    TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    planned_at INTEGER NOT NULL,
    sent_at    INTEGER
) STRICT;
