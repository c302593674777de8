-- What the workers do beside everything else, and what came of it. Times are unix microseconds UTC by the store's own clock, so that workers whose clocks differ agree.
CREATE TABLE jobs (
    job           text COLLATE "C" NOT NULL PRIMARY KEY,
    next_at       bigint,  -- when it is due, as the worker that ran it last had planned
    trouble       text COLLATE "C" CHECK (trouble IN ('failed', 'attention')),  -- how its last run ended, where that was not well
    trouble_since bigint,  -- when the first run of the row that ended so was started
    CHECK ((trouble IS NULL) = (trouble_since IS NULL))
);

-- The last runs of each job. The worker says every few seconds that it lives; whose worker has said nothing for longer is lost.
CREATE TABLE job_runs (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    job        text COLLATE "C" NOT NULL,
    worker     text COLLATE "C" NOT NULL,
    cause      text COLLATE "C" NOT NULL CHECK (cause IN ('schedule', 'recovery', 'request')),
    started_at bigint NOT NULL,
    seen_at    bigint NOT NULL,
    ended_at   bigint,
    outcome    text COLLATE "C" CHECK (outcome IN ('done', 'attention', 'failed', 'lost', 'stopped')),
    did        text COLLATE "C",  -- what it did, in words
    failure    text COLLATE "C",  -- why it failed, in one short line
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX job_runs_by_job ON job_runs (job, started_at);
-- However many workers there are and whatever their clocks say: one at a time.
CREATE UNIQUE INDEX job_runs_one_at_a_time ON job_runs (job) WHERE ended_at IS NULL;

-- Jobs that somebody wants run now. The row goes when such a run has ended: one whose worker dies is followed by another.
CREATE TABLE job_requests (
    job      text COLLATE "C" NOT NULL PRIMARY KEY,
    id       text COLLATE "C" NOT NULL,  -- another for each time that it is asked for
    asked_at bigint NOT NULL,
    asked_by text COLLATE "C" NOT NULL
);

-- Of which price sheet, in which week, operators were told that nobody has compared it with its sources for long.
CREATE TABLE price_sheet_warnings (
    provider text COLLATE "C" NOT NULL,
    week     text COLLATE "C" NOT NULL,  -- ISO 8601: 2026-W49
    age_days bigint NOT NULL,
    at       bigint NOT NULL,
    PRIMARY KEY (provider, week)
);

-- Mails to operators, written with what they are about and sent after it. Sent twice, one has the same Message-Id.
CREATE TABLE operator_mails (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    address    text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    text       text COLLATE "C" NOT NULL,
    planned_at bigint NOT NULL,
    sent_at    bigint
);
