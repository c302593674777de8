-- What screens ask about spend. Amounts are whole nano-dollars, times unix microseconds.

-- Calls that the proxy refused: no attempt, so no event. Each run of a proxy keeps its own count of an hour and writes it as it stands, so that writing it
-- twice changes nothing. Exact through an orderly end; a run that is killed takes what it counted in its last seconds with it.
CREATE TABLE refusals_hourly (
    tenant_id   TEXT    NOT NULL,
    environment INTEGER NOT NULL,
    hour        INTEGER NOT NULL,
    code        TEXT    NOT NULL,  -- as in x-tokonomics-error: budget_exhausted
    key_id      TEXT    NOT NULL,
    run         TEXT    NOT NULL,
    calls       INTEGER NOT NULL CHECK (calls > 0),
    PRIMARY KEY (tenant_id, environment, hour, code, key_id, run)
) STRICT, WITHOUT ROWID;

-- What prompt caches saved, by the prices that rated each event: what its cache reads would have cost more as plain input, and what its cache writes cost
-- more than plain input. Kept in the transaction that inserts the events; events from before this table count nowhere in it.
CREATE TABLE cache_savings_hourly (
    tenant_id   TEXT    NOT NULL,
    environment INTEGER NOT NULL,
    hour        INTEGER NOT NULL,
    provider    TEXT    NOT NULL,
    model       TEXT    NOT NULL,
    key_id      TEXT    NOT NULL,
    project_id  TEXT    NOT NULL,
    team_id     TEXT    NOT NULL,
    saved_nano  INTEGER NOT NULL,
    extra_nano  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, environment, hour, provider, model, key_id, project_id, team_id)
) STRICT, WITHOUT ROWID;

-- How many events of a tenant came hours late: whoever remembers the sums of hours that were over asks here whether they still are what they were.
CREATE TABLE usage_late (
    tenant_id TEXT    NOT NULL PRIMARY KEY,
    events    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The most expensive calls: within an hour, by cost. New events only touch the end of it.
CREATE INDEX usage_events_by_cost ON usage_events (tenant_id, environment, at - at % 3600000000, cost_nano);
